//! The house under weather: what the outer rings of tests share.

pub mod bench;
pub mod chance;
pub mod client;
pub mod cluster;
pub mod dockerd;
pub mod house;
pub mod invariants;
pub mod ledger;
pub mod netns;
pub mod oracle;
pub mod power;
mod quotas;
pub mod registry;
pub mod scenario;
pub mod sim;
pub mod stream;
pub mod tap;
pub mod user;
pub mod weather;
pub mod wind;
