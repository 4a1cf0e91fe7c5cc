//! What a stranger may know: the cluster's name and authority, and whether this head is well.

use std::sync::OnceLock;

use api_types::cluster::{ClusterInfo, Head, Ready};
use axum::extract::State;
use axum::http::{HeaderName, StatusCode, header};
use model::node::{HeadIntent, NodeRole};

use crate::app::App;
use crate::limits::READY_WAIT;
use crate::problem::public_text;
use crate::router;
use crate::secret::hex;

/// The cluster's name, heads and certificate authority. Needs no token.
#[utoipa::path(
    get, path = "/cluster", tag = "cluster", responses((status = 200, body = ClusterInfo)),
)]
pub(crate) async fn show_cluster(State(app): State<App>) -> axum::Json<ClusterInfo> {
    let (log, ca) = (app.log(), app.host().cluster_ca());
    let (state, leader) = (log.read(), log.leader());
    let serves = |node: &&model::node::Node| {
        node.role == NodeRole::Head
            && node.intent != HeadIntent::None
            && !node.facts.api_addr.is_empty()
    };
    let heads = state.nodes().filter(serves).map(|node| Head {
        id: node.id.0,
        name: node.name.clone(),
        url: format!("https://{}", node.facts.api_addr),
        leader: leader == Some(node.id),
    });
    axum::Json(ClusterInfo {
        name: state.meta().name.clone(),
        id: state.meta().cluster.to_string(),
        version: env!("CARGO_PKG_VERSION").into(),
        api_version: api_types::VERSION.into(),
        heads: heads.collect(),
        ca_sha256: hex(&ca.sha256),
        ca_pem: ca.pem,
    })
}

/// Whether this process answers. Needs no token.
#[utoipa::path(
    get, path = "/healthz", tag = "cluster",
    responses((status = 200, body = String, content_type = "text/plain")),
)]
pub(crate) async fn is_alive() -> &'static str {
    "ok\n"
}

/// This description. Needs no token.
#[utoipa::path(
    get, path = "/openapi.json", tag = "cluster",
    responses((status = 200, body = serde_json::Value, description = "OpenAPI 3.1")),
)]
pub(crate) async fn describe_api() -> ([(HeaderName, &'static str); 1], &'static str) {
    static TEXT: OnceLock<String> = OnceLock::new();
    let text = TEXT.get_or_init(router::openapi_text);
    ([(header::CONTENT_TYPE, "application/json")], text)
}

/// Whether changes can be served here: the quorum answers. Needs no token.
#[utoipa::path(
    get, path = "/readyz", tag = "cluster",
    responses((status = 200, body = Ready), (status = 503, body = Ready)),
)]
pub(crate) async fn is_ready(State(app): State<App>) -> (StatusCode, axum::Json<Ready>) {
    let mut reasons = Vec::new();
    if let Err(error) = app.barrier(READY_WAIT).await {
        reasons.push(public_text(&error));
    }
    if !app.log().read().is_initialised() {
        reasons.push("this head has not received the cluster's state yet".into());
    }
    let ready = reasons.is_empty();
    let status = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, axum::Json(Ready { ready, reasons }))
}
