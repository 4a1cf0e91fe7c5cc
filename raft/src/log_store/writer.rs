//! The one thread that writes the log: everything that waits goes into one batch and one fsync.
//!
//! Jobs are written in the order in which they were given; votes and entries share the batch, so
//! a later one is never durable without an earlier one. The first write or sync that fails is the
//! last: from then on every job is refused, also those that were waiting. A failed fsync may have
//! thrown pages away, so asking again proves nothing.

use std::io;
use std::sync::mpsc;
use std::sync::{Arc, PoisonError};

use openraft::storage::IOFlushed;
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, oneshot, watch};

use super::cache::next;
use super::mark::Mark;
use super::{Shared, keys};
use crate::database::{WriteBatch, storage};
use crate::disk::{DiskPoint, io_error};
use crate::error::RaftError;
use crate::limits;
use crate::record;
use crate::types::{Entry, LogId, TypeConfig, Vote};

type Done = oneshot::Sender<io::Result<()>>;

pub(crate) enum Job {
    Append {
        entries: Vec<Entry>,
        done: IOFlushed<TypeConfig>,
    },
    Vote {
        vote: Vote,
        done: Done,
    },
    /// Need not be durable.
    Committed(Option<LogId>),
    Peers {
        record: Vec<u8>,
        done: Done,
    },
    Truncate {
        last: Option<LogId>,
        done: Done,
    },
    Purge {
        upto: LogId,
        done: Done,
    },
    Stop,
}

impl Job {
    /// The moments before it is written and after it is durable.
    fn points(&self) -> Option<(DiskPoint, DiskPoint)> {
        match self {
            Job::Append { .. } => Some((DiskPoint::AppendWrite, DiskPoint::AppendSynced)),
            Job::Vote { .. } => Some((DiskPoint::VoteWrite, DiskPoint::VoteSynced)),
            Job::Truncate { .. } => Some((DiskPoint::TruncateWrite, DiskPoint::TruncateSynced)),
            Job::Purge { .. } => Some((DiskPoint::PurgeWrite, DiskPoint::PurgeSynced)),
            Job::Committed(_) | Job::Peers { .. } | Job::Stop => None,
        }
    }
}

/// A job with its place in the queue.
pub(crate) type Queued = (Job, Option<OwnedSemaphorePermit>);

pub(crate) struct Writer {
    pub(crate) shared: Arc<Shared>,
    pub(crate) mark: Mark,
    pub(crate) queue: mpsc::Receiver<Queued>,
    pub(crate) failed: watch::Sender<Option<RaftError>>,
    pub(crate) poisoned: Option<String>,
}

impl Drop for Writer {
    /// Nobody is told what becomes of a job whose writer is gone; so the head ends.
    fn drop(&mut self) {
        if std::thread::panicking() {
            RaftError::Fatal("the log's writer panicked".into()).tell(&self.failed);
        }
    }
}

impl Writer {
    /// Writes until told to stop.
    pub(crate) fn run(mut self) {
        while let Some(group) = self.next_group() {
            let stop = group.iter().any(|(job, _)| matches!(job, Job::Stop));
            self.commit(group);
            if stop {
                break;
            }
        }
        if self.poisoned.is_none() {
            // Nothing more is acknowledged; an error leaves an older mark, which claims less.
            let _ = self.mark.sync();
        }
    }

