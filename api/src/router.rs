//! The tree of routes.

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn;
use tokio_util::sync::CancellationToken;
use tower_http::catch_panic::CatchPanicLayer;

use crate::app::App;
use crate::edge;
use crate::host::Host;

/// The whole API over a host, as a service without sockets.
pub fn router(host: Arc<dyn Host>) -> Router {
    build(host, CancellationToken::new())
}

pub(crate) fn build(host: Arc<dyn Host>, stopping: CancellationToken) -> Router {
    let app = App::new(host, stopping);
    Router::new()
        .with_state(app)
        .layer(CatchPanicLayer::custom(edge::panicked))
        .layer(from_fn(edge::edge))
}
