//! Clients that open streams and read nothing: of events, and of what a job writes. Later some of
//! them read, and must find everything, in order, resumed by index where their stream was ended.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use api_types::event::Event;
use api_types::job_request::{JobRequest, Submitted};
use reqwest::Response;
use tests::client::{Client, Tried};
use tests::cluster::until;
use tests::ledger::{Submission, Told};

use crate::site::{Site, say};

/// Streams of events that are held at one head. They cost it as long as the kernel still takes what
/// it sends, which a development build feels.
const EVENT_STREAMS: usize = 12;
/// Streams of one job's output that are held at one head.
const LOG_STREAMS: usize = 48;
/// What the job writes: lines of so many characters each.
const LINES: usize = 1_000;
const LINE_CHARS: usize = 1_000;
/// A stream that gives nothing for so long has ended, or gives nothing more for now.
const QUIET: Duration = Duration::from_secs(3);
/// Streams that are read later.
const READ_LATER: usize = 3;

/// The streams.
pub(crate) struct Readers {
    events: Vec<Response>,
    logs: Vec<Response>,
    /// Where the streams of events begin.
    after: u64,
    /// The job whose output is read, as it was submitted.
    pub(crate) writer: Submission,
    job: u64,
}

impl Readers {
    /// Opens all streams.
    pub(crate) fn open(site: &Site) -> anyhow::Result<Readers> {
        let writer = submit_writer(site)?;
        let job = writer.told.context("an answer")?.id;
        until("the writing job has ended", || {
            let client = site.client();
            let shown = site.ask(async move { Ok(client.show(0, job).await) })?;
            let Tried::Answered(shown) = shown else {
                return Ok(None);
            };
            Ok(shown.job.filter(|job| job.state.is_ended()).map(drop))
        })?;
        let after = site.raft(site.leader()?)?.applied;
        let client = site.client().one_by_one()?;
        let (events, logs) = site.ask(async move {
            let mut events = Vec::new();
            for _ in 0..EVENT_STREAMS {
                events.push(client.begin(0, &format!("/events?after={after}")).await?);
            }
            let mut logs = Vec::new();
            for _ in 0..LOG_STREAMS {
                logs.push(client.begin(0, &format!("/jobs/{job}/logs")).await?);
            }
            Ok((events, logs))
        })?;
        Ok(Readers {
            events,
            logs,
            after,
            writer,
            job,
        })
    }

    /// Reads some of the streams after all, and drops the others.
    pub(crate) fn resume(self, site: &Site) -> anyhow::Result<()> {
        let goal = site.raft(crate::town::HEADS[0])?.applied;
        let (after, client) = (self.after, site.client());
        let whole = site.ask(async move {
            let path = format!("/events?after={after}&follow=false");
            client.news(0, &path).await
        })?;
        let whole: Vec<(u64, u32)> = whole.iter().map(place).filter(|at| at.0 <= goal).collect();
        ensure!(!whole.is_empty(), "nothing happened");
        for held in self.events.into_iter().take(READ_LATER) {
            let client = site.client();
            let read = site.ask(read_on(client, held, after, goal))?;
            ensure!(
                read == whole,
                "a slow reader saw {} events of {}",
                read.len(),
                whole.len()
            );
        }
        for held in self.logs.into_iter().take(READ_LATER) {
            let written = site.ask(read_log(site.client(), held, self.job))?;
            let goal = LINES * (LINE_CHARS + 1);
            ensure!(
                written == goal,
                "a slow reader saw {written} bytes of {goal}"
            );
        }
        say(&format!(
            "{EVENT_STREAMS} streams of events and {LOG_STREAMS} of output held unread: \
             resumed with all of {} events",
            whole.len()
        ));
        Ok(())
    }
}

fn submit_writer(site: &Site) -> anyhow::Result<Submission> {
    let invoked = Instant::now();
    let line = format!("echo {}\n", "x".repeat(LINE_CHARS));
    let job = JobRequest {
        name: Some("writer".into()),
        image: Some("none:1".into()),
        script: Some(line.repeat(LINES)),
        cpu: Some(0.1),
        memory_bytes: Some(8 << 20),
        ..JobRequest::default()
    };
    let told = until("the writing job is taken", || {
        let (client, job) = (site.client(), job.clone());
        let tried = site.ask(async move { Ok(client.submit(0, "writer", &job).await) })?;
        match tried {
            Tried::Answered(Submitted { id, replayed, .. }) => Ok(Some(Ok(Told {
                id,
                asked: invoked,
                at: Instant::now(),
                replayed,
            }))),
            Tried::Again(_) => Ok(None),
            Tried::Refused(why) => Ok(Some(Err(anyhow::anyhow!(why)))),
        }
    })??;
    Ok(Submission {
        key: "writer".into(),
        exit_code: 0,
        cancelled: false,
        invoked,
        tries: 1,
        told: Some(told),
    })
}

/// An event's place in the stream.
fn place(event: &Event) -> (u64, u32) {
    (event.index, event.part)
}

/// Reads a held stream up to that entry; if it has ended, resumes behind the last id.
async fn read_on(
    client: Client,
    mut held: Response,
    after: u64,
    goal: u64,
) -> anyhow::Result<Vec<(u64, u32)>> {
    let (mut seen, mut last, mut rest) = (Vec::new(), after, String::new());
    while last < goal {
        let chunk = tokio::time::timeout(QUIET, held.chunk()).await;
        let Ok(Ok(Some(chunk))) = chunk else {
            break;
        };
        rest.push_str(&String::from_utf8_lossy(&chunk));
        while let Some((message, more)) = rest.split_once("\n\n") {
            hear(message, &mut seen, &mut last)?;
            rest = more.into();
        }
    }
    // What was told of the entry behind the last id is told again.
    seen.retain(|at: &(u64, u32)| at.0 <= last);
    if last < goal {
        let path = format!("/events?after={last}&follow=false");
        seen.extend(client.news(0, &path).await?.iter().map(place));
    }
    seen.retain(|at| at.0 <= goal);
    Ok(seen)
}

fn hear(message: &str, seen: &mut Vec<(u64, u32)>, last: &mut u64) -> anyhow::Result<()> {
    for line in message.lines() {
        if let Some(data) = line.strip_prefix("data:") {
            seen.push(place(&serde_json::from_str(data).context("an event")?));
        }
        if let Some(id) = line.strip_prefix("id:") {
            *last = id.trim().parse().context("an index")?;
        }
    }
    Ok(())
}

/// Reads a held log to its end; if it breaks off, reads on from there. How many bytes there were.
async fn read_log(client: Client, mut held: Response, job: u64) -> anyhow::Result<usize> {
    let mut bytes = 0;
    loop {
        match held.chunk().await {
            Ok(Some(chunk)) => bytes += chunk.len(),
            Ok(None) => return Ok(bytes),
            Err(_) => {
                held = client
                    .begin(0, &format!("/jobs/{job}/logs?offset={bytes}"))
                    .await?
            }
        }
    }
}
