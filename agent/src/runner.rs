//! The attempts of this node: what it holds, what it has to report, and one task for each.
//!
//! The runner takes orders, repeats them harmlessly, and keeps the outbox: the newest report of
//! every attempt until a leader has committed it. What it knows is in the journal before it acts
//! on it.

mod attempt;
pub mod book;
mod capture;
mod ready;

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use book::{Book, Taken};
use model::AttemptId;
use model::account::UserName;
use model::assignment::{Assignment, Held, News, Report, Stop};
use model::job::Usage;
use model::stored::Stored;
use model::unit::Millis;
use ready::blocking;
use tokio::sync::{mpsc, watch};

use crate::clock;
use crate::files::kept::{Kept, TOLD_EVERY};
use crate::files::owner::Owner;
use crate::files::storage::Storage;
use crate::health::Health;
use crate::journal::{Found, Journal, JournalError, Standing};
use crate::lease::span::Span;
use crate::runtime::{Place, Runtime};
use crate::secrets::Asking;
use crate::uplink::talk::Talk;
use crate::volumes::Volumes;

/// What the attempts of a node share.
pub struct Runner {
    shared: Arc<Shared>,
}

struct Shared {
    runtime: Arc<dyn Runtime>,
    journal: Journal,
    options: Options,
    health: Arc<Health>,
    kept: Kept,
    book: Mutex<Book>,
    /// Counts changes of the outbox.
    outbox: watch::Sender<u64>,
    failed: mpsc::Sender<JournalError>,
}

