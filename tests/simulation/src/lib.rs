//! The decisions of the house under weather that is made up: streams of commands, and whole
//! clusters in one thread, without a disk, a socket or a clock.
//!
//! It is a package of its own because it runs millions of times, and is optimised for that.

pub mod chance;
pub mod invariants;
pub mod oracle;
mod quotas;
pub mod sim;
pub mod stream;
