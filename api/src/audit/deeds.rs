//! What users do with the files of jobs. Nodes do it, so it is no command of the log; it is noted
//! there all the same, however it ends.
//!
//! Who puts many files in place fills no log. The first deed of a kind (the same user, token and
//! address, the same job, method and outcome) is noted within [`NOTES_EVERY`]; those that follow
//! are counted and told together, once in [`DEEDS_TOGETHER`].

use std::collections::HashMap;
use std::mem;
use std::sync::{Mutex, PoisonError};

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use model::command::{Command, Deed, Who};
use model::ledger::Verdict;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

use super::{DOOR, PATH_KEPT};
use crate::app::App;
use crate::limits::{DEEDS_KEPT, DEEDS_TOGETHER, NOTES_EVERY};
use crate::problem::Refused;

/// Why something failed whose sender or asker went away.
const BROKE_OFF: &str = "broke off";

/// A request that would change files, from its beginning. It is noted when this is dropped.
pub(crate) struct Doing {
    app: App,
    kind: Kind,
    /// As the user wrote it.
    path: String,
}

/// Marks an answer whose refusal is noted already.
#[derive(Clone, Copy, Debug)]
pub(super) struct Told;

/// What is counted as the same.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Kind {
    user: String,
    token: String,
    from: String,
    what: String,
    outcome: Outcome,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
enum Outcome {
    Done,
    /// Not begun, for this reason.
    Refused(String),
    /// Begun and not seen to be done, for this reason.
    Failed(String),
}

impl Doing {
    /// What the request that is served now is about to do with this path; `None` for a request
    /// that changes nothing.
    pub(crate) fn begin(app: &App, path: &str) -> Option<Doing> {
        let (who, what) = DOOR.try_with(Clone::clone).ok()?;
        Some(Doing {
            app: app.clone(),
            kind: Kind {
                user: who.user,
                token: who.token,
                from: who.from,
                what,
                outcome: Outcome::Failed(BROKE_OFF.into()),
            },
            path: path.chars().take(PATH_KEPT).collect(),
        })
    }
}

/// The answer to a request that would change files, with its deed noted.
pub(crate) fn answered<T: IntoResponse>(
    doing: Option<Doing>,
    done: Result<T, Refused>,
) -> Response {
    if let Some(mut doing) = doing {
        doing.kind.outcome = match &done {
            Ok(_) => Outcome::Done,
            Err(refused) => outcome(refused.status()),
        };
    }
    let mut response = done.into_response();
    response.extensions_mut().insert(Told);
    response
}

/// What an error says of a deed.
fn outcome(status: StatusCode) -> Outcome {
    match status {
        StatusCode::BAD_REQUEST | StatusCode::REQUEST_TIMEOUT => Outcome::Failed(BROKE_OFF.into()),
        status if status.is_server_error() => Outcome::Failed(status.as_str().into()),
        status => Outcome::Refused(status.as_str().into()),
    }
}

impl Drop for Doing {
    fn drop(&mut self) {
        let (kind, path) = (self.kind.clone(), mem::take(&mut self.path));
        self.app.deeds().add(Instant::now(), kind, path);
    }
}

/// What was done and is not noted yet.
#[derive(Debug, Default)]
pub(crate) struct Deeds {
    kept: Mutex<HashMap<Kind, Gathered>>,
    /// There are some.
    some: Notify,
}

/// Deeds of one kind.
#[derive(Clone, Debug)]
struct Gathered {
    /// How many are not noted yet.
    times: u32,
    /// The path of the first of them.
    path: String,
    /// Whether there were other paths.
    others: bool,
    /// When they are noted.
    due: Instant,
}

