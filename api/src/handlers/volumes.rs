//! Directories of the hosts that jobs may ask for by name.

use api_types::volume::{Volume, VolumeList, VolumeRequest};
use axum::extract::State;
use axum::http::StatusCode;
use model::account::Role;
use model::command::Command;
use model::policy;

use crate::app::App;
use crate::auth::Caller;
use crate::convert;
use crate::extract::{Json, Name};
use crate::problem::Refused;

/// List the volumes.
#[utoipa::path(
    get, path = "/volumes", tag = "volumes", responses((status = 200, body = VolumeList)),
)]
pub(crate) async fn list_volumes(State(app): State<App>, caller: Caller) -> axum::Json<VolumeList> {
    let (state, admin) = (app.log().read(), caller.user.role == Role::Admin);
    let volumes = state
        .volumes()
        .map(|volume| convert::node::volume(volume, admin));
    axum::Json(VolumeList {
        items: volumes.collect(),
    })
}

/// Show a volume.
#[utoipa::path(
    get, path = "/volumes/{name}", tag = "volumes",
    params(("name" = String, Path, description = "The volume's name")),
    responses((status = 200, body = Volume)),
)]
pub(crate) async fn show_volume(
    State(app): State<App>,
    caller: Caller,
    Name(name): Name,
) -> Result<axum::Json<Volume>, Refused> {
    let (state, admin) = (app.log().read(), caller.user.role == Role::Admin);
    let shown: String = name.chars().take(40).collect();
    let volume = state.volume(&name);
    let volume = volume.ok_or_else(|| Refused::not_found(format!("volume {shown}")))?;
    Ok(axum::Json(convert::node::volume(volume, admin)))
}

/// Make a volume, or change it. For administrators.
#[utoipa::path(
    put, path = "/volumes/{name}", tag = "volumes",
    params(("name" = String, Path, description = "The volume's name")),
    request_body = VolumeRequest,
    responses((status = 200, body = Volume)),
)]
pub(crate) async fn put_volume(
    State(app): State<App>,
    caller: Caller,
    Name(name): Name,
    Json(request): Json<VolumeRequest>,
) -> Result<axum::Json<Volume>, Refused> {
    caller.needs(Role::Admin)?;
    let volume = policy::Volume {
        name,
        host_path: request.host_path,
        mount_path: request.mount_path,
        writable: request.writable,
    };
    let answer = convert::node::volume(&volume, true);
    app.change(Command::PutVolume(volume)).await?;
    Ok(axum::Json(answer))
}

/// Forget a volume that no job asks for any more. For administrators.
#[utoipa::path(
    delete, path = "/volumes/{name}", tag = "volumes",
    params(("name" = String, Path, description = "The volume's name")),
    responses((status = 204)),
)]
pub(crate) async fn remove_volume(
    State(app): State<App>,
    caller: Caller,
    Name(name): Name,
) -> Result<StatusCode, Refused> {
    caller.needs(Role::Admin)?;
    app.change(Command::RemoveVolume(name)).await?;
    Ok(StatusCode::NO_CONTENT)
}
