//! What goes wrong between peers, one variant per thing to do about it.

use model::NodeId;

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
    /// An address cannot be resolved or dialled, or does not answer now: try again.
    #[error("cannot reach {addr}: {why}")]
    Unreachable {
        /// The address.
        addr: String,
        /// Why not.
        why: String,
    },
    /// The peer is not vouched for by our authority, or we are not by its. Trying again is vain.
    #[error("{addr} is not a peer of this cluster: {why}")]
    Untrusted {
        /// The address.
        addr: String,
        /// What TLS said.
        why: String,
    },
    /// A head of the cluster, but another one than was asked for: the address has moved.
    #[error("{addr} is node {found}, not node {expected}")]
    WrongNode {
        /// The address.
        addr: String,
        /// Who was asked for.
        expected: NodeId,
        /// Who is there.
        found: NodeId,
    },
    /// The peer's certificate has run out, or has not begun: one of two clocks may be wrong.
    #[error("the certificate of {addr} is not valid now")]
    PeerExpired {
        /// The address.
        addr: String,
    },
    /// The peer says that our own certificate has run out: it must be renewed.
    #[error("{addr} says that this node's certificate is not valid any more")]
    OwnExpired {
        /// The address.
        addr: String,
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
