//! `events`: the news, as it was or as it comes.
//!
//! A broken stream goes on behind the last index seen, on whichever head answers; what comes
//! twice is told once.

use api_types::event::{Event, EventQuery, kind};
use api_types::problem::{Problem, code};

use super::wait;
use crate::args::look::Events;
use crate::client::events::{Cutter, Message};
use crate::client::{Client, Request};
use crate::error::{Failure, Kind};
use crate::limits::{EVENTS_BACK, EVENTS_COLLECTED_MAX};
use crate::output::table::{Column, Rank};
use crate::output::{Format, View, cells};
use crate::select;
use crate::session::Session;

/// `goctl events`.
///
/// # Errors
/// When the events asked for are no longer kept, or the cluster is gone.
pub async fn events(session: &Session, args: &Events) -> Result<(), Failure> {
    let client = session.client()?;
    let kinds = args.kind.join(",");
    let query = EventQuery {
        after: args.after,
        job: args.job,
        kind: (!kinds.is_empty()).then_some(kinds),
        follow: Some(args.follow),
    };
    let mut printer = Printer {
        session,
        kept: Vec::new(),
        head: true,
    };
    if args.follow {
        let stop = || Failure::new(Kind::Interrupted, "not following any more");
        return wait::or_interrupt(follow(client, query, &mut printer), stop).await;
    }
    match args.after {
        Some(after) => once(client, &query, after, &mut printer).await?,
        None => recent(client, &query, &mut printer).await?,
    }
    printer.finish()
}

/// What was newest, as far back as it is kept.
async fn recent(
    client: &Client,
    query: &EventQuery,
    printer: &mut Printer<'_>,
) -> Result<(), Failure> {
    let index = select::applied(client).await?;
    let mut back = EVENTS_BACK;
    loop {
        let after = index.saturating_sub(back);
        match once(client, query, after, printer).await {
            Err(failure) if failure.is(code::EVENTS_GONE) && back > 0 => back /= 10,
            ended => return ended,
        }
    }
}

async fn once(
    client: &Client,
    query: &EventQuery,
    after: u64,
    printer: &mut Printer<'_>,
) -> Result<(), Failure> {
    let mut place = Place {
        index: after,
        ..Place::default()
    };
    read(client, query, &mut place, printer).await
}

async fn follow(
    client: &Client,
    query: EventQuery,
    printer: &mut Printer<'_>,
) -> Result<(), Failure> {
    let index = match query.after {
        Some(after) => after,
        None => select::applied(client).await?,
    };
    let mut place = Place {
        index,
        ..Place::default()
    };
    loop {
        match read(client, &query, &mut place, printer).await {
            // It ends when a head stops, or when it breaks; another goes on.
            Ok(()) => {}
            Err(failure) if failure.kind == Kind::Unreachable => {}
            Err(failure) => return Err(failure),
        }
        tokio::time::sleep(crate::limits::LOOK_FIRST).await;
    }
}

/// How far the news was told.
#[derive(Clone, Copy, Debug, Default)]
struct Place {
    /// A stream goes on behind this index.
    index: u64,
    /// The last event told: its index and its part.
    told: Option<(u64, u32)>,
}

/// Reads one stream to its end.
async fn read(
    client: &Client,
    query: &EventQuery,
    place: &mut Place,
    printer: &mut Printer<'_>,
) -> Result<(), Failure> {
    let query = EventQuery {
        after: Some(place.index),
        ..query.clone()
    };
    let mut response = client
        .insist(&Request::get("/events").query(&query)?)
        .await?;
    let mut cutter = Cutter::default();
    loop {
        let chunk = match response.chunk().await {
            Ok(Some(chunk)) => chunk,
            Ok(None) => return Ok(()),
            Err(error) => return Err(crate::client::unreadable(&error)),
        };
        let messages = cutter.push(&chunk);
        let messages = messages.map_err(|_| Failure::failed("an event is too long to be one"))?;
        for message in messages {
            take(&message, place, printer)?;
        }
    }
}

