//! What users see on the wire: the requests and answers of `/api/v1`, and nothing of the server.
//!
//! `api` converts by hand between these and `model`; `ctl` and other clients use them as they
//! are. Requests refuse fields they do not know; answers may grow new ones.
//! Times are RFC 3339 in UTC, lengths of time and sizes carry their unit in the field's name.

pub mod header;
pub mod problem;

pub mod job;
pub mod job_request;
pub mod query;

pub mod event;
pub mod file;
pub mod node;
pub mod raft;

pub mod key;
pub mod login;
pub mod project;
pub mod token;
pub mod usage;
pub mod user;

pub mod audit;
pub mod cluster;
pub mod directory;
pub mod join_token;
pub mod secret;
pub mod settings;
pub mod volume;

/// What every path of this version begins with.
pub const PREFIX: &str = "/api/v1";

/// The version of this interface, as the OpenAPI document and [`cluster::ClusterInfo`] give it.
pub const VERSION: &str = "1.0";
