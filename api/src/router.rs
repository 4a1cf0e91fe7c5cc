//! The tree of routes, and the description made from it.

use std::sync::Arc;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use tokio_util::sync::CancellationToken;
use tower_http::catch_panic::CatchPanicLayer;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::handlers::{
    audit as audit_log, cluster, directories, events, files, jobs, join_tokens, keys, login, logs,
    metrics, nodes, projects, queues, raft, secrets, settings, submit, tokens, usage, users,
    volumes,
};
use crate::host::Host;
use crate::metrics::counted;
use crate::openapi::Access;
use crate::{audit, auth, authority, edge, gate, openapi, remainder};

/// The whole API over a host, as a service without sockets.
pub fn router(host: Arc<dyn Host>) -> Router {
    build(App::new(host, CancellationToken::new()))
}

/// The OpenAPI 3.1 document that describes the API, as text.
pub fn openapi_text() -> String {
    let public = strangers().merge(free());
    openapi::text(&describe(public, quick().merge(lasting())).1)
}

pub(crate) fn build(app: App) -> Router {
    let strangers = strangers().route_layer(from_fn_with_state(app.clone(), gate::strangers));
    let quick = quick().route_layer(from_fn_with_state(app.clone(), gate::quick));
    let private = guarded(&app, quick.merge(lasting()));
    let (routes, _) = describe(strangers.merge(free()), private);
    // Prometheus looks there unless it is told otherwise.
    let unversioned = OpenApiRouter::default().routes(routes!(metrics::read_metrics));
    let unversioned = unversioned.route_layer(from_fn_with_state(app.clone(), gate::quick));
    routes
        .merge(Router::from(guarded(&app, unversioned)))
        .layer(from_fn_with_state(app.clone(), audit::noted))
        .with_state(app.clone())
        .layer(CatchPanicLayer::custom(edge::panicked))
        .layer(from_fn_with_state(app, counted))
        .layer(from_fn(edge::edge))
        .layer(from_fn(remainder::heard_out))
}

/// Lets nobody in who is not known, or whom the table does not admit.
fn guarded(app: &App, routes: OpenApiRouter<App>) -> OpenApiRouter<App> {
    // The outermost is the last: who is not known does not even take a place at the other gates.
    let routes = routes.route_layer(from_fn(authority::admitted));
    let routes = routes.route_layer(from_fn(audit::signed));
    routes.route_layer(from_fn_with_state(app.clone(), auth::known))
}

fn describe(
    mut public: OpenApiRouter<App>,
    mut private: OpenApiRouter<App>,
) -> (Router<App>, utoipa::openapi::OpenApi) {
    openapi::complete(public.get_openapi_mut(), Access::Anybody);
    openapi::complete(private.get_openapi_mut(), Access::Token);
    let whole = OpenApiRouter::with_openapi(openapi::frame());
    let whole = whole.nest(api_types::PREFIX, public.merge(private));
    whole.split_for_parts()
}

/// Routes that need no token and have something to do.
fn strangers() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .routes(routes!(login::log_in))
        .routes(routes!(cluster::show_cluster))
        .routes(routes!(cluster::is_ready))
}

/// Routes that need no token and must not wait for anything.
fn free() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .routes(routes!(cluster::is_alive))
        .routes(routes!(cluster::describe_api))
}

/// Routes that answer at once.
fn quick() -> OpenApiRouter<App> {
    work().merge(people()).merge(cluster_wide())
}

/// Jobs, and what they run on.
fn work() -> OpenApiRouter<App> {
    OpenApiRouter::default()
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
}

/// Accounts, and what belongs to them.
fn people() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .routes(routes!(login::log_out))
        .routes(routes!(login::who_am_i))
        .routes(routes!(users::list_users))
        .routes(routes!(users::show_user, users::put_user))
        .routes(routes!(users::set_password))
        .routes(routes!(users::user_quota, users::put_quota))
        .routes(routes!(users::reset_user))
        .routes(routes!(tokens::list_tokens, tokens::create_token))
        .routes(routes!(tokens::revoke_token))
        .routes(routes!(tokens::rotate_token))
        .routes(routes!(keys::list_keys, keys::add_key))
        .routes(routes!(keys::remove_key))
        .routes(routes!(secrets::list_secrets))
        .routes(routes!(secrets::put_secret, secrets::remove_secret))
        .routes(routes!(projects::list_projects))
        .routes(routes!(
            projects::show_project,
            projects::put_project,
            projects::remove_project
        ))
        .routes(routes!(projects::put_member, projects::remove_member))
        .routes(routes!(
            secrets::put_project_secret,
            secrets::remove_project_secret
        ))
        .routes(routes!(projects::project_quota))
        .routes(routes!(projects::reset_project))
}

/// What holds for all.
fn cluster_wide() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .routes(routes!(queues::list_queues))
        .routes(routes!(
            queues::show_queue,
            queues::put_queue,
            queues::remove_queue
        ))
        .routes(routes!(directories::list_directories))
        .routes(routes!(
            directories::put_directory,
            directories::remove_directory
        ))
        .routes(routes!(directories::test_directory))
        .routes(routes!(usage::report))
        .routes(routes!(audit_log::read_audit))
        .routes(routes!(audit_log::can_i))
        .routes(routes!(
            join_tokens::list_join_tokens,
            join_tokens::create_join_token
        ))
        .routes(routes!(join_tokens::revoke_join_token))
        .routes(routes!(metrics::read_metrics))
        .routes(routes!(raft::raft_status))
        .routes(routes!(raft::state_hash))
        .routes(routes!(raft::put_head))
        .routes(routes!(raft::transfer_leadership))
        .routes(routes!(settings::show_settings, settings::put_settings))
}

/// Routes whose answers wait for news.
fn lasting() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .routes(routes!(jobs::wait_job))
        .routes(routes!(logs::job_logs))
        .routes(routes!(files::list_files))
        .routes(routes!(
            files::content::read_file,
            files::upload::put_file,
            files::upload::remove_file
        ))
        .routes(routes!(files::content::archive_files))
        .routes(routes!(events::follow_events))
}
