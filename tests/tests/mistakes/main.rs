//! What goes wrong before and beside the REST API, on real processes: nodes that are set up
//! wrongly, certificates that say too much, bytes that are no message, disks that are full. Each
//! mistake is told with what to do about it, and nothing else suffers. The mistakes of requests
//! are in `api/tests/rest`, those of command lines in `ctl/tests`.
#![allow(clippy::unwrap_used, reason = "tests")]

mod desk;
mod disk;
mod peers;
mod setup;
