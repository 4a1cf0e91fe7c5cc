//! The heads and their log.

use api_types::node::{HeadRequest, Node};
use api_types::raft::{RaftStatus, StateHash, TransferRequest};
use axum::extract::State;
use model::command::{Command, SetHeadIntent};
use tokio::time::timeout;

use super::find_node;
use super::nodes::node_answer;
use crate::app::App;
use crate::convert;
use crate::extract::{Json, JsonOrNothing, Name};
use crate::host::HostError;
use crate::limits::NODE_WAIT;
use crate::problem::Refused;

/// How the log stands, as this head sees it. For operators.
#[utoipa::path(get, path = "/raft", tag = "raft", responses((status = 200, body = RaftStatus)))]
pub(crate) async fn raft_status(State(app): State<App>) -> Result<axum::Json<RaftStatus>, Refused> {
    Ok(axum::Json(convert::node::raft(
        &app.log().read(),
        &app.host().raft_status(),
    )))
}

/// A digest of this head's whole state. For operators.
///
/// Heads with the same index must have the same; it costs a walk over every live record.
#[utoipa::path(get, path = "/raft/hash", tag = "raft", responses((status = 200, body = StateHash)))]
pub(crate) async fn state_hash(State(app): State<App>) -> Result<axum::Json<StateHash>, Refused> {
    let (index, hash) = app.host().state_hash().await?;
    Ok(axum::Json(convert::node::state_hash(
        app.host().raft_status().node,
        index,
        hash,
    )))
}

/// Say which part in the quorum a head shall have. For administrators.
///
/// The leader brings it about; `GET /raft` shows how far it is.
#[utoipa::path(
    put, path = "/heads/{node}", tag = "raft",
    params(("node" = String, Path, description = "Name or number of the head")),
    request_body = HeadRequest,
    responses((status = 200, body = Node)),
)]
pub(crate) async fn put_head(
    State(app): State<App>,
    Name(name): Name,
    Json(request): Json<HeadRequest>,
) -> Result<axum::Json<Node>, Refused> {
    let node = find_node(&app.log().read(), &name)?.id;
    let intent = convert::node::asked_intent(request.intent);
    let state = app
        .change_then_read(Command::SetHeadIntent(SetHeadIntent { node, intent }))
        .await?;
    node_answer(&app, &state, node)
}

/// Hand leadership over. To be asked of the leader. For administrators.
#[utoipa::path(
    post, path = "/raft/transfer", tag = "raft", request_body = TransferRequest,
    responses((status = 200, body = RaftStatus)),
)]
pub(crate) async fn transfer_leadership(
    State(app): State<App>,
    JsonOrNothing(request): JsonOrNothing<TransferRequest>,
) -> Result<axum::Json<RaftStatus>, Refused> {
    let state = app.log().read();
    let to = request.to.as_deref().map(|name| find_node(&state, name));
    let to = to
        .transpose()
        .map_err(|refused| refused.with_field("to"))?
        .map(|node| node.id);
    let done = timeout(NODE_WAIT, app.host().transfer_leadership(to)).await;
    let late = || HostError::Refused("the other head did not take over in time".into());
    done.unwrap_or_else(|_| Err(late()))?;
    Ok(axum::Json(convert::node::raft(
        &app.log().read(),
        &app.host().raft_status(),
    )))
}
