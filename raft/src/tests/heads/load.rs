//! Clients that submit all the time, through any head, and remember what was acknowledged.
//!
//! A submission whose outcome is unknown, or that was refused, is repeated under its key through
//! the next head until it is acknowledged: so must every client do.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use model::log::{Log, LogError};
use model::{JobId, Reply};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::{Heads, PATIENCE};
use crate::handle::Handle;
use crate::tests::stores::submit;

/// Commands on their way.
pub(crate) struct Load {
    shared: Arc<Shared>,
    clients: JoinSet<()>,
}

#[derive(Default)]
struct Shared {
    heads: Mutex<Vec<Handle>>,
    /// Key and first job of what was acknowledged, with the moment.
    acknowledged: Mutex<BTreeMap<String, (JobId, Instant)>>,
    count: AtomicU64,
    stop: AtomicBool,
}

impl Load {
    /// `clients` that submit one job with a script of `bytes` after the other.
    pub(crate) fn start(heads: &Heads, clients: u64, bytes: usize) -> Load {
        let shared = Arc::new(Shared::default());
        let mut load = Load {
            shared: shared.clone(),
            clients: JoinSet::new(),
        };
        load.ask(heads);
        for client in 0..clients {
            load.clients
                .spawn(submit_all(shared.clone(), client, bytes));
        }
        load
    }

    /// From now on the heads that run now are asked.
    pub(crate) fn ask(&self, heads: &Heads) {
        let handles = heads
            .nodes()
            .into_iter()
            .map(|node| heads.handle(node).clone());
        *self.shared.heads.lock().unwrap() = handles.collect();
    }

    /// Waits until this many more were acknowledged.
    pub(crate) async fn acknowledges(&self, more: u64) {
        let (until, wanted) = (Instant::now() + PATIENCE, self.count() + more);
        while self.count() < wanted {
            assert!(
                Instant::now() < until,
                "{} of {wanted} acknowledged",
                self.count()
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    pub(crate) fn count(&self) -> u64 {
        self.shared.count.load(Ordering::Acquire)
    }

    /// The longest time without an acknowledgement.
    pub(crate) fn longest_gap(&self) -> Duration {
        let acknowledged = self.shared.acknowledged.lock().unwrap();
        let mut moments: Vec<Instant> = acknowledged.values().map(|(_, at)| *at).collect();
        moments.sort_unstable();
        let gaps = moments.windows(2).map(|two| two[1] - two[0]);
        gaps.max().unwrap_or_default()
    }

    /// Lets every client finish what it has begun; what was acknowledged, by key.
    pub(crate) async fn stop(mut self) -> BTreeMap<String, JobId> {
        self.shared.stop.store(true, Ordering::Release);
        while let Some(ended) = super::soon(self.clients.join_next()).await {
            ended.unwrap();
        }
        let acknowledged = self.shared.acknowledged.lock().unwrap();
        let job = |(key, (job, _)): (&String, &(JobId, Instant))| (key.clone(), *job);
        acknowledged.iter().map(job).collect()
    }
}

async fn submit_all(shared: Arc<Shared>, client: u64, bytes: usize) {
    for number in 0.. {
        if shared.stop.load(Ordering::Acquire) {
            return;
        }
        let key = format!("client-{client}-{number}");
        let job = submit_one(&shared, client + number, &key, bytes).await;
        let acknowledged = (job, Instant::now());
        let before = shared
            .acknowledged
            .lock()
            .unwrap()
            .insert(key, acknowledged);
        assert_eq!(before, None);
        shared.count.fetch_add(1, Ordering::AcqRel);
    }
}

async fn submit_one(shared: &Shared, first: u64, key: &str, bytes: usize) -> JobId {
    let until = Instant::now() + PATIENCE;
    for turn in first.. {
        let asked = match shared.head(turn) {
            Some(head) => head.propose(submit(key, bytes)).await,
            None => Err(LogError::NoLeader),
        };
        match asked {
            Ok(applied) => match applied.reply {
                Reply::Submitted {
                    first, count: 1, ..
                } => return first,
                other => panic!("{key}: {other:?}"),
            },
            Err(error) => {
                assert!(Instant::now() < until, "{key}: {error}");
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    }
    unreachable!("there is always a next turn")
}

impl Shared {
    /// Whom to ask in this turn.
    fn head(&self, turn: u64) -> Option<Handle> {
        let heads = self.heads.lock().unwrap();
        let at = usize::try_from(turn).unwrap().checked_rem(heads.len())?;
        Some(heads[at].clone())
    }
}

/// Every acknowledged job is in this head's state under its id, and nothing else is.
pub(crate) fn assert_holds(head: &Handle, acknowledged: &BTreeMap<String, JobId>) {
    let state = head.read();
    let found: BTreeMap<String, JobId> = state
        .jobs()
        .map(|job| (job.spec.name.clone(), job.id))
        .collect();
    assert_eq!(state.live_jobs(), found.len(), "a key stands for two jobs");
    let lost: Vec<_> = acknowledged
        .iter()
        .filter(|(key, id)| found.get(*key) != Some(id))
        .collect();
    assert!(lost.is_empty(), "acknowledged, but not there: {lost:?}");
    assert_eq!(found.len(), acknowledged.len());
}
