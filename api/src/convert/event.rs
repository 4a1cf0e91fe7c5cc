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

/// The word for a kind of news.
pub(crate) fn kind_of(event: &EventKind) -> &'static str {
    match event {
        EventKind::JobsSubmitted { .. } => kind::JOB_SUBMITTED,
        EventKind::CancelRequested { .. } => kind::JOB_CANCEL,
        EventKind::JobEnded { .. } => kind::JOB_ENDED,
        EventKind::AttemptPlaced { .. } => kind::ATTEMPT_PLACED,
        EventKind::AttemptStarted { .. } => kind::ATTEMPT_STARTED,
        EventKind::AttemptEnded { .. } => kind::ATTEMPT_ENDED,
        EventKind::NodeJoined { .. } => kind::NODE_JOINED,
        EventKind::NodeHealth { .. } => kind::NODE_HEALTH,
        EventKind::NodeDrain { .. } => kind::NODE_DRAIN,
        EventKind::NodeRemoved { .. } => kind::NODE_REMOVED,
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
        kind: kind_of(news).into(),
        ..Seen::default()
    };
    let of_attempt = |attempt: AttemptId, node: NodeId| Seen {
        job: Some(attempt.task.job.0),
        attempt: Some(attempt.to_string()),
        node: node_name(node),
        ..base.clone()
    };
    let of_node = |node: Option<String>| Seen {
        node,
        ..base.clone()
    };
    match news {
        EventKind::JobsSubmitted { first, count, .. } => Seen {
            job: Some(first.0),
            count: Some(*count),
            ..base
        },
        EventKind::CancelRequested { job, by, .. } => Seen {
            job: Some(job.0),
            by: Some(by.0.clone()),
            ..base
        },
        EventKind::JobEnded {
            job, outcome: how, ..
        } => Seen {
            job: Some(job.0),
            state: Some(outcome(*how)),
            ..base
        },
        EventKind::AttemptPlaced { attempt, node, .. }
        | EventKind::AttemptStarted { attempt, node, .. } => of_attempt(*attempt, *node),
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
            ..of_attempt(*attempt, *node)
        },
        EventKind::NodeJoined { name, .. } | EventKind::NodeRemoved { name, .. } => {
            of_node(Some(name.clone()))
        }
        EventKind::NodeHealth { node, health } => Seen {
            health: Some(health_word(*health).into()),
            ..of_node(node_name(*node))
        },
        EventKind::NodeDrain { node, reason } => Seen {
            reason: reason.clone(),
            ..of_node(node_name(*node))
        },
    }
}
