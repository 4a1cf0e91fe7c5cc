//! REST in, model out: authenticates, validates, converts by hand, and proposes to the log.
//!
//! It never decides what the cluster does, keeps no state of its own that matters, and does not
//! know who hosts the log: [`Host`] is all it asks for.

pub mod host;
pub mod limits;
pub mod secret;

mod connections;
mod edge;
mod gate;
mod problem;
mod router;
mod server;
mod throttle;

mod app;

pub mod error;

pub use error::ApiError;
pub use host::{Host, HostError};
pub use router::router;
pub use server::serve;
