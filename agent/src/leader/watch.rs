//! Watching over nodes: who speaks is registered, who says that it starts nothing is noted as
//! unwell, who is silent is marked, what has expired goes.

use std::sync::Arc;
use std::time::Duration;

use model::command::{MarkNodes, NoteStored, NoteTrouble, RegisterNode};
use model::log::Log;
use model::node::{Node, NodeFacts, NodeHealth};
use model::stored::Stored;
use model::unit::Millis;
use model::{Command, NodeId, State};
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
        drop(state);
        mark(&duty, &mut liveness).await;
        let outlived = liveness.outlived(&duty.raft.read(), clock::monotonic());
        if let Some(outlived) = outlived {
            duty.propose(Command::ForgetEarlierLeases(outlived)).await;
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            _ = changes.changed() => {}
            _ = expire.tick() => {
                // People read when these end, and so they end by the clock that people read.
                if duty.raft.read().has_expired(clock::wall()) {
                    duty.propose(Command::Expire).await;
                }
            }
        }
    }
}

/// Marks who has been silent for too long.
///
/// A node that is called lost loses attempts that may be tried elsewhere, because its lease has
/// run out. So from before the decision until it is in the state the node gets no lease, and the
/// decision is proposed until its outcome is known.
async fn mark(duty: &Duty, liveness: &mut Liveness) {
    let due = due_now(duty, liveness);
    if due.is_empty() {
        return;
    }
    duty.sessions.bar(lost_among(&due));
    let due = still_due(due, &due_now(duty, liveness));
    let command = Command::MarkNodes(MarkNodes { nodes: due });
    while duty.propose(command.clone()).await.is_none() {}
    duty.sessions.bar(Vec::new());
}

fn due_now(duty: &Duty, liveness: &mut Liveness) -> Vec<(NodeId, NodeHealth)> {
    for session in duty.sessions.all() {
        liveness.heard(session.node, session.heard());
    }
    liveness.due(&duty.raft.read(), clock::monotonic())
}

/// Nodes that are to be called lost, and so get no lease until that is settled.
pub fn lost_among(due: &[(NodeId, NodeHealth)]) -> Vec<NodeId> {
    let lost = due.iter().filter(|(_, health)| *health == NodeHealth::Lost);
    lost.map(|(node, _)| *node).collect()
}

/// What was due before the bar and is still due behind it: who spoke in between has a lease.
pub fn still_due(
    before: Vec<(NodeId, NodeHealth)>,
    behind: &[(NodeId, NodeHealth)],
) -> Vec<(NodeId, NodeHealth)> {
    let stays = |due: &(NodeId, NodeHealth)| behind.contains(due);
    before.into_iter().filter(stays).collect()
}

/// A node whose agent speaks is up, or unwell if it says so, with the facts it told; the log is
/// touched only if it says otherwise.
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
        let said = session.trouble();
        let told = news(state, node, &session.facts, said.as_deref());
        for command in told.chain(kept(state, node.id, session.stored())) {
            if fresh {
                duty.propose(command).await;
            }
        }
    }
}

/// What the log has to be told of what a node keeps, if its agent has said so.
fn kept(state: &State, node: NodeId, stored: Option<Arc<Stored>>) -> Option<Command> {
    let known = |said: &Stored| match state.stored_on(node) {
        Some(noted) => noted == said,
        None => said.holders.is_empty(),
    };
    let stored = (*stored.filter(|said| !known(said))?).clone();
    Some(Command::NoteStored(NoteStored { node, stored }))
}

/// What the log has to be told of a node, so that it says the same as its agent, which speaks. The
/// trouble comes first: a node that was silent is not taken for well on the way.
pub fn news(
    state: &State,
    node: &Node,
    facts: &NodeFacts,
    trouble: Option<&str>,
) -> impl Iterator<Item = Command> + use<> {
    let id = node.id;
    let in_session = match node.health {
        NodeHealth::Up | NodeHealth::Unwell => true,
        NodeHealth::Joined | NodeHealth::Suspect | NodeHealth::Lost => trouble.is_some(),
    };
    let trouble = (state.trouble(id) != trouble).then(|| {
        let trouble = trouble.map(str::to_owned);
        Command::NoteTrouble(NoteTrouble { node: id, trouble })
    });
    let facts = (!in_session || node.facts != *facts).then(|| {
        let facts = facts.clone();
        Command::RegisterNode(RegisterNode { node: id, facts })
    });
    trouble.into_iter().chain(facts)
}
