//! What a job writes, byte for byte.

use std::time::Duration;

use api_types::header::{LOG_ATTEMPT, LOG_OFFSET};
use api_types::query::LogQuery;
use axum::body::Body;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use model::account::UserName;
use model::log::LogError;
use model::{AttemptId, JobId, NodeId};
use tokio::time::{Instant, timeout, timeout_at};

use super::jobs::{Found, find};
use crate::app::{App, Seen};
use crate::auth::Caller;
use crate::extract::{JobNumber, Params};
use crate::held::held;
use crate::host::{HostError, Output, OutputKind, OutputRequest, OutputStart};
use crate::limits::{NODE_WAIT, WAIT_SECONDS_MAX};
use crate::problem::Refused;

/// Read what a job writes.
///
/// The bytes as they were written, of one of the two streams. `GoDocker-Log-Offset` says where
/// the answer begins; a broken stream is resumed at that plus the bytes received. A job that has
/// not started yet has written nothing: with `follow`, the answer begins once it has, or is empty
/// after a minute; then ask again.
#[utoipa::path(
    get, path = "/jobs/{id}/logs", tag = "jobs",
    params(("id" = u64, Path, description = "The job's number"), LogQuery),
    responses((status = 200, body = Vec<u8>, content_type = "application/octet-stream", headers(
        ("GoDocker-Log-Offset" = u64), ("GoDocker-Log-Attempt" = String),
    ))),
)]
pub(crate) async fn job_logs(
    State(app): State<App>,
    caller: Caller,
    JobNumber(id): JobNumber,
    Params(query): Params<LogQuery>,
) -> Result<Response, Refused> {
    let kind = kind(query.stream.as_deref())?;
    let start = match query.offset.unwrap_or(0) {
        before_end @ ..0 => OutputStart::BeforeEnd(before_end.unsigned_abs()),
        from @ 0.. => OutputStart::Offset(from.unsigned_abs()),
    };
    let follow = query.follow.unwrap_or(false);
    let place = app.gates().lasting(caller.name())?;
    let Some(Wanted { attempt, ran }) = wanted(&app, &caller, id, query.attempt, follow).await?
    else {
        return Ok(answer(None, 0, Body::empty()));
    };
    let Some((node, owner)) = ran else {
        return Ok(answer(Some(attempt), 0, Body::empty()));
    };
    let request = OutputRequest {
        attempt,
        node,
        owner,
        kind,
        start,
        follow,
    };
    let opened = timeout(NODE_WAIT, app.host().output(request)).await;
    let late = || HostError::Unreachable("no answer in time".into());
    let Output { offset, chunks } = opened.unwrap_or_else(|_| Err(late()))?;
    let body = held(chunks, app, caller, place);
    Ok(answer(Some(attempt), offset, body))
}

fn answer(attempt: Option<AttemptId>, offset: u64, body: Body) -> Response {
    let mut response = Response::builder()
        .header(header::CONTENT_TYPE, "application/octet-stream")
        .header(LOG_OFFSET, offset);
    if let Some(attempt) = attempt {
        response = response.header(LOG_ATTEMPT, attempt.to_string());
    }
    let failed = |error: axum::http::Error| Refused::internal(error.to_string()).into_response();
    response.body(body).unwrap_or_else(failed)
}

fn kind(text: Option<&str>) -> Result<OutputKind, Refused> {
    match text {
        None | Some("stdout") => Ok(OutputKind::Stdout),
        Some("stderr") => Ok(OutputKind::Stderr),
        Some(_) => {
            let message = "must be `stdout` or `stderr`";
            Err(Refused::invalid(
                "stream",
                message,
                "ask for one of the two; use two requests",
            ))
        }
    }
}

/// An attempt whose output is asked for.
struct Wanted {
    attempt: AttemptId,
    /// Where, and whose it is; `None` if it ended without having started.
    ran: Option<(NodeId, UserName)>,
}

/// The attempt whose output is asked for; `None` when none has started yet.
async fn wanted(
    app: &App,
    caller: &Caller,
    id: JobId,
    number: Option<u32>,
    follow: bool,
) -> Result<Option<Wanted>, Refused> {
    let deadline = Instant::now() + Duration::from_secs(WAIT_SECONDS_MAX.into());
    let mut seen = app.look_fresh().await?;
    loop {
        let found = find(app, &seen, caller, id).await?;
        let known = attempts(&found);
        let wanted = match number {
            None => known.last(),
            Some(number) => known.iter().find(|known| known.number == number),
        };
        match (wanted, number) {
            (Some(known), _) if known.started => {
                return Ok(Some(Wanted {
                    attempt: id.task().attempt(known.number),
                    ran: Some((known.node, found.owner().clone())),
                }));
            }
            (Some(known), _) if known.ended => {
                return Ok(Some(Wanted {
                    attempt: id.task().attempt(known.number),
                    ran: None,
                }));
            }
            (None, Some(number)) => {
                let attempt = id.task().attempt(number);
                return Err(Refused::not_found(format!("attempt {attempt}")).with_field("attempt"));
            }
            (Some(_) | None, _) => {}
        }
        let over = matches!(found, Found::Ended(_)) || Instant::now() >= deadline;
        if over || !follow {
            return Ok(None);
        }
        let log = app.log();
        tokio::select! {
            () = app.stopping() => return Err(LogError::Stopped.into()),
            _ = timeout_at(deadline, log.moved_past(seen.index)) => {}
        }
        seen = Seen {
            stale: seen.stale,
            ..app.look()
        };
    }
}

/// One attempt of a job. Until its start is known, its node may not have heard of it.
pub(super) struct Known {
    pub(super) number: u32,
    pub(super) node: NodeId,
    started: bool,
    ended: bool,
}

/// Every attempt of a job, oldest first.
pub(super) fn attempts(found: &Found) -> Vec<Known> {
    let (past, current) = match found {
        Found::Live(job) => (&job.past, job.attempt()),
        Found::Ended(job) => (&job.attempts, None),
    };
    let past = past.iter().map(|end| Known {
        number: end.number,
        node: end.node,
        started: end.started.is_some(),
        ended: true,
    });
    let current = current.map(|attempt| Known {
        number: attempt.number,
        node: attempt.node,
        started: attempt.started().is_some(),
        ended: false,
    });
    past.chain(current).collect()
}
