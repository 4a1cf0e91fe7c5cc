//! Looking at jobs, waiting for them, and ending them.

use std::time::Duration;

use api_types::job::{Job, JobPage, JobState, LiveUsage};
use api_types::job_request::{
    CancelAnswer, CancelBatch, CancelRequest, CancelResult, CancelledJob,
};
use api_types::query::{JobQuery, ReadQuery, WaitQuery};
use axum::extract::State;
use axum::response::{AppendHeaders, IntoResponse};
use model::account::UserName;
use model::command::{self, CancelJobs, Command, ConfirmLost, Reply};
use model::job::EndedJob;
use model::limits::{CANCEL_MAX, GRACE_MAX};
use model::log::EndedSearch;
use model::query::JobFilter;
use model::spec::is_plain_name;
use model::{JobId, Millis};
use tokio::time::{Instant, timeout, timeout_at};

use super::{find_node, freshness};
use crate::app::{App, Seen};
use crate::auth::Caller;
use crate::convert;
use crate::convert::job::Depth;
use crate::extract::{JobNumber, Json, JsonOrNothing, Params};
use crate::limits::{EXPLAIN_MAX, NODE_WAIT, WAIT_SECONDS_DEFAULT, WAIT_SECONDS_MAX};
use crate::pagination::{self, Row, Wanted};
use crate::problem::Refused;

/// List jobs: live ones newest first, then, if asked for, ended ones by their end.
#[utoipa::path(
    get, path = "/jobs", tag = "jobs", params(JobQuery),
    responses((status = 200, body = JobPage, headers(("GoDocker-Index" = u64)))),
)]
pub(crate) async fn list_jobs(
    State(app): State<App>,
    caller: Caller,
    Params(query): Params<JobQuery>,
) -> Result<impl IntoResponse, Refused> {
    let seen = Seen {
        stale: false,
        ..app.look()
    };
    let limit = pagination::job_limit(query.limit)?;
    let from = pagination::position(&query, &caller.name().0)?;
    let wanted = wanted(&seen, &caller, &query)?;
    let page = pagination::page(&*app.log(), &seen.state, &wanted, from, limit).await?;
    let (now, mut explained) = (app.now(), 0);
    let items = page.rows.iter().map(|row| match row {
        Row::Live(job) => {
            explained += 1;
            let depth = if explained <= EXPLAIN_MAX {
                Depth::RowWithReason
            } else {
                Depth::Row
            };
            convert::job::live(&seen.state, job, now, depth)
        }
        Row::Ended(job) => convert::job::ended(job, Depth::Row),
    });
    let page = JobPage {
        items: items.collect(),
        next: page
            .next
            .map(|next| pagination::cursor(next, &query, &caller.name().0)),
        live_total: live_total(&seen, wanted.live.as_ref()),
    };
    Ok((AppendHeaders(freshness(&seen)), axum::Json(page)))
}

/// Which jobs a query asks for, if the caller may see them.
fn wanted(seen: &Seen, caller: &Caller, query: &JobQuery) -> Result<Wanted, Refused> {
    let owner = owner(caller, query)?;
    let states = states(query.state.as_deref())?;
    let (mut live, mut outcomes) = (Vec::new(), Vec::new());
    for state in &states {
        match convert::job::asked_state(*state) {
            Ok(state) => live.push(state),
            Err(outcome) => outcomes.push(outcome),
        }
    }
    let since = query
        .since
        .as_deref()
        .map(|text| convert::parse_time("since", text));
    let until = query
        .until
        .as_deref()
        .map(|text| convert::parse_time("until", text));
    let (since, until) = (since.transpose()?, until.transpose()?);
    let node = query
        .node
        .as_deref()
        .map(|name| find_node(&seen.state, name));
    let node = node
        .transpose()
        .map_err(|refused| refused.with_field("node"))?;
    let node = node.map(|node| node.id);
    let wants_live = states.is_empty() || !live.is_empty();
    let wants_ended = !outcomes.is_empty() || (states.is_empty() && query.done == Some(true));
    let project = project(seen, caller, query)?;
    // Who asks for a project asks for the jobs of all who are in it, if they may.
    let owner = owner.filter(|_| query.user.is_some() || project.is_none());
    let filter = JobFilter {
        owner: owner.clone(),
        project: project.clone(),
        queue: query.queue.clone(),
        image: query.image.clone(),
        states: live,
        node,
        tag: query.tag.clone(),
        name: query.name.clone(),
        since,
        until,
    };
    let search = EndedSearch {
        owner,
        project,
        queue: query.queue.clone(),
        image: query.image.clone(),
        outcomes,
        tag: query.tag.clone(),
        name: query.name.clone(),
        since,
        until,
        after: None,
        limit: 0,
    };
    Ok(Wanted {
        live: wants_live.then_some(filter),
        ended: (wants_ended && node.is_none()).then_some(search),
    })
}

