//! The tables: the state that the log leads to, in memory for readers and on disk for restarts.
//!
//! The adapter between openraft and [`model::State::apply`]; it knows where records go, not what
//! they mean. One thread changes them (`worker`); readers take a [`View`] and keep it.

pub(crate) mod ended;
pub(crate) mod history;
pub(crate) mod indexing;
pub(crate) mod keys;
pub(crate) mod load;
mod worker;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use futures_util::{Stream, StreamExt};
use model::job::Outcome;
use model::{LogIndex, State};
use openraft::storage::{EntryResponder, RaftStateMachine};
use openraft::{OptionalSend, RaftSnapshotBuilder};
use tokio::sync::{mpsc, oneshot, watch};

use crate::database::{Database, Kind, storage};
use crate::disk::{Faults, io_error};
use crate::error::RaftError;
use crate::limits;
use crate::log_store::cache;
use crate::outside::Outside;
use crate::snapshot::{Snapshot, Snapshots};
use crate::thread::Thread;
use crate::types::{LogId, SnapshotMeta, StoredMembership, TypeConfig};
use load::Applied;
use worker::{Job, Work, Worker};

type Built = openraft::alias::SnapshotOf<TypeConfig, Snapshot>;

/// Batches and snapshots that may wait for the worker; openraft gives one at a time.
const JOBS_MAX: usize = 4;

/// The tables. Clones share them.
#[derive(Clone)]
pub(crate) struct TableStore(Arc<Inner>);

struct Inner {
    shared: Arc<Shared>,
    worker: Working,
}

/// Where the worker works.
enum Working {
    Thread {
        jobs: mpsc::Sender<Job>,
        /// Behind `jobs`, whose end ends it.
        thread: Thread,
    },
    /// On the thread of whoever asks.
    Here(Mutex<Box<Worker>>),
}

/// What readers and the worker share.
pub(crate) struct Shared {
    dir: PathBuf,
    faults: Faults,
    outside: Outside,
    view: ArcSwap<View>,
    /// The index of the view.
    moved: watch::Sender<LogIndex>,
    /// The last entry that is in the tables whatever happens to this machine.
    durable: watch::Sender<Option<u64>>,
    snapshots: Snapshots,
    /// Jobs whose end was applied since these tables were opened.
    ended: Mutex<BTreeMap<Outcome, u64>>,
    /// Lets entries be applied in any order, which openraft's conformance suite does.
    anywhere: bool,
}

/// The tables at one moment.
pub(crate) struct View {
    /// The last entry in it; 0 before the first.
    pub(crate) index: LogIndex,
    pub(crate) applied: Applied,
    pub(crate) state: Arc<State>,
    /// Holds at least what the view holds.
    pub(crate) db: Arc<Database>,
    pub(crate) events_floor: u64,
}

impl TableStore {
    /// Opens the tables in `dir`, making them if there are none.
    ///
    /// # Errors
    /// [`RaftError::Unreadable`], [`RaftError::Storage`].
    pub(crate) fn open(
        dir: &Path,
        faults: Faults,
        outside: Outside,
        anywhere: bool,
    ) -> Result<TableStore, RaftError> {
        let snapshots = Snapshots::open(&dir.join("snapshots"), faults.clone())?;
        let tables_dir = dir.join("tables");
        let tables = load::open(&tables_dir, outside.kind(Kind::Tables))?;
        let db = tables.db.clone();
        let index = LogIndex(tables.loaded.applied.last.map_or(0, |last| last.index));
        let view = View {
            index,
            applied: tables.loaded.applied.clone(),
            state: Arc::new(tables.loaded.state.clone()),
            db: db.clone(),
            events_floor: tables.loaded.events_floor,
        };
        let durable = tables.loaded.applied.last.map(|last| last.index);
        let shared = Arc::new(Shared {
            dir: tables_dir,
            faults,
            outside,
            view: ArcSwap::from_pointee(view),
            moved: watch::Sender::new(index),
            durable: watch::Sender::new(durable),
            snapshots,
            ended: Mutex::default(),
            anywhere,
        });
        let worker = Worker::new(shared.clone(), tables);
        let worker = Working::start(worker, shared.outside.has_threads());
        let worker = worker.map_err(|error| storage(dir, error))?;
        Ok(TableStore(Arc::new(Inner { shared, worker })))
    }

    /// The tables as they are now.
    pub(crate) fn view(&self) -> Arc<View> {
        self.0.shared.view.load_full()
    }

    /// Tells the index of each new view.
    pub(crate) fn moved(&self) -> watch::Receiver<LogIndex> {
        self.0.shared.moved.subscribe()
    }

    /// Tells the last entry that the tables hold durably.
    pub(crate) fn durable(&self) -> watch::Receiver<Option<u64>> {
        self.0.shared.durable.subscribe()
    }

