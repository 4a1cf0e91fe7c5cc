//! What is only ever added to: the accounts, one line per attempt, written by the entry that ends
//! it; and the audit log, one line per wish that came to the door and would change something.

use alloc::string::String;
use serde::{Deserialize, Serialize};

use crate::account::UserName;
use crate::command::Who;
use crate::id::AttemptId;
use crate::job::AttemptEnd;
use crate::resource::{Effort, Resources};
use crate::unit::Timestamp;

/// What one attempt cost, and whom.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LedgerLine {
    /// The attempt.
    pub attempt: AttemptId,
    /// Who pays.
    pub owner: UserName,
    /// The project that it is charged to.
    pub project: String,
    /// The queue that it waited in.
    pub queue: String,
    /// The job's name, for people.
    pub name: String,
    /// What was asked for.
    pub asked: Resources,
    /// The image as it was asked for.
    pub image: String,
    /// When the job was submitted.
    pub submitted_at: Timestamp,
    /// Since when the task waited for this attempt.
    pub waited_since: Timestamp,
    /// What is charged: what was asked for, for as long as it ran.
    pub charged: Effort,
    /// The rest of the story.
    pub end: AttemptEnd,
}

/// Who wanted what, from where, and what became of it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct AuditLine {
    /// The cluster's time when it was committed.
    pub at: Timestamp,
    /// Who and from where.
    pub who: Who,
    /// The method and path of the request.
    pub what: String,
    /// What became of it.
    pub verdict: Verdict,
}

/// What became of a wish.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Verdict {
    /// It was done.
    Done,
    /// It was allowed, but could not be done, for this reason.
    Rejected(String),
    /// It was refused at the door, so often, for this reason.
    Refused {
        /// The code of the answer.
        why: String,
        /// How often since the last such line.
        times: u32,
    },
}