/// The project that a query asks for, if its jobs are the caller's to see.
fn project(seen: &Seen, caller: &Caller, query: &JobQuery) -> Result<Option<String>, Refused> {
    let Some(name) = &query.project else {
        return Ok(None);
    };
    let shares = seen.state.shares(caller.name(), name);
    let known = seen.state.project(name).is_some();
    let own = query.user.as_deref() == Some(caller.name().0.as_str());
    if known && (caller.sees_all() || shares || own) {
        return Ok(Some(name.clone()));
    }
    let shown: String = name.chars().take(40).collect();
    let detail =
        format!("jobs of project {shown} are for its managers, and members if it is shared");
    let hint = "give your own name as `user` to see your own jobs in it";
    Err(Refused::forbidden(detail, hint).with_field("project"))
}

fn owner(caller: &Caller, query: &JobQuery) -> Result<Option<UserName>, Refused> {
    let everybody = query.all == Some(true);
    match &query.user {
        Some(_) if everybody => {
            let message = "all and user are both given";
            Err(Refused::invalid("user", message, "give either user or all"))
        }
        Some(name) if !is_plain_name(name) => {
            let message = "is no name of a user";
            let remedy = "letters, digits, `.`, `_` and `-`, at most 128 bytes";
            Err(Refused::invalid("user", message, remedy))
        }
        Some(name) if caller.sees(&UserName::from(name.as_str())) || query.project.is_some() => {
            Ok(Some(name.as_str().into()))
        }
        None if !everybody => Ok(Some(caller.name().clone())),
        None if caller.sees_all() => Ok(None),
        Some(_) | None => {
            let field = if everybody { "all" } else { "user" };
            let detail = "the jobs of others are for operators";
            let refused = Refused::forbidden(detail, "leave it out to see your own jobs");
            Err(refused.with_field(field))
        }
    }
}

fn states(text: Option<&str>) -> Result<Vec<JobState>, Refused> {
    let words = text.into_iter().flat_map(|text| text.split(','));
    let words = words.map(str::trim).filter(|word| !word.is_empty());
    words
        .map(|word| {
            JobState::from_word(word).ok_or_else(|| {
                let shown: String = word.chars().take(40).collect();
                let known: Vec<_> = JobState::ALL.into_iter().map(JobState::word).collect();
                let remedy = format!("use one of {}", known.join(", "));
                Refused::invalid("state", format!("`{shown}` is no state of a job"), remedy)
            })
        })
        .collect()
}

/// How many live jobs match, where that is known without looking at all of them.
fn live_total(seen: &Seen, live: Option<&JobFilter>) -> Option<u64> {
    let filter = live?;
    let count = match &filter.owner {
        Some(owner) => seen.state.live_jobs_of(owner),
        None => seen.state.live_jobs(),
    };
    let only_owner = JobFilter {
        owner: filter.owner.clone(),
        ..JobFilter::default()
    };
    (*filter == only_owner).then(|| u64::try_from(count).unwrap_or(u64::MAX))
}

/// Show a job.
///
/// A quorum is asked first, so that the answer holds everything acknowledged before. When no
/// quorum answers, the answer is what this head knows, and says so in `GoDocker-Stale`.
#[utoipa::path(
    get, path = "/jobs/{id}", tag = "jobs",
    params(("id" = u64, Path, description = "The job's number"), ReadQuery),
    responses((status = 200, body = Job, headers(
        ("GoDocker-Index" = u64), ("GoDocker-Stale" = bool),
    ))),
)]
pub(crate) async fn show_job(
    State(app): State<App>,
    caller: Caller,
    JobNumber(id): JobNumber,
    Params(query): Params<ReadQuery>,
) -> Result<impl IntoResponse, Refused> {
    let seen = match query.consistency.as_deref() {
        None => app.look_fresh().await?,
        Some("stale") => app.look(),
        Some(_) => {
            let message = "must be `stale` or left out";
            let remedy = "leave it out to ask the quorum first";
            return Err(Refused::invalid("consistency", message, remedy));
        }
    };
    let job = find(&app, &seen, &caller, id).await?.show(&app, &seen);
    Ok((AppendHeaders(freshness(&seen)), axum::Json(job)))
}

/// A job that the caller may see.
pub(crate) enum Found {
    Live(Box<model::job::Job>),
    Ended(Box<EndedJob>),
}