impl Deeds {
    /// Beyond its bound new kinds are counted as one for each user.
    fn add(&self, now: Instant, mut kind: Kind, path: String) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= DEEDS_KEPT && !kept.contains_key(&kind) {
            kind = Kind {
                token: String::new(),
                from: String::new(),
                what: "files of other jobs".into(),
                ..kind
            };
        }
        let gathered = kept.entry(kind).or_insert_with(|| Gathered {
            times: 0,
            path: path.clone(),
            others: false,
            due: now,
        });
        if gathered.times == 0 {
            (gathered.path, gathered.others) = (path, false);
        } else {
            gathered.others |= gathered.path != path;
        }
        gathered.times = gathered.times.saturating_add(1);
        drop(kept);
        self.some.notify_one();
    }

    /// What is to be noted now, oldest kind first; of what is noted only the time is kept, for as
    /// long as more of it is told together.
    fn take(&self, now: Instant, all: bool) -> Vec<(Kind, Gathered)> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let mut taken = Vec::new();
        kept.retain(|kind, gathered| {
            if gathered.due > now && !all {
                return true;
            }
            if gathered.times == 0 {
                return false;
            }
            taken.push((kind.clone(), gathered.clone()));
            gathered.times = 0;
            gathered.due = now + DEEDS_TOGETHER;
            true
        });
        drop(kept);
        taken.sort_by(|(one, first), (other, second)| {
            (first.due, &one.what).cmp(&(second.due, &other.what))
        });
        taken
    }

    /// Takes back what the log did not take.
    fn put_back(&self, taken: Vec<(Kind, Gathered)>) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        for (kind, back) in taken {
            let now = kept.entry(kind).or_insert_with(|| Gathered {
                times: 0,
                ..back.clone()
            });
            now.others |= back.others || (now.times > 0 && now.path != back.path);
            (now.path, now.due) = (back.path, back.due);
            now.times = now.times.saturating_add(back.times);
        }
    }

    fn is_empty(&self) -> bool {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.is_empty()
    }
}

/// Notes what is done, as long as the server runs.
pub(crate) async fn note_deeds(app: App) {
    loop {
        app.deeds().some.notified().await;
        while !app.deeds().is_empty() {
            sleep(NOTES_EVERY).await;
            note(&app, false).await;
        }
    }
}

/// Notes all that is not noted yet, when the server has ended.
pub(crate) async fn note_last_deeds(app: App) {
    note(&app, true).await;
}

async fn note(app: &App, all: bool) {
    let taken = app.deeds().take(Instant::now(), all);
    for some in taken.chunks(model::limits::DEEDS_MAX) {
        let deeds = some.iter().cloned().map(told).collect();
        if app.propose(Command::NoteDeeds(deeds)).await.is_err() {
            let count = some.len();
            tracing::warn!(count, "deeds could not be noted in the audit log yet");
            app.deeds().put_back(some.to_vec());
        }
    }
}

