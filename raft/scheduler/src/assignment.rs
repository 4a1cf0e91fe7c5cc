//! What a node has to be told: the difference between what the state gives it and what it has.

use alloc::collections::BTreeSet;
use alloc::sync::Arc;
use alloc::vec::Vec;

use model::assignment::{Assignment, Held, Mount, Stop, StopCause};
use model::job::{Attempt, Job};
use model::spec::OnLost;
use model::unit::Millis;
use model::{NodeId, State};

/// Orders for one node.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Orders {
    /// Attempts that it does not have yet.
    pub assign: Vec<Assignment>,
    /// Attempts that it shall end.
    pub stop: Vec<Stop>,
}

/// The orders that turn what a node has into what the state says it shall have. Both are in the
/// order of ids, so they are gone through side by side.
pub fn diff(state: &State, node: NodeId, held: &BTreeSet<Held>) -> Orders {
    let mut orders = Orders::default();
    let mut held = held.iter().peekable();
    for job in state.jobs_on(node) {
        let Some(attempt) = job.attempt() else {
            continue;
        };
        let one = Held {
            attempt: job.task_id().attempt(attempt.number),
            fence: attempt.fence,
        };
        while let Some(other) = held.next_if(|other| **other < one) {
            orders.stop.push(stale(other));
        }
        if held.next_if_eq(&&one).is_none() {
            orders.assign.push(assignment(state, job, attempt));
        }
        if let Some(cancel) = &job.cancel {
            let (cause, grace) = (StopCause::Cancel, cancel.grace.unwrap_or(job.spec.grace));
            orders.stop.push(Stop {
                attempt: one.attempt,
                fence: one.fence,
                cause,
                grace,
            });
        }
    }
    orders.stop.extend(held.map(stale));
    orders
}

/// Ends what the state does not know.
fn stale(held: &Held) -> Stop {
    Stop {
        attempt: held.attempt,
        fence: held.fence,
        cause: StopCause::Stale,
        grace: Millis(0),
    }
}

/// The whole order for one attempt: nothing is left to ask.
fn assignment(state: &State, job: &Job, attempt: &Attempt) -> Assignment {
    let owner = state.user(&job.owner.0);
    let mounts = job.spec.volumes.iter().filter_map(|wanted| {
        let volume = state.volume(&wanted.name)?;
        Some(Mount {
            // Where the account lost its user id meanwhile the node finds no such directory.
            host_path: volume
                .host_path_for(owner?, &job.spec.project)
                .unwrap_or_else(|| volume.host_path.clone()),
            sub_path: wanted.sub_path.clone(),
            mount_path: volume.mount_path.clone(),
            // Root in the container would be root in the volume.
            writable: volume.writable && !wanted.read_only && !job.spec.root,
        })
    });
    Assignment {
        attempt: job.task_id().attempt(attempt.number),
        fence: attempt.fence,
        owner: job.owner.clone(),
        ids: owner.and_then(|user| user.ids.clone()),
        spec: Arc::clone(&job.spec),
        mounts: mounts.collect(),
        exclusive: job.spec.on_lost == OnLost::Requeue,
    }
}
