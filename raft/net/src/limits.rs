//! Every bound of the wire, named once.

use std::time::Duration;

/// Bytes of one frame on the agent and join channels.
pub const FRAME_MAX: usize = 4 << 20;
/// Bytes of one frame on the Raft channel.
pub const RAFT_FRAME_MAX: usize = 32 << 20;
/// Streams that a peer may have open at the same time.
pub const STREAMS_MAX: u32 = 1_024;
/// A connection without a sign of life for this long is over.
pub const IDLE_MAX: Duration = Duration::from_secs(4);
/// How often a sign of life is sent.
pub const KEEP_ALIVE: Duration = Duration::from_millis(1_000);
/// How long a handshake may take.
pub const HANDSHAKE_MAX: Duration = Duration::from_secs(5);
/// Handshakes that may be under way at the same time.
pub const HANDSHAKES_MAX: usize = 256;
/// Authenticated connections that may wait to be accepted.
pub const ACCEPTED_MAX: usize = 64;
/// Bytes that may be on their way to us on one stream.
pub const STREAM_WINDOW: u32 = 8 << 20;
/// Bytes that may be on their way to us on one connection.
pub const CONNECTION_WINDOW: u32 = 32 << 20;
