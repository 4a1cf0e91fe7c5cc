//! One connection, and the framed streams on it.

use bytes::Bytes;
use rustls::pki_types::CertificateDer;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Channel, Peer};
use crate::codec::{self, Decoder};
use crate::error::NetError;

/// An authenticated connection. Clones share it.
#[derive(Clone, Debug)]
pub struct Connection {
    quic: quinn::Connection,
    channel: Channel,
    peer: Option<Peer>,
}

/// A two-way stream of frames.
pub struct Stream {
    /// Our way.
    pub sender: FrameSender,
    /// Their way.
    pub receiver: FrameReceiver,
}

/// The way out.
pub struct FrameSender {
    quic: quinn::SendStream,
    limit: usize,
}

/// The way in.
pub struct FrameReceiver {
    quic: quinn::RecvStream,
    decoder: Decoder,
}

impl Connection {
    pub(super) fn new(quic: quinn::Connection, channel: Channel, peer: Option<Peer>) -> Connection {
        Connection {
            quic,
            channel,
            peer,
        }
    }

    /// Who is there; `None` for a machine that joins.
    pub fn peer(&self) -> Option<Peer> {
        self.peer
    }

    /// What the connection is for.
    pub fn channel(&self) -> Channel {
        self.channel
    }

    /// Where the peer is.
    pub fn remote_addr(&self) -> std::net::SocketAddr {
        self.quic.remote_address()
    }

    /// Opens a stream; the peer sees it with its first frame.
    ///
    /// # Errors
    /// [`NetError::Closed`].
    pub async fn open(&self) -> Result<Stream, NetError> {
        let (send, receive) = self.quic.open_bi().await.map_err(closed)?;
        Ok(self.stream(send, receive))
    }

    /// The next stream that the peer opens. May be dropped while it waits.
    ///
    /// # Errors
    /// [`NetError::Closed`].
    pub async fn accept(&self) -> Result<Stream, NetError> {
        let (send, receive) = self.quic.accept_bi().await.map_err(closed)?;
        Ok(self.stream(send, receive))
    }

    fn stream(&self, send: quinn::SendStream, receive: quinn::RecvStream) -> Stream {
        let limit = self.channel.frame_max();
        Stream {
            sender: FrameSender { quic: send, limit },
            receiver: FrameReceiver {
                quic: receive,
                decoder: Decoder::new(limit),
            },
        }
    }

    /// Ends the connection; the peer is told why.
    pub fn close(&self, why: &str) {
        self.quic.close(0_u32.into(), why.as_bytes());
    }

    /// Whether it has not ended.
    pub fn is_open(&self) -> bool {
        self.quic.close_reason().is_none()
    }

    /// Returns when it has ended, with the reason.
    pub async fn closed(&self) -> NetError {
        closed(self.quic.closed().await)
    }
}

impl FrameSender {
    /// Sends a message; waits while the peer does not read.
    ///
    /// # Errors
    /// [`NetError::Closed`], [`NetError::TooLarge`].
    pub async fn send<T: Serialize>(&mut self, message: &T) -> Result<(), NetError> {
        self.send_bytes(&codec::encode(message)?).await
    }

    /// Sends a frame of bytes.
    ///
    /// # Errors
    /// [`NetError::Closed`], [`NetError::TooLarge`].
    pub async fn send_bytes(&mut self, body: &[u8]) -> Result<(), NetError> {
        let frame = codec::frame(body, self.limit)?;
        self.quic.write_chunk(frame).await.map_err(write_closed)
    }

    /// Says that nothing more comes.
    ///
    /// # Errors
    /// [`NetError::Closed`].
    pub fn finish(&mut self) -> Result<(), NetError> {
        self.quic
            .finish()
            .map_err(|error| NetError::Closed(error.to_string()))
    }

    /// Streams with a higher number are sent first; 0 unless set.
    ///
    /// # Errors
    /// [`NetError::Closed`].
    pub fn set_priority(&mut self, priority: i32) -> Result<(), NetError> {
        let set = self.quic.set_priority(priority);
        set.map_err(|error| NetError::Closed(error.to_string()))
    }
}

impl FrameReceiver {
    /// The next message; `None` when the peer has finished. May be dropped while it waits:
    /// nothing that arrived is lost.
    ///
    /// # Errors
    /// [`NetError::Closed`], [`NetError::Malformed`], [`NetError::TooLarge`].
    pub async fn receive<T: DeserializeOwned>(&mut self) -> Result<Option<T>, NetError> {
        match self.receive_bytes().await? {
            Some(body) => codec::decode(&body).map(Some),
            None => Ok(None),
        }
    }

    /// The next frame's bytes; otherwise as [`FrameReceiver::receive`].
    ///
    /// # Errors
    /// As [`FrameReceiver::receive`].
    pub async fn receive_bytes(&mut self) -> Result<Option<Bytes>, NetError> {
        loop {
            if let Some(frame) = self.decoder.next_frame()? {
                return Ok(Some(frame));
            }
            match self
                .quic
                .read_chunk(usize::MAX, true)
                .await
                .map_err(read_closed)?
            {
                Some(chunk) => self.decoder.push(&chunk.bytes),
                None if self.decoder.is_empty() => return Ok(None),
                None => return Err(NetError::Malformed("the stream ends inside a frame")),
            }
        }
    }
}

/// The certificate that the peer has shown, if it has.
pub(super) fn certificate(quic: &quinn::Connection) -> Option<CertificateDer<'static>> {
    let chain = quic
        .peer_identity()?
        .downcast::<Vec<CertificateDer<'static>>>()
        .ok()?;
    chain.first().cloned()
}

fn closed(error: quinn::ConnectionError) -> NetError {
    match error {
        quinn::ConnectionError::ApplicationClosed(close) => {
            let why = String::from_utf8_lossy(&close.reason).into_owned();
            if close.error_code == 1_u32.into() {
                NetError::Forbidden(why)
            } else {
                NetError::Closed(why)
            }
        }
        other => NetError::Closed(other.to_string()),
    }
}

fn write_closed(error: quinn::WriteError) -> NetError {
    match error {
        quinn::WriteError::ConnectionLost(error) => closed(error),
        other => NetError::Closed(other.to_string()),
    }
}

fn read_closed(error: quinn::ReadError) -> NetError {
    match error {
        quinn::ReadError::ConnectionLost(error) => closed(error),
        other => NetError::Closed(other.to_string()),
    }
}
