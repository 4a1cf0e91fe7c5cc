//! Copies of the tables at one entry, for followers that are too far behind for the log.
//!
//! A snapshot is a RocksDB checkpoint: a directory that shares the tables' immutable files. What
//! it contains is read from the copy itself, never from the tables that move on meanwhile. The
//! newest is kept; an older one goes when nobody sends it any more. One that turns out to be
//! damaged is never sent: another one is made.

pub(crate) mod transfer;

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::database::{Database, storage};
use crate::disk::{self, DiskPoint, Faults, io_error};
use crate::error::RaftError;
use crate::table_store::load;
use crate::types::SnapshotMeta;

/// A directory with a copy of the tables. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Snapshot(Arc<Directory>);

#[derive(Debug)]
struct Directory {
    path: PathBuf,
    /// Goes with the last that uses it.
    temporary: AtomicBool,
    /// It cannot be read any more.
    damaged: AtomicBool,
}

/// The snapshots of one head.
pub(crate) struct Snapshots {
    dir: PathBuf,
    faults: Faults,
    newest: Mutex<Option<(SnapshotMeta, Snapshot)>>,
    /// Held while a copy is made; what it holds is whether none is made any more.
    building: Mutex<bool>,
    received: AtomicU64,
}

impl Snapshot {
    fn new(path: PathBuf, temporary: bool) -> Snapshot {
        Snapshot(Arc::new(Directory {
            path,
            temporary: AtomicBool::new(temporary),
            damaged: AtomicBool::new(false),
        }))
    }

    /// Reads all of it, so that no damage of ours is sent to others. Blocks.
    ///
    /// # Errors
    /// What is damaged, by name; it is then replaced before it is asked for again.
    pub(crate) fn check(&self) -> io::Result<()> {
        if let Err(error) = load::verify(self.path()) {
            tracing::error!(%error, "a snapshot is damaged; another one is made");
            self.0.damaged.store(true, Ordering::Release);
            return Err(io_error(error));
        }
        Ok(())
    }

    /// Whether a check found it damaged.
    pub(crate) fn is_damaged(&self) -> bool {
        self.0.damaged.load(Ordering::Acquire)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0.path
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        if self.temporary.load(Ordering::Acquire)
            && let Err(error) = disk::remove_dir(&self.path)
        {
            tracing::warn!(path = %self.path.display(), %error, "cannot remove a snapshot");
        }
    }
}

impl Snapshots {
    /// The snapshots in `dir`: removes what a crash left unfinished, and all but the newest.
    pub(crate) fn open(dir: &Path, faults: Faults) -> Result<Snapshots, RaftError> {
        fs::create_dir_all(dir).map_err(|error| storage(dir, error))?;
        let mut paths = Vec::new();
        for entry in fs::read_dir(dir).map_err(|error| storage(dir, error))? {
            paths.push(entry.map_err(|error| storage(dir, error))?.path());
        }
        paths.sort();
        let mut newest = None;
        for path in paths.into_iter().rev() {
            if newest.is_none() && is_finished(&path) {
                match load::inspect(&path) {
                    Ok(meta) => {
                        newest = Some((meta, Snapshot::new(path, false)));
                        continue;
                    }
                    // The tables themselves are read strictly; a copy can be made again.
                    Err(error) => tracing::warn!(%error, "a snapshot is unusable; removing it"),
                }
            }
            disk::remove_dir(&path).map_err(|error| storage(&path, error))?;
        }
        Ok(Snapshots {
            dir: dir.to_owned(),
            faults,
            newest: Mutex::new(newest),
            building: Mutex::new(false),
            received: AtomicU64::new(0),
        })
    }

    /// The newest one.
    pub(crate) fn newest(&self) -> Option<(SnapshotMeta, Snapshot)> {
        self.lock().clone()
    }

