//! How peers speak: framed messages over mutually authenticated QUIC.
pub mod codec;
pub mod endpoint;
pub mod error;
pub mod join;
pub mod limits;
pub mod message;
pub mod permit;
pub mod tls;
pub use endpoint::{
    Channel, Connection, Datagrams, Endpoint, FrameReceiver, FrameSender, Peer, Stream,
};
pub use error::NetError;
pub use tls::Identity;
