//! One connection between two peers.

use std::sync::{Arc, Weak};

use quinn::ConnectionError;
use rustls::pki_types::CertificateDer;

use super::stream::Stream;
use super::{Channel, Peer};
use crate::error::NetError;
use crate::limits;
use crate::permit::Speaker;

/// Close code of an end that nobody is to blame for.
pub(super) const DONE: u32 = 0;
/// Close code that says: you may not.
pub(super) const FORBIDDEN: u32 = 1;

/// QUIC error codes from here on carry a TLS alert in their low byte (RFC 9001, 4.8).
const TLS_ALERTS: std::ops::Range<u64> = 0x100..0x200;
/// `certificate_expired` (RFC 8446, 6).
const CERTIFICATE_EXPIRED: u64 = 0x100 + 45;
/// `no_application_protocol` (RFC 7301): the peer is a GO-Docker of another time.
const NO_PROTOCOL: u64 = 0x100 + 120;

/// An authenticated connection. Clones share it.
///
/// It ends when either side closes it, when the peer falls silent, or when the last clone and the
/// last of its streams are dropped. What was sent just before may then be lost: wait for an
/// answer, or for [`Connection::closed`].
#[derive(Clone, Debug)]
pub struct Connection(Arc<Link>);

#[derive(Debug)]
struct Link {
    quic: quinn::Connection,
    channel: Channel,
    peer: Option<Peer>,
}

/// A connection that somebody else keeps.
pub(super) struct WeakConnection {
    link: Weak<Link>,
    stranger: bool,
}

impl Connection {
    pub(super) fn new(quic: quinn::Connection, channel: Channel, peer: Option<Peer>) -> Connection {
        Connection(Arc::new(Link {
            quic,
            channel,
            peer,
        }))
    }

    /// Who is there; `None` for a machine that joins.
    pub fn peer(&self) -> Option<Peer> {
        self.0.peer
    }

    /// What the connection is for.
    pub fn channel(&self) -> Channel {
        self.0.channel
    }

    /// Whose words the peer may say.
    pub fn speaker(&self) -> Speaker {
        Speaker::opposite(self.0.channel, self.0.quic.side())
    }

    /// Where the peer is.
    pub fn remote_addr(&self) -> std::net::SocketAddr {
        self.0.quic.remote_address()
    }

    /// Opens a stream; the peer sees it with its first frame. Waits while the peer has as many
    /// streams of ours open as it bears. May be dropped while it waits.
    ///
    /// # Errors
    /// As [`Connection::closed`].
    pub async fn open(&self) -> Result<Stream, NetError> {
        let opened = self.0.quic.open_bi().await;
        let (send, receive) = opened.map_err(|error| self.ended(error))?;
        Ok(Stream::new(self, send, receive))
    }

    /// The next stream that the peer opens. May be dropped while it waits.
    ///
    /// # Errors
    /// As [`Connection::closed`].
    pub async fn accept(&self) -> Result<Stream, NetError> {
        let accepted = self.0.quic.accept_bi().await;
        let (send, receive) = accepted.map_err(|error| self.ended(error))?;
        Ok(Stream::new(self, send, receive))
    }

    /// Ends the connection; the peer is told why.
    pub fn close(&self, why: &str) {
        self.0.quic.close(DONE.into(), why.as_bytes());
    }

    pub(super) fn forbid(&self, why: &str) {
        self.0.quic.close(FORBIDDEN.into(), why.as_bytes());
    }

    /// Whether it has not ended.
    pub fn is_open(&self) -> bool {
        self.0.quic.close_reason().is_none()
    }

    /// Datagrams that have come from the peer so far, acknowledgements and signs of life included.
    pub fn heard(&self) -> u64 {
        self.0.quic.stats().udp_rx.datagrams
    }

    /// Returns when it has ended, with the reason: [`NetError::Closed`], or what the peer has
    /// against us: [`NetError::Forbidden`], [`NetError::Untrusted`], [`NetError::OwnExpired`].
    pub async fn closed(&self) -> NetError {
        let error = self.0.quic.closed().await;
        self.ended(error)
    }

    /// What the end of the connection means.
    pub(super) fn ended(&self, error: ConnectionError) -> NetError {
        let addr = self.remote_addr().to_string();
        match error {
            ConnectionError::ApplicationClosed(close) => {
                let why = String::from_utf8_lossy(&close.reason).into_owned();
                if close.error_code == FORBIDDEN.into() {
                    NetError::Forbidden(why)
                } else {
                    NetError::Closed(why)
                }
            }
            other => {
                refused_by_tls(&other, &addr).unwrap_or_else(|| NetError::Closed(other.to_string()))
            }
        }
    }

    pub(super) fn downgrade(&self) -> WeakConnection {
        WeakConnection {
            link: Arc::downgrade(&self.0),
            stranger: self.0.peer.is_none(),
        }
    }
}

impl WeakConnection {
    pub(super) fn upgrade(&self) -> Option<Connection> {
        self.link.upgrade().map(Connection)
    }

    pub(super) fn is_open(&self) -> bool {
        self.upgrade()
            .is_some_and(|connection| connection.is_open())
    }

    pub(super) fn is_stranger(&self) -> bool {
        self.stranger
    }
}

/// Gives an authenticated peer the bounds of one.
pub(super) fn widen(quic: &quinn::Connection) {
    quic.set_max_concurrent_bi_streams(limits::STREAMS_MAX.into());
    quic.set_receive_window(limits::CONNECTION_WINDOW.into());
    quic.set_send_window(u64::from(limits::CONNECTION_WINDOW));
}

/// The certificate that the peer has shown, if it has.
pub(super) fn certificate(quic: &quinn::Connection) -> Option<CertificateDer<'static>> {
    let chain = quic
        .peer_identity()?
        .downcast::<Vec<CertificateDer<'static>>>()
        .ok()?;
    chain.first().cloned()
}

/// If TLS ended the connection: which error that is.
pub(super) fn refused_by_tls(error: &ConnectionError, addr: &str) -> Option<NetError> {
    let (code, ours) = match error {
        ConnectionError::TransportError(error) => (u64::from(error.code), true),
        ConnectionError::ConnectionClosed(close) => (u64::from(close.error_code), false),
        ConnectionError::VersionMismatch
        | ConnectionError::ApplicationClosed(_)
        | ConnectionError::Reset
        | ConnectionError::TimedOut
        | ConnectionError::LocallyClosed
        | ConnectionError::CidsExhausted => return None,
    };
    let (addr, why) = (addr.to_owned(), error.to_string());
    match (code, ours) {
        (CERTIFICATE_EXPIRED, true) => Some(NetError::PeerExpired { addr }),
        (CERTIFICATE_EXPIRED, false) => Some(NetError::OwnExpired { addr }),
        (NO_PROTOCOL, _) => Some(NetError::Unreachable { addr, why }),
        (code, _) if TLS_ALERTS.contains(&code) => Some(NetError::Untrusted { addr, why }),
        (_, _) => None,
    }
}
