//! Another way for datagrams than the system's UDP: a simulation's, or one that tests cut.

use std::fmt::Debug;
use std::io::{self, IoSliceMut};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use quinn::udp::{RecvMeta, Transmit};
use quinn::{AsyncUdpSocket, UdpPoller};

/// Sends and receives datagrams of up to 1,500 bytes.
pub trait Datagrams: Send + Sync + Debug + 'static {
    /// Where it is reached.
    fn local_addr(&self) -> SocketAddr;

    /// Sends at once; what cannot be sent is lost, as on any network.
    fn send(&self, to: SocketAddr, bytes: &[u8]);

    /// The next datagram: writes it to `buffer`, and answers its length and where it is from.
    ///
    /// # Errors
    /// When nothing will ever be received any more.
    fn poll_receive(
        &self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<(usize, SocketAddr)>>;
}

/// Datagrams as quinn wants them.
#[derive(Debug)]
pub(super) struct Socket(pub(super) Arc<dyn Datagrams>);

/// It can always be written.
#[derive(Debug)]
struct Writable;

impl UdpPoller for Writable {
    fn poll_writable(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl AsyncUdpSocket for Socket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Box::pin(Writable)
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        self.0.send(transmit.destination, transmit.contents);
        Ok(())
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let (Some(buffer), Some(meta)) = (buffers.first_mut(), meta.first_mut()) else {
            return Poll::Ready(Ok(0));
        };
        let (len, addr) = ready!(self.0.poll_receive(cx, buffer))?;
        *meta = RecvMeta {
            addr,
            len,
            stride: len,
            ecn: None,
            dst_ip: None,
        };
        Poll::Ready(Ok(1))
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.0.local_addr())
    }

    fn may_fragment(&self) -> bool {
        false
    }
}
