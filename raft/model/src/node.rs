//! A machine of the cluster: what it may be, what it has, and what is believed of it.

use alloc::string::String;
use serde::{Deserialize, Serialize};

use crate::id::NodeId;
use crate::resource::Resources;
use crate::spec::JobSpec;
use crate::unit::Timestamp;

/// What a node's certificate allows it to be. Every node may run jobs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum NodeRole {
    /// Hosts a copy of the log, and may lead; runs jobs too unless configured otherwise.
    Head,
    /// Runs jobs only; its certificate never speaks Raft.
    Agent,
}

/// The part in the log's quorum that an administrator wants a head to have.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum HeadIntent {
    /// Not a member (agents, and heads that were removed).
    #[default]
    None,
    /// Receives the log without a vote.
    Learner,
    /// Votes.
    Voter,
}

/// What the leader believes of a node's agent.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum NodeHealth {
    /// Admitted, but its agent has not spoken yet.
    #[default]
    Joined,
    /// In session.
    Up,
    /// Silent for longer than the suspect time; nothing new is placed on it.
    Suspect,
    /// Silent past its lease: what may be requeued has been.
    Lost,
    /// In session, but what starts its attempts does not: nothing new is placed on it until its
    /// agent says that it does again. Why is in [`crate::State::trouble`].
    Unwell,
}

/// Which runtime a node starts its attempts with.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum RuntimeKind {
    /// Containers of a Docker engine.
    #[default]
    Docker,
    /// Namespaces and cgroups without an image.
    Process,
    /// Nothing runs; for simulation.
    Fake,
}

/// What a node says of itself when its agent opens a session.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct NodeFacts {
    /// What it offers to jobs; `None` when it runs no jobs.
    pub capacity: Option<Resources>,
    /// What it starts them with.
    pub runtime: RuntimeKind,
    /// The version of its goagent.
    pub version: String,
    /// Where its QUIC endpoint listens, `host:port`; empty for nodes that only dial out.
    pub peer_addr: String,
    /// Where its REST API listens, `host:port`; empty for agents.
    pub api_addr: String,
}

/// A node as the cluster knows it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Node {
    /// The log index that admitted it.
    pub id: NodeId,
    /// Its name, unique among the nodes.
    pub name: String,
    /// What its certificate says.
    pub role: NodeRole,
    /// When it was admitted.
    pub joined_at: Timestamp,
    /// What it said of itself last.
    pub facts: NodeFacts,
    /// What is believed of its agent.
    pub health: NodeHealth,
    /// Since when that is believed.
    pub health_since: Timestamp,
    /// Nothing new is placed on it, for this reason.
    pub drain: Option<String>,
    /// What part in the quorum is wanted for it.
    pub intent: HeadIntent,
    /// SHA-256 of the public key that its certificate binds.
    pub key_hash: [u8; 32],
}

impl Node {
    /// Whether the scheduler may place anything here now.
    pub fn accepts(&self) -> bool {
        self.health == NodeHealth::Up && self.drain.is_none() && self.facts.capacity.is_some()
    }

    /// Whether what the node starts attempts with can start this one: a container has an image, a
    /// plain process has none.
    pub fn can_start(&self, spec: &JobSpec) -> bool {
        match self.facts.runtime {
            RuntimeKind::Docker => !spec.image.is_empty(),
            RuntimeKind::Process => spec.image.is_empty(),
            RuntimeKind::Fake => true,
        }
    }

    /// What the node offers to jobs, zero if it runs none.
    pub fn capacity(&self) -> Resources {
        self.facts.capacity.unwrap_or_default()
    }
}
