//! First in, first out: pending tasks in the order of submission, each to the node where it
//! leaves the least behind.
//!
//! A task that fits nowhere now is passed by: smaller ones behind it may go first. To keep a pass
//! short with a long queue, a shape (cpu and memory) that was refused once is not tried again in
//! the same pass, nor is any that asks for at least as much of both.

use alloc::vec::Vec;

use model::command::{CommitPlan, Placement};
use model::job::TaskState;
use model::unit::Timestamp;
use model::{NodeId, Resources, State, limits};

/// Pending tasks that one pass looks at.
pub const LOOKED_AT_MAX: usize = 50_000;
/// Refused shapes that one pass remembers.
const REFUSED_MAX: usize = 64;

/// Proposes where pending tasks go now.
pub fn plan(state: &State, now: Timestamp) -> CommitPlan {
    let mut room: Vec<(NodeId, Resources)> = state
        .nodes()
        .filter(|node| node.accepts())
        .map(|n| (n.id, state.free(n)))
        .collect();
    let mut refused: Vec<Resources> = Vec::new();
    let mut placements = Vec::new();
    for job in state.pending().take(LOOKED_AT_MAX) {
        if room.is_empty() || placements.len() >= limits::PLAN_MAX {
            break;
        }
        let asked = job.spec.resources;
        let waits = matches!(job.task, TaskState::Pending { not_before, .. } if not_before > now);
        if waits || refused.iter().any(|shape| asked.fits(shape)) {
            continue;
        }
        match tightest(&room, &asked) {
            Some(at) => {
                room[at].1 = room[at].1.minus(&asked);
                placements.push(Placement {
                    task: job.task_id(),
                    node: room[at].0,
                });
            }
            None if refused.len() < REFUSED_MAX => refused.push(asked),
            None => {}
        }
    }
    CommitPlan { placements }
}

/// The node with the least left once the task is there; the lowest id among equals.
fn tightest(room: &[(NodeId, Resources)], asked: &Resources) -> Option<usize> {
    let fitting = room
        .iter()
        .enumerate()
        .filter(|(_, (_, free))| free.fits(asked));
    let left = |free: &Resources| {
        let left = free.minus(asked);
        (left.cpu, left.memory)
    };
    fitting
        .min_by_key(|(_, (node, free))| (left(free), *node))
        .map(|(at, _)| at)
}
