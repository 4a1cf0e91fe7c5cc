//! One RocksDB, opened the way this room needs it. No other file of the room names rocksdb.
//!
//! Each has a single column family, told apart by the first byte of its keys: whatever one batch
//! wrote is then recovered together, whichever memtable was flushed before a crash.
//!
//! - The **log** is synced with every group of writes. Its write-ahead log may be torn at its end,
//!   where nothing was acknowledged; damage anywhere else refuses the start.
//! - The **tables** are not synced with each batch: what a crash takes away is applied again from
//!   the log. They recover to the last whole batch.

use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use rocksdb::checkpoint::Checkpoint;
use rocksdb::{
    DB, DBCompressionType, DBRawIterator, DBRecoveryMode, Direction, IteratorMode, Options,
    ReadOptions, Snapshot, WriteOptions,
};

pub(crate) use rocksdb::WriteBatch;

use crate::disk::{self, io_error};
use crate::error::RaftError;

/// Bytes of one memtable.
const MEMTABLE_BYTES: usize = 8 << 20;
/// The same where little is kept; as much is set aside for each write-ahead log.
const SMALL_MEMTABLE_BYTES: usize = 1 << 20;
/// Flushed memtables of the tables that are merged with what is below them at once: with twice as
/// many as usual, half as often.
const FILES_BEFORE_COMPACTION: i32 = 8;
/// RocksDB's own messages that are kept, in files and bytes of each.
const INFO_LOGS: (usize, usize) = (2, 4 << 20);

/// What a database is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Log,
    Tables,
    /// As [`Kind::Log`], small: see [`crate::outside::Outside::kind`].
    SmallLog,
    /// As [`Kind::Tables`], small, with files that change only when they are written to.
    SmallTables,
    /// A copy that is only looked at.
    Inspect,
}

/// An open database. Removed from the disk when dropped, once retired.
pub(crate) struct Database {
    path: PathBuf,
    db: RwLock<Option<DB>>,
    retired: AtomicBool,
}

/// A database at one moment.
pub(crate) struct Reader<'a>(Snapshot<'a>);

/// A place among the records of a [`Reader`].
pub(crate) struct Cursor<'a>(DBRawIterator<'a>);

impl Database {
    /// Opens it, making it if it is not there (except for [`Kind::Inspect`]).
    pub(crate) fn open(path: &Path, kind: Kind) -> Result<Database, RaftError> {
        let options = options(kind);
        let written_ahead = written_ahead(path);
        let opened = match kind {
            Kind::Log | Kind::SmallLog | Kind::Tables | Kind::SmallTables => {
                DB::open(&options, path)
            }
            Kind::Inspect => DB::open_for_read_only(&options, path, false),
        };
        let db = opened.map_err(|error| storage(path, naming(error, &written_ahead)))?;
        let (path, db) = (path.to_owned(), RwLock::new(Some(db)));
        Ok(Database {
            path,
            db,
            retired: AtomicBool::new(false),
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn get(&self, key: &[u8]) -> io::Result<Option<Vec<u8>>> {
        self.with(|db| db.get(key).map_err(io_error))
    }

    /// Writes all or nothing; with `sync` it is durable when this returns.
    pub(crate) fn write(&self, batch: WriteBatch, sync: bool) -> io::Result<()> {
        let mut options = WriteOptions::default();
        options.set_sync(sync);
        self.with(|db| db.write_opt(batch, &options).map_err(io_error))
    }

    /// Shows records from `from` on, below `to`, in key order until `see` breaks off.
    pub(crate) fn scan(
        &self,
        from: &[u8],
        to: &[u8],
        mut see: impl FnMut(&[u8], &[u8]) -> io::Result<ControlFlow<()>>,
    ) -> io::Result<()> {
        self.with(|db| {
            let mut options = ReadOptions::default();
            options.set_iterate_upper_bound(to);
            let mode = IteratorMode::From(from, Direction::Forward);
            for record in db.iterator_opt(mode, options) {
                let (key, value) = record.map_err(io_error)?;
                if see(&key, &value)?.is_break() {
                    break;
                }
            }
            Ok(())
        })
    }

    /// Reads every block, also those that hold nothing but what was removed and would be passed
    /// over otherwise.
    ///
    /// # Errors
    /// The first damage.
    #[allow(
        deprecated,
        reason = "RocksDB means that it costs nothing to look at what was removed"
    )]
    pub(crate) fn check(&self) -> io::Result<()> {
        self.with(|db| {
            let mut options = ReadOptions::default();
            options.set_ignore_range_deletions(true);
            options.fill_cache(false);
            let mut all = db.raw_iterator_opt(options);
            all.seek_to_first();
            while all.valid() {
                all.next();
            }
            all.status().map_err(io_error)
        })
    }

    /// Reads several records as they are at one moment.
    pub(crate) fn read<T>(&self, work: impl FnOnce(&Reader<'_>) -> io::Result<T>) -> io::Result<T> {
        self.with(|db| work(&Reader(db.snapshot())))
    }

    /// Makes everything written so far durable.
    pub(crate) fn flush(&self) -> io::Result<()> {
        self.with(|db| db.flush().map_err(io_error))
    }

    /// Makes a durable copy of everything written so far at `to`, which must not exist.
    pub(crate) fn checkpoint(&self, to: &Path) -> io::Result<()> {
        self.with(|db| {
            let checkpoint = Checkpoint::new(db).map_err(io_error)?;
            checkpoint.create_checkpoint(to).map_err(io_error)
        })
    }

    /// Gives the files back; every later call fails.
    pub(crate) fn close(&self) {
        let db = self
            .db
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        drop(db);
    }

    /// Removes it from the disk when the last user drops it.
    pub(crate) fn retire(&self) {
        self.retired.store(true, Ordering::Release);
    }

    fn with<T>(&self, work: impl FnOnce(&DB) -> io::Result<T>) -> io::Result<T> {
        let guard: RwLockReadGuard<'_, Option<DB>> =
            self.db.read().unwrap_or_else(PoisonError::into_inner);
        match guard.as_ref() {
            Some(db) => work(db),
            None => Err(io_error("the database is closed")),
        }
    }
}

impl Reader<'_> {
    pub(crate) fn get(&self, key: &[u8]) -> io::Result<Option<Vec<u8>>> {
        self.0.get(key).map_err(io_error)
    }

    /// A cursor over the records below `to`; it must be moved to one of them first.
    pub(crate) fn cursor(&self, to: &[u8]) -> Cursor<'_> {
        let mut options = ReadOptions::default();
        options.set_iterate_upper_bound(to);
        Cursor(self.0.raw_iterator_opt(options))
    }
}

