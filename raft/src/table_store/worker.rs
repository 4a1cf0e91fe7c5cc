//! The one thread that changes the tables: applies entries, writes what they changed together
//! with the applied index in one batch, shows the new state, answers.
//!
//! Readers see a state only after its batch is written, so what they saw is not undone by the end
//! of this process. It is not synced: after a power cut the log is applied again from where the
//! tables then are, and the log keeps what they do not hold durably.

use std::io;
use std::sync::{Arc, PoisonError};

use model::job::EndedJob;
use model::{Changes, Event, LogIndex, RecordKey, Reply, Stamp, State, Timestamp};
use openraft::EntryPayload;
use openraft::storage::EntryResponder;
use tokio::sync::{mpsc, oneshot};

use super::ended;
use super::indexing::{self, Indexed};
use super::load::{self, Applied, Tables};
use super::{Shared, View, keys};
use crate::database::{Database, Kind, WriteBatch};
use crate::disk::{self, DiskPoint, io_error};
use crate::limits;
use crate::record;
use crate::snapshot::Snapshot;
use crate::types::{Answer, Entry, LogId, SnapshotMeta, StoredMembership, TypeConfig};

type Done = oneshot::Sender<io::Result<()>>;

pub(crate) enum Work {
    Apply(Vec<EntryResponder<TypeConfig>>),
    Install {
        meta: Box<SnapshotMeta>,
        snapshot: Snapshot,
    },
}

pub(crate) enum Job {
    Work { work: Work, done: Done },
    Stop,
}

pub(crate) struct Worker {
    shared: Arc<Shared>,
    db: Arc<Database>,
    generation: u64,
    state: State,
    applied: Applied,
    events_floor: u64,
    /// A batch could not be written: the state here is ahead of the disk and counts for nothing.
    broken: bool,
}

/// What entries that are applied together will write.
#[derive(Default)]
struct Staged {
    batch: WriteBatch,
    touched: Vec<RecordKey>,
    ended: Vec<EndedJob>,
}

impl Worker {
    pub(crate) fn new(shared: Arc<Shared>, tables: Tables) -> Worker {
        Worker {
            shared,
            db: tables.db,
            generation: tables.generation,
            state: tables.loaded.state,
            applied: tables.loaded.applied,
            events_floor: tables.loaded.events_floor,
            broken: false,
        }
    }

    /// Works until told to stop, or until nobody is left to tell it.
    pub(crate) fn run(mut self, mut jobs: mpsc::Receiver<Job>) {
        while let Some(job) = jobs.blocking_recv() {
            match job {
                Job::Work { work, done } => {
                    let result = self.work(work);
                    // Whoever asked may have gone.
                    drop(done.send(result));
                }
                Job::Stop => break,
            }
        }
    }

    /// Does one piece of work.
    pub(crate) fn work(&mut self, work: Work) -> io::Result<()> {
        match work {
            Work::Apply(entries) => self.apply(entries),
            Work::Install { meta, snapshot } => self.install(&meta, &snapshot),
        }
    }

    fn apply(&mut self, entries: Vec<EntryResponder<TypeConfig>>) -> io::Result<()> {
        if self.broken {
            return Err(io_error("the tables failed before"));
        }
        self.broken = true;
        let mut staged = Staged::default();
        let mut answers = Vec::with_capacity(entries.len());
        for (entry, responder) in entries {
            self.check_order(entry.log_id)?;
            let reply = self.apply_one(entry, &mut staged)?;
            answers.extend(responder.map(|responder| (responder, Answer(reply))));
        }
        staged.touched.sort_unstable();
        staged.touched.dedup();
        let mut batch = staged.batch;
        ended::put(&mut batch, &staged.ended);
        for key in &staged.touched {
            match self.state.record(key) {
                Some(record) => batch.put(keys::state(key), record),
                None => batch.delete(keys::state(key)),
            }
        }
        self.cut_events(&mut batch);
        batch.put(keys::APPLIED, record::encode(keys::APPLIED, &self.applied));
        Indexed::at(&self.applied, &self.state).put(&mut batch);
        self.shared.faults.at(DiskPoint::TablesWrite)?;
        self.db.write(batch, false)?;
        self.broken = false;
        self.show();
        for (responder, answer) in answers {
            responder.send(answer);
        }
        Ok(())
    }

    /// Entries come one after the other: one that came twice would count twice.
    fn check_order(&self, next: LogId) -> io::Result<()> {
        let expected = self.applied.last.map_or(0, |last| last.index + 1);
        if next.index == expected || self.shared.anywhere {
            return Ok(());
        }
        Err(io_error(format!(
            "entry {} is to be applied where {expected} follows",
            next.index
        )))
    }

