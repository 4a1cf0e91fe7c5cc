//! What the leader decides, as functions of state and time.
//!
//! Nothing here changes anything: a plan is proposed to the log like any other command, and
//! checked again when it is applied. No clock, no socket, no memory from one call to the next but
//! what the caller hands in. Time is the leader's own monotonic clock: wall clocks jump, and differ
//! from head to head.
#![no_std]

extern crate alloc;

pub mod assignment;
mod claimed;
pub mod explain;
pub mod liveness;
pub mod plan;
pub mod retries;
pub mod turn;

pub use plan::plan;