impl Cursor<'_> {
    /// Moves to the first record from `key` on.
    pub(crate) fn seek(&mut self, key: &[u8]) -> io::Result<()> {
        self.0.seek(key);
        self.0.status().map_err(io_error)
    }

    /// Moves to the next record; nothing happens behind the last.
    pub(crate) fn next(&mut self) -> io::Result<()> {
        if self.0.valid() {
            self.0.next();
        }
        self.0.status().map_err(io_error)
    }

    /// The key of the record; `None` behind the last.
    pub(crate) fn key(&self) -> Option<&[u8]> {
        self.0.key()
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if self.retired.load(Ordering::Acquire) {
            self.close();
            if let Err(error) = disk::remove_dir(&self.path) {
                tracing::warn!(path = %self.path.display(), %error, "cannot remove old tables");
            }
        }
    }
}

/// The files of a database's write-ahead log, for people.
pub(crate) fn written_ahead(path: &Path) -> String {
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let mut names: Vec<String> = names.filter(|name| name.ends_with(".log")).collect();
    names.sort();
    names.join(", ")
}

/// RocksDB names damaged tables, but not damaged write-ahead logs.
fn naming(error: rocksdb::Error, written_ahead: &str) -> String {
    let why = error.into_string();
    let named = [".sst", ".log", "MANIFEST"]
        .iter()
        .any(|name| why.contains(name));
    if named || written_ahead.is_empty() {
        why
    } else {
        format!("{why} (in {written_ahead})")
    }
}

/// Whatever a disk or RocksDB said. Its word for damage is the first of its message.
pub(crate) fn storage(path: &Path, error: impl std::fmt::Display) -> RaftError {
    let (path, why) = (path.to_owned(), error.to_string());
    if why.starts_with("Corruption") {
        RaftError::Damaged { path, why }
    } else {
        RaftError::Storage { path, why }
    }
}

/// What failed on the disk is not tried again in the background: a head whose disk fails ends, and
/// would wait a second for each try.
const NO_SECOND_TRY: &str = "max_bgerror_resume_count=0";

fn options(kind: Kind) -> Options {
    let mut plain = Options::default();
    let mut options = plain
        .get_options_from_string(NO_SECOND_TRY)
        .unwrap_or(plain);
    options.create_if_missing(true);
    options.set_write_buffer_size(match kind {
        Kind::Log | Kind::Tables | Kind::Inspect => MEMTABLE_BYTES,
        Kind::SmallLog | Kind::SmallTables => SMALL_MEMTABLE_BYTES,
    });
    options.set_compression_type(DBCompressionType::Lz4);
    options.set_paranoid_checks(true);
    // Readers keep their files even when the database has been replaced and removed.
    options.set_max_open_files(-1);
    options.set_keep_log_file_num(INFO_LOGS.0);
    options.set_max_log_file_size(INFO_LOGS.1);
    match kind {
        Kind::Log | Kind::SmallLog => {
            options.set_wal_recovery_mode(DBRecoveryMode::TolerateCorruptedTailRecords);
            // A write that is not synced stays in this process: it cannot pass for durable.
            options.set_manual_wal_flush(true);
        }
        Kind::Tables | Kind::SmallTables | Kind::Inspect => {
            options.set_wal_recovery_mode(DBRecoveryMode::PointInTime);
            options.set_disable_auto_compactions(kind == Kind::SmallTables);
            options.set_level_zero_file_num_compaction_trigger(FILES_BEFORE_COMPACTION);
        }
    }
    options
}

#[cfg(test)]
mod tests {
    #[test]
    fn rocksdb_knows_the_option_that_is_given_by_name() {
        let mut plain = super::Options::default();
        assert!(plain.get_options_from_string(super::NO_SECOND_TRY).is_ok());
    }
}