    /// Copies the tables as they are, durably. Blocks.
    pub(crate) fn build(&self, db: &Database) -> io::Result<(SnapshotMeta, Snapshot)> {
        let _one = self.building()?;
        let unfinished = self.dir.join("building.part");
        disk::remove_dir(&unfinished)?;
        db.checkpoint(&unfinished)?;
        let meta = load::inspect(&unfinished).map_err(io_error)?;
        sync_files(&unfinished)?;
        self.faults.at(DiskPoint::SnapshotBuilt)?;
        self.keep(&meta, &unfinished)
    }

    /// Copies the tables in place of a damaged snapshot, and reads the copy. Blocks.
    ///
    /// # Errors
    /// If the tables are damaged as well: this head cannot go on.
    pub(crate) fn replace(
        &self,
        damaged: &Snapshot,
        db: &Database,
    ) -> io::Result<(SnapshotMeta, Snapshot)> {
        {
            let mut newest = self.lock();
            let known = newest.as_ref().map(|(_, known)| known.path());
            if known == Some(damaged.path()) {
                *newest = None;
                // Who still sends it fails, which is right.
                disk::remove_dir(damaged.path())?;
            }
        }
        let built = self.build(db)?;
        load::verify(built.1.path()).map_err(io_error)?;
        Ok(built)
    }

    /// Keeps an installed snapshot as the newest.
    pub(crate) fn adopt(&self, meta: &SnapshotMeta, snapshot: &Snapshot) -> io::Result<()> {
        let known = self
            .lock()
            .as_ref()
            .is_some_and(|(_, known)| known.path() == snapshot.path());
        if known {
            return Ok(());
        }
        let _one = self.building()?;
        let unfinished = self.dir.join("adopting.part");
        disk::clone_db(snapshot.path(), &unfinished)?;
        self.keep(meta, &unfinished).map(drop)
    }

    /// A new directory to receive a snapshot into; it goes when nobody uses it.
    pub(crate) fn receive_into(&self) -> io::Result<Snapshot> {
        let number = self.received.fetch_add(1, Ordering::Relaxed);
        let path = self.dir.join(format!("received-{number}.part"));
        disk::remove_dir(&path)?;
        fs::create_dir(&path)?;
        Ok(Snapshot::new(path, true))
    }

    /// Gives a finished copy its name, and retires the one before.
    fn keep(&self, meta: &SnapshotMeta, from: &Path) -> io::Result<(SnapshotMeta, Snapshot)> {
        let mut newest = self.lock();
        if let Some((known, snapshot)) = newest.as_ref()
            && known.last_log_id >= meta.last_log_id
        {
            disk::remove_dir(from)?;
            return Ok((known.clone(), snapshot.clone()));
        }
        let path = self.dir.join(name(meta));
        disk::remove_dir(&path)?;
        fs::rename(from, &path)?;
        disk::sync_dir(&self.dir)?;
        self.faults.at(DiskPoint::SnapshotKept)?;
        let kept = (meta.clone(), Snapshot::new(path, false));
        if let Some((_, old)) = newest.replace(kept.clone()) {
            old.0.temporary.store(true, Ordering::Release);
        }
        Ok(kept)
    }

    /// Waits for a copy that is being made; none is made afterwards. Blocks.
    pub(crate) fn close(&self) {
        *self.building.lock().unwrap_or_else(PoisonError::into_inner) = true;
    }

    /// One copy at a time, and none once this is closed.
    fn building(&self) -> io::Result<MutexGuard<'_, bool>> {
        let closed = self.building.lock().unwrap_or_else(PoisonError::into_inner);
        if *closed {
            return Err(io_error("this head has ended"));
        }
        Ok(closed)
    }

    fn lock(&self) -> MutexGuard<'_, Option<(SnapshotMeta, Snapshot)>> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sorts by age.
fn name(meta: &SnapshotMeta) -> String {
    let (term, index) = meta
        .last_log_id
        .map_or((0, 0), |last| (last.leader_id.term, last.index));
    format!("{index:020}-{term:020}")
}

fn is_finished(path: &Path) -> bool {
    path.extension().is_none()
}

/// Makes all files of a directory durable.
pub(crate) fn sync_files(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        File::open(entry?.path())?.sync_all()?;
    }
    disk::sync_dir(dir)
}
