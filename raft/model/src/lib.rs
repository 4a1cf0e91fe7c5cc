//! The nouns, the commands, and the one function that changes them.
//!
//! Everything a cluster believes is a [`State`]; everything that may change it is a [`Command`];
//! [`State::apply`] is the only writer. The crate never reads a clock, a file, a socket or an
//! environment variable: time arrives in the [`Stamp`] of a log entry, and ids are handed out in
//! log order, so that every head that applies the same log holds the same state to the byte.
#![no_std]

extern crate alloc;

pub mod account;
pub mod apply;
pub mod assignment;
pub mod change;
pub mod check;
pub mod command;
pub mod format;
pub mod id;
pub mod image;
pub mod job;
pub mod ledger;
pub mod limits;
pub mod log;
pub mod measure;
pub mod mount;
pub mod node;
pub mod policy;
pub mod port;
pub mod project;
pub mod query;
pub mod quota;
pub mod resource;
pub mod secret;
pub mod spec;
pub mod state;
pub mod stored;
pub mod unit;

pub use change::{Changes, Event, EventKind, RecordKey, Table};
pub use command::{Command, Rejection, Reply};
pub use id::{AttemptId, ClusterId, Fence, JobId, LogIndex, NodeId, Stamp, TaskId};
pub use resource::{Effort, Resources};
pub use state::State;
pub use unit::{Bytes, MilliCpus, Millis, Timestamp};
