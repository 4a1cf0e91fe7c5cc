//! How heads speak about the log: one connection per peer and direction, one stream per question.
//!
//! What is urgent (heartbeats, votes) has streams of its own with a higher priority, so it never
//! waits behind appended entries or a snapshot. Each call ends within the time that openraft
//! gives it; a call to a peer goes on behind it, so that a slow handshake is not begun anew each
//! time.

pub(crate) mod client;
pub(crate) mod message;
pub(crate) mod peers;
pub(crate) mod serve;
