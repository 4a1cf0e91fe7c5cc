//! The machines: looking at them, draining, removing.

use api_types::node::{DrainRequest, Node, NodeList};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{AppendHeaders, IntoResponse};
use model::command::{Command, DrainNode, RemoveNode};
use model::{NodeId, State as Beliefs};

use super::{find_node, freshness};
use crate::app::{App, Seen};
use crate::auth::Caller;
use crate::convert;
use crate::extract::{JsonOrNothing, Name};
use crate::problem::Refused;

/// List the machines.
#[utoipa::path(
    get, path = "/nodes", tag = "nodes",
    responses((status = 200, body = NodeList, headers(("GoDocker-Index" = u64)))),
)]
pub(crate) async fn list_nodes(State(app): State<App>, _caller: Caller) -> impl IntoResponse {
    let seen = Seen {
        stale: false,
        ..app.look()
    };
    let leader = app.log().leader();
    let nodes = seen
        .state
        .nodes()
        .map(|node| convert::node::node(&seen.state, node, leader));
    let list = NodeList {
        items: nodes.collect(),
    };
    (AppendHeaders(freshness(&seen)), axum::Json(list))
}

/// Show a machine.
#[utoipa::path(
    get, path = "/nodes/{node}", tag = "nodes",
    params(("node" = String, Path, description = "Name or number")),
    responses((status = 200, body = Node)),
)]
pub(crate) async fn show_node(
    State(app): State<App>,
    _caller: Caller,
    Name(name): Name,
) -> Result<axum::Json<Node>, Refused> {
    let state = app.log().read();
    let id = find_node(&state, &name)?.id;
    node_answer(&app, &state, id)
}

/// Place nothing new on a machine. What runs there goes on. For operators.
#[utoipa::path(
    post, path = "/nodes/{node}/drain", tag = "nodes",
    params(("node" = String, Path, description = "Name or number")),
    request_body = DrainRequest,
    responses((status = 200, body = Node)),
)]
pub(crate) async fn drain_node(
    State(app): State<App>,
    caller: Caller,
    Name(name): Name,
    JsonOrNothing(request): JsonOrNothing<DrainRequest>,
) -> Result<axum::Json<Node>, Refused> {
    let reason = match request.reason.trim() {
        "" => format!("drained by {}", caller.name()),
        reason => reason.into(),
    };
    set_drain(&app, &name, Some(reason)).await
}

/// Place jobs on a machine again. For operators.
#[utoipa::path(
    delete, path = "/nodes/{node}/drain", tag = "nodes",
    params(("node" = String, Path, description = "Name or number")),
    responses((status = 200, body = Node)),
)]
pub(crate) async fn resume_node(
    State(app): State<App>,
    Name(name): Name,
) -> Result<axum::Json<Node>, Refused> {
    set_drain(&app, &name, None).await
}

async fn set_drain(
    app: &App,
    name: &str,
    reason: Option<String>,
) -> Result<axum::Json<Node>, Refused> {
    let node = find_node(&app.log().read(), name)?.id;
    let state = app
        .change_then_read(Command::DrainNode(DrainNode { node, reason }))
        .await?;
    node_answer(app, &state, node)
}

/// Forget a machine that holds no jobs; its certificate is refused from then on. For
/// administrators.
#[utoipa::path(
    delete, path = "/nodes/{node}", tag = "nodes",
    params(("node" = String, Path, description = "Name or number")),
    responses((status = 204)),
)]
pub(crate) async fn remove_node(
    State(app): State<App>,
    Name(name): Name,
) -> Result<StatusCode, Refused> {
    let node = find_node(&app.log().read(), &name)?.id;
    app.change(Command::RemoveNode(RemoveNode { node })).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) fn node_answer(
    app: &App,
    state: &Beliefs,
    id: NodeId,
) -> Result<axum::Json<Node>, Refused> {
    let node = state
        .node(id)
        .ok_or_else(|| Refused::not_found(format!("node {id}")))?;
    Ok(axum::Json(convert::node::node(
        state,
        node,
        app.log().leader(),
    )))
}
