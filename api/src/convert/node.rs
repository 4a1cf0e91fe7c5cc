//! Nodes, heads and their quorum.

use api_types::node as seen;
use api_types::raft::{Member, RaftStatus, StateHash};
use model::node::{HeadIntent, Node, NodeHealth, NodeRole, RuntimeKind};
use model::{LogIndex, NodeId, Resources, State};

use super::request::cpu;
use super::time;
use crate::host::{self, RaftRole};
use crate::secret::hex;

/// A node, with what its jobs hold.
pub(crate) fn node(state: &State, node: &Node, leader: Option<NodeId>) -> seen::Node {
    seen::Node {
        id: node.id.0,
        name: node.name.clone(),
        role: role(node.role),
        health: health(node.health),
        health_since: time(node.health_since),
        accepts: node.accepts(),
        trouble: state.trouble(node.id).map(Into::into),
        drain: node.drain.clone(),
        intent: intent(node.intent),
        leader: leader == Some(node.id),
        runtime: match node.facts.runtime {
            RuntimeKind::Docker => "docker".into(),
            RuntimeKind::Process => "process".into(),
            RuntimeKind::Fake => "fake".into(),
        },
        capacity: node.facts.capacity.as_ref().map(amount),
        held: amount(&state.held(node.id)),
        jobs: state.jobs_on(node.id).count() as u64,
        version: node.facts.version.clone(),
        peer_addr: node.facts.peer_addr.clone(),
        api_addr: node.facts.api_addr.clone(),
        joined_at: time(node.joined_at),
    }
}

fn amount(resources: &Resources) -> seen::Amount {
    seen::Amount {
        cpu: cpu(resources.cpu),
        memory_bytes: resources.memory.0,
    }
}

pub(crate) fn role(role: NodeRole) -> seen::NodeRole {
    match role {
        NodeRole::Head => seen::NodeRole::Head,
        NodeRole::Agent => seen::NodeRole::Agent,
    }
}

pub(crate) fn asked_role(role: seen::NodeRole) -> NodeRole {
    match role {
        seen::NodeRole::Head => NodeRole::Head,
        seen::NodeRole::Agent => NodeRole::Agent,
    }
}

fn health(health: NodeHealth) -> seen::NodeHealth {
    match health {
        NodeHealth::Joined => seen::NodeHealth::Joined,
        NodeHealth::Up => seen::NodeHealth::Up,
        NodeHealth::Suspect => seen::NodeHealth::Suspect,
        NodeHealth::Lost => seen::NodeHealth::Lost,
        NodeHealth::Unwell => seen::NodeHealth::Unwell,
    }
}

/// The word for what is believed of a node.
pub fn health_word(health: NodeHealth) -> &'static str {
    match health {
        NodeHealth::Joined => "joined",
        NodeHealth::Up => "up",
        NodeHealth::Suspect => "suspect",
        NodeHealth::Lost => "lost",
        NodeHealth::Unwell => "unwell",
    }
}

fn intent(intent: HeadIntent) -> seen::HeadIntent {
    match intent {
        HeadIntent::None => seen::HeadIntent::None,
        HeadIntent::Learner => seen::HeadIntent::Learner,
        HeadIntent::Voter => seen::HeadIntent::Voter,
    }
}

pub(crate) fn asked_intent(intent: seen::HeadIntent) -> HeadIntent {
    match intent {
        seen::HeadIntent::None => HeadIntent::None,
        seen::HeadIntent::Learner => HeadIntent::Learner,
        seen::HeadIntent::Voter => HeadIntent::Voter,
    }
}

/// The replicated log, with the names that only the state knows.
pub(crate) fn raft(state: &State, status: &host::RaftStatus) -> RaftStatus {
    let name = |id: NodeId| {
        state
            .node(id)
            .map_or_else(String::new, |node| node.name.clone())
    };
    let members = status.members.iter().map(|member| Member {
        node: member.node.0,
        name: name(member.node),
        addr: member.addr.clone(),
        voter: member.voter,
        intent: state
            .node(member.node)
            .map(|node| intent(node.intent))
            .unwrap_or_default(),
        matched: member.matched.map(|index| index.0),
        lag: member.lag,
    });
    RaftStatus {
        node: status.node.0,
        name: name(status.node),
        term: status.term,
        leader: status.leader.map(|leader| leader.0),
        role: match status.role {
            RaftRole::Leader => "leader".into(),
            RaftRole::Follower => "follower".into(),
            RaftRole::Candidate => "candidate".into(),
            RaftRole::Learner => "learner".into(),
            RaftRole::Shutdown => "shutdown".into(),
        },
        last_log: status.last_log.0,
        committed: status.committed.0,
        applied: status.applied.0,
        snapshot: status.snapshot.map(|index| index.0),
        quorum_ack_age_ms: status.millis_since_quorum_ack,
        members: members.collect(),
    }
}

pub(crate) fn state_hash(node: NodeId, index: LogIndex, hash: [u8; 32]) -> StateHash {
    StateHash {
        node: node.0,
        index: index.0,
        sha256: hex(&hash),
    }
}
