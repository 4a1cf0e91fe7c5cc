//! A load that never pauses: it submits at a steady pace whether answers come or not, repeats
//! what was not answered under the same key at the next head, and keeps a ledger of what it was
//! told. Beside it, readers look at young jobs again and again, and some jobs are cancelled.
//!
//! It promises that every submission ends in an acknowledgement or in a failure that is told; the
//! pace does not depend on the answers, so an outage is seen as long as it is.

mod job;
mod read;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use tokio::runtime::Runtime;
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinHandle, JoinSet};

use crate::client::Client;
use crate::cluster::until;
use crate::ledger::Submission;
use crate::weather::Times;
use crate::weather::history::Operation;

/// Between two submissions.
const PACE: Duration = Duration::from_millis(12);
/// Submissions that may wait for their answers at the same time.
const UNDER_WAY_MAX: usize = 512;
/// Clients that only look.
const READERS: usize = 4;
/// Submissions a second without which a fault proves nothing.
const BRISK: usize = 50;
/// How long the load may take to be so heavy.
const BRISK_WITHIN: Duration = Duration::from_secs(2);
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// So many acknowledgements are looked at for that, from the last on.
const RECENT: usize = 1_000;
/// Over how long that is counted.
const BRISK_OVER: Duration = Duration::from_secs(1);

/// The load, while it goes on.
pub struct Load {
    runtime: Arc<Runtime>,
    shared: Arc<Shared>,
    stop: watch::Sender<bool>,
    pump: Option<JoinHandle<()>>,
    readers: Vec<JoinHandle<()>>,
}

/// What the load did and was told.
#[derive(Debug, Default)]
pub struct Account {
    /// Every submission.
    pub submissions: Vec<Submission>,
    /// What was done to jobs and seen of them, by number.
    pub operations: Vec<(u64, Operation)>,
    /// Reads that promised to be complete.
    pub reads: usize,
    /// Reads that were only promised to be old.
    pub stale_reads: usize,
    /// Why a submission was put off last, and when.
    pub put_off: Option<(Instant, String)>,
    /// Keys that were sent and not answered: their jobs may be there or not.
    pub unanswered: BTreeSet<String>,
    /// What should never have been answered, or never was.
    pub failures: Vec<String>,
}

/// What all clients of one load have in common.
struct Shared {
    client: Client,
    account: Mutex<Account>,
}

impl Shared {
    fn note<T>(&self, note: impl FnOnce(&mut Account) -> T) -> T {
        note(&mut self.account.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn fail(&self, why: String) {
        self.note(|account| account.failures.push(why));
    }
}

impl Load {
    /// Begins.
    pub fn start(runtime: Arc<Runtime>, client: Client) -> Load {
        let shared = Arc::new(Shared {
            client,
            account: Mutex::new(Account::default()),
        });
        let (stop, stopped) = watch::channel(false);
        let pump = runtime.spawn(pump(shared.clone(), stopped.clone()));
        let reader = |number| runtime.spawn(read::look(shared.clone(), number, stopped.clone()));
        let readers = (0..READERS).map(reader).collect();
        Load {
            runtime,
            shared,
            stop,
            pump: Some(pump),
            readers,
        }
    }

    /// Waits until the load is heavy enough for a fault to mean something, for a moment only;
    /// whether it is.
    pub fn brisk(&self) -> bool {
        let began = Instant::now();
        while self.told_lately() < BRISK {
            if began.elapsed() > BRISK_WITHIN {
                return false;
            }
            std::thread::sleep(LOOK_EVERY);
        }
        true
    }

    /// Acknowledgements in the last second.
    fn told_lately(&self) -> usize {
        let now = Instant::now();
        let recent = |at: Instant| now.duration_since(at) < BRISK_OVER;
        self.shared.note(|account| {
            let told = account.submissions.iter().rev().take(RECENT);
            let told = told.filter_map(|s| s.told);
            told.filter(|told| recent(told.at)).count()
        })
    }

    /// Waits for an acknowledgement of a try that was sent after that moment; when it came.
    ///
    /// # Errors
    /// If none comes.
    pub fn next_told(&self, after: Instant) -> anyhow::Result<Instant> {
        until("the next acknowledgement", || {
            Ok(self.shared.note(|account| {
                let told = account.submissions.iter().filter_map(|s| s.told);
                told.filter(|told| told.asked > after)
                    .map(|told| told.at)
                    .min()
            }))
        })
    }

    /// Waits for a submission to be put off after that moment in words that contain these.
    ///
    /// # Errors
    /// If none is.
    pub fn next_put_off(&self, after: Instant, words: &str) -> anyhow::Result<String> {
        until("a submission is put off", || {
            Ok(self.shared.note(|account| {
                let last = account.put_off.as_ref();
                let last = last.filter(|(at, why)| *at > after && why.contains(words));
                last.map(|(_, why)| why.clone())
            }))
        })
    }

    /// How long those submissions took that began in that span and are acknowledged by now.
    pub fn took(&self, from: Instant, to: Instant) -> Times {
        self.shared.note(|account| {
            let begun = account.submissions.iter();
            let begun = begun.filter(|s| s.invoked >= from && s.invoked < to);
            let took = begun.filter_map(|s| Some(s.told?.at - s.invoked));
            took.collect()
        })
    }

    /// The longest time between two acknowledgements that touches that span.
    pub fn longest_silence(&self, from: Instant, to: Instant) -> Duration {
        let mut moments: Vec<Instant> = self.shared.note(|account| {
            let told = account.submissions.iter().filter_map(|s| s.told);
            told.map(|told| told.at).collect()
        });
        moments.sort();
        let gaps = moments.windows(2).filter_map(|pair| match pair {
            [a, b] if *b >= from && *a <= to => Some(*b - *a),
            _ => None,
        });
        gaps.max().unwrap_or(Duration::MAX)
    }

    /// Submits no more, waits for every answer, and gives the account.
    ///
    /// # Errors
    /// If a part of the load failed.
    pub fn stop(&mut self) -> anyhow::Result<Account> {
        self.stop.send_replace(true);
        let (pump, readers) = (self.pump.take(), std::mem::take(&mut self.readers));
        self.runtime.block_on(async {
            for part in pump.into_iter().chain(readers) {
                part.await?;
            }
            anyhow::Ok(())
        })?;
        let account = self.shared.note(std::mem::take);
        let failures = &account.failures;
        ensure!(
            failures.is_empty(),
            "{} failures, the first: {}",
            failures.len(),
            failures.first().context("one")?
        );
        Ok(account)
    }
}

async fn pump(shared: Arc<Shared>, stop: watch::Receiver<bool>) {
    let places = Arc::new(Semaphore::new(UNDER_WAY_MAX));
    let mut jobs = JoinSet::new();
    let mut pace = tokio::time::interval(PACE);
    pace.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    for number in 0_usize.. {
        pace.tick().await;
        // The semaphore is never closed.
        let Ok(place) = places.clone().acquire_owned().await else {
            break;
        };
        if *stop.borrow() {
            break;
        }
        let shared = shared.clone();
        jobs.spawn(async move {
            job::live(&shared, number).await;
            drop(place);
        });
        while jobs.try_join_next().is_some() {}
    }
    while let Some(joined) = jobs.join_next().await {
        if let Err(error) = joined {
            shared.fail(format!("a client: {error}"));
        }
    }
}
