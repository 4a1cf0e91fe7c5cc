//! Submitting and cancelling, and the one way a job leaves the state.

use alloc::boxed::Box;
use alloc::string::ToString;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::permit::Crowd;
use super::{Writer, clip, invalid, limit, not_found, reject, reply};
use crate::account::Role;
use crate::change::{EventKind, RecordKey};
use crate::command::{CancelJobs, CancelResult, ConfirmLost, Rejection, Reply, SubmitJobs};
use crate::id::JobId;
use crate::job::{Cancel, EndedJob, Job, Outcome, TaskState};
use crate::limits;
use crate::node::NodeHealth;
use crate::spec::JobSpec;
use crate::state::SubmitRecord;
use crate::unit::Millis;

impl Writer<'_> {
    pub(super) fn submit_jobs(&mut self, submit: SubmitJobs) -> Reply {
        reply(self.try_submit(submit))
    }

    fn try_submit(&mut self, mut submit: SubmitJobs) -> Result<Reply, Rejection> {
        self.user(&submit.by)?;
        if let Some(answer) = self.known_key(&submit) {
            return Ok(answer);
        }
        if submit.specs.is_empty() {
            return Ok(invalid("jobs", "at least one"));
        }
        if submit.specs.len() > limits::SUBMIT_BATCH_MAX {
            return Ok(limit("jobs in one submission", limits::SUBMIT_BATCH_MAX));
        }
        if self.state.live_jobs() + submit.specs.len() > limits::LIVE_JOBS_MAX {
            return Ok(limit("live jobs", limits::LIVE_JOBS_MAX));
        }
        let mut crowd = Crowd::default();
        for spec in &mut submit.specs {
            if let Some(problem) = spec.validate().into_iter().next() {
                return Ok(invalid(&problem.field, problem.message));
            }
            self.permit(&submit.by, spec)?;
            crowd.add(spec);
        }
        self.has_places(&submit.by, &crowd)?;
        Ok(self.admit(submit))
    }

    fn known_key(&self, submit: &SubmitJobs) -> Option<Reply> {
        let key = submit.key.as_ref()?;
        if key.key.is_empty() || key.key.len() > limits::NAME_BYTES_MAX || key.key.contains('\0') {
            return Some(invalid(
                "idempotency_key",
                "must be 1 to 128 bytes without NUL",
            ));
        }
        let Some(known) = self.state.submit_record(&submit.by, &key.key) else {
            let full = self.state.submit_keys.size() >= limits::SUBMIT_KEYS_MAX;
            return full.then(|| limit("idempotency keys", limits::SUBMIT_KEYS_MAX));
        };
        if known.digest != key.digest {
            let what = "the idempotency key was used for another request".to_string();
            return Some(reject(Rejection::Conflict { what }));
        }
        let (first, count) = (known.first, known.count);
        Some(Reply::Submitted {
            first,
            count,
            replayed: true,
        })
    }

    fn admit(&mut self, submit: SubmitJobs) -> Reply {
        let (now, first) = (self.now(), JobId(self.state.meta.next_job));
        let count = u32::try_from(submit.specs.len()).unwrap_or(u32::MAX);
        self.state.meta.next_job += u64::from(count);
        self.touch(RecordKey::Meta);
        let mut last: Arc<JobSpec> = Arc::default();
        for (id, spec) in (first.0..).zip(submit.specs) {
            // The jobs of a batch are often alike; then they share what they ask for.
            if *last != spec {
                last = Arc::new(spec);
            }
            self.touch(RecordKey::Spec(JobId(id)));
            self.put_job(Job {
                id: JobId(id),
                owner: submit.by.clone(),
                submitted_at: now,
                spec: Arc::clone(&last),
                cancel: None,
                task: TaskState::Pending {
                    since: now,
                    not_before: now,
                },
                past: Vec::new(),
            });
        }
        if let Some(key) = submit.key {
            let record = SubmitRecord {
                at: now,
                first,
                count,
                digest: key.digest,
            };
            self.touch(RecordKey::SubmitKey(submit.by.clone(), key.key.clone()));
            self.state
                .put_submit_key(submit.by.clone(), key.key, record);
        }
        self.tell(EventKind::JobsSubmitted {
            owner: submit.by,
            first,
            count,
        });
        Reply::Submitted {
            first,
            count,
            replayed: false,
        }
    }

    pub(super) fn cancel_jobs(&mut self, cancel: &CancelJobs) -> Reply {
        if cancel.jobs.len() > limits::CANCEL_MAX {
            return limit("jobs in one cancel", limits::CANCEL_MAX);
        }
        let user = match self.user(&cancel.by) {
            Ok(user) => user,
            Err(why) => return reject(why),
        };
        let everybody = user.role >= Role::Operator;
        let results = cancel
            .jobs
            .iter()
            .map(|id| (*id, self.cancel_job(*id, cancel, everybody)));
        Reply::Cancelled(results.collect())
    }

    fn cancel_job(&mut self, id: JobId, cancel: &CancelJobs, everybody: bool) -> CancelResult {
        let Some(mut job) = self.job(id) else {
            // Whose an ended job was is known on disk only; the door has checked it there.
            let ended = self.state.has_existed(id);
            return if ended {
                CancelResult::AlreadyEnded
            } else {
                CancelResult::NotFound
            };
        };
        if !everybody
            && job.owner != cancel.by
            && !self.state.manages(&cancel.by, &job.spec.project)
        {
            return CancelResult::NotFound;
        }
        let grace = cancel.grace.map(|grace| grace.min(limits::GRACE_MAX));
        let news = shortens(&job, grace);
        if news {
            let first = || {
                Box::new(Cancel {
                    by: cancel.by.clone(),
                    at: self.now(),
                    reason: clip(cancel.reason.clone()),
                    grace,
                })
            };
            job.cancel.get_or_insert_with(first).grace = grace;
            let (owner, by) = (job.owner.clone(), cancel.by.clone());
            self.tell(EventKind::CancelRequested { job: id, owner, by });
        }
        match &job.task {
            TaskState::Pending { .. } => {
                self.end_job(job, Outcome::Cancelled);
                CancelResult::Ended
            }
            TaskState::Live(_) => {
                if news {
                    self.put_job(job);
                }
                CancelResult::Stopping
            }
        }
    }

    pub(super) fn confirm_lost(&mut self, confirm: &ConfirmLost) -> Reply {
        reply(self.try_confirm_lost(confirm))
    }

    fn try_confirm_lost(&mut self, confirm: &ConfirmLost) -> Result<Reply, Rejection> {
        self.needs(&confirm.by, Role::Operator, "give up a job")?;
        let job = self
            .job(confirm.job)
            .ok_or_else(|| not_found("job", confirm.job))?;
        let attempt = job
            .attempt()
            .ok_or_else(|| not_found("attempt of job", confirm.job))?;
        let node = self.node(attempt.node)?;
        if node.health != NodeHealth::Lost {
            let what = alloc::format!("node {} is not lost; it will report by itself", node.name);
            return Err(Rejection::Conflict { what });
        }
        let message = alloc::format!("given up by {}", confirm.by);
        self.lose_attempt(confirm.job, &message);
        Ok(Reply::Done)
    }

    /// Moves a job out of the state, as it stands now: it runs no more, and will not again.
    pub(super) fn end_job(&mut self, job: Job, outcome: Outcome) {
        let (id, owner) = (job.id, job.owner.clone());
        self.state.remove_job(id);
        self.touch(RecordKey::Job(id));
        self.touch(RecordKey::Spec(id));
        self.changes.ended.push(EndedJob {
            id,
            owner: job.owner,
            submitted_at: job.submitted_at,
            ended_at: self.now(),
            spec: job.spec,
            cancel: job.cancel.map(|cancel| *cancel),
            outcome,
            attempts: job.past,
        });
        self.tell(EventKind::JobEnded {
            job: id,
            owner,
            outcome,
        });
    }
}

/// Whether a wish to end the job asks for more than is asked for already: the first always does,
/// a later one if it leaves less time.
fn shortens(job: &Job, grace: Option<Millis>) -> bool {
    let usual = job.spec.grace;
    let known = job.cancel.as_ref();
    known.is_none_or(|known| grace.unwrap_or(usual) < known.grace.unwrap_or(usual))
}