fn told((kind, gathered): (Kind, Gathered)) -> Deed {
    let times = gathered.times;
    let others = if gathered.others { " and others" } else { "" };
    Deed {
        who: Who {
            user: kind.user,
            token: kind.token,
            from: kind.from,
        },
        what: format!("{} {}{others}", kind.what, gathered.path),
        verdict: match kind.outcome {
            Outcome::Done => Verdict::DoneOften { times },
            Outcome::Refused(why) => Verdict::Refused { why, times },
            Outcome::Failed(why) => Verdict::Failed { why, times },
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(user: &str, job: u64, outcome: Outcome) -> Kind {
        Kind {
            user: user.into(),
            token: "t".into(),
            from: "::1".into(),
            what: format!("PUT /jobs/{job}/files/content"),
            outcome,
        }
    }

    fn taken(deeds: &Deeds, now: Instant) -> Vec<(String, Verdict)> {
        let taken = deeds.take(now, false).into_iter();
        let lines = taken.map(told).map(|deed| (deed.what, deed.verdict));
        let mut lines: Vec<_> = lines.collect();
        lines.sort_by(|one, other| one.0.cmp(&other.0));
        lines
    }

    #[test]
    fn the_first_is_told_at_once_and_those_that_follow_together() {
        let (deeds, now) = (Deeds::default(), Instant::now());
        let put = |path: &str| deeds.add(now, kind("alice", 1, Outcome::Done), path.into());
        put("work/a");
        let line = |what: &str, times| {
            let what = format!("PUT /jobs/1/files/content {what}");
            vec![(what, Verdict::DoneOften { times })]
        };
        assert_eq!(taken(&deeds, now), line("work/a", 1));
        for number in 0..1_000 {
            put(&format!("work/{number}"));
        }
        assert_eq!(taken(&deeds, now + DEEDS_TOGETHER / 2), []);
        let then = now + DEEDS_TOGETHER;
        assert_eq!(taken(&deeds, then), line("work/0 and others", 1_000));
        assert!(!deeds.is_empty());
        assert_eq!(taken(&deeds, then + DEEDS_TOGETHER), []);
        assert!(deeds.is_empty(), "what is quiet is kept no longer");
    }

    #[test]
    fn what_differs_is_told_apart() {
        let (deeds, now) = (Deeds::default(), Instant::now());
        deeds.add(now, kind("alice", 1, Outcome::Done), "work/a".into());
        deeds.add(now, kind("alice", 2, Outcome::Done), "work/a".into());
        deeds.add(now, kind("bob", 1, Outcome::Done), "work/a".into());
        for _ in 0..2 {
            let refused = Outcome::Refused("413".into());
            deeds.add(now, kind("alice", 1, refused), "work/b".into());
        }
        let lines = taken(&deeds, now);
        assert_eq!(lines.len(), 4);
        let refused = Verdict::Refused {
            why: "413".into(),
            times: 2,
        };
        let what = "PUT /jobs/1/files/content work/b".to_owned();
        assert!(lines.contains(&(what, refused)), "{lines:?}");
    }

    #[test]
    fn what_the_log_does_not_take_is_told_later() {
        let (deeds, now) = (Deeds::default(), Instant::now());
        let put = |path: &str| deeds.add(now, kind("alice", 1, Outcome::Done), path.into());
        put("work/a");
        let lost = deeds.take(now, false);
        put("work/b");
        deeds.put_back(lost);
        let what = "PUT /jobs/1/files/content work/a and others".to_owned();
        let both = vec![(what, Verdict::DoneOften { times: 2 })];
        assert_eq!(taken(&deeds, now), both);
    }

    #[test]
    fn nobody_fills_the_memory_or_hides_behind_many_jobs() {
        let (deeds, now) = (Deeds::default(), Instant::now());
        for job in 0..3 * DEEDS_KEPT as u64 {
            deeds.add(now, kind("alice", job, Outcome::Done), "work/a".into());
        }
        deeds.add(now, kind("bob", 1, Outcome::Done), "work/a".into());
        let taken = deeds.take(now, false);
        assert_eq!(taken.len(), DEEDS_KEPT + 2);
        let times: u32 = taken.iter().map(|(_, gathered)| gathered.times).sum();
        assert_eq!(times as usize, 3 * DEEDS_KEPT + 1);
        assert!(taken.iter().any(|(kind, _)| kind.user == "bob"));
    }

    #[test]
    fn an_answer_says_what_became_of_it() {
        let refused = |why: &str| Outcome::Refused(why.into());
        let failed = |why: &str| Outcome::Failed(why.into());
        let cases = [
            (StatusCode::FORBIDDEN, refused("403")),
            (StatusCode::NOT_FOUND, refused("404")),
            (StatusCode::PAYLOAD_TOO_LARGE, refused("413")),
            (StatusCode::BAD_REQUEST, failed(BROKE_OFF)),
            (StatusCode::REQUEST_TIMEOUT, failed(BROKE_OFF)),
            (StatusCode::BAD_GATEWAY, failed("502")),
        ];
        for (status, expected) in cases {
            assert_eq!(outcome(status), expected, "{status}");
        }
    }
}