    fn apply_one(&mut self, entry: Entry, staged: &mut Staged) -> io::Result<Option<Reply>> {
        let id = entry.log_id;
        self.applied.last = Some(id);
        match entry.payload {
            EntryPayload::Blank => Ok(None),
            EntryPayload::Membership(membership) => {
                self.applied.membership = StoredMembership::new(Some(id), membership);
                Ok(None)
            }
            EntryPayload::Normal(proposal) => {
                let command = proposal.decode();
                let command = command.map_err(|why| {
                    io_error(format!(
                        "the command of log entry {} cannot be read: {why}",
                        id.index
                    ))
                })?;
                let at = Stamp {
                    index: LogIndex(id.index),
                    time: Timestamp(proposal.time),
                };
                let (reply, changes) = self.state.apply(at, command);
                self.stage(at.index, changes, staged);
                Ok(Some(reply))
            }
        }
    }

    fn stage(&self, index: LogIndex, changes: Changes, staged: &mut Staged) {
        let batch = &mut staged.batch;
        staged.touched.extend(changes.touched);
        if !changes.ended.is_empty() {
            let ended = self.shared.ended.lock();
            let mut ended = ended.unwrap_or_else(PoisonError::into_inner);
            for job in &changes.ended {
                *ended.entry(job.outcome).or_default() += 1;
            }
        }
        staged.ended.extend(changes.ended);
        for (position, line) in (0_u32..).zip(&changes.ledger) {
            let key = keys::ledger(self.state.now(), index, position);
            batch.put(key, model::format::encode(line));
        }
        for (position, line) in (0_u32..).zip(&changes.audit) {
            batch.put(keys::audit(index, position), model::format::encode(line));
        }
        if !changes.events.is_empty() {
            let event = Event {
                index,
                at: self.state.now(),
                kinds: changes.events,
            };
            batch.put(keys::event(index.0), model::format::encode(&event));
        }
    }

    /// Keeps the newest events only.
    fn cut_events(&mut self, batch: &mut WriteBatch) {
        let applied = self.applied.last.map_or(0, |last| last.index);
        let floor = applied.saturating_sub(limits::EVENTS_KEEP);
        if floor >= self.events_floor + limits::EVENTS_CUT_EVERY {
            batch.delete_range(keys::event(self.events_floor), keys::event(floor));
            batch.put(
                keys::EVENTS_FLOOR,
                record::encode(keys::EVENTS_FLOOR, &floor),
            );
            self.events_floor = floor;
        }
    }

    fn show(&self) {
        let index = LogIndex(self.applied.last.map_or(0, |last| last.index));
        self.shared.view.store(Arc::new(View {
            index,
            applied: self.applied.clone(),
            state: Arc::new(self.state.clone()),
            db: self.db.clone(),
            events_floor: self.events_floor,
        }));
        self.shared.moved.send_replace(index);
    }

    /// Replaces everything by a snapshot. A crash at any point leaves the old tables or the new
    /// ones: the marker decides, and it is written last.
    fn install(&mut self, meta: &SnapshotMeta, snapshot: &Snapshot) -> io::Result<()> {
        let found = load::verify(snapshot.path()).map_err(io_error)?;
        if found != *meta {
            return Err(io_error(format!(
                "the snapshot is of {found}, announced was {meta}"
            )));
        }
        self.shared.faults.at(DiskPoint::SnapshotReceived)?;
        let generation = self.generation + 1;
        let place = load::place(&self.shared.dir, generation);
        disk::clone_db(snapshot.path(), &place)?;
        let kind = self.shared.outside.kind(Kind::Tables);
        let db = Database::open(&place, kind).map_err(io_error)?;
        let loaded = load::load(&db).map_err(io_error)?;
        indexing::complete(&db, &loaded)?;
        self.shared.faults.at(DiskPoint::InstallBeforeMarker)?;
        load::set_current(&self.shared.dir, generation)?;
        self.shared.faults.at(DiskPoint::InstallAfterMarker)?;
        self.db.retire();
        self.db = Arc::new(db);
        self.generation = generation;
        self.state = loaded.state;
        self.applied = loaded.applied;
        self.events_floor = loaded.events_floor;
        self.show();
        self.shared.snapshots.adopt(meta, snapshot)?;
        self.shared
            .durable
            .send_replace(meta.last_log_id.map(|last| last.index));
        Ok(())
    }
}
