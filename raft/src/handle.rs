//! One head's log: what the rest of the house holds in its hands.

mod admission;
mod propose;
mod pulse;
mod status;
mod together;
mod unheard;

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use model::{LogIndex, NodeId};
use net::{Connection, Endpoint};
use openraft::BasicNode;
use openraft::async_runtime::WatchReceiver;
use sha2::{Digest, Sha256};
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use admission::Admission;
pub use status::{Figures, Member, RaftStatus, Role};
use together::Together;

use crate::config::Config;
use crate::error::RaftError;
use crate::limits;
use crate::log_store::{LogStore, Opening};
use crate::membership;
use crate::network::client::Factory;
use crate::network::peers::Peers;
use crate::network::serve;
use crate::outside::Outside;
use crate::table_store::TableStore;
use crate::types::{LogId, Raft};

pub(crate) type Metrics = openraft::RaftMetrics<crate::types::TypeConfig>;

/// The log of this head. Clones share it.
///
/// Start it inside a tokio runtime; end it with [`Handle::shutdown`]. Dropping it without is like
/// a crash: nothing acknowledged is lost.
#[derive(Clone)]
pub struct Handle(Arc<Inner>);

struct Inner {
    config: Config,
    raft: Raft,
    log: LogStore,
    tables: TableStore,
    peers: Arc<Peers>,
    status: watch::Sender<RaftStatus>,
    failed: watch::Sender<Option<RaftError>>,
    admission: Admission,
    together: Together,
    /// One snapshot is received at a time.
    receiving: Semaphore,
    cancel: CancellationToken,
    tasks: TaskTracker,
    stopping: AtomicBool,
    short_of_room: AtomicBool,
}

impl Handle {
    /// Opens this head's log, making it if the directory is empty, and takes part from then on.
    ///
    /// # Errors
    /// [`RaftError::Config`]; [`RaftError::WrongNode`], [`RaftError::Unreadable`],
    /// [`RaftError::Lost`], [`RaftError::Storage`] if the directory is not whole or not ours.
    pub async fn start(config: Config, endpoint: Arc<Endpoint>) -> Result<Handle, RaftError> {
        let settings = Arc::new(config.openraft()?);
        let (failed, _) = watch::channel(None);
        let opening = (config.clone(), failed.clone());
        let opened = config.outside.run(move || Ok(open(&opening.0, opening.1)));
        let (log, tables) = opened.await.map_err(fatal)??;
        let (tasks, cancel) = (TaskTracker::new(), CancellationToken::new());
        let peers = Peers::new(
            endpoint,
            log.clone(),
            failed.clone(),
            tasks.clone(),
            cancel.clone(),
        );
        let factory = Factory(peers.clone());
        let node = config.node.0;
        let raft = Raft::new(node, settings, factory, log.clone(), tables.clone());
        let raft = raft.await.map_err(fatal)?;
        let (together, queue) = Together::new();
        let handle = Handle(Arc::new(Inner {
            status: watch::Sender::new(RaftStatus {
                node: config.node,
                ..RaftStatus::default()
            }),
            config,
            raft,
            log,
            tables,
            peers,
            failed,
            admission: Admission::default(),
            together,
            receiving: Semaphore::new(1),
            cancel,
            tasks,
            stopping: AtomicBool::new(false),
            short_of_room: AtomicBool::new(false),
        }));
        handle.0.tasks.spawn(together::write(
            queue,
            handle.0.raft.clone(),
            handle.0.tasks.clone(),
            handle.0.cancel.clone(),
        ));
        handle.0.tasks.spawn(status::follow(
            handle.0.raft.metrics(),
            handle.0.status.clone(),
            handle.0.failed.clone(),
            handle.0.cancel.clone(),
        ));
        handle.0.tasks.spawn(pulse::beat(
            handle.0.raft.clone(),
            handle.0.config.heartbeat,
            handle.0.cancel.clone(),
        ));
        handle.0.tasks.spawn(unheard::watch(
            handle.0.raft.metrics(),
            handle.0.config.election_max,
            handle.0.peers.clone(),
            handle.0.cancel.clone(),
        ));
        let (peers, status) = (handle.0.peers.clone(), handle.status_changes());
        handle.0.tasks.spawn(peers.keep(handle.me(), status));
        Ok(handle)
    }

