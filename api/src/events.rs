//! The stream of news: read from the log in batches as the client takes them, so that a slow
//! client costs nothing but its own delay.
//!
//! Only the last event of an entry carries the entry's index as `id`; resuming behind it misses
//! nothing. Entries without news for this client move the id on now and then, so that resuming
//! does not start far back.

use std::collections::VecDeque;
use std::convert::Infallible;

use api_types::event::{EventQuery, kind};
use api_types::problem::code;
use axum::http::{HeaderMap, StatusCode};
use axum::response::sse;
use futures_util::Stream;
use model::change::{Event, EventKind};
use model::{JobId, LogIndex, State};
use tokio::time::{Instant, sleep_until, timeout};

use crate::app::App;
use crate::auth::Caller;
use crate::convert;
use crate::gate::Lasting;
use crate::limits::{
    BARRIER_WAIT, EVENT_BATCH, EVENTS_GATHER, EVENTS_READY_MAX, STREAM_ALIVE_EVERY,
};
use crate::problem::Refused;

/// Which events a client wants, and may see.
#[derive(Clone, Debug)]
struct Wanted {
    /// `None`: every job, and the nodes.
    owner: Option<model::account::UserName>,
    job: Option<JobId>,
    kinds: Vec<String>,
}

impl Wanted {
    fn has(&self, news: &EventKind) -> bool {
        self.has_kind(convert::event::kind_of(news)) && self.may_see(news) && self.is_about(news)
    }

    fn is_about(&self, news: &EventKind) -> bool {
        self.job.is_none_or(|job| is_about(news, job))
    }

    fn may_see(&self, news: &EventKind) -> bool {
        match (&self.owner, convert::event::owner(news)) {
            (None, _) => true,
            (Some(me), Some(owner)) => me == owner,
            (Some(_), None) => false,
        }
    }

    fn has_kind(&self, kind: &str) -> bool {
        let known = |wanted: &String| is_kind(wanted, kind);
        self.kinds.is_empty() || self.kinds.iter().any(known)
    }
}

/// Whether a word names this kind, or the group that it belongs to.
fn is_kind(wanted: &str, kind: &str) -> bool {
    wanted == kind || kind.split('.').next() == Some(wanted)
}

/// The kinds that a client names.
fn kinds(text: Option<&str>) -> Result<Vec<String>, Refused> {
    let words = text.into_iter().flat_map(|text| text.split(','));
    let words = words.map(str::trim).filter(|word| !word.is_empty());
    words
        .map(|word| {
            if kind::ALL.into_iter().any(|kind| is_kind(word, kind)) {
                return Ok(word.to_owned());
            }
            let shown: String = word.chars().take(40).collect();
            let message = format!("`{shown}` is no kind of event");
            let remedy = format!("use `job`, `attempt`, `node`, or {}", kind::ALL.join(", "));
            Err(Refused::invalid("type", message, remedy))
        })
        .collect()
}

fn is_about(news: &EventKind, job: JobId) -> bool {
    match news {
        EventKind::JobsSubmitted { first, count, .. } => {
            job >= *first && job.0 - first.0 < u64::from(*count)
        }
        EventKind::CancelRequested { job: id, .. } | EventKind::JobEnded { job: id, .. } => {
            *id == job
        }
        EventKind::AttemptPlaced { attempt, .. }
        | EventKind::AttemptStarted { attempt, .. }
        | EventKind::AttemptEnded { attempt, .. } => attempt.task.job == job,
        EventKind::NodeJoined { .. }
        | EventKind::NodeHealth { .. }
        | EventKind::NodeDrain { .. }
        | EventKind::NodeRemoved { .. } => false,
    }
}

/// One client's place in the stream.
struct Reader {
    app: App,
    caller: Caller,
    wanted: Wanted,
    /// Everything up to here has been told or skipped.
    after: LogIndex,
    /// So many events of the entry behind have been told: it has more than are held at once.
    told: usize,
    /// End here; `None`: never.
    until: Option<LogIndex>,
    ready: VecDeque<sse::Event>,
    /// Nothing is read before: it would be little.
    rested: Instant,
    over: bool,
    _place: Lasting,
}

/// Opens the stream.
///
/// # Errors
/// 410 when the events asked for are no longer kept, 422 when the log has not come so far.
pub(crate) async fn open(
    app: App,
    caller: Caller,
    query: EventQuery,
    headers: &HeaderMap,
) -> Result<impl Stream<Item = Result<sse::Event, Infallible>> + use<>, Refused> {
    let place = app.gates().lasting(caller.name())?;
    let resumed = last_event_id(headers)?.or(query.after.map(LogIndex));
    let now = app.log().applied();
    let after = resumed.unwrap_or(now);
    if after > now {
        refuse_future(&app, after).await?;
    }
    let wanted = Wanted {
        owner: (!caller.sees_all()).then(|| caller.name().clone()),
        job: query.job.map(JobId),
        kinds: kinds(query.kind.as_deref())?,
    };
    let mut reader = Reader {
        until: (!query.follow.unwrap_or(true)).then_some(now),
        app,
        caller,
        wanted,
        after,
        told: 0,
        ready: VecDeque::new(),
        rested: Instant::now(),
        over: false,
        _place: place,
    };
    // The first batch decides whether there is a stream at all.
    if resumed.is_some() && !reader.read_batch().await? {
        return Err(gone(after));
    }
    Ok(futures_util::stream::unfold(
        reader,
        |mut reader| async move {
            let event = reader.next().await?;
            Some((Ok(event), reader))
        },
    ))
}

