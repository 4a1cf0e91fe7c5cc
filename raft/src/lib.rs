//! A replicated log and job table that survive crashes. It holds no business rule: what a command
//! does is `model`'s, who may speak is `net`'s; only this room knows openraft and RocksDB.
//!
//! What is acknowledged is on the disks of a quorum. Whatever this head's own disk refuses ends
//! the head ([`Handle::failed`]); nothing is acknowledged afterwards.

mod config;
mod database;
mod disk;
mod error;
mod handle;
mod limits;
mod log_store;
mod membership;
mod network;
mod outside;
mod record;
mod snapshot;
mod table_store;
mod thread;
mod types;

#[cfg(test)]
mod tests;

pub use config::Config;
pub use disk::{DiskPoint, Faults};
pub use error::RaftError;
pub use handle::{Figures, Handle, Member, RaftStatus, Role};
pub use outside::Outside;
pub use table_store::history::LedgerPlace;
