//! Jobs through the whole house, from `goctl` to the kernel: how they end, what they write, what
//! stops them. The same cases on a Docker engine and on the `process` runtime.
#![allow(clippy::unwrap_used, reason = "tests")]

mod docker;
mod ends;
mod metrics;
mod nowhere;
mod output;
mod places;
mod registries;
mod secrets;
