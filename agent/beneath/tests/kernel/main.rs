//! What this package promises, tried on a real kernel: as root, with real users, links, mounts and
//! races. Each test has a mount namespace and a file system of its own, so nothing stays behind.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "tests"
)]

mod escapes;
mod giving;
mod ground;
mod identity;
mod kinds;
mod packing;
mod pins;
mod races;
mod removal;
mod writing;
