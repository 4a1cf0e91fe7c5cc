//! Jobs, live and ended, as users see them.

use api_types::job as seen;
use api_types::job::JobState;
use model::job::{Attempt, AttemptEnd, Cancel, EndedJob, Job, Outcome, Usage};
use model::port::Published;
use model::query::LiveState;
use model::{AttemptId, JobId, State, Timestamp};

use super::request::{cpu, request};
use super::time;

/// How much of a job is told.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Depth {
    /// A row of a list, without the reason that it waits for.
    Row,
    /// A row of a list.
    RowWithReason,
    /// All there is.
    Whole,
}

/// A job that has not ended.
pub(crate) fn live(state: &State, job: &Job, now: Timestamp, depth: Depth) -> seen::Job {
    let where_it_stands = live_state(state.live_state(job));
    let attempt = job.attempt();
    let past = job.past.iter().map(|end| past_attempt(job.id, end));
    let current = attempt.map(|attempt| current_attempt(state, job, attempt));
    let last = current.clone().or_else(|| past.clone().next_back());
    let reason = match depth {
        Depth::Row => None,
        Depth::RowWithReason | Depth::Whole => reason(state, job, now),
    };
    seen::Job {
        state: where_it_stands,
        started_at: current
            .as_ref()
            .and_then(|attempt| attempt.started_at.clone()),
        node: current.as_ref().map(|attempt| attempt.node.clone()),
        attempt: last.map(|attempt| attempt.id),
        reason,
        cancel: job.cancel.as_deref().map(cancel),
        attempts: past.chain(current).collect(),
        ..asked(job.id, &job.owner.0, job.submitted_at, &job.spec, depth)
    }
}

/// A job that has ended.
pub(crate) fn ended(job: &EndedJob, depth: Depth) -> seen::Job {
    let last = job.attempts.last();
    let seen_last = last.map(|end| past_attempt(job.id, end));
    seen::Job {
        state: outcome(job.outcome),
        started_at: seen_last
            .as_ref()
            .and_then(|attempt| attempt.started_at.clone()),
        ended_at: Some(time(job.ended_at)),
        node: seen_last.as_ref().map(|attempt| attempt.node.clone()),
        attempt: seen_last.as_ref().map(|attempt| attempt.id.clone()),
        exit_code: last.and_then(|end| end.exit.code),
        signal: last.and_then(|end| end.exit.signal),
        oom_killed: last.is_some_and(|end| end.exit.oom_killed),
        message: seen_last.and_then(|attempt| attempt.message),
        cancel: job.cancel.as_ref().map(cancel),
        usage: last.map(|end| usage(&end.usage)),
        attempts: job
            .attempts
            .iter()
            .map(|end| past_attempt(job.id, end))
            .collect(),
        ..asked(job.id, &job.owner.0, job.submitted_at, &job.spec, depth)
    }
}

/// What was asked; where it stands is for the caller to say.
fn asked(
    id: JobId,
    owner: &str,
    submitted_at: Timestamp,
    spec: &model::spec::JobSpec,
    depth: Depth,
) -> seen::Job {
    seen::Job {
        id: id.0,
        name: spec.name.clone(),
        tags: spec.tags.clone(),
        owner: owner.into(),
        project: spec.project.clone(),
        queue: spec.queue.clone(),
        state: JobState::Pending,
        image: spec.image.clone(),
        cpu: cpu(spec.resources.cpu),
        memory_bytes: spec.resources.memory.0,
        wall_limit_seconds: spec.wall_limit.map(|limit| limit.0.div_ceil(1000)),
        submitted_at: time(submitted_at),
        started_at: None,
        ended_at: None,
        node: None,
        attempt: None,
        exit_code: None,
        signal: None,
        oom_killed: false,
        reason: None,
        message: None,
        cancel: None,
        usage: None,
        attempts: Vec::new(),
        spec: (depth == Depth::Whole).then(|| request(spec)),
    }
}

fn reason(state: &State, job: &Job, now: Timestamp) -> Option<String> {
    if let Some(why) = scheduler::explain::explain(state, job, now) {
        return Some(why.to_string());
    }
    match state.live_state(job) {
        LiveState::Unknown => Some(
            "its node is lost; it waits for the node's return, or for an operator to give it up"
                .into(),
        ),
        LiveState::Pending | LiveState::Starting | LiveState::Running | LiveState::Stopping => None,
    }
}

