//! Reading the tables back: strict, in the order that the state wants, checked as a whole.

use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use model::{State, Table};
use serde::{Deserialize, Serialize};

use super::{indexing, keys};
use crate::database::{Database, Kind, storage};
use crate::disk;
use crate::error::RaftError;
use crate::record;
use crate::types::{LogId, SnapshotMeta, StoredMembership};

/// What the tables contain besides the state, written with every batch.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Applied {
    /// The last entry applied.
    pub(crate) last: Option<LogId>,
    /// The last members applied.
    pub(crate) membership: StoredMembership,
}

/// The tables' content.
pub(crate) struct Loaded {
    pub(crate) state: State,
    pub(crate) applied: Applied,
    pub(crate) events_floor: u64,
}

/// The tables in use, and where the next ones go.
pub(crate) struct Tables {
    pub(crate) db: Arc<Database>,
    pub(crate) generation: u64,
    pub(crate) loaded: Loaded,
}

/// Opens the tables that the marker names, as `kind`, and removes what a crash left beside them.
pub(crate) fn open(dir: &Path, kind: Kind) -> Result<Tables, RaftError> {
    std::fs::create_dir_all(dir).map_err(|error| storage(dir, error))?;
    let generation = match current(dir)? {
        Some(generation) => generation,
        None => {
            set_current(dir, 1).map_err(|error| storage(dir, error))?;
            1
        }
    };
    remove_others(dir, generation).map_err(|error| storage(dir, error))?;
    let db = Database::open(&place(dir, generation), kind)?;
    let loaded = load(&db)?;
    indexing::complete(&db, &loaded).map_err(|error| storage(db.path(), error))?;
    // What is in them now may have come back from a log that was never synced.
    db.flush().map_err(|error| storage(db.path(), error))?;
    Ok(Tables {
        db: Arc::new(db),
        generation,
        loaded,
    })
}

/// Where the tables of a generation lie.
pub(crate) fn place(dir: &Path, generation: u64) -> PathBuf {
    dir.join(generation.to_string())
}

/// Makes a generation the one in use: the moment at which an installed snapshot counts.
pub(crate) fn set_current(dir: &Path, generation: u64) -> io::Result<()> {
    disk::write_whole(
        &dir.join("CURRENT"),
        &record::encode(b"CURRENT", &generation),
    )
}

fn current(dir: &Path) -> Result<Option<u64>, RaftError> {
    let path = dir.join("CURRENT");
    match std::fs::read(&path) {
        Ok(bytes) => {
            let unreadable = |why| RaftError::Unreadable {
                path: dir.to_owned(),
                key: "CURRENT".into(),
                why,
            };
            record::decode(b"CURRENT", &bytes)
                .map(Some)
                .map_err(unreadable)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(storage(&path, error)),
    }
}

fn remove_others(dir: &Path, generation: u64) -> io::Result<()> {
    let kept = place(dir, generation);
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() && path != kept {
            disk::remove_dir(&path)?;
        }
    }
    Ok(())
}

/// What a copy says that it contains, without reading all of it.
pub(crate) fn inspect(path: &Path) -> Result<SnapshotMeta, RaftError> {
    let db = Database::open(path, Kind::Inspect)?;
    let applied = applied(&db)?;
    Ok(meta(applied))
}

/// Whether a copy can be loaded and all of it can be read, and what it contains.
pub(crate) fn verify(path: &Path) -> Result<SnapshotMeta, RaftError> {
    let db = Database::open(path, Kind::Inspect)?;
    let meta = meta(load(&db)?.applied);
    // Ended jobs, events and the ledger are not loaded, but they are part of the copy.
    let read = db.scan(&[], &[u8::MAX], |_, _| Ok(ControlFlow::Continue(())));
    read.map_err(|error| storage(path, error))?;
    Ok(meta)
}

fn meta(applied: Applied) -> SnapshotMeta {
    SnapshotMeta {
        last_log_id: applied.last,
        last_membership: applied.membership,
    }
}

/// Reads everything; a record that cannot be read is an error that names it.
pub(crate) fn load(db: &Database) -> Result<Loaded, RaftError> {
    let mut state = State::default();
    for table in Table::ALL {
        load_table(db, &mut state, table)?;
    }
    let found = state.check();
    found.map_err(|why| unreadable(db, "the state as a whole".into(), why))?;
    Ok(Loaded {
        state,
        applied: applied(db)?,
        events_floor: events_floor(db)?,
    })
}

fn load_table(db: &Database, state: &mut State, table: Table) -> Result<(), RaftError> {
    let prefix = keys::table(table);
    let mut fault = None;
    let scanned = db.scan(&prefix, &keys::behind(&prefix), |key, value| {
        let key = &key[prefix.len()..];
        if let Err(error) = state.load(table, key, value) {
            let name = format!(
                "{}/{}",
                table.name(),
                String::from_utf8_lossy(key).escape_debug()
            );
            fault = Some((name, error.to_string()));
            return Ok(ControlFlow::Break(()));
        }
        Ok(ControlFlow::Continue(()))
    });
    scanned.map_err(|error| storage(db.path(), error))?;
    match fault {
        Some((key, why)) => Err(unreadable(db, key, why)),
        None => Ok(()),
    }
}

fn applied(db: &Database) -> Result<Applied, RaftError> {
    let found = db
        .get(keys::APPLIED)
        .map_err(|error| storage(db.path(), error))?;
    match found {
        Some(bytes) => {
            let applied = record::decode(keys::APPLIED, &bytes);
            applied.map_err(|why| unreadable(db, "applied".into(), why))
        }
        None => Ok(Applied::default()),
    }
}

/// The first log index whose events are kept.
pub(crate) fn events_floor(db: &Database) -> Result<u64, RaftError> {
    let found = db
        .get(keys::EVENTS_FLOOR)
        .map_err(|error| storage(db.path(), error))?;
    match found {
        Some(bytes) => {
            let floor = record::decode(keys::EVENTS_FLOOR, &bytes);
            floor.map_err(|why| unreadable(db, "events_floor".into(), why))
        }
        None => Ok(0),
    }
}

fn unreadable(db: &Database, key: String, why: String) -> RaftError {
    RaftError::Unreadable {
        path: db.path().to_owned(),
        key,
        why,
    }
}
