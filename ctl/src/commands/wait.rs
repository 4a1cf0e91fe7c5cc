//! `wait`: until jobs have ended.

use api_types::job::Job;
use api_types::query::WaitQuery;
use futures_util::StreamExt;
use futures_util::stream;

use super::outcome;
use crate::args::look::Wait;
use crate::client::{Client, Request, timed_out};
use crate::error::{Failure, Kind};
use crate::limits::{EXIT_SOME_FAILED, LONG_POLL_SECONDS, WAIT_AT_ONCE};
use crate::parse::selector::Selector;
use crate::select::{self, Chosen};
use crate::session::Session;

/// `goctl wait`.
///
/// # Errors
/// When a job that was named does not exist, or `--timeout` passes.
pub async fn wait(session: &Session, args: &Wait) -> Result<u8, Failure> {
    let client = session.client()?;
    let chosen = select::jobs(client, &args.jobs).await?;
    if chosen.is_empty() {
        session
            .output
            .say("no job of that kind is there to wait for");
        return Ok(0);
    }
    let come_back = || Failure::new(Kind::Interrupted, "not waiting any more; the jobs go on");
    let ended = or_interrupt(all(session, client, &chosen, args.any), come_back).await?;
    let own_code = match &args.jobs[..] {
        [only] => only.one().is_some() || *only == Selector::Last(1),
        _ => false,
    };
    match &ended[..] {
        [only] if own_code || args.any => Ok(outcome::exit_code(only)),
        several if several.iter().all(|job| outcome::exit_code(job) == 0) => Ok(0),
        _ => Ok(EXIT_SOME_FAILED),
    }
}

/// The jobs as they have ended, or the first of them.
async fn all(
    session: &Session,
    client: &Client,
    chosen: &[Chosen],
    any: bool,
) -> Result<Vec<Job>, Failure> {
    // All are watched at once where the first counts.
    let at_once = if any { chosen.len() } else { WAIT_AT_ONCE };
    let waits = chosen.iter().map(|chosen| async move {
        match until_ended(client, chosen.id).await {
            Err(failure) if failure.kind == Kind::NotFound && !chosen.by_number => Ok(None),
            ended => ended.map(Some),
        }
    });
    let mut waits = stream::iter(waits).buffer_unordered(at_once);
    let mut ended = Vec::new();
    while let Some(job) = waits.next().await {
        let Some(job) = job? else {
            continue;
        };
        if session.output.is_document() {
            session.output.one(&job, |_| String::new())?;
        } else {
            session.output.say(&outcome::line(&job));
        }
        ended.push(job);
        if any {
            break;
        }
    }
    Ok(ended)
}

/// A job once it has ended.
///
/// # Errors
/// When there is none of that number, the cluster is gone, or `--timeout` passes.
pub async fn until_ended(client: &Client, id: u64) -> Result<Job, Failure> {
    loop {
        let job = look(client, id, LONG_POLL_SECONDS).await?;
        if job.state.is_ended() {
            return Ok(job);
        }
        if client.time_left().is_some_and(|left| left.is_zero()) {
            return Err(timed_out());
        }
    }
}

/// A job once it has ended, or as it is after some seconds.
///
/// # Errors
/// When there is none of that number, or the cluster is gone.
pub async fn look(client: &Client, id: u64, seconds: u32) -> Result<Job, Failure> {
    let left = client
        .time_left()
        .map(|left| u32::try_from(left.as_secs()).unwrap_or(seconds));
    let query = WaitQuery {
        timeout: Some(left.map_or(seconds, |left| left.min(seconds))),
    };
    client
        .ask_on(
            &Request::get(format!("/jobs/{id}/wait"))
                .query(&query)?
                .long_poll(),
        )
        .await
}

/// Does the work, unless Ctrl-C comes first.
///
/// # Errors
/// Those of the work, or what the interrupt means.
pub async fn or_interrupt<T>(
    work: impl Future<Output = Result<T, Failure>>,
    interrupted: impl FnOnce() -> Failure,
) -> Result<T, Failure> {
    tokio::select! {
        done = work => done,
        signal = tokio::signal::ctrl_c() => {
            signal?;
            Err(interrupted())
        }
    }
}

/// What an interrupt means to those who follow a job.
pub fn goes_on(id: u64) -> Failure {
    Failure::new(Kind::Interrupted, format!("detached; job {id} goes on")).hint(format!(
        "come back with goctl logs -f {id}, end it with goctl cancel {id}"
    ))
}