fn current_attempt(state: &State, job: &Job, attempt: &Attempt) -> seen::Attempt {
    let started = attempt.started();
    let node = state.node(attempt.node);
    seen::Attempt {
        id: attempt_id(job.id, attempt.number),
        number: attempt.number,
        node: node.map_or_else(|| attempt.node.to_string(), |node| node.name.clone()),
        state: live_state(state.live_state(job)),
        placed_at: time(attempt.placed_at),
        started_at: started.map(|started| time(started.at)),
        ended_at: None,
        container: started.and_then(|started| some(&started.container)),
        image_digest: started.and_then(|started| some(&started.image_digest)),
        ports: state.ports_of(job.id).iter().map(port).collect(),
        exit_code: None,
        signal: None,
        oom_killed: false,
        usage: None,
        message: None,
    }
}

fn port(port: &Published) -> seen::PublishedPort {
    seen::PublishedPort {
        container: port.container,
        host: port.host,
    }
}

fn past_attempt(job: JobId, end: &AttemptEnd) -> seen::Attempt {
    let started = end.started.as_ref();
    seen::Attempt {
        id: attempt_id(job, end.number),
        number: end.number,
        node: end.node_name.clone(),
        state: outcome(end.outcome),
        placed_at: time(end.placed_at),
        started_at: started.map(|started| time(started.at)),
        ended_at: Some(time(end.ended_at)),
        container: started.and_then(|started| some(&started.container)),
        image_digest: started.and_then(|started| some(&started.image_digest)),
        ports: Vec::new(),
        exit_code: end.exit.code,
        signal: end.exit.signal,
        oom_killed: end.exit.oom_killed,
        usage: Some(usage(&end.usage)),
        message: some(&end.message),
    }
}

fn attempt_id(job: JobId, number: u32) -> String {
    let id: AttemptId = job.task().attempt(number);
    id.to_string()
}

fn some(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.into())
}

fn cancel(cancel: &Cancel) -> seen::Cancel {
    seen::Cancel {
        by: cancel.by.0.clone(),
        at: time(cancel.at),
        reason: cancel.reason.clone(),
    }
}

/// What an attempt used.
pub(crate) fn usage(usage: &Usage) -> seen::Usage {
    seen::Usage {
        cpu_seconds: std::time::Duration::from_micros(usage.cpu_micros).as_secs_f64(),
        memory_bytes: usage.memory.0,
        memory_peak_bytes: usage.memory_peak.0,
        processes: usage.processes,
        processes_peak: usage.processes_peak,
        io_read_bytes: usage.io_read.0,
        io_written_bytes: usage.io_written.0,
    }
}

/// Where a live job stands.
pub(crate) fn live_state(state: LiveState) -> JobState {
    match state {
        LiveState::Pending => JobState::Pending,
        LiveState::Starting => JobState::Starting,
        LiveState::Running => JobState::Running,
        LiveState::Stopping => JobState::Stopping,
        LiveState::Unknown => JobState::Unknown,
    }
}

/// How a job or attempt ended.
pub(crate) fn outcome(outcome: Outcome) -> JobState {
    match outcome {
        Outcome::Succeeded => JobState::Succeeded,
        Outcome::Failed => JobState::Failed,
        Outcome::Cancelled => JobState::Cancelled,
        Outcome::TimedOut => JobState::TimedOut,
        Outcome::OutOfMemory => JobState::OutOfMemory,
        Outcome::ImageUnavailable => JobState::ImageUnavailable,
        Outcome::CannotStart => JobState::CannotStart,
        Outcome::Infrastructure | Outcome::NotBegun => JobState::Infrastructure,
        Outcome::NodeLost => JobState::NodeLost,
        Outcome::OverQuota => JobState::OverQuota,
        Outcome::OutputLimit => JobState::OutputLimit,
        Outcome::DiskLimit => JobState::DiskLimit,
    }
}

/// A state that a user asks for: a live one or an end.
pub(crate) fn asked_state(state: JobState) -> Result<LiveState, Outcome> {
    match state {
        JobState::Pending => Ok(LiveState::Pending),
        JobState::Starting => Ok(LiveState::Starting),
        JobState::Running => Ok(LiveState::Running),
        JobState::Stopping => Ok(LiveState::Stopping),
        JobState::Unknown => Ok(LiveState::Unknown),
        JobState::Succeeded => Err(Outcome::Succeeded),
        JobState::Failed => Err(Outcome::Failed),
        JobState::Cancelled => Err(Outcome::Cancelled),
        JobState::TimedOut => Err(Outcome::TimedOut),
        JobState::OutOfMemory => Err(Outcome::OutOfMemory),
        JobState::ImageUnavailable => Err(Outcome::ImageUnavailable),
        JobState::CannotStart => Err(Outcome::CannotStart),
        JobState::Infrastructure => Err(Outcome::Infrastructure),
        JobState::NodeLost => Err(Outcome::NodeLost),
        JobState::OverQuota => Err(Outcome::OverQuota),
        JobState::OutputLimit => Err(Outcome::OutputLimit),
        JobState::DiskLimit => Err(Outcome::DiskLimit),
    }
}