impl Found {
    /// Whose it is.
    pub(crate) fn owner(&self) -> &UserName {
        match self {
            Found::Live(job) => &job.owner,
            Found::Ended(job) => &job.owner,
        }
    }

    pub(crate) fn show(&self, app: &App, seen: &Seen) -> Job {
        match self {
            Found::Live(job) => convert::job::live(&seen.state, job, app.now(), Depth::Whole),
            Found::Ended(job) => convert::job::ended(job, Depth::Whole),
        }
    }
}

/// Finds a job, live or ended; one of somebody else is not there.
pub(crate) async fn find(
    app: &App,
    seen: &Seen,
    caller: &Caller,
    id: JobId,
) -> Result<Found, Refused> {
    let none = || Refused::not_found(format!("job {id}"));
    if let Some(job) = seen.state.job(id) {
        let found = Found::Live(Box::new(job.clone()));
        return if caller.sees_job(&seen.state, &job.owner, &job.spec.project) {
            Ok(found)
        } else {
            Err(none())
        };
    }
    if !seen.state.has_existed(id) {
        return Err(none());
    }
    let theirs = |job: &EndedJob| caller.sees_job(&seen.state, &job.owner, &job.spec.project);
    match app.log().ended_job(id).await? {
        Some(job) if theirs(&job) => Ok(Found::Ended(Box::new(job))),
        Some(_) | None => Err(none()),
    }
}

/// Wait for the end of a job.
///
/// Answers when the job has ended, or after the time asked for with the job as it is then.
#[utoipa::path(
    get, path = "/jobs/{id}/wait", tag = "jobs",
    params(("id" = u64, Path, description = "The job's number"), WaitQuery),
    responses((status = 200, body = Job, headers(("GoDocker-Index" = u64)))),
)]
pub(crate) async fn wait_job(
    State(app): State<App>,
    caller: Caller,
    JobNumber(id): JobNumber,
    Params(query): Params<WaitQuery>,
) -> Result<impl IntoResponse, Refused> {
    let seconds = query.timeout.unwrap_or(WAIT_SECONDS_DEFAULT);
    if seconds > WAIT_SECONDS_MAX {
        let message = format!("at most {WAIT_SECONDS_MAX} seconds");
        return Err(Refused::invalid(
            "timeout",
            message,
            "ask again after each answer",
        ));
    }
    let _place = app.gates().lasting(caller.name())?;
    let deadline = Instant::now() + Duration::from_secs(seconds.into());
    let mut seen = app.look_fresh().await?;
    loop {
        let found = find(&app, &seen, &caller, id).await?;
        let over = matches!(found, Found::Ended(_)) || Instant::now() >= deadline;
        if over {
            let headers = AppendHeaders(freshness(&seen));
            return Ok((headers, axum::Json(found.show(&app, &seen))));
        }
        let log = app.log();
        tokio::select! {
            () = app.stopping() => return Err(model::log::LogError::Stopped.into()),
            _ = timeout_at(deadline, log.moved_past(seen.index)) => {}
        }
        seen = Seen {
            stale: seen.stale,
            ..app.look()
        };
    }
}

/// What a job uses now, or used when it ended.
#[utoipa::path(
    get, path = "/jobs/{id}/usage", tag = "jobs",
    params(("id" = u64, Path, description = "The job's number")),
    responses((status = 200, body = LiveUsage)),
)]
pub(crate) async fn job_usage(
    State(app): State<App>,
    caller: Caller,
    JobNumber(id): JobNumber,
) -> Result<axum::Json<LiveUsage>, Refused> {
    let seen = app.look_fresh().await?;
    let found = find(&app, &seen, &caller, id).await?;
    let job = found.show(&app, &seen);
    let mut answer = LiveUsage {
        job: id.0,
        attempt: job.attempt,
        node: job.node,
        at: convert::time(app.now()),
        live: false,
        usage: job.usage,
    };
    if let Found::Live(job) = &found
        && let (Some(attempt), Some(id)) = (job.attempt(), job.attempt_id())
        && attempt.started().is_some()
    {
        let reading = app.host().usage(id, attempt.node, job.owner.clone());
        let asked = timeout(NODE_WAIT, reading).await;
        let late = || crate::host::HostError::Unreachable("no answer in time".into());
        let reading = asked.unwrap_or_else(|_| Err(late()))?;
        answer.live = reading.is_some();
        answer.usage = reading.as_ref().map(convert::job::usage);
    }
    Ok(axum::Json(answer))
}

