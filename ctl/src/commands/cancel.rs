//! `cancel`: the end of jobs.

use api_types::job_request::{CancelAnswer, CancelBatch, CancelResult, CancelledJob};
use reqwest::Method;

use crate::args::look::Cancel;
use crate::client::Request;
use crate::error::{Failure, Kind};
use crate::output::Format;
use crate::output::table::{Column, Rank};
use crate::select;
use crate::session::Session;

/// `goctl cancel`.
///
/// # Errors
/// When a job that was named does not exist.
pub async fn cancel(session: &Session, args: Cancel) -> Result<u8, Failure> {
    let client = session.client()?;
    let chosen = select::jobs(client, &args.jobs).await?;
    if chosen.is_empty() {
        session.output.say("no job of that kind is there to end");
        return Ok(0);
    }
    if args.jobs.iter().any(|selector| selector.is_wide()) {
        session.confirm(&format!("{} will be ended.", jobs(chosen.len())), args.yes)?;
    }
    let batch = CancelBatch {
        ids: chosen.iter().map(|chosen| chosen.id).collect(),
        reason: args.reason,
        grace_seconds: args.grace,
    };
    // To ask for an end twice is to ask once.
    let request = Request::new(Method::POST, "/jobs:cancel")
        .body(&batch)?
        .repeatable();
    let answer: CancelAnswer = client.ask(&request).await?;
    let (gone, found): (Vec<_>, Vec<_>) = answer
        .items
        .into_iter()
        .partition(|item| item.result == CancelResult::NotFound);
    print(session, &found)?;
    let named = |item: &&CancelledJob| {
        chosen
            .iter()
            .any(|chosen| chosen.id == item.id && chosen.by_number)
    };
    match gone.iter().find(named) {
        Some(item) => Err(
            Failure::new(Kind::NotFound, format!("there is no job {}", item.id))
                .hint("your jobs: goctl ps -a"),
        ),
        None => Ok(0),
    }
}

fn jobs(count: usize) -> String {
    if count == 1 {
        "1 job".into()
    } else {
        format!("{count} jobs")
    }
}

fn print(session: &Session, items: &[CancelledJob]) -> Result<(), Failure> {
    let columns = [
        Column::right("job", Rank::Always, |item: &CancelledJob, _| {
            item.id.to_string()
        }),
        Column::left("result", Rank::Always, |item, _| word(item.result).into()),
    ];
    if session.output.format != Format::Table {
        return session.output.list(items, &columns);
    }
    let line = |item: &CancelledJob| format!("job {}: {}\n", item.id, sentence(item.result));
    session
        .output
        .data(&items.iter().map(line).collect::<String>())
}

fn word(result: CancelResult) -> &'static str {
    match result {
        CancelResult::Ended => "ended",
        CancelResult::Stopping => "stopping",
        CancelResult::AlreadyEnded => "already_ended",
        CancelResult::NotFound => "not_found",
    }
}

fn sentence(result: CancelResult) -> &'static str {
    match result {
        CancelResult::Ended => "cancelled before it started",
        CancelResult::Stopping => "is being stopped",
        CancelResult::AlreadyEnded => "had ended before",
        CancelResult::NotFound => "is not there",
    }
}
