//! Every bound of the wire, named once.
//!
//! What a stranger can make a head keep is [`JOINS_MAX`] × ([`JOIN_STREAMS_MAX`] frames of
//! [`JOIN_FRAME_MAX`] bytes and [`JOIN_WINDOW`] bytes on the way), plus [`HANDSHAKES_MAX`]
//! handshakes; the larger bounds hold only for peers that have shown a certificate.

use std::time::Duration;

/// Bytes of one frame on the agent channel.
pub const FRAME_MAX: usize = 4 << 20;
/// Bytes of one frame on the Raft channel.
pub const RAFT_FRAME_MAX: usize = 32 << 20;
/// Bytes of one frame on the join channel.
pub const JOIN_FRAME_MAX: usize = 256 << 10;
/// Streams that a peer may have open at the same time.
pub const STREAMS_MAX: u32 = 1_024;
/// Streams that a stranger may have open at the same time.
pub const JOIN_STREAMS_MAX: u32 = 1;
/// Connections of strangers that may be open at the same time.
pub const JOINS_MAX: usize = 64;
/// A connection without a sign of life for this long is over.
pub const IDLE_MAX: Duration = Duration::from_secs(3);
/// How often a sign of life is sent.
pub const KEEP_ALIVE: Duration = Duration::from_millis(750);
/// The round trip assumed until one is measured: peers are near, and a lost first packet shall
/// not cost a second.
pub const FIRST_ROUND_TRIP: Duration = Duration::from_millis(5);
/// How long a call may take, name look-up and handshake together.
pub const HANDSHAKE_MAX: Duration = Duration::from_secs(5);
/// Addresses of one name that are tried; they share [`HANDSHAKE_MAX`].
pub const ADDRESSES_MAX: usize = 4;
/// Handshakes that may be under way at the same time.
pub const HANDSHAKES_MAX: usize = 256;
/// Handshakes under way from which on a caller must first prove its address.
pub const HANDSHAKES_CROWDED: usize = HANDSHAKES_MAX / 2;
/// Authenticated connections that may wait to be accepted.
pub const ACCEPTED_MAX: usize = 64;
/// Bytes that may be on their way to us on one stream.
pub const STREAM_WINDOW: u32 = 8 << 20;
/// Bytes that may be on their way to us on one connection, and from us.
pub const CONNECTION_WINDOW: u32 = 32 << 20;
/// The same on a connection of a stranger.
pub const JOIN_WINDOW: u32 = 256 << 10;
/// Names under which users call a head that its certificate may carry.
pub const NAMES_MAX: usize = 64;
/// Frames of a file that may be on their way, or wait at the other end, without having been taken
/// by who asked for them: a slow reader keeps so much memory and no more.
pub const FILE_FRAMES_AHEAD: u32 = 4;
/// Bytes of one frame of a file.
pub const FILE_FRAME_MAX: usize = 256 << 10;
