//! What becomes of a command: every answer, and every reason that nothing was changed.

use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use crate::id::{JobId, NodeId, TaskId};

/// The answer to a command.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Reply {
    /// It is so.
    Done,
    /// The jobs are admitted under consecutive ids.
    Submitted {
        /// The first id.
        first: JobId,
        /// How many.
        count: u32,
        /// The key was known: these are the jobs of the first time.
        replayed: bool,
    },
    /// What became of each job that was to be cancelled, in the order asked.
    Cancelled(Vec<(JobId, CancelResult)>),
    /// How many placements were accepted; the others had become stale.
    Planned {
        /// Placed now.
        accepted: u32,
        /// Refused, each with its reason.
        refused: Vec<(TaskId, Refusal)>,
    },
    /// The node's id.
    Joined(NodeId),
    /// How many records were removed.
    Expired(u32),
    /// Nothing was changed.
    Rejected(Rejection),
}

/// What a cancel did to one job.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum CancelResult {
    /// It was pending and is over.
    Ended,
    /// It is with a node and will be stopped.
    Stopping,
    /// It was over before.
    AlreadyEnded,
    /// No such job, or not theirs.
    NotFound,
}

/// Why a placement was refused.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum Refusal {
    /// The task is not pending any more.
    NotPending,
    /// The node is gone, silent or drained.
    NodeUnavailable,
    /// The node has not enough left.
    NoRoom,
    /// The task has an image and the node starts none, or the other way round.
    WrongRuntime,
    /// A quota would be exceeded, or the queue starts nothing.
    OnHold,
}

/// Why a command changed nothing.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Rejection {
    /// What was named does not exist, or not for who asked.
    NotFound {
        /// For example `node 12`.
        what: String,
    },
    /// It exists already, or is used for something else.
    Conflict {
        /// What collides with what.
        what: String,
    },
    /// A bound is reached.
    Limit {
        /// The bound's name.
        name: String,
        /// The bound.
        limit: u64,
    },
    /// Who asked may not.
    Forbidden {
        /// What for.
        what: String,
    },
    /// A token or permission has ended, was used, or its secret is wrong.
    BadToken,
    /// The command itself is malformed.
    Invalid {
        /// The field.
        field: String,
        /// What is wrong with it, with the limit.
        message: String,
    },
    /// The cluster has no first entry yet, or has one already.
    WrongTime {
        /// Which of the two.
        what: String,
    },
}