fn take(message: &Message, place: &mut Place, printer: &mut Printer<'_>) -> Result<(), Failure> {
    if message.event == "error" {
        let problem: Problem = serde_json::from_str(&message.data).unwrap_or_default();
        return Err(Failure::refused(problem));
    }
    if !message.data.is_empty() {
        let event: Event = serde_json::from_str(&message.data)
            .map_err(|error| Failure::failed(format!("an event is not understood: {error}")))?;
        let at = (event.index, event.part);
        if place.told.is_none_or(|told| at > told) {
            place.told = Some(at);
            printer.event(event)?;
        }
    }
    if let Some(id) = message.id.as_deref().and_then(|id| id.parse().ok()) {
        place.index = id;
    }
    Ok(())
}

/// Prints events as they come, except where one document holds them all.
struct Printer<'a> {
    session: &'a Session,
    kept: Vec<Event>,
    head: bool,
}

impl Printer<'_> {
    fn event(&mut self, event: Event) -> Result<(), Failure> {
        let output = &self.session.output;
        match output.format {
            Format::Json | Format::Yaml => {
                if self.kept.len() >= EVENTS_COLLECTED_MAX {
                    let message = format!("more than {EVENTS_COLLECTED_MAX} events");
                    return Err(Failure::failed(message).hint("use -o jsonl, or --after INDEX"));
                }
                self.kept.push(event);
                Ok(())
            }
            Format::Jsonl => output.json_line(&event),
            Format::Table | Format::Wide | Format::Csv | Format::Name => {
                let head = std::mem::take(&mut self.head) && !output.no_headers;
                let padded = matches!(output.format, Format::Table | Format::Wide);
                output.rows(&[event], &columns(padded), head)
            }
        }
    }

    fn finish(self) -> Result<(), Failure> {
        match self.session.output.format {
            Format::Json | Format::Yaml => self.session.output.list(&self.kept, &columns(false)),
            Format::Jsonl | Format::Table | Format::Wide | Format::Csv | Format::Name => Ok(()),
        }
    }
}

/// The columns; padded, because each row is printed without knowing the next.
fn columns(padded: bool) -> Vec<Column<Event>> {
    type Cell = fn(&Event, &View) -> String;
    let (index, at, kind, user): (Cell, Cell, Cell, Cell) = match padded {
        true => (
            |event, _| format!("{:>7}", event.index),
            |event, view| format!("{:<25}", cells::clock(&event.at, view)),
            |event, _| format!("{:<15}", cells::safe(&event.kind)),
            |event, _| format!("{:<8}", user(event)),
        ),
        false => (
            |event, _| event.index.to_string(),
            |event, view| cells::clock(&event.at, view),
            |event, _| cells::safe(&event.kind),
            |event, _| user(event),
        ),
    };
    vec![
        Column::right("index", Rank::Always, index),
        Column::left("at", Rank::Useful, at),
        Column::left("type", Rank::Always, kind),
        Column::left("user", Rank::Nice, user),
        Column::left("what", Rank::Always, |event, _| what(event)),
    ]
}

/// Who did it, or whose job it is.
fn user(event: &Event) -> String {
    event
        .by
        .as_ref()
        .or(event.owner.as_ref())
        .map_or_else(|| "-".into(), |user| cells::safe(user))
}

/// What happened, in words.
fn what(event: &Event) -> String {
    let mut words = Vec::new();
    match (&event.attempt, event.job, event.count) {
        (Some(attempt), ..) => words.push(attempt.clone()),
        (None, Some(job), Some(count)) if count > 1 => {
            words.push(format!("{job}-{}", job + u64::from(count) - 1));
        }
        (None, Some(job), _) => words.push(job.to_string()),
        (None, None, _) => {}
    }
    if let Some(node) = &event.node {
        words.push(if event.job.is_some() {
            format!("on {node}")
        } else {
            node.clone()
        });
    }
    words.extend(event.state.map(|state| state.word().to_owned()));
    words.extend(
        event
            .exit_code
            .filter(|code| *code != 0)
            .map(|code| format!("exit {code}")),
    );
    words.extend(
        event
            .requeued
            .filter(|again| *again)
            .map(|_| "to be tried again".to_owned()),
    );
    words.extend(event.health.clone());
    match &event.reason {
        Some(reason) => words.push(format!("drained: {reason}")),
        None if event.kind == kind::NODE_DRAIN => words.push("takes jobs again".into()),
        None => {}
    }
    cells::safe(&words.join(" "))
}