    /// Makes a log of which this head is the only member, reachable at `addr`; returns when it
    /// leads and its membership is committed. May be called again.
    ///
    /// # Errors
    /// [`RaftError::Membership`] if the log has other members already; [`RaftError::TimedOut`].
    pub async fn initialise(&self, addr: String) -> Result<(), RaftError> {
        let me = self.0.config.node.0;
        let members = std::collections::BTreeMap::from([(me, BasicNode { addr })]);
        let made = self.0.raft.initialize(members).await;
        if let Err(error) = made {
            let members = self.metrics().membership_config.membership().clone();
            if members.voter_ids().ne([me]) {
                return Err(RaftError::Membership {
                    why: error.to_string(),
                });
            }
        }
        let leads = self.0.raft.wait(Some(limits::LEADER_WAIT));
        let settled = |metrics: &Metrics| {
            metrics.current_leader == Some(me) && membership::is_settled(metrics)
        };
        let leads = leads.metrics(settled, "leading").await;
        leads
            .map(drop)
            .map_err(|_| RaftError::TimedOut("the first election"))
    }

    /// Answers another head on a connection of the Raft channel, until either ends.
    pub async fn serve(&self, connection: Connection) {
        serve::serve(self, connection).await;
    }

    /// Resolves when this head's storage fails, or it may not take part any more: the process
    /// must exit at once. Nothing is acknowledged after.
    pub fn failed(&self) -> impl Future<Output = RaftError> + Send + use<> {
        let mut failed = self.0.failed.subscribe();
        async move {
            let found = failed
                .wait_for(Option::is_some)
                .await
                .map(|error| error.clone());
            match found {
                Ok(Some(error)) => error,
                // The handle is gone without a failure: there is nothing to resolve.
                Ok(None) | Err(_) => std::future::pending().await,
            }
        }
    }

    /// Says whether this head's disk has little room left: while it leads, it then takes no
    /// command that adds work ([`model::Command::adds_work`]).
    pub fn set_short_of_room(&self, short: bool) {
        self.0.short_of_room.store(short, Ordering::Release);
    }

    pub(crate) fn has_room_for(&self, command: &model::Command) -> bool {
        !command.adds_work() || !self.0.short_of_room.load(Ordering::Acquire)
    }

    /// SHA-256 over every record of the state, with the last entry in it. Heads that have applied
    /// the same entries have the same.
    pub fn state_hash(&self) -> (LogIndex, [u8; 32]) {
        let view = self.0.tables.view();
        (view.index, state_digest(&view.state))
    }

    /// Copies the state for followers now instead of after the usual number of entries.
    ///
    /// # Errors
    /// [`RaftError::Fatal`].
    pub async fn snapshot_now(&self) -> Result<(), RaftError> {
        self.0.raft.trigger().snapshot().await.map_err(fatal)
    }

    /// Hands over leadership if there is someone to take it, ends every task, writes down what
    /// waits and gives the directory back.
    ///
    /// # Errors
    /// [`RaftError::Fatal`] if a part had failed; the directory is given back nevertheless.
    pub async fn shutdown(&self) -> Result<(), RaftError> {
        self.hand_over().await;
        if self.0.stopping.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        self.stop().await
    }

    /// Lets another head lead, if this one does and there is one. Goes on taking part: what is
    /// asked here meanwhile is forwarded.
    pub async fn hand_over(&self) {
        let others = self.metrics().membership_config.voter_ids().count() > 1;
        if self.is_running()
            && self.leads()
            && others
            && let Err(error) = self.transfer_leadership(None).await
        {
            tracing::info!(%error, "leadership was not handed over");
        }
    }

    async fn stop(&self) -> Result<(), RaftError> {
        self.0.cancel.cancel();
        let stopped = self.0.raft.shutdown().await;
        self.0.tasks.close();
        self.0.tasks.wait().await;
        self.0.peers.close();
        let (log, tables) = (self.0.log.clone(), self.0.tables.clone());
        let closed = self.outside().run(move || {
            tables.close();
            log.close();
            Ok(())
        });
        closed.await.map_err(fatal)?;
        stopped.map_err(fatal)
    }

