//! What an agent is known to have in one leader's term, and so what it has still to be told.
//!
//! Pure: the session that owns it keeps it locked from the reading of the state until the orders
//! are in its queue. Otherwise an order to forget an attempt could be overtaken by one to run it,
//! made from an older state.

use std::collections::{BTreeMap, BTreeSet};

use model::assignment::{Held, Stop};
use model::unit::Millis;
use model::{NodeId, State};
use net::message::Order;

/// Assignments or stops in one message.
const ORDERS_IN_MESSAGE: usize = 64;

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
        let assign = wanted.assign.chunks(ORDERS_IN_MESSAGE);
        let stop = wanted.stop.chunks(ORDERS_IN_MESSAGE);
        assign
            .map(|some| Order::Assign(some.to_vec()))
            .chain(stop.map(|some| Order::Stop(some.to_vec())))
            .collect()
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
