//! Names of things: jobs, tasks, attempts, nodes, and positions in the log.
//!
//! No id is random or reused. Job ids come from a counter that is part of the state; node ids
//! and fences are log indexes. The printed forms are the ones users type: job `12`, task `12_3`,
//! attempt `12_3#1`.

use alloc::string::String;
use core::fmt;
use core::str::FromStr;
use serde::{Deserialize, Serialize};

use crate::unit::Timestamp;

/// Declares a `u64` newtype with ordering, display and serde.
macro_rules! number_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
        #[derive(Serialize, Deserialize)]
        pub struct $name(pub u64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number_id! {
    /// What a user submitted. Counted from 1, in log order, never reused.
    JobId
}
number_id! {
    /// A machine of the cluster: the log index of the entry that admitted it. Never reused, so a
    /// wiped machine that joins again is a new node.
    NodeId
}
number_id! {
    /// A position in the replicated log. 0 is before the first entry.
    LogIndex
}
number_id! {
    /// The log index of the entry that placed an attempt. An agent refuses an instruction whose
    /// fence is lower than one it has seen for the same task.
    Fence
}

/// The head that `goagent init` makes.
pub const FIRST_HEAD: NodeId = NodeId(1);

/// The cluster's own random name, fixed by its first entry; containers and certificates carry it.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize,
)]
pub struct ClusterId(pub [u8; 16]);

impl fmt::Display for ClusterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Who and when of one log entry: its index, and the proposer's wall clock.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Stamp {
    /// The entry's position in the log.
    pub index: LogIndex,
    /// The proposer's clock when it wrote the entry. `apply` never lets time run backwards.
    pub time: Timestamp,
}

/// One element of a job. A plain job has the one task 0.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize,
)]
pub struct TaskId {
    /// The job it belongs to.
    pub job: JobId,
    /// Its position in the job, counted from 0.
    pub index: u32,
}

/// One try of a task on one node, numbered from 1.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize,
)]
pub struct AttemptId {
    /// The task tried.
    pub task: TaskId,
    /// 1 for the first try; each requeue adds one.
    pub number: u32,
}

impl JobId {
    /// The only task of a plain job.
    pub fn task(self) -> TaskId {
        TaskId {
            job: self,
            index: 0,
        }
    }
}

impl TaskId {
    /// The attempt of this task with the given number.
    pub fn attempt(self, number: u32) -> AttemptId {
        AttemptId { task: self, number }
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_{}", self.job, self.index)
    }
}

impl fmt::Display for AttemptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.task, self.number)
    }
}

/// A text that is not an id of the asked kind.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BadId {
    /// What was written.
    pub text: String,
    /// The form that was expected, for example `12_3#1`.
    pub expected: &'static str,
}

impl fmt::Display for BadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not of the form {}", self.text, self.expected)
    }
}

impl core::error::Error for BadId {}

fn bad<T>(text: &str, expected: &'static str) -> Result<T, BadId> {
    Err(BadId {
        text: text.into(),
        expected,
    })
}

impl FromStr for JobId {
    type Err = BadId;
    fn from_str(text: &str) -> Result<Self, BadId> {
        match text.parse::<u64>() {
            Ok(number) if number > 0 => Ok(JobId(number)),
            Ok(_) | Err(_) => bad(text, "12 (a job)"),
        }
    }
}

impl FromStr for TaskId {
    type Err = BadId;
    fn from_str(text: &str) -> Result<Self, BadId> {
        let parsed = text
            .split_once('_')
            .and_then(|(job, index)| Some((job.parse().ok()?, index.parse().ok()?)));
        match parsed {
            Some((job, index)) => Ok(TaskId { job, index }),
            None => bad(text, "12_3 (a task)"),
        }
    }
}

impl FromStr for AttemptId {
    type Err = BadId;
    fn from_str(text: &str) -> Result<Self, BadId> {
        let parsed = text
            .split_once('#')
            .and_then(|(task, number)| Some((task.parse().ok()?, number.parse().ok()?)));
        match parsed {
            Some((task, number)) if number > 0 => Ok(AttemptId { task, number }),
            Some(_) | None => bad(text, "12_3#1 (an attempt)"),
        }
    }
}
