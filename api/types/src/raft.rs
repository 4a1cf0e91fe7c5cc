//! The replicated log, as one head sees it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::node::HeadIntent;

/// Answer of `GET /raft`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct RaftStatus {
    /// The head that answers.
    pub node: u64,
    /// Its name.
    pub name: String,
    /// Its term.
    pub term: u64,
    /// Who leads, as it knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leader: Option<u64>,
    /// `leader`, `follower`, `candidate`, `learner` or `shutdown`.
    pub role: String,
    /// The last entry in its log.
    pub last_log: u64,
    /// The last entry known to be on a quorum.
    pub committed: u64,
    /// The last entry in its state.
    pub applied: u64,
    /// The last entry in its newest snapshot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<u64>,
    /// Time since a quorum last answered; only known to the leader.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quorum_ack_age_ms: Option<u64>,
    /// The heads, by id.
    pub members: Vec<Member>,
}

/// One head in the log's membership.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Member {
    /// Its number.
    pub node: u64,
    /// Its name.
    pub name: String,
    /// Where its peers reach it.
    pub addr: String,
    /// Whether it votes.
    pub voter: bool,
    /// What an administrator wants it to be.
    pub intent: HeadIntent,
    /// The last entry that it is known to hold; only known to the leader.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub matched: Option<u64>,
    /// How many entries it is behind; only known to the leader.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lag: Option<u64>,
}

/// Answer of `GET /raft/hash`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct StateHash {
    /// The head that answers.
    pub node: u64,
    /// The last entry in the state that was hashed.
    pub index: u64,
    /// SHA-256 over every record of the state, 64 hexadecimal digits. Heads with the same `index`
    /// have the same.
    pub sha256: String,
}

/// Body of `POST /raft/transfer`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TransferRequest {
    /// Name or id of the head that shall lead. Left out: the one that is furthest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
}
