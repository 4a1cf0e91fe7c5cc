//! One peer: it hosts the log if it is a head, leads when elected, and runs containers.
//!
//! This room is the composition root: it alone sees the whole house, and it holds wiring, not
//! rules. What may be placed where is decided in `scheduler`, what a command does in `model`.

pub mod allocator;
pub mod birth;
pub mod check;
pub mod clock;
pub mod config;
pub mod dev;
pub mod error;
pub mod failpoint;
pub mod files;
pub mod health;
pub mod host;
pub mod identity;
pub mod journal;
pub mod kernel;
pub mod leader;
pub mod lease;
pub mod peer;
pub mod runner;
pub mod runtime;
pub mod secrets;
pub mod sessions;
pub mod shim;
pub mod step;
pub mod telemetry;
pub mod token;
pub mod uplink;
pub mod usage;
pub mod volumes;

pub use error::AgentError;
