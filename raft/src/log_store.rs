//! The log on disk, as openraft wants it: votes and entries durable before they are
//! acknowledged, in order, without holes.
//!
//! An entry can be read as soon as it is given, from memory; one thread makes whole groups
//! durable with one fsync and then tells. Entries are removed from the front only when the tables
//! hold them durably ([`LogStore::guard`]): what was purged can never be needed to apply again.

pub(crate) mod cache;
pub(crate) mod keys;
pub(crate) mod mark;
pub(crate) mod open;
mod writer;
mod writing;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::io;
use std::ops::{Bound, RangeBounds};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};

use futures_util::{Stream, StreamExt, stream};
use openraft::storage::{IOFlushed, LogState, RaftLogStorage};
use openraft::{OptionalSend, RaftLogReader};
use tokio::sync::{Semaphore, oneshot, watch};

use crate::database::{Database, Kind, storage};
use crate::disk::{Faults, io_error};
use crate::error::RaftError;
use crate::limits;
use crate::outside::Outside;
use crate::record;
use crate::types::{Entry, LogId, TypeConfig, Vote};
use cache::{Cache, Piece};
use open::Owner;
use writer::{Job, Queued, Writer};
use writing::Writing;

/// The log. Clones share it.
#[derive(Clone)]
pub(crate) struct LogStore(Arc<Inner>);

struct Inner {
    shared: Arc<Shared>,
    queue: mpsc::Sender<Queued>,
    places: Arc<Semaphore>,
    owner: Owner,
    peers: Mutex<BTreeMap<u64, [u8; 16]>>,
    /// The last entry that the tables hold durably; `None`: nobody watches.
    tables: Option<watch::Receiver<Option<u64>>>,
    /// Lets an empty log begin anywhere, which openraft's conformance suite does.
    anywhere: bool,
    /// Behind `queue`, whose end ends it.
    writing: Writing,
}

/// What readers and the writer share.
pub(crate) struct Shared {
    pub(crate) db: Database,
    pub(crate) cache: Mutex<Cache>,
    pub(crate) faults: Faults,
    pub(crate) outside: Outside,
}

/// What a log is opened with.
pub(crate) struct Opening {
    pub(crate) node: u64,
    pub(crate) faults: Faults,
    pub(crate) outside: Outside,
    pub(crate) failed: watch::Sender<Option<RaftError>>,
    /// See [`LogStore`]: the last entry that the tables hold durably.
    pub(crate) tables: Option<watch::Receiver<Option<u64>>>,
    pub(crate) anywhere: bool,
}

impl LogStore {
    /// Opens the log in `dir`, making it if there is none.
    ///
    /// # Errors
    /// [`RaftError::WrongNode`], [`RaftError::Unreadable`], [`RaftError::Lost`],
    /// [`RaftError::Storage`].
    pub(crate) fn open(dir: &Path, opening: Opening) -> Result<LogStore, RaftError> {
        let opened = open::open(dir, opening.node, opening.outside.kind(Kind::Log))?;
        let shared = Arc::new(Shared {
            db: opened.db,
            cache: Mutex::new(opened.cache),
            faults: opening.faults,
            outside: opening.outside,
        });
        let (queue, jobs) = mpsc::channel();
        let writer = Writer {
            shared: shared.clone(),
            mark: opened.mark,
            queue: jobs,
            failed: opening.failed,
            poisoned: None,
        };
        let writing = Writing::start(writer).map_err(|error| storage(dir, error))?;
        Ok(LogStore(Arc::new(Inner {
            shared,
            queue,
            places: Arc::new(Semaphore::new(limits::LOG_JOBS_MAX)),
            owner: opened.owner,
            peers: Mutex::new(opened.peers),
            tables: opening.tables,
            anywhere: opening.anywhere,
            writing,
        })))
    }

    /// Whose directory this is.
    pub(crate) fn owner(&self) -> Owner {
        self.0.owner
    }

    pub(crate) fn outside(&self) -> &Outside {
        &self.0.shared.outside
    }

