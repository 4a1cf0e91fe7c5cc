//! Directories of the hosts that jobs may ask for by name.

use api_types::volume::{Volume, VolumeList, VolumeRequest};
use axum::extract::State;
use axum::http::StatusCode;
use model::State as Beliefs;
use model::account::Role;
use model::command::Command;
use model::policy;
use model::project::Grant;

use crate::app::App;
use crate::auth::Caller;
use crate::convert;
use crate::extract::{Json, Name};
use crate::problem::Refused;

/// Whether the caller may ask for a volume, by name or through a project of theirs.
fn may_use(state: &Beliefs, caller: &Caller, volume: &policy::Volume) -> bool {
    let name = caller.name();
    let of_theirs = |project: &String| state.project(project).is_some_and(|p| p.has(name));
    volume.who.allows(name, "") || volume.who.projects.iter().any(of_theirs)
}

/// List the volumes.
#[utoipa::path(
    get, path = "/volumes", tag = "volumes", responses((status = 200, body = VolumeList)),
)]
pub(crate) async fn list_volumes(State(app): State<App>, caller: Caller) -> axum::Json<VolumeList> {
    let (state, admin) = (app.log().read(), caller.acts_as(Role::Admin));
    let mine = |volume: &&policy::Volume| admin || may_use(&state, &caller, volume);
    let volumes = state
        .volumes()
        .filter(mine)
        .map(|volume| convert::policy::volume(volume, admin));
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
    let (state, admin) = (app.log().read(), caller.acts_as(Role::Admin));
    let shown: String = name.chars().take(40).collect();
    let mine = |volume: &&policy::Volume| admin || may_use(&state, &caller, volume);
    let volume = state.volume(&name).filter(mine);
    let volume = volume.ok_or_else(|| Refused::not_found(format!("volume {shown}")))?;
    Ok(axum::Json(convert::policy::volume(volume, admin)))
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
    Name(name): Name,
    Json(request): Json<VolumeRequest>,
) -> Result<axum::Json<Volume>, Refused> {
    let volume = policy::Volume {
        name,
        host_path: request.host_path,
        mount_path: request.mount_path,
        writable: request.writable,
        who: match request.who {
            Some(who) => convert::policy::asked_grant(who),
            None => Grant::to_all(),
        },
    };
    let answer = convert::policy::volume(&volume, true);
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
    Name(name): Name,
) -> Result<StatusCode, Refused> {
    app.change(Command::RemoveVolume(name)).await?;
    Ok(StatusCode::NO_CONTENT)
}
