//! The tree of routes, and the description made from it.

use std::sync::Arc;

use axum::Router;
use axum::http::header;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::get;
use tokio_util::sync::CancellationToken;
use tower_http::catch_panic::CatchPanicLayer;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::handlers::{
    cluster, events, jobs, join_tokens, login, logs, nodes, raft, settings, submit, tokens, users,
    volumes,
};
use crate::host::Host;
use crate::{edge, gate, openapi};

/// The whole API over a host, as a service without sockets.
pub fn router(host: Arc<dyn Host>) -> Router {
    build(host, CancellationToken::new())
}

/// The OpenAPI 3.1 document that describes the API, as text.
pub fn openapi_text() -> String {
    let routes = quick().merge(lasting());
    openapi::text(&describe(routes).1)
}

pub(crate) fn build(host: Arc<dyn Host>, stopping: CancellationToken) -> Router {
    let app = App::new(host, stopping);
    let quick = quick().layer(from_fn_with_state(app.clone(), gate::quick));
    let (routes, document) = describe(quick.merge(lasting()));
    let text: Arc<str> = openapi::text(&document).into();
    let document = get(async move || {
        (
            [(header::CONTENT_TYPE, "application/json")],
            text.to_string(),
        )
    });
    routes
        .route(&format!("{}/openapi.json", api_types::PREFIX), document)
        .with_state(app)
        .layer(CatchPanicLayer::custom(edge::panicked))
        .layer(from_fn(edge::edge))
}

fn describe(routes: OpenApiRouter<App>) -> (Router<App>, utoipa::openapi::OpenApi) {
    let whole = OpenApiRouter::with_openapi(openapi::frame()).nest(api_types::PREFIX, routes);
    let (routes, document) = whole.split_for_parts();
    (routes, openapi::finish(document))
}

/// Routes that answer at once.
fn quick() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .routes(routes!(login::log_in))
        .routes(routes!(login::log_out))
        .routes(routes!(login::who_am_i))
        .routes(routes!(jobs::list_jobs, submit::submit_job))
        .routes(routes!(submit::submit_batch))
        .routes(routes!(jobs::cancel_jobs))
        .routes(routes!(jobs::show_job))
        .routes(routes!(jobs::cancel_job))
        .routes(routes!(jobs::give_up_job))
        .routes(routes!(jobs::job_usage))
        .routes(routes!(nodes::list_nodes))
        .routes(routes!(nodes::show_node, nodes::remove_node))
        .routes(routes!(nodes::drain_node, nodes::resume_node))
        .routes(routes!(volumes::list_volumes))
        .routes(routes!(
            volumes::show_volume,
            volumes::put_volume,
            volumes::remove_volume
        ))
        .routes(routes!(users::list_users))
        .routes(routes!(users::show_user, users::put_user))
        .routes(routes!(users::set_password))
        .routes(routes!(tokens::list_tokens, tokens::create_token))
        .routes(routes!(tokens::revoke_token))
        .routes(routes!(
            join_tokens::list_join_tokens,
            join_tokens::create_join_token
        ))
        .routes(routes!(join_tokens::revoke_join_token))
        .routes(routes!(raft::raft_status))
        .routes(routes!(raft::put_head))
        .routes(routes!(raft::transfer_leadership))
        .routes(routes!(settings::show_settings, settings::put_settings))
        .routes(routes!(cluster::show_cluster))
        .routes(routes!(cluster::is_ready))
}

/// Routes whose answers wait for news, and the sign of life, which must not wait for anything.
fn lasting() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .routes(routes!(jobs::wait_job))
        .routes(routes!(logs::job_logs))
        .routes(routes!(events::follow_events))
        .routes(routes!(cluster::is_alive))
}
