//! What must lie where a runtime mounts it before an attempt can be prepared or started: its
//! directory, its volumes and its secrets.

use std::sync::Arc;

use model::assignment::{Assignment, Held};

use super::{Options, Shared};
use crate::runtime::{Place, RuntimeError};

/// Makes the attempt's directory.
pub(super) async fn make(
    shared: Arc<Shared>,
    place: Place,
    assignment: Arc<Assignment>,
) -> Result<(), RuntimeError> {
    blocking(move || {
        let Options {
            storage,
            default_ids,
            ..
        } = &shared.options;
        storage.make(&place, &assignment, *default_ids)
    })
    .await
}

/// Pins the volumes anew, each time: after a restart of the machine the pins are gone, and the
/// container that was made with them is not.
pub(super) async fn pin(
    shared: Arc<Shared>,
    place: Place,
    assignment: Arc<Assignment>,
) -> Result<Assignment, RuntimeError> {
    blocking(move || {
        let ids = assignment.runs_as(shared.options.default_ids);
        shared.options.volumes.pin(&place, &assignment, &ids)
    })
    .await
}

/// Asks for the secrets of the attempt, and lays them out where its runtime can mount them. They
/// are asked for anew by every agent that starts: nothing of them is written down.
pub(super) async fn lay(
    shared: Arc<Shared>,
    place: Place,
    mut assignment: Assignment,
) -> Result<Assignment, RuntimeError> {
    if assignment.spec.secrets.is_empty() {
        return Ok(assignment);
    }
    let held = Held {
        attempt: assignment.attempt,
        fence: assignment.fence,
    };
    let files = shared.options.secrets.files(held).await?;
    let owner = match assignment.spec.root {
        true => (0, 0),
        false => {
            let ids = assignment.runs_as(shared.options.default_ids);
            (ids.uid, ids.gid)
        }
    };
    let laid = blocking(move || shared.options.volumes.lay(&place, &files, owner));
    assignment.mounts.push(laid.await?);
    Ok(assignment)
}

/// Waits for what blocks.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, RuntimeError> + Send + 'static,
) -> Result<T, RuntimeError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|panicked| {
        Err(RuntimeError::Engine {
            call: "the job's directories",
            why: panicked.to_string(),
        })
    })
}
