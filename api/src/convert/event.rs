//! News as users see them.

use api_types::event::{Event as Seen, kind};
use model::account::UserName;
use model::change::{Event, EventKind};
use model::{AttemptId, NodeId, State};

use super::job::outcome;
use super::node::health_word;
use super::time;

/// Whose job an event is about; `None` for events about nodes.
pub(crate) fn owner(event: &EventKind) -> Option<&UserName> {
    match event {
        EventKind::JobsSubmitted { owner, .. }
        | EventKind::CancelRequested { owner, .. }
        | EventKind::AttemptPlaced { owner, .. }
        | EventKind::AttemptStarted { owner, .. }
        | EventKind::AttemptEnded { owner, .. }
        | EventKind::JobEnded { owner, .. } => Some(owner),
        EventKind::NodeJoined { .. }
        | EventKind::NodeHealth { .. }
        | EventKind::NodeDrain { .. }
        | EventKind::NodeRemoved { .. } => None,
    }
}

/// One of the events of an entry. `state` gives the nodes their names.
pub(crate) fn event(state: &State, entry: &Event, part: usize, news: &EventKind) -> Seen {
    let node_name = |id: NodeId| {
        let known = state.node(id);
        Some(known.map_or_else(|| id.to_string(), |node| node.name.clone()))
    };
    let base = Seen {
        index: entry.index.0,
        part: u32::try_from(part).unwrap_or(u32::MAX),
        at: time(entry.at),
        owner: owner(news).map(|owner| owner.0.clone()),
        ..Seen::default()
    };
    let of_attempt = |kind: &str, attempt: AttemptId, node: NodeId| Seen {
        kind: kind.into(),
        job: Some(attempt.task.job.0),
        attempt: Some(attempt.to_string()),
        node: node_name(node),
        ..base.clone()
    };
    let of_node = |kind: &str, node: Option<String>| Seen {
        kind: kind.into(),
        node,
        ..base.clone()
    };
    match news {
        EventKind::JobsSubmitted { first, count, .. } => Seen {
            kind: kind::JOB_SUBMITTED.into(),
            job: Some(first.0),
            count: Some(*count),
            ..base
        },
        EventKind::CancelRequested { job, by, .. } => Seen {
            kind: kind::JOB_CANCEL.into(),
            job: Some(job.0),
            by: Some(by.0.clone()),
            ..base
        },
        EventKind::JobEnded {
            job, outcome: how, ..
        } => Seen {
            kind: kind::JOB_ENDED.into(),
            job: Some(job.0),
            state: Some(outcome(*how)),
            ..base
        },
        EventKind::AttemptPlaced { attempt, node, .. } => {
            of_attempt(kind::ATTEMPT_PLACED, *attempt, *node)
        }
        EventKind::AttemptStarted { attempt, node, .. } => {
            of_attempt(kind::ATTEMPT_STARTED, *attempt, *node)
        }
        EventKind::AttemptEnded {
            attempt,
            node,
            outcome: how,
            code,
            requeued,
            ..
        } => Seen {
            state: Some(outcome(*how)),
            exit_code: *code,
            requeued: Some(*requeued),
            ..of_attempt(kind::ATTEMPT_ENDED, *attempt, *node)
        },
        EventKind::NodeJoined { name, .. } => of_node(kind::NODE_JOINED, Some(name.clone())),
        EventKind::NodeRemoved { name, .. } => of_node(kind::NODE_REMOVED, Some(name.clone())),
        EventKind::NodeHealth { node, health } => Seen {
            health: Some(health_word(*health).into()),
            ..of_node(kind::NODE_HEALTH, node_name(*node))
        },
        EventKind::NodeDrain { node, reason } => Seen {
            reason: reason.clone(),
            ..of_node(kind::NODE_DRAIN, node_name(*node))
        },
    }
}
