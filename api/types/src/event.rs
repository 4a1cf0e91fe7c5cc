//! News of the cluster, as `GET /events` streams them.
//!
//! Each event is one message of `text/event-stream`. Several may come from one log entry; only
//! the last of an entry carries `id:` (the entry's index), so that a client which resumes behind
//! the last id it saw misses nothing. `(index, part)` tells a repeated event from a new one.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::job::JobState;

/// One piece of news. Which fields are set depends on `type`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Event {
    /// The log entry that it comes from.
    pub index: u64,
    /// Its position among the events of that entry, from 0.
    #[serde(default)]
    pub part: u32,
    /// When it happened.
    pub at: String,
    /// One of [`kind`]; more may be added.
    #[serde(rename = "type")]
    pub kind: String,
    /// The job concerned; the first of `count` for submissions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<u64>,
    /// How many jobs with consecutive numbers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u32>,
    /// The attempt concerned: `12_0#1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<String>,
    /// Whose job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Who did it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// The name of the node concerned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// How the attempt or job ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<JobState>,
    /// The exit code of the attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// The attempt ended and the job waits for another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requeued: Option<bool>,
    /// What is now believed of the node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<String>,
    /// Why the node is drained; none when a drain ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The values of [`Event::kind`].
pub mod kind {
    /// Jobs were admitted: `job`, `count`, `owner`.
    pub const JOB_SUBMITTED: &str = "job.submitted";
    /// Somebody asked for the end of a job: `job`, `owner`, `by`.
    pub const JOB_CANCEL: &str = "job.cancel";
    /// A job is over: `job`, `owner`, `state`.
    pub const JOB_ENDED: &str = "job.ended";
    /// A job was given to a node: `job`, `attempt`, `owner`, `node`.
    pub const ATTEMPT_PLACED: &str = "attempt.placed";
    /// The attempt runs: `job`, `attempt`, `owner`, `node`.
    pub const ATTEMPT_STARTED: &str = "attempt.started";
    /// The attempt is over: `job`, `attempt`, `owner`, `node`, `state`, `exit_code`, `requeued`.
    pub const ATTEMPT_ENDED: &str = "attempt.ended";
    /// A node was admitted: `node`.
    pub const NODE_JOINED: &str = "node.joined";
    /// What is believed of a node has changed: `node`, `health`.
    pub const NODE_HEALTH: &str = "node.health";
    /// A drain began (`reason`) or ended: `node`.
    pub const NODE_DRAIN: &str = "node.drain";
    /// A node was removed: `node`.
    pub const NODE_REMOVED: &str = "node.removed";

    /// All of them.
    pub const ALL: [&str; 10] = [
        JOB_SUBMITTED,
        JOB_CANCEL,
        JOB_ENDED,
        ATTEMPT_PLACED,
        ATTEMPT_STARTED,
        ATTEMPT_ENDED,
        NODE_JOINED,
        NODE_HEALTH,
        NODE_DRAIN,
        NODE_REMOVED,
    ];
}

/// Parameters of `GET /events`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct EventQuery {
    /// Only what happened behind this log index; `Last-Event-ID` goes first. Left out: from now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<u64>,
    /// Only events of this job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<u64>,
    /// Only these kinds, separated by commas; `job` stands for every `job.…`.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// `false`: end the stream when everything known has been told. Left out: go on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub follow: Option<bool>,
}
