//! What goes wrong between peers, one variant per thing to do about it.

/// Why peers do not (or no longer) speak.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NetError {
    /// A key, certificate or request is malformed.
    #[error("certificate: {0}")]
    Certificate(String),
    /// An address cannot be bound.
    #[error("cannot listen on {addr}: {why}")]
    Listen {
        /// The address.
        addr: String,
        /// What the system said.
        why: String,
    },
    /// An address cannot be resolved or dialled.
    #[error("cannot reach {addr}: {why}")]
    Unreachable {
        /// The address.
        addr: String,
        /// Why not.
        why: String,
    },
    /// The handshake failed: the peer is not who it should be, or thinks so of us.
    #[error("{addr} is not a peer of this cluster: {why}")]
    Untrusted {
        /// The address.
        addr: String,
        /// What TLS said.
        why: String,
    },
    /// The peer's certificate is good, but not for this channel, or it was removed.
    #[error("the peer may not do this: {0}")]
    Forbidden(String),
    /// The connection or stream is over.
    #[error("closed: {0}")]
    Closed(String),
    /// The peer says what cannot be understood.
    #[error("malformed frame: {0}")]
    Malformed(&'static str),
    /// A frame is larger than its bound.
    #[error("a frame of {bytes} bytes, at most {limit}")]
    TooLarge {
        /// What was announced or to be sent.
        bytes: usize,
        /// The bound.
        limit: usize,
    },
}
