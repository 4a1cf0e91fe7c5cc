//! REST in, model out: authenticates, validates, converts by hand, and proposes to the log.
//!
//! It never decides what the cluster does, keeps no state of its own that matters, and does not
//! know who hosts the log: [`Host`] is all it asks for.

pub mod host;
pub mod limits;

mod router;
mod server;

mod app;
mod connections;
mod edge;
mod gate;
mod held;
mod metrics;
mod remainder;
mod stalled;

mod audit;
mod auth;
pub mod authority;
pub mod secret;
mod throttle;

mod convert;
mod directories;
mod events;
mod extract;
mod handlers;
mod pagination;

pub mod error;
mod openapi;
mod problem;

pub use convert::node::health_word;
pub use error::ApiError;
pub use host::{Host, HostError};
pub use router::{openapi_text, router};
pub use server::serve;
