//! Which attempts a node has, what is wished of each, and what it has to report.
//!
//! Pure: nothing here waits, and time comes in as whether the lease holds. What is taken up is on
//! disk already. Whoever runs an attempt learns of wishes through the channels it is given.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use model::AttemptId;
use model::account::UserName;
use model::assignment::{Assignment, Held, News, Report, Stop, StopCause};
use model::job::Usage;
use model::spec::JobSpec;
use model::unit::Millis;
use tokio::sync::watch;

use crate::journal::{Standing, StopWish};
use crate::step::Progress;

/// The attempts of one node.
#[derive(Debug, Default)]
pub struct Book {
    entries: BTreeMap<AttemptId, Entry>,
    /// Who has something to report, in the order in which it became news.
    news: BTreeMap<u64, AttemptId>,
    last_news: u64,
}

#[derive(Debug)]
struct Entry {
    held: Held,
    owner: UserName,
    exclusive: bool,
    /// With its place in the order of news.
    report: Option<(u64, Report)>,
    stop: watch::Sender<Option<StopWish>>,
    forget: watch::Sender<bool>,
    gone: watch::Sender<bool>,
    usage: Option<Usage>,
}

/// What it takes to run one attempt.
#[derive(Debug)]
pub struct Taken {
    /// The whole order.
    pub assignment: Arc<Assignment>,
    /// How the journal knows it.
    pub standing: Standing,
    /// Why and how it shall end, if it shall.
    pub stops: watch::Receiver<Option<StopWish>>,
    /// Whether it is over in the log.
    pub forgets: watch::Receiver<bool>,
    /// Whether each earlier attempt of the same task that was here is gone: until all are, this
    /// one may not begin.
    pub earlier: Vec<watch::Receiver<bool>>,
}

impl Book {
    /// Takes up everything that the journal knows.
    pub fn resume(found: Vec<(Assignment, Standing)>, lease_holds: bool) -> (Book, Vec<Taken>) {
        let mut book = Book::default();
        let taken = found.into_iter().filter_map(|(assignment, standing)| {
            let assignment = Arc::new(assignment);
            book.take_up(assignment, standing, lease_holds)
        });
        let taken = taken.collect();
        (book, taken)
    }

    /// Whether an attempt is not here yet.
    pub fn is_new(&self, attempt: AttemptId) -> bool {
        !self.entries.contains_key(&attempt)
    }

    /// Adds an attempt, unless it is here already. An order may arrive late: without a lease, what
    /// may be tried elsewhere is ended before it begins.
    ///
    /// The log places an attempt only when those before it are over. Whatever is still here of an
    /// earlier one is ended, and is waited for ([`Taken::earlier`]): a kill may take its time.
    pub fn take_up(
        &mut self,
        assignment: Arc<Assignment>,
        standing: Standing,
        lease_holds: bool,
    ) -> Option<Taken> {
        if !self.is_new(assignment.attempt) {
            return None;
        }
        let held = Held {
            attempt: assignment.attempt,
            fence: assignment.fence,
        };
        let (stop, stops) = watch::channel(standing.stop);
        let (forget, forgets) = watch::channel(false);
        let task = held.attempt.task;
        let twins = self.entries.range(task.attempt(0)..=task.attempt(u32::MAX));
        let (mut earlier, mut outdated) = (Vec::new(), false);
        for (twin, entry) in twins {
            if *twin < held.attempt {
                entry.wish(OUTDATED);
                earlier.push(entry.gone.subscribe());
            } else {
                outdated = true;
            }
        }
        let entry = Entry {
            held,
            owner: assignment.owner.clone(),
            exclusive: assignment.exclusive,
            report: None,
            stop,
            forget,
            gone: watch::Sender::new(false),
            usage: None,
        };
        if outdated {
            entry.wish(OUTDATED);
        }
        if entry.exclusive && !lease_holds {
            entry.wish(LEASE_LOST);
        }
        self.entries.insert(held.attempt, entry);
        if let Some(news) = news(&assignment.spec, &standing.progress) {
            self.set_report(held, news);
        }
        Some(Taken {
            assignment,
            standing,
            stops,
            forgets,
            earlier,
        })
    }

    /// Ends these.
    pub fn stop(&self, stops: &[Stop]) {
        for stop in stops {
            let held = Held {
                attempt: stop.attempt,
                fence: stop.fence,
            };
            let wish = StopWish {
                cause: stop.cause,
                grace: stop.grace,
            };
            self.wish(held, wish);
        }
    }

    /// Ends one.
    pub fn wish(&self, held: Held, wish: StopWish) {
        if let Some(entry) = self.get(held) {
            entry.wish(wish);
        }
    }

    /// The lease has run out: whatever may be tried elsewhere ends now. Says how many.
    pub fn lease_lost(&self) -> usize {
        let exclusive = self.entries.values().filter(|entry| entry.exclusive);
        exclusive.inspect(|entry| entry.wish(LEASE_LOST)).count()
    }