    /// The last entry removed from the front.
    pub(crate) fn purged(&self) -> Option<LogId> {
        self.cache().purged
    }

    /// The last entry.
    pub(crate) fn last(&self) -> Option<LogId> {
        self.cache().last
    }

    /// Whether the entry at this index was removed from the front.
    pub(crate) fn has_purged(&self, index: u64) -> bool {
        index < cache::next(self.purged().as_ref())
    }

    /// Whether another head's instance is the one that was first met; remembers it durably if it
    /// is the first.
    pub(crate) async fn knows(&self, node: u64, instance: [u8; 16]) -> io::Result<bool> {
        let record = {
            let mut peers = self.0.peers.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(known) = peers.get(&node) {
                return Ok(*known == instance);
            }
            peers.insert(node, instance);
            record::encode(keys::PEERS, &*peers)
        };
        self.durably(|done| Job::Peers { record, done }).await?;
        Ok(true)
    }

    /// The instance of another head that was first met.
    pub(crate) fn instance_of(&self, node: u64) -> Option<[u8; 16]> {
        let peers = self.0.peers.lock().unwrap_or_else(PoisonError::into_inner);
        peers.get(&node).copied()
    }

    /// Writes down what waits, and gives the files back. Later calls fail.
    pub(crate) fn close(&self) {
        // The writer may have ended by itself.
        let _ = self.0.queue.send((Job::Stop, None));
        self.0.writing.end();
        self.0.shared.db.close();
    }

    fn cache(&self) -> MutexGuard<'_, Cache> {
        self.0
            .shared
            .cache
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    async fn queue(&self, job: Job) -> io::Result<()> {
        let place = self
            .0
            .places
            .clone()
            .acquire_owned()
            .await
            .map_err(io_error)?;
        let queued = self.0.queue.send((job, Some(place)));
        queued.map_err(|_| io_error("the log is closed"))?;
        self.0.writing.wake();
        Ok(())
    }

    async fn durably(
        &self,
        job: impl FnOnce(oneshot::Sender<io::Result<()>>) -> Job,
    ) -> io::Result<()> {
        let (done, written) = oneshot::channel();
        self.queue(job(done)).await?;
        written.await.map_err(|_| io_error("the log is closed"))?
    }

    /// Waits until the tables hold `index` durably.
    async fn guard(&self, index: u64) -> io::Result<()> {
        let Some(tables) = &self.0.tables else {
            return Ok(());
        };
        let mut tables = tables.clone();
        let held = tables.wait_for(|durable| *durable >= Some(index));
        match tokio::time::timeout(limits::PURGE_WAIT, held).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) => Err(io_error("the tables are closed")),
            Err(_) => Err(io_error(format!(
                "entry {index} may not be purged: the tables lack it"
            ))),
        }
    }

    /// The next entries of `start..end`: none if the log has none there, otherwise the first and
    /// further ones up to `bytes`.
    async fn next_entries(&self, start: u64, end: u64, bytes: usize) -> io::Result<Vec<Entry>> {
        // What is purged or truncated while it is read may be missing, nothing else; where the
        // log is then is found out by asking again.
        let mut missing = start;
        for _ in 0..limits::LOG_READS_MAX {
            let piece = self.cache().piece(start, end, bytes);
            let (from, below) = match piece {
                Piece::Nothing => return Ok(Vec::new()),
                Piece::Here(entries) => return Ok(entries),
                Piece::OnDisk { from, below } => (from, below),
            };
            let shared = self.0.shared.clone();
            let read = move || open::read(&shared.db, from, below, bytes);
            let entries = self.outside().run(read).await?;
            let indexes = entries.iter().map(|entry| entry.log_id.index);
            if !entries.is_empty() && indexes.zip(from..).all(|(found, wanted)| found == wanted) {
                return Ok(entries);
            }
            missing = from;
        }
        Err(io_error(format!(
            "log entry {missing} or one behind it is missing"
        )))
    }
}

