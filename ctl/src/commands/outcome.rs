//! How a job ended: in words, and as an exit code.

use api_types::job::{Job, JobState};

use crate::limits::EXIT_NOT_THE_JOB;
use crate::output::cells;

/// The exit code that stands for the end of a job: its own where it has one that tells the truth.
pub fn exit_code(job: &Job) -> u8 {
    let own = job
        .exit_code
        .and_then(|code| u8::try_from(code).ok())
        .filter(|code| *code != 0);
    let own = own.or(job.signal.map(|signal| signal.saturating_add(128)));
    match job.state {
        JobState::Succeeded => 0,
        JobState::Failed => own.unwrap_or(1),
        JobState::OutOfMemory => own.unwrap_or(137),
        // As timeout(1) has it, however the job took the signal.
        JobState::TimedOut => 124,
        JobState::CannotStart => own.unwrap_or(126),
        JobState::Cancelled => own.unwrap_or(EXIT_NOT_THE_JOB),
        JobState::OutputLimit | JobState::DiskLimit => own.unwrap_or(153),
        JobState::ImageUnavailable
        | JobState::OverQuota
        | JobState::Infrastructure
        | JobState::NodeLost
        | JobState::Pending
        | JobState::Starting
        | JobState::Running
        | JobState::Stopping
        | JobState::Unknown => EXIT_NOT_THE_JOB,
    }
}

/// Exit code, signal and memory in words; nothing for a plain success.
pub fn exit_words(
    state: JobState,
    code: Option<i32>,
    signal: Option<u8>,
    oom: bool,
) -> Option<String> {
    let mut words = Vec::new();
    match (signal, code) {
        (Some(signal), _) => words.push(format!("signal {signal}")),
        (None, Some(code)) if code != 0 || state != JobState::Succeeded => {
            words.push(format!("exit code {code}"));
        }
        (None, Some(_) | None) => {}
    }
    if oom {
        words.push("out of memory".into());
    }
    (!words.is_empty()).then(|| words.join(", "))
}

/// A line about a job that has ended: `job 12 "align" failed after 03:10 on node-3: exit code 3`.
pub fn line(job: &Job) -> String {
    let mut text = format!(
        "job {} \"{}\" {}",
        job.id,
        cells::safe(&job.name),
        words(job.state)
    );
    let started = job.started_at.as_deref().or(started_of_last(job));
    let now = jiff::Timestamp::UNIX_EPOCH;
    if let (Some(from), Some(to)) = (started, job.ended_at.as_deref())
        && let Some(seconds) = cells::between(from, Some(to), now)
    {
        text.push_str(&format!(" after {}", cells::length(seconds)));
    }
    if let Some(node) = &job.node {
        text.push_str(&format!(" on {}", cells::safe(node)));
    }
    let exit = exit_words(job.state, job.exit_code, job.signal, job.oom_killed);
    let message = job.message.as_deref().map(cells::safe);
    let more: Vec<String> = exit.into_iter().chain(message).collect();
    if !more.is_empty() {
        text.push_str(&format!(": {}", more.join(", ")));
    }
    text
}

/// When the last attempt of a job started.
pub fn started_of_last(job: &Job) -> Option<&str> {
    job.attempts
        .last()
        .and_then(|attempt| attempt.started_at.as_deref())
}

/// The state for a sentence.
fn words(state: JobState) -> &'static str {
    match state {
        JobState::Pending => "waits",
        JobState::Starting => "starts",
        JobState::Running => "runs",
        JobState::Stopping => "is being stopped",
        JobState::Unknown => "is with a lost node",
        JobState::Succeeded => "succeeded",
        JobState::Failed => "failed",
        JobState::Cancelled => "was cancelled",
        JobState::TimedOut => "reached its time limit",
        JobState::OutOfMemory => "ran out of memory",
        JobState::ImageUnavailable => "could not get its image",
        JobState::CannotStart => "could not be started",
        JobState::Infrastructure => "was failed by its node",
        JobState::NodeLost => "was lost with its node",
        JobState::OverQuota => "was over its quota",
        JobState::OutputLimit => "wrote too much output",
        JobState::DiskLimit => "filled its directory",
    }
}

#[cfg(test)]
mod tests;