    /// Ends at once, without handing leadership over: to the other heads it looks like a crash.
    ///
    /// # Errors
    /// [`RaftError::Fatal`] if a part had failed.
    pub async fn abandon(&self) -> Result<(), RaftError> {
        if self.0.stopping.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        self.stop().await
    }
}

/// What the other parts of this room need.
impl Handle {
    pub(crate) fn raft(&self) -> &Raft {
        &self.0.raft
    }

    pub(crate) fn log(&self) -> &LogStore {
        &self.0.log
    }

    pub(crate) fn tables(&self) -> &TableStore {
        &self.0.tables
    }

    pub(crate) fn outside(&self) -> &Outside {
        &self.0.config.outside
    }

    pub(crate) fn receiving(&self) -> &Semaphore {
        &self.0.receiving
    }

    pub(crate) fn cancel(&self) -> &CancellationToken {
        &self.0.cancel
    }

    /// The other heads know this node with another directory.
    pub(crate) fn replaced(&self) {
        let error = RaftError::Replaced { node: self.me() };
        tracing::error!(%error, "another head says so");
        error.tell(&self.0.failed);
    }

    pub(crate) fn me(&self) -> NodeId {
        self.0.config.node
    }

    pub(crate) fn election_max(&self) -> std::time::Duration {
        self.0.config.election_max
    }

    pub(crate) fn metrics(&self) -> Metrics {
        self.0.raft.metrics().borrow_watched().clone()
    }

    pub(crate) fn leads(&self) -> bool {
        self.metrics().current_leader == Some(self.0.config.node.0)
    }
}

/// SHA-256 over every record of a state.
pub(crate) fn state_digest(state: &model::State) -> [u8; 32] {
    let mut hash = Sha256::new();
    for key in state.records() {
        let record = state.record(&key).unwrap_or_default();
        let name = key.bytes();
        hash.update(key.table().name().as_bytes());
        hash.update((name.len() as u64).to_be_bytes());
        hash.update(name);
        hash.update((record.len() as u64).to_be_bytes());
        hash.update(record);
    }
    hash.finalize().into()
}

pub(crate) fn open(
    config: &Config,
    failed: watch::Sender<Option<RaftError>>,
) -> Result<(LogStore, TableStore), RaftError> {
    std::fs::create_dir_all(&config.dir)
        .map_err(|error| crate::database::storage(&config.dir, error))?;
    // The tables first: the log is purged only of what they hold.
    let tables_dir = config.dir.clone();
    let opening = |tables| Opening {
        node: config.node.0,
        faults: config.faults.clone(),
        outside: config.outside.clone(),
        failed,
        tables: Some(tables),
        anywhere: false,
    };
    let (faults, outside) = (config.faults.clone(), config.outside.clone());
    let tables = TableStore::open(&tables_dir, faults, outside, false)?;
    let log = LogStore::open(&config.dir, opening(tables.durable()))?;
    let index = |at: Option<LogId>| at.map(|at| at.index);
    let applied = index(tables.view().applied.last);
    let newest = tables.snapshots().newest();
    let copied = newest.and_then(|(meta, _)| index(meta.last_log_id));
    let (held, purged) = (applied.max(copied), index(log.purged()));
    if let Some(purged) = purged
        && held < Some(purged)
    {
        let what = format!("the state up to entry {purged}; it has {held:?}");
        return Err(RaftError::Lost {
            path: config.dir.join("tables"),
            what,
        });
    }
    // A log that ends before what is applied will be purged up to there: a snapshot was installed,
    // and a crash came before anything else.
    let purged = if index(log.last()) < applied {
        applied
    } else {
        purged
    };
    // A snapshot that was unusable is gone, or was not copied before the crash: without a new one,
    // whoever lacks the entries that are purged could never be helped, and openraft does not start.
    if copied < purged {
        let built = tables.snapshots().build(&tables.view().db);
        built.map_err(|error| crate::database::storage(&tables_dir, error))?;
    }
    Ok((log, tables))
}

pub(crate) fn fatal(error: impl std::fmt::Display) -> RaftError {
    RaftError::Fatal(error.to_string())
}

/// A command as it travels and is kept.
pub(crate) fn encoded(command: &model::Command) -> Bytes {
    Bytes::from(model::format::encode(command))
}
