//! The attempts of this node: what it holds, what it has to report, and one task for each.
//!
//! The runner takes orders, repeats them harmlessly, and keeps the outbox: the newest report of
//! every attempt until a leader has committed it. What it knows is in the journal before it acts
//! on it.

mod attempt;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use model::AttemptId;
use model::assignment::{Assignment, Held, News, Report, Stop, StopCause};
use model::job::Usage;
use model::unit::Millis;
use tokio::sync::{mpsc, watch};

use crate::files;
use crate::journal::{Found, Journal, JournalError, Standing, StopWish};
use crate::runtime::{Place, Runtime};

/// What the attempts of a node share.
pub struct Runner {
    shared: Arc<Shared>,
}

struct Shared {
    runtime: Arc<dyn Runtime>,
    journal: Journal,
    options: Options,
    entries: Mutex<BTreeMap<AttemptId, Entry>>,
    /// Counts changes of the outbox.
    outbox: watch::Sender<u64>,
    failed: mpsc::Sender<JournalError>,
}

/// How a runner behaves.
#[derive(Clone, Debug)]
pub struct Options {
    /// The directory below which every attempt has its own.
    pub attempts: PathBuf,
    /// The user and group that jobs run as whose owner has none.
    pub default_ids: (u32, u32),
    /// How often the usage of a running attempt is read.
    pub sample_every: Duration,
}

struct Entry {
    held: Held,
    exclusive: bool,
    report: Option<Report>,
    stop: watch::Sender<Option<StopWish>>,
    forget: watch::Sender<bool>,
    usage: Option<Usage>,
}

impl Runner {
    /// Takes up every attempt that the journal knows. A failing journal is told through `failed`:
    /// the agent then ends.
    pub fn start(
        runtime: Arc<dyn Runtime>,
        journal: Journal,
        options: Options,
        found: Found,
        failed: mpsc::Sender<JournalError>,
    ) -> Runner {
        let shared = Arc::new(Shared {
            runtime,
            journal,
            options,
            entries: Mutex::default(),
            outbox: watch::Sender::new(0),
            failed,
        });
        for (assignment, standing) in found.attempts {
            shared.clone().take_up(Arc::new(assignment), standing);
        }
        Runner { shared }
    }

    /// Runs these, unless they are here already.
    ///
    /// # Errors
    /// [`JournalError`]: nothing was started.
    pub async fn assign(&self, mut assignments: Vec<Assignment>) -> Result<(), JournalError> {
        {
            let entries = self.shared.entries();
            assignments.retain(|new| !entries.contains_key(&new.attempt));
        }
        if assignments.is_empty() {
            return Ok(());
        }
        self.shared.journal.accept(assignments.clone()).await?;
        for assignment in assignments {
            let standing = Standing {
                progress: crate::step::Progress::Accepted,
                stop: None,
            };
            self.shared.clone().take_up(Arc::new(assignment), standing);
        }
        Ok(())
    }

    /// Ends these.
    pub fn stop(&self, stops: &[Stop]) {
        let entries = self.shared.entries();
        for stop in stops {
            let entry = entries
                .get(&stop.attempt)
                .filter(|e| e.held.fence == stop.fence);
            if let Some(entry) = entry {
                wish(
                    entry,
                    StopWish {
                        cause: stop.cause,
                        grace: stop.grace,
                    },
                );
            }
        }
    }

    /// The lease has run out: whatever may be tried elsewhere ends now.
    pub fn lease_lost(&self) -> usize {
        let entries = self.shared.entries();
        let exclusive = entries.values().filter(|entry| entry.exclusive);
        let wish_of = StopWish {
            cause: StopCause::LeaseLost,
            grace: Millis(0),
        };
        exclusive.inspect(|entry| wish(entry, wish_of)).count()
    }

    /// A leader has committed that these run.
    pub fn noted_running(&self, held: &[Held]) {
        let mut entries = self.shared.entries();
        for one in held {
            let entry = entries.get_mut(&one.attempt).filter(|e| e.held == *one);
            if let Some(entry) = entry
                && entry
                    .report
                    .as_ref()
                    .is_some_and(|r| matches!(r.news, News::Running(_)))
            {
                entry.report = None;
            }
        }
    }

