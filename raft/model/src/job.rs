//! A job's life: the live record that the scheduler sees, and the record it leaves behind.
//!
//! A task only moves forward: `Pending → Live(Placed → Running) → ended`. A requeue ends the
//! attempt and makes the task pending again under the next attempt number. An ended job leaves
//! [`crate::State`] in the same entry that ends it and lives on as an [`EndedJob`] on disk.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use crate::account::UserName;
use crate::id::{AttemptId, Fence, JobId, NodeId, TaskId};
use crate::spec::JobSpec;
use crate::unit::{Bytes, Millis, Timestamp};

/// A job that has not ended.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Job {
    /// Its number.
    pub id: JobId,
    /// Who submitted it.
    pub owner: UserName,
    /// When its submission was committed.
    pub submitted_at: Timestamp,
    /// What was asked; kept in its own record because it never changes.
    #[serde(skip)]
    pub spec: Arc<JobSpec>,
    /// Somebody asked for its end.
    pub cancel: Option<Box<Cancel>>,
    /// Where its only task stands.
    pub task: TaskState,
    /// Attempts that ended before the current state, oldest first.
    pub past: Vec<AttemptEnd>,
}

/// A committed wish to end a job. It is never taken back.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Cancel {
    /// Who asked.
    pub by: UserName,
    /// When it was committed.
    pub at: Timestamp,
    /// Why, in the words of who asked; may be empty.
    pub reason: String,
    /// Overrides the grace of the job.
    pub grace: Option<Millis>,
}

/// Where a task stands.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum TaskState {
    /// Waiting for a node.
    Pending {
        /// Since when.
        since: Timestamp,
        /// Not placed before this: a task that a node could not run waits longer each time.
        not_before: Timestamp,
    },
    /// Given to a node.
    Live(Box<Attempt>),
}

impl Default for TaskState {
    fn default() -> Self {
        TaskState::Pending {
            since: Timestamp(0),
            not_before: Timestamp(0),
        }
    }
}

/// The current try of a task.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Attempt {
    /// 1 for the first.
    pub number: u32,
    /// Where.
    pub node: NodeId,
    /// The log index of the entry that placed it.
    pub fence: Fence,
    /// When it was placed.
    pub placed_at: Timestamp,
    /// How far it is known to be.
    pub phase: Phase,
}

/// What the cluster knows of a live attempt.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Phase {
    /// The node was told, or will be.
    Placed,
    /// The node reported that it runs.
    Running(Started),
}

/// What a node reports when an attempt starts.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Started {
    /// The node's clock.
    pub at: Timestamp,
    /// The engine's name of the container; empty for runtimes without one.
    pub container: String,
    /// The image's digest as the engine resolved it, if known.
    pub image_digest: String,
}

/// How an attempt, and with its last one the job, came to its end.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum Outcome {
    /// Ended by itself with code 0.
    Succeeded,
    /// Ended by itself with another code or by a signal that nobody of ours sent.
    Failed,
    /// Ended because somebody asked for it.
    Cancelled,
    /// Stopped at its wall-time limit.
    TimedOut,
    /// Ended with a code other than 0 after the kernel killed a process of it for memory.
    OutOfMemory,
    /// The image could not be had.
    ImageUnavailable,
    /// The program could not be started (not found, not executable).
    CannotStart,
    /// The node or its engine failed, not the job.
    Infrastructure,
    /// The node was lost and the job may not run twice, or ran out of attempts.
    NodeLost,
    /// The node could not start it, and has made sure that it did not begin and never will. Only
    /// an attempt ends so; its job gets another one, or ends as [`Outcome::Infrastructure`].
    NotBegun,
    /// It never ran: its start would have exceeded a quota, and the administrators want such jobs
    /// ended.
    OverQuota,
    /// Stopped because it wrote more output than it may.
    OutputLimit,
    /// Stopped because its directory held more than it may.
    DiskLimit,
}

