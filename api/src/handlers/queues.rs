//! Queues: where jobs wait, and by which rules.

use api_types::project::{Queue, QueueList, QueueRequest};
use axum::extract::State;
use axum::http::StatusCode;
use model::command::Command;
use model::{State as Beliefs, project};

use crate::app::App;
use crate::auth::Caller;
use crate::convert;
use crate::extract::{Json, Name};
use crate::problem::Refused;

/// List the queues that the caller may submit to; all of them for operators.
#[utoipa::path(
    get, path = "/queues", tag = "queues", responses((status = 200, body = QueueList)),
)]
pub(crate) async fn list_queues(State(app): State<App>, caller: Caller) -> axum::Json<QueueList> {
    let state = app.log().read();
    let mine = |queue: &&project::Queue| may_use(&state, &caller, queue);
    let queues = state.queues().filter(mine);
    axum::Json(QueueList {
        items: queues
            .map(|queue| convert::project::queue(&state, queue, caller.sees_all()))
            .collect(),
    })
}

/// Show a queue.
#[utoipa::path(
    get, path = "/queues/{name}", tag = "queues",
    params(("name" = String, Path, description = "The queue's name")),
    responses((status = 200, body = Queue)),
)]
pub(crate) async fn show_queue(
    State(app): State<App>,
    caller: Caller,
    Name(name): Name,
) -> Result<axum::Json<Queue>, Refused> {
    let state = app.log().read();
    let mine = |queue: &&project::Queue| may_use(&state, &caller, queue);
    let queue = state.queue(&name).filter(mine);
    let queue = queue.ok_or_else(|| no_queue(&name))?;
    let whole = caller.sees_all();
    Ok(axum::Json(convert::project::queue(&state, queue, whole)))
}

/// Make a queue, or change it. For administrators.
///
/// Jobs that wait in it already keep what they were admitted with.
#[utoipa::path(
    put, path = "/queues/{name}", tag = "queues",
    params(("name" = String, Path, description = "The queue's name")),
    request_body = QueueRequest,
    responses((status = 200, body = Queue)),
)]
pub(crate) async fn put_queue(
    State(app): State<App>,
    Name(name): Name,
    Json(request): Json<QueueRequest>,
) -> Result<axum::Json<Queue>, Refused> {
    let queue = convert::project::asked_queue(name.clone(), request)?;
    let state = app.change_then_read(Command::PutQueue(queue)).await?;
    let queue = state.queue(&name).ok_or_else(|| no_queue(&name))?;
    Ok(axum::Json(convert::project::queue(&state, queue, true)))
}

/// Forget a queue that no live job is in. For administrators. `default` goes back to what it was.
#[utoipa::path(
    delete, path = "/queues/{name}", tag = "queues",
    params(("name" = String, Path, description = "The queue's name")),
    responses((status = 204)),
)]
pub(crate) async fn remove_queue(
    State(app): State<App>,
    Name(name): Name,
) -> Result<StatusCode, Refused> {
    app.change(Command::RemoveQueue(name)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Whether the caller may submit to a queue, by name or through a project of theirs.
fn may_use(state: &Beliefs, caller: &Caller, queue: &project::Queue) -> bool {
    let name = caller.name();
    let of_theirs = |project: &String| state.project(project).is_some_and(|p| p.has(name));
    caller.sees_all() || queue.who.allows(name, "") || queue.who.projects.iter().any(of_theirs)
}

fn no_queue(name: &str) -> Refused {
    let shown: String = name.chars().take(40).collect();
    Refused::not_found(format!("queue {shown}"))
}
