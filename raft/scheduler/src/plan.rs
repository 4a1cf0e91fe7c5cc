//! Pending tasks in turn ([`crate::turn`]), each to the node where it leaves the least behind.
//! Quotas and queues hold tasks back by the same comparison that `apply` makes, with what this pass
//! has placed already counted in.
//!
//! A task that fits nowhere now is passed by: smaller ones behind it may go first. To keep a pass
//! short with a long queue, a shape (cpu, memory, with or without an image) that was refused once
//! is not tried again in the same pass, nor is any that asks for at least as much of both.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use model::command::{CommitPlan, Placement};
use model::node::Node;
use model::policy::OverQuota;
use model::quota::Hold;
use model::spec::JobSpec;
use model::{JobId, NodeId, Resources, State, Timestamp, limits};

use crate::claimed::Claimed;
use crate::turn;

/// Pending tasks that one pass looks at, not counting those that no node is large enough for:
/// they may wait for ever, and would keep the queue behind them waiting with them.
pub const LOOKED_AT_MAX: usize = 50_000;
/// Refused shapes of either kind that one pass remembers.
const REFUSED_MAX: usize = 64;
/// Less than this is no room for any task.
const LEAST: Resources = Resources {
    cpu: limits::CPU_MIN,
    memory: limits::MEMORY_MIN,
};

/// A node with what it has left in this pass.
struct Room<'a> {
    node: &'a Node,
    free: Resources,
}

/// What a task asks for, as far as it decides where the task fits.
struct Shape {
    asked: Resources,
    image: bool,
}

/// Proposes where pending tasks go now, those of `waiting` jobs aside
/// ([`crate::retries::Retries::waiting`]).
/// `now` is the leader's clock, for what is bounded over a window of days.
pub fn plan(state: &State, waiting: &BTreeSet<JobId>, now: Timestamp) -> CommitPlan {
    let nodes: Vec<&Node> = state.nodes().filter(|node| node.accepts()).collect();
    let mut room: Vec<Room<'_>> = nodes
        .iter()
        .map(|node| Room {
            node,
            free: state.free(node),
        })
        .filter(|room| room.free.fits(&LEAST))
        .collect();
    let (mut refused, mut hopeless) = (Vec::new(), Vec::new());
    let (mut placements, mut over_quota, mut looked_at) = (Vec::new(), Vec::new(), 0);
    let mut claimed = Claimed::of(state, now);
    let ends = state.policy().rules.over_quota == OverQuota::End;
    for job in turn::in_turn(state) {
        if room.is_empty() || placements.len() >= limits::PLAN_MAX || looked_at >= LOOKED_AT_MAX {
            break;
        }
        if covers(&hopeless, &job.spec) {
            continue;
        }
        if let Some(hold) = claimed.hold(job) {
            if ends && matches!(hold, Hold::Quota { .. }) && over_quota.len() < limits::PLAN_MAX {
                over_quota.push(job.id);
            }
            continue;
        }
        looked_at += 1;
        if waiting.contains(&job.id) || covers(&refused, &job.spec) {
            continue;
        }
        if let Some(node) = take_tightest(&mut room, &job.spec) {
            let task = job.task_id();
            placements.push(Placement { task, node });
            claimed.add(job);
        } else if nodes.iter().any(|node| could_take(node, &job.spec)) {
            remember(&mut refused, &job.spec);
        } else {
            looked_at -= 1;
            remember(&mut hopeless, &job.spec);
        }
    }
    CommitPlan {
        placements,
        over_quota,
    }
}

/// Whether the task would fit if the node had nothing else.
fn could_take(node: &Node, spec: &JobSpec) -> bool {
    node.can_start(spec) && node.capacity().fits(&spec.resources)
}

/// Gives the task to the node with the least left once it is there, the lowest id among equals.
fn take_tightest(room: &mut Vec<Room<'_>>, spec: &JobSpec) -> Option<NodeId> {
    let asked = spec.resources;
    let fits = |room: &Room<'_>| room.free.fits(&asked) && room.node.can_start(spec);
    let left = |room: &Room<'_>| {
        let left = room.free.minus(&asked);
        (left.cpu, left.memory, room.node.id)
    };
    let fitting = room.iter().enumerate().filter(|(_, room)| fits(room));
    let (at, _) = fitting.min_by_key(|(_, room)| left(room))?;
    let node = room[at].node.id;
    room[at].free = room[at].free.minus(&asked);
    if !room[at].free.fits(&LEAST) {
        room.swap_remove(at);
    }
    Some(node)
}

/// Whether one of the shapes is of the same kind and asks for no more of either.
fn covers(shapes: &[Shape], spec: &JobSpec) -> bool {
    let image = !spec.image.is_empty();
    let covered = |shape: &Shape| shape.image == image && spec.resources.fits(&shape.asked);
    shapes.iter().any(covered)
}

fn remember(shapes: &mut Vec<Shape>, spec: &JobSpec) {
    if shapes.len() < REFUSED_MAX {
        let image = !spec.image.is_empty();
        shapes.push(Shape {
            asked: spec.resources,
            image,
        });
    }
}
