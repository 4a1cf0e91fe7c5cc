//! The house under weather: what the outer rings of tests share.

pub mod bench;
pub mod client;
pub mod cluster;
pub mod dockerd;
pub mod house;
pub mod ledger;
pub mod netns;
pub mod power;
pub mod registry;
pub mod scenario;
pub mod tap;
pub mod user;
pub mod weather;
pub mod wind;
