//! What an agent is known to have in one leader's term, and so what it has still to be told.
//!
//! Pure: the session that owns it keeps it locked from the reading of the state until the orders
//! are in its queue. Otherwise an order to forget an attempt could be overtaken by one to run it,
//! made from an older state.

use std::collections::{BTreeMap, BTreeSet};

use model::assignment::{Assignment, Held, Stop};
use model::spec::{JobSpec, Program};
use model::unit::Millis;
use model::{NodeId, State};
use net::message::Order;

/// Assignments or stops in one message: the agent syncs its journal once for each.
const ORDERS_IN_MESSAGE: usize = 512;
/// Bytes of assignments after which the next goes into another message; far below a frame.
const BYTES_IN_MESSAGE: usize = 1 << 20;

/// What the agent is known to have, in one leader's term.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Known {
    term: u64,
    held: BTreeSet<Held>,
    /// What it was told to end, and with how much grace.
    stopping: BTreeMap<Held, Millis>,
}

/// Reports of one node that are committed.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Committed {
    /// Attempts that run.
    pub running: Vec<Held>,
    /// Attempts that are over.
    pub over: Vec<Held>,
}

impl Known {
    /// The agent has said what it has.
    pub fn said(&mut self, term: u64, held: Vec<Held>) {
        *self = Known {
            term,
            held: held.into_iter().collect(),
            stopping: BTreeMap::new(),
        };
    }

    /// Whether it has said so in this term. Until then it is told nothing.
    pub fn has_said(&self, term: u64) -> bool {
        self.term == term
    }

    /// The orders that take the agent from what it has to what a committed state gives it; they
    /// count as given.
    pub fn orders(&mut self, term: u64, node: NodeId, state: &State) -> Vec<Order> {
        if !self.has_said(term) {
            return Vec::new();
        }
        let mut wanted = scheduler::assignment::diff(state, node, &self.held);
        self.held.extend(wanted.assign.iter().map(|new| Held {
            attempt: new.attempt,
            fence: new.fence,
        }));
        wanted.stop.retain(|stop| self.is_news(stop));
        let stop = wanted.stop.chunks(ORDERS_IN_MESSAGE);
        let stop: Vec<Order> = stop.map(|some| Order::Stop(some.to_vec())).collect();
        let mut orders = in_messages(wanted.assign);
        orders.extend(stop);
        orders
    }

    /// Whether the agent has not been told so yet, or is now to leave less time.
    fn is_news(&mut self, stop: &Stop) -> bool {
        let held = Held {
            attempt: stop.attempt,
            fence: stop.fence,
        };
        let told = self.stopping.insert(held, stop.grace);
        told.is_none_or(|grace| stop.grace < grace)
    }

    /// The orders that acknowledge what is committed; they count as given. An end is final
    /// whether it counted or came too late: either way the agent may forget it.
    pub fn acknowledge(&mut self, term: u64, committed: Committed) -> Vec<Order> {
        if !self.has_said(term) {
            return Vec::new();
        }
        for one in &committed.over {
            self.held.remove(one);
            self.stopping.remove(one);
        }
        let running =
            (!committed.running.is_empty()).then_some(Order::NotedRunning(committed.running));
        let over = (!committed.over.is_empty()).then_some(Order::Forget(committed.over));
        running.into_iter().chain(over).collect()
    }
}

/// Assignments in messages that are neither too many nor too large.
fn in_messages(assignments: Vec<Assignment>) -> Vec<Order> {
    let mut messages = Vec::new();
    let (mut message, mut bytes) = (Vec::new(), 0);
    for assignment in assignments {
        bytes += text_bytes(&assignment.spec);
        message.push(assignment);
        if bytes >= BYTES_IN_MESSAGE || message.len() >= ORDERS_IN_MESSAGE {
            messages.push(Order::Launch(std::mem::take(&mut message)));
            bytes = 0;
        }
    }
    if !message.is_empty() {
        messages.push(Order::Launch(message));
    }
    messages
}

/// Bytes of what users may write at length.
fn text_bytes(spec: &JobSpec) -> usize {
    let program = match &spec.program {
        Program::Script { text, args } => text.len() + args.iter().map(String::len).sum::<usize>(),
        Program::Argv(argv) => argv.iter().map(String::len).sum(),
    };
    let env = spec
        .env
        .iter()
        .map(|(name, value)| name.len() + value.len());
    program + env.sum::<usize>()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use model::{Fence, JobId};

    use super::*;

    fn assignment(job: u64, script_bytes: usize) -> Assignment {
        let program = Program::Script {
            text: "#".repeat(script_bytes),
            args: Vec::new(),
        };
        Assignment {
            attempt: JobId(job).task().attempt(1),
            fence: Fence(job),
            owner: "alice".into(),
            ids: None,
            spec: Arc::new(JobSpec {
                program,
                ..JobSpec::default()
            }),
            mounts: Vec::new(),
            exclusive: false,
        }
    }

    /// A message that is larger than a frame would end the session, again and again.
    #[test]
    fn long_scripts_go_in_messages_that_fit_a_frame() {
        let long = (1..=20).map(|job| assignment(job, 1 << 20)).collect();
        let messages = in_messages(long);
        assert_eq!(messages.len(), 20);
        let largest = messages.iter().map(|one| model::format::encode(one).len());
        assert!(largest.max() < Some(net::limits::FRAME_MAX));
        let short = (1..=1_000).map(|job| assignment(job, 10)).collect();
        assert_eq!(in_messages(short).len(), 2);
    }
}
