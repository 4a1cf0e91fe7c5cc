//! The proofs of this room: openraft's conformance suite, one test for each pitfall that other
//! log stores fell into, heads over real connections, and damaged disks.
#![allow(clippy::unwrap_used, reason = "tests")]

mod damage;
mod ended;
mod golden;
mod heads;
mod history;
mod ledger;
mod pitfalls;
mod sim;
mod stores;
mod suite;