    /// How many jobs ended how, since these tables were opened.
    pub(crate) fn ended(&self) -> BTreeMap<Outcome, u64> {
        let ended = self.0.shared.ended.lock();
        ended.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Copies of the tables.
    pub(crate) fn snapshots(&self) -> &Snapshots {
        &self.0.shared.snapshots
    }

    /// Stops the worker and gives the files back. Blocks until what runs is done, a snapshot that
    /// is being made included: whoever opens or removes the directory next has it alone.
    pub(crate) fn close(&self) {
        self.0.worker.end();
        self.snapshots().close();
        let db = self.view().db.clone();
        if let Err(error) = db.flush() {
            tracing::warn!(%error, "the tables could not be flushed; the log has what is missing");
        }
        db.close();
    }

    async fn work(&self, work: Work) -> io::Result<()> {
        self.0.shared.outside.latency().await;
        self.0.worker.work(work).await
    }

    async fn build(&self) -> io::Result<Built> {
        let store = self.clone();
        let build = move || {
            let shared = &store.0.shared;
            let db = store.view().db.clone();
            let (meta, snapshot) = shared.snapshots.build(&db)?;
            // The copy may hold more than was flushed to make it.
            db.flush()?;
            let index = meta.last_log_id.map(|last| last.index);
            shared.durable.send_if_modified(|durable| {
                let further = *durable < index;
                *durable = (*durable).max(index);
                further
            });
            Ok(Built { meta, snapshot })
        };
        self.0.shared.outside.run(build).await
    }
}

impl Working {
    fn start(worker: Worker, threads: bool) -> io::Result<Working> {
        if !threads {
            return Ok(Working::Here(Mutex::new(Box::new(worker))));
        }
        let (jobs, receiver) = mpsc::channel(JOBS_MAX);
        let thread = Thread::start("raft-tables", move || worker.run(receiver))?;
        Ok(Working::Thread { jobs, thread })
    }

    async fn work(&self, work: Work) -> io::Result<()> {
        match self {
            Working::Thread { jobs, .. } => {
                let (done, result) = oneshot::channel();
                let ended = || io_error("the tables' worker has ended");
                let sent = jobs.send(Job::Work { work, done }).await;
                sent.map_err(|_| ended())?;
                result.await.map_err(|_| ended())?
            }
            Working::Here(worker) => {
                let mut worker = worker.lock().unwrap_or_else(PoisonError::into_inner);
                worker.work(work)
            }
        }
    }

    /// Ends it once all it was given is done. Blocks.
    fn end(&self) {
        match self {
            Working::Thread { jobs, thread } => {
                // The worker may have ended by itself.
                let _ = jobs.blocking_send(Job::Stop);
                thread.join();
            }
            Working::Here(_) => {}
        }
    }
}

impl RaftStateMachine<TypeConfig> for TableStore {
    type SnapshotData = Snapshot;
    type SnapshotBuilder = TableStore;

    async fn applied_state(&mut self) -> Result<(Option<LogId>, StoredMembership), io::Error> {
        let applied = self.view().applied.clone();
        Ok((applied.last, applied.membership))
    }

    async fn apply<S>(&mut self, mut entries: S) -> Result<(), io::Error>
    where
        S: Stream<Item = Result<EntryResponder<TypeConfig>, io::Error>> + Unpin + OptionalSend,
    {
        let mut batch = Vec::new();
        let mut bytes = 0;
        while let Some(item) = entries.next().await {
            let item = item?;
            bytes += cache::size(&item.0);
            batch.push(item);
            if batch.len() >= limits::APPLY_ENTRIES_MAX || bytes >= limits::APPLY_BYTES_MAX {
                let entries = std::mem::take(&mut batch);
                self.work(Work::Apply(entries)).await?;
                bytes = 0;
            }
        }
        if batch.is_empty() {
            return Ok(());
        }
        self.work(Work::Apply(batch)).await
    }

    async fn get_snapshot_builder(&mut self) -> TableStore {
        self.clone()
    }

    async fn install_snapshot(
        &mut self,
        meta: &SnapshotMeta,
        snapshot: Snapshot,
    ) -> Result<(), io::Error> {
        let meta = Box::new(meta.clone());
        self.work(Work::Install { meta, snapshot }).await
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<Built>, io::Error> {
        let newest = self.0.shared.snapshots.newest();
        let Some((meta, snapshot)) = newest else {
            return Ok(None);
        };
        if !snapshot.is_damaged() {
            return Ok(Some(Built { meta, snapshot }));
        }
        let store = self.clone();
        let replace = move || {
            let db = store.view().db.clone();
            store.0.shared.snapshots.replace(&snapshot, &db)
        };
        let (meta, snapshot) = self.0.shared.outside.run(replace).await?;
        Ok(Some(Built { meta, snapshot }))
    }
}

impl RaftSnapshotBuilder<TypeConfig> for TableStore {
    type SnapshotData = Snapshot;

    async fn build_snapshot(&mut self) -> Result<Built, io::Error> {
        self.build().await
    }
}
