//! A job as its user sees it, what it used, and pages of jobs.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::job_request::JobRequest;

/// A job, live or ended.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Job {
    /// Its number, never used again.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// Words to find it by.
    #[serde(default)]
    pub tags: Vec<String>,
    /// Who submitted it.
    pub owner: String,
    /// The project that it is charged to.
    #[serde(default)]
    pub project: String,
    /// The queue that it waits or waited in.
    #[serde(default)]
    pub queue: String,
    /// Where it stands.
    pub state: JobState,
    /// The container image; empty for jobs without one.
    #[serde(default)]
    pub image: String,
    /// Processors asked for.
    pub cpu: f64,
    /// Main memory asked for, in bytes.
    pub memory_bytes: u64,
    /// The longest time it may run, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wall_limit_seconds: Option<u64>,
    /// When it was submitted.
    pub submitted_at: String,
    /// When its current or last attempt started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<String>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<String>,
    /// The name of the node of its current or last attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// Its current or last attempt: `12_0#1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<String>,
    /// The exit code of its last attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// The signal that ended its last attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<u8>,
    /// The kernel killed a process of its last attempt for memory.
    #[serde(default)]
    pub oom_killed: bool,
    /// Why a pending job waits, or why an unknown one is unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// How it ended, where the exit code does not say it all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Somebody asked for its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancel: Option<Cancel>,
    /// What its last attempt used, once that ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// All its attempts, oldest first.
    #[serde(default)]
    pub attempts: Vec<Attempt>,
    /// What was asked, ready to be submitted again. Left out in lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spec: Option<JobRequest>,
}

/// Where a job stands. The first five are live, the others are ends.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// Waiting for a node.
    Pending,
    /// With a node, not yet running.
    Starting,
    /// Running.
    Running,
    /// With a node, and its end has been asked for.
    Stopping,
    /// Its node is lost; whether it runs cannot be told.
    Unknown,
    /// Ended by itself with code 0.
    Succeeded,
    /// Ended by itself with another code or by a signal.
    Failed,
    /// Ended because somebody asked for it.
    Cancelled,
    /// Stopped at its wall-time limit.
    TimedOut,
    /// Failed after the kernel killed a process of it for memory.
    OutOfMemory,
    /// The image could not be had.
    ImageUnavailable,
    /// The program could not be started.
    CannotStart,
    /// The node or its engine failed, not the job.
    Infrastructure,
    /// The node was lost and the job may not run again.
    NodeLost,
    /// It never ran: its start would have exceeded a quota.
    OverQuota,
    /// Stopped because it wrote more output than it may.
    OutputLimit,
    /// Stopped because its directory held more than it may.
    DiskLimit,
}

impl JobState {
    /// Every state, in the order of a job's life.
    pub const ALL: [JobState; 17] = [
        JobState::Pending,
        JobState::Starting,
        JobState::Running,
        JobState::Stopping,
        JobState::Unknown,
        JobState::Succeeded,
        JobState::Failed,
        JobState::Cancelled,
        JobState::TimedOut,
        JobState::OutOfMemory,
        JobState::ImageUnavailable,
        JobState::CannotStart,
        JobState::Infrastructure,
        JobState::NodeLost,
        JobState::OverQuota,
        JobState::OutputLimit,
        JobState::DiskLimit,
    ];

    /// The word on the wire.
    pub fn word(self) -> &'static str {
        match self {
            JobState::Pending => "pending",
            JobState::Starting => "starting",
            JobState::Running => "running",
            JobState::Stopping => "stopping",
            JobState::Unknown => "unknown",
            JobState::Succeeded => "succeeded",
            JobState::Failed => "failed",
            JobState::Cancelled => "cancelled",
            JobState::TimedOut => "timed_out",
            JobState::OutOfMemory => "out_of_memory",
            JobState::ImageUnavailable => "image_unavailable",
            JobState::CannotStart => "cannot_start",
            JobState::Infrastructure => "infrastructure",
            JobState::NodeLost => "node_lost",
            JobState::OverQuota => "over_quota",
            JobState::OutputLimit => "output_limit",
            JobState::DiskLimit => "disk_limit",
        }
    }

    /// The state that a word on the wire names.
    pub fn from_word(word: &str) -> Option<JobState> {
        JobState::ALL.into_iter().find(|state| state.word() == word)
    }

    /// Whether the job is over.
    pub fn is_ended(self) -> bool {
        self >= JobState::Succeeded
    }
}

/// A wish to end a job, never taken back.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Cancel {
    /// Who asked.
    pub by: String,
    /// When.
    pub at: String,
    /// Why; may be empty.
    #[serde(default)]
    pub reason: String,
}

/// One try of a job on one node.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Attempt {
    /// Its full name: `12_0#1`.
    pub id: String,
    /// 1 for the first.
    pub number: u32,
    /// The name of its node.
    pub node: String,
    /// `starting`, `running`, `stopping`, `unknown`, or how it ended.
    pub state: JobState,
    /// When the node was chosen.
    pub placed_at: String,
    /// When it started, by the node's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<String>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<String>,
    /// The engine's name of the container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// The digest that the image resolved to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_digest: Option<String>,
    /// Where its published ports are reached while it runs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<PublishedPort>,
    /// Its exit code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// The signal that ended it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<u8>,
    /// The kernel killed a process of it for memory.
    #[serde(default)]
    pub oom_killed: bool,
    /// What it used, once it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// How it ended, where the exit code does not say it all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// A port of a container, and how it is reached.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct PublishedPort {
    /// The TCP port inside the container.
    pub container: u16,
    /// The port of the node that leads there.
    pub host: u16,
}

/// What an attempt used, read from its control group.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Usage {
    /// Processor time, user and system.
    pub cpu_seconds: f64,
    /// Memory at the moment of the reading.
    pub memory_bytes: u64,
    /// The most memory seen.
    pub memory_peak_bytes: u64,
    /// Processes at the moment of the reading.
    pub processes: u64,
    /// The most processes seen.
    pub processes_peak: u64,
    /// Bytes read from block devices.
    pub io_read_bytes: u64,
    /// Bytes written to block devices.
    pub io_written_bytes: u64,
}

/// Answer of `GET /jobs/{id}/usage`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct LiveUsage {
    /// Which job.
    pub job: u64,
    /// Which attempt of it; none if it has not been placed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<String>,
    /// Where that runs or ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// The head's clock when it answered.
    pub at: String,
    /// The reading came from the node just now; otherwise it is the one from the attempt's end.
    pub live: bool,
    /// The reading; none if there is none yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
}

/// A page of jobs.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct JobPage {
    /// The jobs: live ones newest first, then ended ones by their end, newest first.
    pub items: Vec<Job>,
    /// Give this as `cursor` to get the next page; none on the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// How many live jobs match in all, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub live_total: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_is_written_as_its_word() {
        for state in JobState::ALL {
            let written = serde_json::to_string(&state).unwrap();
            assert_eq!(written, format!("\"{}\"", state.word()));
            assert_eq!(JobState::from_word(state.word()), Some(state));
        }
        assert_eq!(JobState::from_word("done"), None);
    }

    #[test]
    fn live_states_are_not_ends() {
        let ended: Vec<_> = JobState::ALL.into_iter().filter(|s| s.is_ended()).collect();
        let live = ["pending", "starting", "running", "stopping", "unknown"];
        assert_eq!(ended.len(), JobState::ALL.len() - live.len());
        assert!(
            live.iter()
                .all(|word| !JobState::from_word(word).unwrap().is_ended())
        );
    }
}
