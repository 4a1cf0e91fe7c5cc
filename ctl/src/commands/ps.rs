//! `ps`: lists of jobs.

use api_types::job::{Job, JobState};
use api_types::query::JobQuery;
use jiff::tz::TimeZone;

use super::outcome;
use crate::args::look::Ps;
use crate::error::{Failure, Kind};
use crate::limits::LIST_DEFAULT;
use crate::output::table::{Column, Rank};
use crate::output::{View, cells};
use crate::parse;
use crate::select::{self, Listed};
use crate::session::Session;

/// `goctl ps`.
///
/// # Errors
/// When a filter makes no sense, or a job that was named does not exist.
pub async fn ps(session: &Session, args: Ps) -> Result<(), Failure> {
    let client = session.client()?;
    let columns = columns(args.everybody || args.user.is_some());
    if !args.jobs.is_empty() {
        return session.output.list(&named(session, &args).await?, &columns);
    }
    let most = match args.limit {
        None => LIST_DEFAULT,
        Some(0) => usize::MAX,
        Some(limit) => limit,
    };
    let query = query(&args, session.output.view)?;
    let plain = query == JobQuery::default();
    let listed = select::list(client, query, most).await?;
    session.output.list(&listed.jobs, &columns)?;
    if listed.jobs.is_empty() && plain && !session.output.is_document() {
        session
            .output
            .say("none of your jobs is live; ended ones: goctl ps --done");
    }
    footer(session, &listed);
    Ok(())
}

async fn named(session: &Session, args: &Ps) -> Result<Vec<Job>, Failure> {
    let client = session.client()?;
    let mut jobs = Vec::new();
    for chosen in select::jobs(client, &args.jobs).await? {
        match select::job(client, chosen.id).await {
            Ok(job) => jobs.push(job),
            Err(failure) if failure.kind == Kind::NotFound && !chosen.by_number => {}
            Err(failure) => return Err(failure),
        }
    }
    Ok(jobs)
}

fn query(args: &Ps, view: View) -> Result<JobQuery, Failure> {
    let ended = JobState::ALL.into_iter().filter(|state| state.is_ended());
    let states: Vec<JobState> = if args.done {
        ended.collect()
    } else {
        args.state.clone()
    };
    let words: Vec<&str> = states.iter().map(|state| state.word()).collect();
    let zone = if view.utc {
        TimeZone::UTC
    } else {
        TimeZone::system()
    };
    let moment = |name: &str, text: &Option<String>| {
        let at = text
            .as_deref()
            .map(|text| parse::moment(text, view.now, &zone));
        at.transpose()
            .map(|at| at.map(|at| at.to_string()))
            .map_err(|message| Failure::usage(message).field(name))
    };
    Ok(JobQuery {
        state: (!words.is_empty()).then(|| words.join(",")),
        user: args.user.clone(),
        all: args.everybody.then_some(true),
        done: args.all.then_some(true),
        project: args.project.clone(),
        queue: args.queue.clone(),
        image: args.image.clone(),
        tag: args.tag.clone(),
        name: args.grep.clone(),
        node: args.node.clone(),
        since: moment("--since", &args.since)?,
        until: moment("--until", &args.until)?,
        limit: None,
        cursor: None,
    })
}

fn footer(session: &Session, listed: &Listed) {
    if !listed.more || session.output.is_document() {
        return;
    }
    let of = listed
        .live_total
        .map_or_else(String::new, |total| format!(" of {total}"));
    let shown = listed.jobs.len();
    session.output.say(&format!(
        "showing {shown}{of}; all: goctl ps -n 0, or choose by --since"
    ));
}

fn columns(with_owner: bool) -> Vec<Column<Job>> {
    let owner = if with_owner { Rank::Useful } else { Rank::Wide };
    vec![
        Column::right("job", Rank::Always, |job, _| job.id.to_string()),
        Column::left("name", Rank::Useful, |job, _| cells::safe(&job.name)),
        Column::left("state", Rank::Always, state),
        Column::left("owner", owner, |job, _| cells::safe(&job.owner)),
        Column::right("cpu", Rank::Nice, |job, _| cells::cpus(job.cpu)),
        Column::right("mem", Rank::Nice, |job, _| cells::size(job.memory_bytes)),
        Column::right("time", Rank::Useful, time),
        Column::left("image", Rank::Wide, |job, _| cells::safe(&job.image)),
        Column::left("tags", Rank::Wide, |job, _| {
            cells::safe(&job.tags.join(","))
        }),
        Column::left("project", Rank::Wide, |job, _| cells::safe(&job.project)),
        Column::left("queue", Rank::Wide, |job, _| cells::safe(&job.queue)),
        Column::left("submitted", Rank::Wide, |job, view| {
            cells::moment(&job.submitted_at, view)
        }),
        Column::left("ended", Rank::Wide, |job, view| {
            job.ended_at
                .as_deref()
                .map_or_else(String::new, |at| cells::moment(at, view))
        }),
        Column::left("where", Rank::Useful, place),
    ]
}

fn state(job: &Job, view: &View) -> String {
    let code = match job.state {
        JobState::Failed | JobState::CannotStart | JobState::OutOfMemory => {
            job.exit_code.filter(|code| *code != 0)
        }
        JobState::Pending
        | JobState::Starting
        | JobState::Running
        | JobState::Stopping
        | JobState::Unknown
        | JobState::Succeeded
        | JobState::Cancelled
        | JobState::TimedOut
        | JobState::ImageUnavailable
        | JobState::Infrastructure
        | JobState::NodeLost
        | JobState::OverQuota
        | JobState::OutputLimit
        | JobState::DiskLimit => None,
    };
    let more = code.map_or_else(String::new, |code| format!(" {code}"));
    cells::state(job.state, &more, view)
}

/// How long it has run, or waited if it has not started.
fn time(job: &Job, view: &View) -> String {
    let started = job.started_at.as_deref().or(outcome::started_of_last(job));
    let from = match job.state {
        JobState::Pending => Some(job.submitted_at.as_str()),
        JobState::Starting
        | JobState::Running
        | JobState::Stopping
        | JobState::Unknown
        | JobState::Succeeded
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
        | JobState::DiskLimit => started,
    };
    let seconds = from.and_then(|from| cells::between(from, job.ended_at.as_deref(), view.now));
    seconds.map_or_else(|| "-".into(), cells::length)
}

/// Its node, or why it has none.
fn place(job: &Job, _: &View) -> String {
    match (&job.node, &job.reason) {
        (Some(node), _) => cells::safe(node),
        (None, Some(reason)) => format!("({})", cells::safe(reason)),
        (None, None) => String::new(),
    }
}