    /// A leader has committed that these run.
    pub fn noted_running(&mut self, held: &[Held]) {
        for one in held {
            let entry = self.entries.get_mut(&one.attempt);
            let Some(entry) = entry.filter(|entry| entry.held == *one) else {
                continue;
            };
            let known = entry.report.take_if(|(_, report)| !is_end(report));
            if let Some((number, _)) = known {
                self.news.remove(&number);
            }
        }
    }

    /// These are over in the log: they are forgotten once nothing of them runs.
    pub fn forget(&self, held: &[Held]) {
        for entry in held.iter().filter_map(|one| self.get(*one)) {
            entry.forget.send_replace(true);
        }
    }

    /// Nothing of it runs, or will: what follows it may begin.
    pub fn gone(&self, attempt: AttemptId) {
        if let Some(entry) = self.entries.get(&attempt) {
            entry.gone.send_replace(true);
        }
    }

    /// Nothing of it is left.
    pub fn remove(&mut self, attempt: AttemptId) {
        let entry = self.entries.remove(&attempt);
        if let Some((number, _)) = entry.and_then(|entry| entry.report) {
            self.news.remove(&number);
        }
    }

    /// There is news of an attempt.
    pub fn set_report(&mut self, held: Held, news: News) {
        let Some(entry) = self.entries.get_mut(&held.attempt) else {
            return;
        };
        self.last_news += 1;
        let report = Report {
            attempt: held.attempt,
            fence: held.fence,
            news,
        };
        let before = entry.report.replace((self.last_news, report));
        if let Some((number, _)) = before {
            self.news.remove(&number);
        }
        self.news.insert(self.last_news, held.attempt);
    }

    /// What an attempt was seen to use.
    pub fn set_usage(&mut self, attempt: AttemptId, usage: Usage) {
        if let Some(entry) = self.entries.get_mut(&attempt) {
            entry.usage = Some(usage);
        }
    }

    /// An attempt that is here, with what it was seen to use last.
    pub fn usage(&self, attempt: AttemptId) -> Option<(Held, Option<Usage>)> {
        let entry = self.entries.get(&attempt)?;
        Some((entry.held, entry.usage))
    }

    /// Whose an attempt is that is here.
    pub fn owner(&self, attempt: AttemptId) -> Option<&UserName> {
        Some(&self.entries.get(&attempt)?.owner)
    }

    /// Everything that is here.
    pub fn held(&self) -> Vec<Held> {
        self.entries.values().map(|entry| entry.held).collect()
    }

    /// Reports that are not yet acknowledged and became news after number `told`, oldest first;
    /// all of them after 0. With them, the number of the last.
    pub fn reports_after(&self, told: u64) -> (Vec<Report>, u64) {
        let newer = self.news.range((Bound::Excluded(told), Bound::Unbounded));
        let entries = newer.filter_map(|(_, attempt)| self.entries.get(attempt));
        let reports = entries.filter_map(|entry| Some(entry.report.as_ref()?.1.clone()));
        (reports.collect(), self.last_news)
    }

    /// Whether the attempt is here and has not ended.
    pub fn is_running(&self, attempt: AttemptId) -> bool {
        let ended = |entry: &Entry| {
            entry
                .report
                .as_ref()
                .is_some_and(|(_, report)| is_end(report))
        };
        self.entries
            .get(&attempt)
            .is_some_and(|entry| !ended(entry))
    }

    fn get(&self, held: Held) -> Option<&Entry> {
        let entry = self.entries.get(&held.attempt);
        entry.filter(|entry| entry.held == held)
    }
}

/// How an attempt ends that this node may not keep.
const LEASE_LOST: StopWish = StopWish {
    cause: StopCause::LeaseLost,
    grace: Millis(0),
};

/// How an attempt ends that a later one of its task has followed.
const OUTDATED: StopWish = StopWish {
    cause: StopCause::Stale,
    grace: Millis(0),
};

/// Whether one of them is still here; see [`Taken::earlier`].
pub fn remain(earlier: &[watch::Receiver<bool>]) -> bool {
    earlier.iter().any(|gone| !*gone.borrow())
}

impl Entry {
    /// A wish is taken on once; a kill that is asked for later shortens a wish that had more time.
    fn wish(&self, new: StopWish) {
        self.stop.send_if_modified(|known| {
            let stronger = known.is_none_or(|known| new.grace < known.grace);
            if stronger {
                let cause = known.map_or(new.cause, |known| known.cause);
                *known = Some(StopWish {
                    cause,
                    grace: new.grace,
                });
            }
            stronger
        });
    }
}

/// What is still to be reported of an attempt that stands like this. Where its ports are has to
/// be asked first.
fn news(spec: &JobSpec, progress: &Progress) -> Option<News> {
    match progress {
        Progress::Accepted => None,
        Progress::Running(_) if !spec.ports.is_empty() => None,
        Progress::Running(running) => Some(News::Running(running.started.clone())),
        Progress::Ended(ending) => Some(News::Ended(ending.clone())),
    }
}

fn is_end(report: &Report) -> bool {
    match report.news {
        News::Running(_) | News::Serving(..) => false,
        News::Ended(_) => true,
    }
}