/// What the engine said of the end, as it said it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Exit {
    /// The exit code, 0 to 255; an engine reports a signal as 128 plus its number.
    pub code: Option<i32>,
    /// The signal, where the runtime can tell it from a code.
    pub signal: Option<u8>,
    /// The kernel killed at least one process of the attempt for memory. Goes with any code.
    pub oom_killed: bool,
}

/// What an attempt used, read from its cgroup.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Usage {
    /// Processor time, user and system, in microseconds.
    pub cpu_micros: u64,
    /// Memory at the moment of the reading.
    pub memory: Bytes,
    /// The most memory seen.
    pub memory_peak: Bytes,
    /// Processes at the moment of the reading.
    pub processes: u64,
    /// The most processes seen.
    pub processes_peak: u64,
    /// Bytes read from block devices.
    pub io_read: Bytes,
    /// Bytes written to block devices.
    pub io_written: Bytes,
}

/// The record of an attempt that ended.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct AttemptEnd {
    /// 1 for the first.
    pub number: u32,
    /// Where it ran.
    pub node: NodeId,
    /// The node's name at that time.
    pub node_name: String,
    /// The log index that placed it.
    pub fence: Fence,
    /// When it was placed.
    pub placed_at: Timestamp,
    /// What the node said when it started; `None` if it never did.
    pub started: Option<Started>,
    /// When it ended: the node's clock, or the leader's when the node cannot say.
    pub ended_at: Timestamp,
    /// How it ended.
    pub outcome: Outcome,
    /// What the engine said.
    pub exit: Exit,
    /// What it used.
    pub usage: Usage,
    /// A sentence for people, empty when the exit says it all.
    pub message: String,
}

/// A job that has ended, as it is kept on disk.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct EndedJob {
    /// Its number.
    pub id: JobId,
    /// Who submitted it.
    pub owner: UserName,
    /// When its submission was committed.
    pub submitted_at: Timestamp,
    /// When its end was committed.
    pub ended_at: Timestamp,
    /// What was asked.
    pub spec: Arc<JobSpec>,
    /// Who asked for its end, if somebody did.
    pub cancel: Option<Cancel>,
    /// How it ended.
    pub outcome: Outcome,
    /// All its attempts, oldest first; none if it was cancelled while pending.
    pub attempts: Vec<AttemptEnd>,
}

impl Outcome {
    /// The word that users see.
    pub fn word(self) -> &'static str {
        match self {
            Outcome::Succeeded => "succeeded",
            Outcome::Failed => "failed",
            Outcome::Cancelled => "cancelled",
            Outcome::TimedOut => "timed_out",
            Outcome::OutOfMemory => "out_of_memory",
            Outcome::ImageUnavailable => "image_unavailable",
            Outcome::CannotStart => "cannot_start",
            Outcome::Infrastructure => "infrastructure",
            Outcome::NodeLost => "node_lost",
            Outcome::NotBegun => "not_begun",
            Outcome::OverQuota => "over_quota",
            Outcome::OutputLimit => "output_limit",
            Outcome::DiskLimit => "disk_limit",
        }
    }
}

impl Job {
    /// The job's only task.
    pub fn task_id(&self) -> TaskId {
        self.id.task()
    }

    /// The current try, if the task is with a node.
    pub fn attempt(&self) -> Option<&Attempt> {
        match &self.task {
            TaskState::Pending { .. } => None,
            TaskState::Live(attempt) => Some(attempt),
        }
    }

    /// The current try's full name, if the task is with a node.
    pub fn attempt_id(&self) -> Option<AttemptId> {
        self.attempt()
            .map(|attempt| self.task_id().attempt(attempt.number))
    }

    /// The number that the next attempt will have.
    pub fn next_attempt(&self) -> u32 {
        let last = self.past.last().map_or(0, |end| end.number);
        last.max(self.attempt().map_or(0, |attempt| attempt.number))
            .saturating_add(1)
    }
}

impl Attempt {
    /// What the node said when the attempt started, if it did.
    pub fn started(&self) -> Option<&Started> {
        match &self.phase {
            Phase::Placed => None,
            Phase::Running(started) => Some(started),
        }
    }
}
