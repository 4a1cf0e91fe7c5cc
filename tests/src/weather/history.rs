//! Is what clients saw of one job what a single, never failing head could have shown them?
//!
//! A job is a register that only moves forward: absent, pending, starting, running, stopping, and
//! after each attempt either pending again or ended; and once its end is wished for, that wish
//! stays. Clients submit, read and cancel; all other moves are made by the cluster at moments
//! nobody sees. For such a register a history is linearizable (Herlihy and Wing, 1990) exactly if
//! no two operations, of which the first had returned before the second was invoked, saw it move
//! back: order the operations by what they saw, and a cycle with real time, however long, holds
//! such a pair. So looking at pairs decides it, and the answer is never `unknown`.
//!
//! Reads that said themselves that they may be behind promise nothing and are left out; the
//! caller sees to it that enough others remain. A job whose node is lost shows `unknown`, which
//! stands for any of starting, running and stopping.

use std::time::Instant;

use api_types::job::{Job, JobState};
use api_types::job_request::CancelResult;

/// What one client did to one job, and saw of it.
#[derive(Clone, PartialEq, Debug)]
pub struct Operation {
    /// When the client asked.
    pub invoked: Instant,
    /// When it had the answer.
    pub returned: Instant,
    /// What the answer says of the job at some moment in between.
    pub saw: Saw,
}

/// How far a job has come, at least and at most.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Saw {
    least: u64,
    most: u64,
    /// How it ended, once it has.
    outcome: Option<JobState>,
    /// Whether its end was wished for, where that was seen.
    wished: Option<bool>,
}

/// Steps of one attempt: starting, running, stopping, over.
const STEPS: u64 = 8;
const STARTING: u64 = 1;
const RUNNING: u64 = 2;
const STOPPING: u64 = 3;
const OVER: u64 = 7;
/// Admitted; what went before is absence.
const PENDING: u64 = 1;
const ENDED: u64 = u64::MAX;

impl Saw {
    /// A submission was acknowledged: the job exists.
    pub fn submitted() -> Saw {
        Saw {
            least: PENDING,
            most: ENDED,
            outcome: None,
            wished: None,
        }
    }

    /// A read's answer; none: there is no such job.
    pub fn read(job: Option<&Job>) -> Saw {
        let Some(job) = job else {
            return Saw {
                least: 0,
                most: 0,
                outcome: None,
                wished: Some(false),
            };
        };
        let attempt = u64::try_from(job.attempts.len()).unwrap_or(0) * STEPS;
        let (least, most) = match job.state {
            JobState::Pending if attempt == 0 => (PENDING, PENDING),
            JobState::Pending => (attempt + OVER, attempt + OVER),
            JobState::Starting => (attempt + STARTING, attempt + STARTING),
            JobState::Running => (attempt + RUNNING, attempt + RUNNING),
            JobState::Stopping => (attempt + STOPPING, attempt + STOPPING),
            JobState::Unknown => (attempt + STARTING, attempt + STOPPING),
            JobState::Succeeded
            | JobState::Failed
            | JobState::Cancelled
            | JobState::TimedOut
            | JobState::OutOfMemory
            | JobState::ImageUnavailable
            | JobState::CannotStart
            | JobState::Infrastructure
            | JobState::NodeLost
            | JobState::OverQuota
            | JobState::OutputLimit
            | JobState::DiskLimit => (ENDED, ENDED),
        };
        Saw {
            least,
            most,
            outcome: job.state.is_ended().then_some(job.state),
            wished: Some(job.cancel.is_some()),
        }
    }

    /// What an answered cancel says.
    pub fn cancelled(result: CancelResult) -> Saw {
        let over = Saw {
            least: ENDED,
            most: ENDED,
            outcome: None,
            wished: None,
        };
        match result {
            CancelResult::Ended => Saw {
                outcome: Some(JobState::Cancelled),
                ..over
            },
            CancelResult::AlreadyEnded => over,
            CancelResult::Stopping => Saw {
                wished: Some(true),
                ..Saw::submitted()
            },
            CancelResult::NotFound => Saw::read(None),
        }
    }

    /// Why the second cannot have been seen after the first.
    fn forbids(self, later: Saw) -> Option<&'static str> {
        if self.least > later.most {
            return Some("the job went back");
        }
        if self.outcome.is_some() && later.outcome.is_some() && self.outcome != later.outcome {
            return Some("the job ended in two ways");
        }
        if self.wished == Some(true) && later.wished == Some(false) {
            return Some("the wish to end the job was forgotten");
        }
        None
    }
}

