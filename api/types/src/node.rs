//! The machines of the cluster.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A machine of the cluster.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Node {
    /// Its number, never used again.
    pub id: u64,
    /// Its name, unique.
    pub name: String,
    /// What its certificate allows it to be.
    pub role: NodeRole,
    /// What is believed of its agent.
    pub health: NodeHealth,
    /// Since when that is believed.
    pub health_since: String,
    /// Whether jobs may be placed here now.
    pub accepts: bool,
    /// What keeps it from starting jobs, in its own words; while it is unwell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
    /// Why an administrator wants nothing new placed here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drain: Option<String>,
    /// Its part in the quorum, as an administrator wants it.
    pub intent: HeadIntent,
    /// Whether it leads, as the answering head knows.
    #[serde(default)]
    pub leader: bool,
    /// What it starts jobs with: `docker`, `process` or `fake`.
    pub runtime: String,
    /// What it offers to jobs; none if it runs none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity: Option<Amount>,
    /// What its jobs hold.
    pub held: Amount,
    /// How many jobs are with it.
    pub jobs: u64,
    /// The version of its goagent.
    pub version: String,
    /// Where its peers reach it, `host:port`; empty if it only dials out.
    #[serde(default)]
    pub peer_addr: String,
    /// Where its REST API listens, `host:port`; empty for agents.
    #[serde(default)]
    pub api_addr: String,
    /// When it was admitted.
    pub joined_at: String,
}

/// An amount of processors and memory.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Amount {
    /// Processors.
    pub cpu: f64,
    /// Main memory in bytes.
    pub memory_bytes: u64,
}

/// What a node may be.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum NodeRole {
    /// Hosts a copy of the log and may lead.
    Head,
    /// Runs jobs only.
    Agent,
}

/// What is believed of a node's agent.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum NodeHealth {
    /// Admitted, but not heard of yet.
    Joined,
    /// In session.
    Up,
    /// Silent for a while; nothing new is placed on it.
    Suspect,
    /// Silent past its lease.
    Lost,
    /// In session, but it cannot start jobs; nothing new is placed on it until it can.
    Unwell,
}

/// A head's part in the quorum.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum HeadIntent {
    /// None.
    #[default]
    None,
    /// Receives the log without a vote.
    Learner,
    /// Votes.
    Voter,
}

/// Answer of `GET /nodes`.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct NodeList {
    /// All nodes, by id.
    pub items: Vec<Node>,
}

/// Body of `POST /nodes/{node}/drain`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DrainRequest {
    /// Why, for everybody to see.
    pub reason: String,
}

/// Body of `PUT /heads/{node}`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HeadRequest {
    /// What it shall be.
    pub intent: HeadIntent,
}
