//! Agents and container engines that die, hang, vanish and break, as users see it: real engines of
//! the tests' own, a cluster of processes, jobs through `goctl`. Nothing is lost, nothing runs
//! twice, and what the engine did is not blamed on the job.
//!
//! `KILLS`, `CRASHES` and `HANG_SECONDS` in the environment ask for more of it.
#![allow(clippy::unwrap_used, reason = "tests")]

mod agents;
mod broken;
mod crashes;
mod desk;
mod hangs;
mod names;
