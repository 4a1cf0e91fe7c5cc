//! The quorum: one membership step at a time towards what administrators want.

use std::collections::BTreeMap;
use std::time::Duration;

use model::node::HeadIntent;
use model::{NodeId, State};
use net::message::HeadAddr;

use model::log::Log;

use super::Duty;

/// How long a failed step waits before it is tried again.
const TRY_AGAIN: Duration = Duration::from_secs(1);

pub(super) async fn run(duty: Duty) {
    loop {
        let index = duty.raft.applied();
        let state = duty.raft.read();
        let (voters, learners) = (
            wanted(&state, HeadIntent::Voter),
            wanted(&state, HeadIntent::Learner),
        );
        drop(state);
        if !voters.is_empty()
            && let Err(error) = duty.raft.set_members(voters, learners).await
        {
            tracing::warn!(%error, "the quorum could not be changed yet");
            tokio::time::sleep(TRY_AGAIN).await;
            continue;
        }
        duty.raft.moved_past(index).await;
    }
}

fn wanted(state: &State, intent: HeadIntent) -> BTreeMap<NodeId, String> {
    let heads = state.nodes().filter(|node| node.intent == intent);
    heads
        .map(|node| (node.id, node.facts.peer_addr.clone()))
        .collect()
}

/// Where the heads of a state listen.
pub fn addresses(state: &State) -> Vec<HeadAddr> {
    let heads = state.nodes().filter(|node| node.intent != HeadIntent::None);
    heads
        .map(|node| HeadAddr {
            node: node.id,
            addr: node.facts.peer_addr.clone(),
        })
        .collect()
}