/// Whether the history of one job is linearizable.
///
/// # Errors
/// The two operations that no order explains, as text.
pub fn check(job: u64, operations: &[Operation]) -> Result<(), String> {
    for (at, first) in operations.iter().enumerate() {
        for (other, second) in operations.iter().enumerate() {
            let ordered = first.returned < second.invoked;
            // Two ends that differ are wrong in whatever order.
            let ended = first.outcome().is_some() && second.outcome().is_some();
            if at == other || !(ordered || ended) {
                continue;
            }
            let why = if ordered {
                first.saw.forbids(second.saw)
            } else if first.outcome() != second.outcome() {
                Some("the job ended in two ways")
            } else {
                None
            };
            if let Some(why) = why {
                return Err(format!("job {job}: {why}: {first:?} before {second:?}"));
            }
        }
    }
    Ok(())
}

impl Operation {
    fn outcome(&self) -> Option<JobState> {
        self.saw.outcome
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::time::Duration;

    use super::*;

    /// Operations from (invoked, returned, saw), in milliseconds.
    fn history(operations: &[(u64, u64, Saw)]) -> Vec<Operation> {
        let zero = Instant::now();
        let at = |millis| zero + Duration::from_millis(millis);
        let operation = |(invoked, returned, saw): &(u64, u64, Saw)| Operation {
            invoked: at(*invoked),
            returned: at(*returned),
            saw: *saw,
        };
        operations.iter().map(operation).collect()
    }

    fn job(state: &str, attempts: usize, cancel: bool) -> Saw {
        let attempt = serde_json::json!({
            "id": "1_0#1", "number": 1, "node": "n", "state": "starting", "placed_at": "",
        });
        let mut job = serde_json::json!({
            "id": 1, "name": "a", "owner": "o", "state": state, "cpu": 1.0, "memory_bytes": 1,
            "submitted_at": "", "attempts": vec![attempt; attempts],
        });
        if cancel {
            job["cancel"] = serde_json::json!({"by": "o", "at": ""});
        }
        Saw::read(Some(&serde_json::from_value::<Job>(job).unwrap()))
    }

    fn verdict(operations: &[(u64, u64, Saw)]) -> Result<(), String> {
        check(1, &history(operations))
    }

    #[test]
    fn a_life_with_a_second_attempt_is_fine() {
        let life = [
            (0, 10, Saw::submitted()),
            (5, 8, Saw::read(None)),
            (11, 12, job("pending", 0, false)),
            (13, 14, job("starting", 1, false)),
            (15, 16, job("unknown", 1, false)),
            (17, 18, job("running", 1, false)),
            (19, 20, job("pending", 1, false)),
            (21, 22, job("starting", 2, false)),
            (23, 30, Saw::cancelled(CancelResult::Stopping)),
            (31, 32, job("stopping", 2, true)),
            (33, 34, job("cancelled", 2, true)),
        ];
        verdict(&life).unwrap();
    }

    #[test]
    fn operations_at_the_same_time_may_be_seen_in_either_order() {
        let running = job("running", 1, false);
        verdict(&[(0, 10, running), (5, 15, job("pending", 0, false))]).unwrap();
    }

    #[test]
    fn what_no_order_explains_is_refused() {
        let pending = job("pending", 0, false);
        let running = job("running", 1, false);
        let wished = Saw::cancelled(CancelResult::Stopping);
        let ended = Saw::cancelled(CancelResult::Ended);
        for (first, second, word) in [
            (Saw::submitted(), Saw::read(None), "went back"),
            (running, pending, "went back"),
            (job("starting", 2, false), running, "went back"),
            (job("failed", 1, false), running, "went back"),
            (wished, running, "forgotten"),
            (ended, job("succeeded", 1, true), "two ways"),
            (
                Saw::submitted(),
                Saw::cancelled(CancelResult::NotFound),
                "went back",
            ),
        ] {
            let why = verdict(&[(0, 1, first), (2, 3, second)]).unwrap_err();
            assert!(why.contains(word), "{why}");
        }
        let ends = [
            (0, 10, job("failed", 1, false)),
            (5, 15, job("succeeded", 1, false)),
        ];
        assert!(verdict(&ends).unwrap_err().contains("two ways"));
    }
}