/// How a runner behaves.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where every attempt has a directory of its own.
    pub storage: Storage,
    /// The user and group that jobs run as whose owner has none.
    pub default_ids: (u32, u32),
    /// How often the usage of a running attempt is read.
    pub sample_every: Duration,
    /// Whom to ask for the secrets of jobs.
    pub secrets: Arc<Asking>,
    /// The volumes of jobs.
    pub volumes: Volumes,
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
        // What has run out may not begin anew, not even for a moment.
        let lease = Span::resume(found.lease, clock::boot_id());
        let holds = lease.left(clock::since_boot()) > Millis(0);
        let (book, taken) = Book::resume(found.attempts, holds);
        let place = |held: Held| options.storage.place(held.attempt, held.fence);
        let places: Vec<Place> = book.held().into_iter().map(place).collect();
        options.volumes.keep_only(&places);
        let health = Health::new();
        if options.storage.is_shared() {
            // Tried before a job needs it; what is wrong is said at once.
            health.doubt();
        }
        let kept = Kept::new(options.storage.clone());
        let shared = Arc::new(Shared {
            runtime,
            journal,
            options,
            health,
            kept,
            book: Mutex::new(book),
            outbox: watch::Sender::new(0),
            failed,
        });
        for one in taken {
            shared.clone().run(one);
        }
        let reading = shared.clone();
        tokio::task::spawn_blocking(move || {
            let held = places.into_iter().map(|place| place.attempt);
            reading.kept.read(&held.collect());
        });
        Runner { shared }
    }

    /// Runs these, unless they are here already.
    ///
    /// # Errors
    /// [`JournalError`]: nothing was started.
    pub async fn assign(
        &self,
        mut assignments: Vec<Assignment>,
        lease_holds: impl Fn() -> bool + Send,
    ) -> Result<(), JournalError> {
        {
            let book = self.shared.book();
            assignments.retain(|new| book.is_new(new.attempt));
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
            // The book is locked while the lease is looked at: if it runs out later, the attempt
            // is found there and ended.
            let taken = {
                let mut book = self.shared.book();
                let holds = lease_holds();
                book.take_up(Arc::new(assignment), standing, holds)
            };
            if let Some(taken) = taken {
                self.shared.clone().run(taken);
            }
        }
        Ok(())
    }

    /// Ends these.
    pub fn stop(&self, stops: &[Stop]) {
        self.shared.book().stop(stops);
    }

    /// The lease has run out: whatever may be tried elsewhere ends now.
    pub fn lease_lost(&self) -> usize {
        self.shared.book().lease_lost()
    }

    /// A leader has committed that these run.
    pub fn noted_running(&self, held: &[Held]) {
        self.shared.book().noted_running(held);
    }

    /// These are over in the log: forget them once nothing of them runs.
    pub fn forget(&self, held: &[Held]) {
        self.shared.book().forget(held);
    }

    /// Everything that is here.
    pub fn held(&self) -> Vec<Held> {
        self.shared.book().held()
    }

    /// What is to be reported and was not told in this talk; it counts as told.
    pub fn untold(&self, talk: &mut Talk) -> Vec<Report> {
        talk.untold(&self.shared.book())
    }

    /// Tells of changes of the outbox.
    pub fn outbox_changes(&self) -> watch::Receiver<u64> {
        self.shared.outbox.subscribe()
    }

    /// What keeps the node from running attempts; `None`: nothing that is known.
    pub fn trouble(&self) -> watch::Receiver<Option<String>> {
        self.shared.health.trouble()
    }

    /// Minds the node's health until it is dropped.
    pub async fn mind_health(self: Arc<Self>) {
        let Shared {
            health,
            runtime,
            options,
            ..
        } = &*self.shared;
        health.mind(&**runtime, &options.storage).await;
    }

    /// What the node keeps of ended attempts, as heads are to be told.
    pub fn stored(&self) -> watch::Receiver<Option<Stored>> {
        self.shared.kept.told()
    }

    /// Tells now and then what the node keeps, until it is dropped.
    pub async fn mind_kept(self: Arc<Self>) {
        loop {
            tokio::time::sleep(TOLD_EVERY).await;
            self.shared.kept.tell();
        }
    }

    /// Somebody has changed files of an attempt. Blocks.
    pub fn files_changed(&self, place: &Place) {
        self.shared.kept.measure_again(place);
    }

    /// What a running attempt uses: read now, or as it was read last.
    pub async fn usage(&self, attempt: AttemptId) -> Option<Usage> {
        let (held, last) = self.shared.book().usage(attempt)?;
        let place = self.place(held);
        self.shared.runtime.usage(&place).await.ok().or(last)
    }

    /// Where an attempt's files are, whether it is still here or not.
    pub fn place(&self, held: Held) -> Place {
        self.shared.options.storage.place(held.attempt, held.fence)
    }

    /// Whether an attempt is this user's: as the journal says while it is here, and later as it was
    /// written down before it began. What cannot be read is nobody's.
    pub async fn is_of(&self, attempt: AttemptId, user: &UserName) -> bool {
        if let Some(owner) = self.shared.book().owner(attempt) {
            return owner == user;
        }
        let shared = self.shared.clone();
        let noted = blocking(move || Ok(shared.options.storage.owner(attempt))).await;
        matches!(noted, Ok(Ok(Some(owner))) if owner.is(user))
    }

    /// Whose an attempt's directory is, as it was written down before the job began.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn owner(&self, attempt: AttemptId) -> io::Result<Option<Owner>> {
        self.shared.options.storage.owner(attempt)
    }

    /// Whether the attempt is here and has not ended.
    pub fn is_running(&self, attempt: AttemptId) -> bool {
        self.shared.book().is_running(attempt)
    }

    /// Removes what attempts left behind longer than `age` ago.
    pub fn sweep(&self, age: Duration) {
        let names: Vec<String> = self.held().iter().map(|h| self.place(*h).name()).collect();
        let held = |name: &str| names.iter().any(|known| known == name);
        match self.shared.options.storage.sweep(age, held) {
            Ok(0) => {}
            Ok(gone) => tracing::info!(gone, "swept directories of old attempts"),
            Err(error) => tracing::warn!(%error, "cannot sweep directories of old attempts"),
        }
        self.shared.kept.forget_gone();
    }
}

impl Shared {
    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the attempt a task; it owns itself and ends when the attempt is forgotten.
    fn run(self: Arc<Self>, taken: Taken) {
        let run = attempt::Run::new(self.clone(), taken).run();
        // Some 3 KiB: boxed, they are moved once, and not with every change of the task.
        tokio::spawn(Box::pin(async move {
            if let Err(error) = run.await {
                // One is enough to end the agent; if the place is taken, it ends already.
                let _ = self.failed.try_send(error);
            }
        }));
    }

    fn set_report(&self, held: Held, news: News) {
        self.book().set_report(held, news);
        self.outbox
            .send_modify(|count| *count = count.wrapping_add(1));
    }
}