impl RaftLogReader<TypeConfig> for LogStore {
    async fn try_get_log_entries<R: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: R,
    ) -> Result<Vec<Entry>, io::Error> {
        let (mut start, end) = bounds(&range);
        let mut entries = Vec::new();
        loop {
            let more = self
                .next_entries(start, end, limits::APPLY_BYTES_MAX)
                .await?;
            let Some(last) = more.last() else {
                return Ok(entries);
            };
            start = last.log_id.index + 1;
            entries.extend(more);
        }
    }

    /// Replication asks here. What is purged is not skipped: entries that do not follow what the
    /// peer has must not be sent, and an error would end this head. It gets nothing, and the
    /// stream that asked ends (see [`LogStore::has_purged`]).
    async fn limited_get_log_entries(
        &mut self,
        start: u64,
        end: u64,
    ) -> Result<Vec<Entry>, io::Error> {
        let entries = self
            .next_entries(start, end, limits::APPEND_BYTES_MAX)
            .await?;
        let follows = entries
            .first()
            .is_some_and(|first| first.log_id.index == start);
        Ok(if follows { entries } else { Vec::new() })
    }

    async fn entries_stream<R: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: R,
    ) -> impl Stream<Item = Result<Entry, io::Error>> + OptionalSend {
        let (start, end) = bounds(&range);
        let pieces = stream::unfold(Some((self.clone(), start)), move |at| async move {
            let (log, start) = at?;
            match log.next_entries(start, end, limits::APPLY_BYTES_MAX).await {
                Ok(entries) => {
                    let next = entries.last()?.log_id.index + 1;
                    let entries = entries.into_iter().map(Ok).collect::<Vec<_>>();
                    Some((entries, Some((log, next))))
                }
                Err(error) => Some((vec![Err(error)], None)),
            }
        });
        pieces.flat_map(stream::iter).boxed()
    }

    async fn read_vote(&mut self) -> Result<Option<Vote>, io::Error> {
        Ok(self.cache().vote)
    }
}

impl RaftLogStorage<TypeConfig> for LogStore {
    type LogReader = LogStore;

    async fn get_log_state(&mut self) -> Result<LogState<TypeConfig>, io::Error> {
        let cache = self.cache();
        Ok(LogState {
            last_purged_log_id: cache.purged,
            last_log_id: cache.last,
        })
    }

    async fn get_log_reader(&mut self) -> LogStore {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> Result<(), io::Error> {
        let saved = *vote;
        self.durably(|done| Job::Vote { vote: saved, done }).await?;
        self.cache().vote = Some(saved);
        Ok(())
    }

    async fn save_committed(&mut self, committed: Option<LogId>) -> Result<(), io::Error> {
        self.cache().committed = committed;
        self.queue(Job::Committed(committed)).await
    }

    async fn read_committed(&mut self) -> Result<Option<LogId>, io::Error> {
        Ok(self.cache().committed)
    }

    async fn append<I>(&mut self, entries: I, done: IOFlushed<TypeConfig>) -> Result<(), io::Error>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let entries: Vec<Entry> = entries.into_iter().collect();
        self.cache().append(&entries, self.0.anywhere)?;
        self.queue(Job::Append { entries, done }).await
    }

    async fn truncate_after(&mut self, last: Option<LogId>) -> Result<(), io::Error> {
        self.cache().truncate(last);
        self.durably(|done| Job::Truncate { last, done }).await
    }

    async fn purge(&mut self, upto: LogId) -> Result<(), io::Error> {
        self.guard(upto.index).await?;
        self.cache().purge(upto);
        self.durably(|done| Job::Purge { upto, done }).await
    }
}

fn bounds(range: &impl RangeBounds<u64>) -> (u64, u64) {
    let start = match range.start_bound() {
        Bound::Included(start) => *start,
        Bound::Excluded(start) => start.saturating_add(1),
        Bound::Unbounded => 0,
    };
    let end = match range.end_bound() {
        Bound::Included(end) => end.saturating_add(1),
        Bound::Excluded(end) => *end,
        Bound::Unbounded => u64::MAX,
    };
    (start, end)
}