/// How quiet streams are kept open.
pub(crate) fn keep_alive() -> sse::KeepAlive {
    sse::KeepAlive::new().interval(STREAM_ALIVE_EVERY)
}

fn last_event_id(headers: &HeaderMap) -> Result<Option<LogIndex>, Refused> {
    let Some(value) = headers.get("Last-Event-ID") else {
        return Ok(None);
    };
    let index = value
        .to_str()
        .ok()
        .and_then(|text| text.trim().parse().ok());
    index.map(|index| Some(LogIndex(index))).ok_or_else(|| {
        let remedy = "send the last `id` that the stream gave, or leave it out";
        Refused::invalid("Last-Event-ID", "is not the index of a log entry", remedy)
    })
}

/// This head may be behind another; nobody is ahead of the quorum.
async fn refuse_future(app: &App, after: LogIndex) -> Result<(), Refused> {
    let newest = app.barrier(BARRIER_WAIT).await?;
    if after <= newest.max(app.log().applied()) {
        return Ok(());
    }
    let message = format!("is ahead of the log, which ends at {}", newest.0);
    Err(Refused::invalid(
        "after",
        message,
        "is it from another cluster? start without it",
    ))
}

fn gone(after: LogIndex) -> Refused {
    let detail = format!("events behind {} are no longer kept", after.0);
    let hint = "read the jobs anew, then start the stream without an index";
    Refused::new(StatusCode::GONE, code::EVENTS_GONE, detail, hint).with_field("after")
}

impl Reader {
    /// The next message for the client; `None` ends the stream.
    async fn next(&mut self) -> Option<sse::Event> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            if self.over || self.until.is_some_and(|until| self.after >= until) {
                return None;
            }
            let log = self.app.log();
            if !self.caller.still_valid(&log.read(), self.app.now()) {
                return None;
            }
            if log.applied() <= self.after {
                let app = self.app.clone();
                let moved = timeout(STREAM_ALIVE_EVERY, log.moved_past(self.after));
                tokio::select! {
                    () = app.stopping() => return None,
                    _ = moved => {}
                }
                continue;
            }
            let app = self.app.clone();
            tokio::select! {
                () = app.stopping() => return None,
                () = sleep_until(self.rested) => {}
            }
            match self.read_batch().await {
                Ok(true) => {}
                Ok(false) => self.end_with(&gone(self.after)),
                Err(refused) => self.end_with(&refused),
            }
        }
    }

    /// Reads the next entries; `false` when some of them are no longer kept.
    async fn read_batch(&mut self) -> Result<bool, Refused> {
        let log = self.app.log();
        // In this order: every entry up to `applied` is in what is read then.
        let applied = log.applied();
        let Some(entries) = log.events(self.after, EVENT_BATCH).await? else {
            return Ok(false);
        };
        let state = log.read();
        let before = self.after;
        for entry in &entries {
            if !self.tell(&state, entry) {
                return Ok(true);
            }
        }
        if entries.len() < EVENT_BATCH {
            self.after = self.after.max(applied);
            self.rested = Instant::now() + EVENTS_GATHER;
        }
        if self.ready.is_empty() && self.after > before {
            let index = self.after.0.to_string();
            self.ready
                .push_back(sse::Event::default().id(index).comment("nothing for you"));
        }
        Ok(true)
    }

    /// Makes the events of an entry ready, as far as there is room; says whether that is all of
    /// them. Only the last one of the entry has its index.
    fn tell(&mut self, state: &State, entry: &Event) -> bool {
        let news = entry.kinds.iter().enumerate();
        let mut news = news
            .filter(|(_, news)| self.wanted.has(news))
            .skip(self.told)
            .peekable();
        while let Some((part, one)) = news.next() {
            let last = news.peek().is_none();
            let event = convert::event::event(state, entry, part, one);
            let message = sse::Event::default().event(&event.kind);
            let message = message.data(serde_json::to_string(&event).unwrap_or_default());
            self.ready.push_back(if last {
                message.id(entry.index.0.to_string())
            } else {
                message
            });
            self.told += 1;
            if self.ready.len() >= EVENTS_READY_MAX && !last {
                return false;
            }
        }
        (self.told, self.after) = (0, self.after.max(entry.index));
        self.ready.len() < EVENTS_READY_MAX
    }

    /// Says why the stream ends.
    fn end_with(&mut self, refused: &Refused) {
        let body = serde_json::to_string(&refused.body("")).unwrap_or_default();
        self.ready
            .push_back(sse::Event::default().event("error").data(body));
        self.over = true;
    }
}