    /// These are over in the log: forget them once nothing of them runs.
    pub fn forget(&self, held: &[Held]) {
        let entries = self.shared.entries();
        for one in held {
            if let Some(entry) = entries.get(&one.attempt).filter(|e| e.held == *one) {
                entry.forget.send_replace(true);
            }
        }
    }

    /// Everything that is here.
    pub fn held(&self) -> Vec<Held> {
        self.shared
            .entries()
            .values()
            .map(|entry| entry.held)
            .collect()
    }

    /// Every report that is not yet acknowledged.
    pub fn reports(&self) -> Vec<Report> {
        self.shared
            .entries()
            .values()
            .filter_map(|entry| entry.report.clone())
            .collect()
    }

    /// Tells of changes of the outbox.
    pub fn outbox_changes(&self) -> watch::Receiver<u64> {
        self.shared.outbox.subscribe()
    }

    /// What a running attempt uses: read now, or as it was read last.
    pub async fn usage(&self, attempt: AttemptId) -> Option<Usage> {
        let (place, last) = {
            let entries = self.shared.entries();
            let entry = entries.get(&attempt)?;
            (self.place(entry.held), entry.usage)
        };
        self.shared.runtime.usage(&place).await.ok().or(last)
    }

    /// Where an attempt's files are, whether it is still here or not.
    pub fn place(&self, held: Held) -> Place {
        files::place(&self.shared.options.attempts, held.attempt, held.fence)
    }

    /// Whether the attempt is here and has not ended.
    pub fn is_running(&self, attempt: AttemptId) -> bool {
        let entries = self.shared.entries();
        let ended = |entry: &Entry| {
            entry
                .report
                .as_ref()
                .is_some_and(|r| matches!(r.news, News::Ended(_)))
        };
        entries.get(&attempt).is_some_and(|entry| !ended(entry))
    }

    /// Removes what attempts left behind longer than `age` ago.
    pub fn sweep(&self, age: Duration) {
        let names: Vec<String> = self.held().iter().map(|h| self.place(*h).name()).collect();
        let held = |name: &str| names.iter().any(|known| known == name);
        match files::sweep(&self.shared.options.attempts, age, held) {
            Ok(0) => {}
            Ok(gone) => tracing::info!(gone, "swept directories of old attempts"),
            Err(error) => tracing::warn!(%error, "cannot sweep directories of old attempts"),
        }
    }
}

/// A wish is taken on once; a kill that is asked for later shortens a wish that had more time.
fn wish(entry: &Entry, new: StopWish) {
    entry.stop.send_if_modified(|known| {
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

impl Shared {
    fn entries(&self) -> MutexGuard<'_, BTreeMap<AttemptId, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds the attempt and gives it a task; the task owns itself and ends when the attempt is
    /// forgotten.
    fn take_up(self: Arc<Self>, assignment: Arc<Assignment>, standing: Standing) {
        let (stop, stops) = watch::channel(standing.stop);
        let (forget, forgets) = watch::channel(false);
        let held = Held {
            attempt: assignment.attempt,
            fence: assignment.fence,
        };
        let entry = Entry {
            held,
            exclusive: assignment.exclusive,
            report: None,
            stop,
            forget,
            usage: None,
        };
        {
            let mut entries = self.entries();
            if entries.contains_key(&held.attempt) {
                return;
            }
            entries.insert(held.attempt, entry);
        }
        let run = attempt::Run::new(self.clone(), assignment, standing, stops, forgets);
        tokio::spawn(async move {
            if let Err(error) = run.run().await {
                // One is enough to end the agent; if the place is taken, it ends already.
                let _ = self.failed.try_send(error);
            }
        });
    }

    fn set_report(&self, held: Held, news: News) {
        let report = Report {
            attempt: held.attempt,
            fence: held.fence,
            news,
        };
        if let Some(entry) = self.entries().get_mut(&held.attempt) {
            entry.report = Some(report);
        }
        self.outbox
            .send_modify(|count| *count = count.wrapping_add(1));
    }

    fn set_usage(&self, attempt: AttemptId, usage: Usage) {
        if let Some(entry) = self.entries().get_mut(&attempt) {
            entry.usage = Some(usage);
        }
    }

    fn drop_entry(&self, attempt: AttemptId) {
        self.entries().remove(&attempt);
    }
}
