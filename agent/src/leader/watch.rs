//! Watching over nodes: who speaks is registered, who is silent is marked, what has expired goes.

use std::time::Duration;

use model::command::{MarkNodes, RegisterNode};
use model::log::Log;
use model::node::{Node, NodeFacts, NodeHealth};
use model::unit::Millis;
use model::{Command, State};
use scheduler::liveness::Liveness;

use super::Duty;
use crate::clock;

/// How often silence is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// How often expired records are looked for.
const EXPIRE_EVERY: Duration = Duration::from_secs(30);

pub(super) async fn run(duty: Duty) {
    let mut liveness = Liveness::new(clock::monotonic());
    let mut changes = duty.sessions.changes();
    let mut expire = tokio::time::interval(EXPIRE_EVERY);
    loop {
        changes.borrow_and_update();
        let state = duty.raft.read();
        register(&duty, &state).await;
        for session in duty.sessions.all() {
            liveness.heard(session.node, session.heard());
        }
        let due = liveness.due(&state, clock::monotonic());
        drop(state);
        if !due.is_empty() {
            duty.propose(Command::MarkNodes(MarkNodes { nodes: due }))
                .await;
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            _ = changes.changed() => {}
            _ = expire.tick() => {
                if duty.raft.read().has_expired(clock::wall()) {
                    duty.propose(Command::Expire).await;
                }
            }
        }
    }
}

/// A node whose agent speaks is up, with the facts it told; the log is touched only if it says
/// otherwise.
async fn register(duty: &Duty, state: &State) {
    let suspect_after = state.policy().timings.suspect_after;
    for session in duty.sessions.all() {
        let silent = Millis(clock::monotonic().0.saturating_sub(session.heard().0));
        let Some(node) = state.node(session.node) else {
            session
                .connection
                .close("this node was removed from the cluster");
            continue;
        };
        let fresh = silent < suspect_after && session.has_said(duty.term);
        if fresh && is_news(node, &session.facts) {
            let (node, facts) = (session.node, session.facts.clone());
            duty.propose(Command::RegisterNode(RegisterNode { node, facts }))
                .await;
        }
    }
}

/// Whether the log says otherwise of a node than its agent, which speaks.
pub fn is_news(node: &Node, facts: &NodeFacts) -> bool {
    node.health != NodeHealth::Up || node.facts != *facts
}