    /// All that waits; keeps the mark from lagging while nothing does.
    fn next_group(&mut self) -> Option<Vec<Queued>> {
        let first = if self.mark.is_dirty() && self.poisoned.is_none() {
            match self.queue.recv_timeout(limits::MARK_SYNC_EVERY) {
                Ok(job) => job,
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    let synced = self.mark.sync();
                    // Told and latched; what comes next is refused.
                    let _ = self.check(synced);
                    self.queue.recv().ok()?
                }
                Err(mpsc::RecvTimeoutError::Disconnected) => return None,
            }
        } else {
            self.queue.recv().ok()?
        };
        let mut group = vec![first];
        self.fill(&mut group);
        Some(group)
    }

    fn fill(&self, group: &mut Vec<Queued>) {
        while group.len() < limits::LOG_GROUP_MAX {
            match self.queue.try_recv() {
                Ok(job) => group.push(job),
                Err(_) => break,
            }
        }
    }

    /// Writes one group of what waits now; whether anything did.
    pub(crate) fn write_waiting(&mut self) -> bool {
        let mut group = Vec::new();
        self.fill(&mut group);
        let any = !group.is_empty();
        if any {
            self.commit(group);
        }
        any
    }

    fn commit(&mut self, group: Vec<Queued>) {
        let result = match &self.poisoned {
            Some(why) => Err(io_error(format!("the log failed before: {why}"))),
            None => {
                let written = self.write(&group);
                self.check(written)
            }
        };
        for (job, permit) in group {
            self.answer(job, &result);
            drop(permit);
        }
    }

    /// Makes a group durable.
    fn write(&mut self, group: &[Queued]) -> io::Result<()> {
        let mut batch = WriteBatch::default();
        let mut durable = false;
        for (job, _) in group {
            durable |= self.stage(&mut batch, job)?;
        }
        if durable {
            self.shared.faults.at(DiskPoint::LogWrite)?;
            self.at_points(group, |(before, _)| before)?;
        }
        self.shared.db.write(batch, durable)?;
        if durable {
            self.shared.faults.at(DiskPoint::LogSynced)?;
            self.at_points(group, |(_, after)| after)?;
        }
        let mut last = None;
        for (job, _) in group {
            match job {
                Job::Append { entries, .. } => {
                    last = entries.last().map(|entry| entry.log_id).or(last);
                }
                // What came before it in the group may be gone again, and the mark is low.
                Job::Truncate { .. } => last = None,
                Job::Vote { vote, .. } => self.mark.vote(vote.leader_id.term)?,
                Job::Committed(_) | Job::Peers { .. } | Job::Purge { .. } | Job::Stop => {}
            }
        }
        if let Some(last) = last {
            self.mark.raise(last)?;
        }
        if self.mark.is_due() {
            self.mark.sync()
        } else {
            Ok(())
        }
    }

    /// The points of each job in a group.
    fn at_points(
        &self,
        group: &[Queued],
        side: fn((DiskPoint, DiskPoint)) -> DiskPoint,
    ) -> io::Result<()> {
        let points = group.iter().filter_map(|(job, _)| job.points());
        points
            .map(side)
            .try_for_each(|point| self.shared.faults.at(point))
    }

    /// Adds a job to the batch, and says whether it must be durable before it is answered.
    fn stage(&mut self, batch: &mut WriteBatch, job: &Job) -> io::Result<bool> {
        match job {
            Job::Append { entries, .. } => {
                for entry in entries {
                    let key = keys::entry(entry.log_id.index);
                    batch.put(key, record::encode(&key, entry));
                }
            }
            Job::Vote { vote, .. } => put_meta(batch, keys::VOTE, vote),
            Job::Committed(committed) => {
                put_meta(batch, keys::COMMITTED, committed);
                return Ok(false);
            }
            Job::Peers { record, .. } => batch.put(keys::PEERS, record),
            Job::Truncate { last, .. } => {
                self.mark.lower(*last)?;
                let from = keys::entry(next(last.as_ref()));
                batch.delete_range(from.as_slice(), keys::ENTRIES_END.as_slice());
            }
            Job::Purge { upto, .. } => {
                put_meta(batch, keys::PURGED, upto);
                let (from, to) = (keys::entry(0), keys::entry(upto.index + 1));
                batch.delete_range(from, to);
            }
            Job::Stop => return Ok(false),
        }
        Ok(true)
    }

    fn answer(&self, job: Job, result: &io::Result<()>) {
        let result = match result {
            Ok(()) => Ok(()),
            Err(error) => Err(io::Error::new(error.kind(), error.to_string())),
        };
        match job {
            Job::Append { entries, done } => {
                if let (Ok(()), Some(last)) = (&result, entries.last()) {
                    let mut cache = self
                        .shared
                        .cache
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner);
                    cache.flushed(last.log_id);
                }
                done.io_completed(result);
            }
            // Whoever asked may have gone.
            Job::Vote { done, .. }
            | Job::Peers { done, .. }
            | Job::Truncate { done, .. }
            | Job::Purge { done, .. } => drop(done.send(result)),
            Job::Committed(_) | Job::Stop => {}
        }
    }

    /// Latches the first failure and tells it.
    fn check(&mut self, result: io::Result<()>) -> io::Result<()> {
        if let Err(error) = &result
            && self.poisoned.is_none()
        {
            tracing::error!(%error, "the log cannot be written; this head ends");
            self.poisoned = Some(error.to_string());
            storage(self.shared.db.path(), error).tell(&self.failed);
        }
        result
    }
}

pub(crate) fn put_meta<T: Serialize>(batch: &mut WriteBatch, key: &[u8], value: &T) {
    batch.put(key, record::encode(key, value));
}
