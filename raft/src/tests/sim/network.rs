//! The network between the heads: turmoil's, with datagrams that are lost and doubled one by one.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use net::Datagrams;
use tokio::sync::mpsc;
use turmoil::net::UdpSocket;

use super::world::World;

/// Datagrams that may wait to be read; more are lost, as in a kernel's buffer.
const WAITING_MAX: usize = 2_048;
/// Bytes of the largest datagram.
const BYTES_MAX: usize = 2_048;
/// Every head listens here.
const PORT: u16 = 7_000;

/// Where a head is.
pub(super) fn ip(node: u64) -> IpAddr {
    IpAddr::from(Ipv4Addr::new(192, 168, 9, u8::try_from(node).unwrap()))
}

pub(super) fn addr(node: u64) -> SocketAddr {
    SocketAddr::new(ip(node), PORT)
}

fn node(addr: SocketAddr) -> u8 {
    match addr.ip() {
        IpAddr::V4(ip) => ip.octets()[3],
        IpAddr::V6(_) => unreachable!("all heads have addresses of version 4"),
    }
}

/// How many datagrams in a thousand go astray.
#[derive(Clone, Copy, Default)]
pub(super) struct Loss {
    pub(super) lost: u64,
    pub(super) doubled: u64,
}

/// One head's socket.
pub(super) struct Socket {
    world: Arc<World>,
    socket: Arc<UdpSocket>,
    received: Mutex<mpsc::Receiver<(Vec<u8>, SocketAddr)>>,
    addr: SocketAddr,
}

impl Socket {
    /// Opens the socket of the head on whose host this is called.
    pub(super) async fn open(world: Arc<World>, node: u64) -> io::Result<Arc<Socket>> {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, PORT)).await?;
        let socket = Arc::new(socket);
        let (sender, received) = mpsc::channel(WAITING_MAX);
        tokio::spawn(receive(socket.clone(), sender));
        Ok(Arc::new(Socket {
            world,
            socket,
            received: Mutex::new(received),
            addr: addr(node),
        }))
    }
}

async fn receive(socket: Arc<UdpSocket>, sender: mpsc::Sender<(Vec<u8>, SocketAddr)>) {
    let mut buffer = vec![0; BYTES_MAX];
    while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
        // One too many is lost.
        let _ = sender.try_send((buffer[..length].to_vec(), from));
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Socket({})", self.addr)
    }
}

impl Datagrams for Socket {
    fn local_addr(&self) -> SocketAddr {
        self.addr
    }

    fn send(&self, to: SocketAddr, bytes: &[u8]) {
        let copies = self.world.copies(node(self.addr), node(to), bytes.len());
        for _ in 0..copies {
            // What a partition or a full buffer takes away is lost.
            let _ = self.socket.try_send_to(bytes, to);
        }
    }

    fn poll_receive(
        &self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<(usize, SocketAddr)>> {
        let mut received = self.received.lock().unwrap();
        received.poll_recv(cx).map(|next| {
            let (bytes, from) = next.ok_or(io::ErrorKind::NotConnected)?;
            let length = bytes.len().min(buffer.len());
            buffer[..length].copy_from_slice(&bytes[..length]);
            Ok((length, from))
        })
    }
}