/// End a job.
///
/// A job that is over already stays as it is; that is no error.
#[utoipa::path(
    post, path = "/jobs/{id}/cancel", tag = "jobs",
    params(("id" = u64, Path, description = "The job's number")),
    request_body = CancelRequest,
    responses((status = 200, body = CancelAnswer)),
)]
pub(crate) async fn cancel_job(
    State(app): State<App>,
    caller: Caller,
    JobNumber(id): JobNumber,
    JsonOrNothing(request): JsonOrNothing<CancelRequest>,
) -> Result<axum::Json<CancelAnswer>, Refused> {
    let answer = cancel(
        &app,
        &caller,
        vec![id],
        request.reason,
        request.grace_seconds,
    )
    .await?;
    if answer
        .items
        .iter()
        .all(|item| item.result == CancelResult::NotFound)
    {
        return Err(Refused::not_found(format!("job {id}")));
    }
    Ok(axum::Json(answer))
}

/// End many jobs.
#[utoipa::path(
    post, path = "/jobs:cancel", tag = "jobs", request_body = CancelBatch,
    responses((status = 200, body = CancelAnswer)),
)]
pub(crate) async fn cancel_jobs(
    State(app): State<App>,
    caller: Caller,
    Json(request): Json<CancelBatch>,
) -> Result<axum::Json<CancelAnswer>, Refused> {
    if request.ids.is_empty() || request.ids.len() > CANCEL_MAX {
        let message = format!("{} jobs; must be 1 to {CANCEL_MAX}", request.ids.len());
        return Err(Refused::invalid(
            "ids",
            message,
            "name the jobs in several requests",
        ));
    }
    let ids = request.ids.into_iter().map(JobId).collect();
    let answer = cancel(&app, &caller, ids, request.reason, request.grace_seconds).await?;
    Ok(axum::Json(answer))
}

async fn cancel(
    app: &App,
    caller: &Caller,
    jobs: Vec<JobId>,
    reason: Option<String>,
    grace_seconds: Option<u64>,
) -> Result<CancelAnswer, Refused> {
    let grace = grace_seconds.map(Millis::seconds);
    if grace.is_some_and(|grace| grace > GRACE_MAX) {
        let message = format!("at most {} seconds", GRACE_MAX.0 / 1000);
        let remedy = "shorten the time between TERM and KILL";
        return Err(Refused::invalid("grace_seconds", message, remedy));
    }
    let by = caller.name().clone();
    let reason = reason.unwrap_or_default();
    let command = Command::CancelJobs(CancelJobs {
        jobs,
        by,
        reason,
        grace,
    });
    let applied = app.propose(command).await?;
    let results = match applied.reply {
        Reply::Cancelled(results) => results,
        Reply::Rejected(why) => return Err(why.into()),
        Reply::Done
        | Reply::Submitted { .. }
        | Reply::Planned { .. }
        | Reply::Joined(_)
        | Reply::Expired(_) => return Err(Refused::internal("an answer of another kind")),
    };
    let here = app.catch_up(applied.index).await;
    let state = app.log().read();
    let theirs = |job: &EndedJob| caller.sees_job(&state, &job.owner, &job.spec.project);
    let mut items = Vec::with_capacity(results.len());
    for (id, result) in results {
        let result = match result {
            command::CancelResult::Ended => CancelResult::Ended,
            command::CancelResult::Stopping => CancelResult::Stopping,
            command::CancelResult::NotFound => CancelResult::NotFound,
            // Whose an ended job was is known on disk only.
            command::CancelResult::AlreadyEnded if caller.sees_all() => CancelResult::AlreadyEnded,
            command::CancelResult::AlreadyEnded => match app.log().ended_job(id).await? {
                Some(job) if here && theirs(&job) => CancelResult::AlreadyEnded,
                Some(_) | None => CancelResult::NotFound,
            },
        };
        items.push(CancelledJob { id: id.0, result });
    }
    Ok(CancelAnswer { items })
}

/// Give up a job whose node is lost: your word that it does not run any more.
///
/// The job ends, or is tried again if it allows that. For operators.
#[utoipa::path(
    post, path = "/jobs/{id}/give-up", tag = "jobs",
    params(("id" = u64, Path, description = "The job's number")),
    responses((status = 200, body = Job)),
)]
pub(crate) async fn give_up_job(
    State(app): State<App>,
    caller: Caller,
    JobNumber(job): JobNumber,
) -> Result<axum::Json<Job>, Refused> {
    let by = caller.name().clone();
    app.change_then_read(Command::ConfirmLost(ConfirmLost { job, by }))
        .await?;
    let seen = app.look();
    let found = find(&app, &seen, &caller, job).await?;
    Ok(axum::Json(found.show(&app, &seen)))
}
