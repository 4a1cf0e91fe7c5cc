//! `queues` and `queue`: where jobs wait, and by which rules.

use api_types::project::{Queue, QueueList, QueueRequest};

use super::grant;
use crate::args::project::Queue as QueueArgs;
use crate::client::{Client, Request, escaped};
use crate::error::Failure;
use crate::output::table::{Column, Rank};
use crate::output::{cells, fields};
use crate::session::Session;

/// `goctl queues`.
///
/// # Errors
/// What the server says.
pub async fn list(session: &Session) -> Result<(), Failure> {
    let list: QueueList = session.client()?.ask(&Request::get("/queues")).await?;
    session.output.list(&list.items, &columns())
}

/// `goctl queue …`.
///
/// # Errors
/// What the server says.
pub async fn run(session: &Session, args: QueueArgs) -> Result<(), Failure> {
    match args {
        QueueArgs::Show { name } => print(session, &get(session.client()?, &name).await?),
    }
}

/// Asks for a queue.
///
/// # Errors
/// What the server says.
pub async fn get(client: &Client, name: &str) -> Result<Queue, Failure> {
    let path = format!("/queues/{}", escaped(name));
    client.ask(&Request::get(path)).await
}

/// Prints all about a queue.
///
/// # Errors
/// When nobody reads.
pub fn print(session: &Session, queue: &Queue) -> Result<(), Failure> {
    session.output.one(queue, |_| page(queue))
}

fn columns() -> [Column<Queue>; 10] {
    [
        Column::left("queue", Rank::Always, |queue, _| cells::safe(&queue.name)),
        Column::left("state", Rank::Always, |queue, _| state(&queue.rules).into()),
        Column::right("jobs", Rank::Useful, |queue, _| queue.jobs.to_string()),
        Column::right("time", Rank::Useful, |queue, _| {
            or_dash(queue.rules.wall_max_seconds.map(cells::length))
        }),
        Column::right("cpu", Rank::Useful, |queue, _| {
            or_dash(queue.rules.cpu_max.map(cells::cpus))
        }),
        Column::right("mem", Rank::Useful, |queue, _| {
            or_dash(queue.rules.memory_max_bytes.map(cells::size))
        }),
        Column::right("running", Rank::Nice, |queue, _| {
            or_dash(queue.rules.running_per_user.map(|most| most.to_string()))
        }),
        Column::right("pending", Rank::Nice, |queue, _| {
            or_dash(queue.rules.pending_per_user.map(|most| most.to_string()))
        }),
        Column::left("for", Rank::Wide, |queue, _| {
            or_dash(queue.rules.who.as_ref().map(grant::words))
        }),
        Column::left("description", Rank::Nice, |queue, _| {
            cells::safe(&queue.rules.description)
        }),
    ]
}

fn or_dash(text: Option<String>) -> String {
    text.unwrap_or_else(|| "-".into())
}

/// What the queue does.
fn state(rules: &QueueRequest) -> &'static str {
    match (rules.closed, rules.stopped) {
        (false, false) => "open",
        (true, false) => "closed",
        (false, true) => "stopped",
        (true, true) => "closed, stopped",
    }
}

/// The same for a sentence.
fn state_words(rules: &QueueRequest) -> &'static str {
    match (rules.closed, rules.stopped) {
        (false, false) => "open: takes new jobs and starts them",
        (true, false) => "closed: takes no new jobs, starts those that wait",
        (false, true) => "stopped: takes new jobs, starts none",
        (true, true) => "closed and stopped: takes no new jobs and starts none",
    }
}

/// The longest time limit, and that of jobs that bring none.
fn time(rules: &QueueRequest) -> Option<String> {
    let most = rules.wall_max_seconds.map(cells::length);
    let usual = rules.wall_default_seconds.or(rules.wall_max_seconds)?;
    let usual = format!("{} for one without --time", cells::length(usual));
    Some(match most {
        Some(most) => format!("at most {most} for one job, {usual}"),
        None => usual,
    })
}

fn page(queue: &Queue) -> String {
    let rules = &queue.rules;
    let count = |most: Option<u32>| most.map(|most| format!("at most {most} for one user"));
    let most = |text: String| format!("at most {text} for one job");
    fields::page(&[
        ("queue", Some(cells::safe(&queue.name))),
        (
            "description",
            (!rules.description.is_empty()).then(|| cells::safe(&rules.description)),
        ),
        ("state", Some(state_words(rules).into())),
        ("jobs", Some(queue.jobs.to_string())),
        ("open to", rules.who.as_ref().map(grant::words)),
        ("time", time(rules)),
        ("cpu", rules.cpu_max.map(cells::cpus).map(most)),
        ("mem", rules.memory_max_bytes.map(cells::size).map(most)),
        ("running", count(rules.running_per_user)),
        ("pending", count(rules.pending_per_user)),
    ])
}
