//! Opening the log: who it belongs to, and whether all of it is there.
//!
//! Strict: what cannot be read, what is missing between two entries, and what was acknowledged
//! but is gone refuses the start by name. Nothing is skipped.

use std::collections::BTreeMap;
use std::io;
use std::ops::ControlFlow;
use std::path::Path;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::cache::{Cache, next};
use super::mark::{Acknowledged, Mark};
use super::{keys, writer};
use crate::database::{Database, Kind, WriteBatch, storage, written_ahead};
use crate::disk::{self, io_error};
use crate::error::RaftError;
use crate::record;
use crate::types::{Entry, LogId, Vote};

/// Whose data directory this is. The instance is made with the directory and never changes:
/// other heads notice when the same node comes back with another directory.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Owner {
    pub(crate) node: u64,
    pub(crate) instance: [u8; 16],
}

/// A log that is whole.
pub(crate) struct Opened {
    pub(crate) db: Database,
    pub(crate) cache: Cache,
    pub(crate) mark: Mark,
    pub(crate) owner: Owner,
    /// The instances of other heads that were met.
    pub(crate) peers: BTreeMap<u64, [u8; 16]>,
}

/// Opens the log in `dir`, making it if it is not there.
pub(crate) fn open(dir: &Path, node: u64, kind: Kind) -> Result<Opened, RaftError> {
    std::fs::create_dir_all(dir).map_err(|error| storage(dir, error))?;
    let path = dir.join("log");
    let fresh = !path.exists();
    let had_mark = Mark::is_there(dir)?;
    if fresh && had_mark {
        let what = "the log itself; only its mark is there".into();
        return Err(RaftError::Lost { path, what });
    }
    let written_ahead = written_ahead(&path);
    let db = Database::open(&path, kind)?;
    // Damage to what was purged is damage of the disk too.
    db.check().map_err(|error| storage(&path, error))?;
    let owner = owner(&db, dir, node, had_mark)?;
    let (cache, peers) = load(&db)?;
    if !had_mark && (cache.last.is_some() || cache.vote.is_some()) {
        let what = "the mark of what was acknowledged".into();
        return Err(RaftError::Lost { path, what });
    }
    let (mark, acknowledged) = Mark::open(dir)?;
    compare(&db, &cache, acknowledged, &written_ahead)?;
    disk::sync_dir(dir).map_err(|error| storage(dir, error))?;
    Ok(Opened {
        db,
        cache,
        mark,
        owner,
        peers,
    })
}

/// Reads whose directory it is; one that was not used yet becomes `node`'s, durably.
fn owner(db: &Database, dir: &Path, node: u64, used: bool) -> Result<Owner, RaftError> {
    let found: Option<Owner> = meta(db, keys::OWNER)?;
    match found {
        Some(owner) if owner.node == node => Ok(owner),
        Some(owner) => Err(RaftError::WrongNode {
            dir: dir.to_owned(),
            expected: model::NodeId(node),
            found: model::NodeId(owner.node),
        }),
        None if used => Err(RaftError::Lost {
            path: db.path().to_owned(),
            what: "whose log it is".into(),
        }),
        None => {
            let mut instance = [0; 16];
            getrandom::fill(&mut instance).map_err(|error| storage(dir, error))?;
            let owner = Owner { node, instance };
            let mut batch = WriteBatch::default();
            writer::put_meta(&mut batch, keys::OWNER, &owner);
            db.write(batch, true).map_err(|error| storage(dir, error))?;
            Ok(owner)
        }
    }
}

type Peers = BTreeMap<u64, [u8; 16]>;

fn load(db: &Database) -> Result<(Cache, Peers), RaftError> {
    let purged: Option<LogId> = meta(db, keys::PURGED)?;
    let vote: Option<Vote> = meta(db, keys::VOTE)?;
    let committed: Option<Option<LogId>> = meta(db, keys::COMMITTED)?;
    let peers: Option<Peers> = meta(db, keys::PEERS)?;
    let mut expected = next(purged.as_ref());
    let mut last = None;
    let mut fault = None;
    let scanned = db.scan(&keys::entry(0), &keys::ENTRIES_END, |key, value| {
        let index = keys::entry_index(key)?;
        if index != expected {
            let why = format!("it lies where entry {expected} is missing");
            fault = Some((index, why));
            return Ok(ControlFlow::Break(()));
        }
        expected = index + 1;
        match record::decode::<Entry>(key, value) {
            Ok(entry) if entry.log_id.index == index => last = Some(entry.log_id),
            Ok(entry) => fault = Some((index, format!("it holds entry {}", entry.log_id.index))),
            Err(why) => fault = Some((index, why)),
        }
        Ok(if fault.is_some() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        })
    });
    scanned.map_err(|error| storage(db.path(), error))?;
    if let Some((index, why)) = fault {
        return Err(unreadable(db, format!("log entry {index}"), why));
    }
    let mut cache = Cache::loaded(purged, last);
    (cache.vote, cache.committed) = (vote, committed.flatten());
    Ok((cache, peers.unwrap_or_default()))
}

/// Refuses a log that holds less than was acknowledged; most likely it is missing in what was
/// written ahead.
fn compare(
    db: &Database,
    cache: &Cache,
    mark: Acknowledged,
    written_ahead: &str,
) -> Result<(), RaftError> {
    let lost = |what: String| {
        Err(RaftError::Lost {
            path: db.path().to_owned(),
            what: match written_ahead {
                "" => what,
                files => format!("{what} (look at {files})"),
            },
        })
    };
    let vote_term = cache.vote.map_or(0, |vote| vote.leader_id.term);
    if vote_term < mark.vote_term {
        return lost(format!("a vote of term {}", mark.vote_term));
    }
    let Some((index, term)) = mark.last else {
        return Ok(());
    };
    let end = next(cache.last.as_ref());
    if end <= index {
        return lost(format!("entries {end} to {index}"));
    }
    let key = keys::entry(index);
    let found = db.get(&key).map_err(|error| storage(db.path(), error))?;
    let entry = found.and_then(|bytes| record::decode::<Entry>(&key, &bytes).ok());
    match entry {
        Some(entry) if entry.log_id.leader_id.term < term => {
            lost(format!("entry {index} of term {term}"))
        }
        // A later term, or purged: it was replaced or removed after it was acknowledged.
        Some(_) | None => Ok(()),
    }
}

fn meta<T: DeserializeOwned>(db: &Database, key: &[u8]) -> Result<Option<T>, RaftError> {
    let found = db.get(key).map_err(|error| storage(db.path(), error))?;
    let Some(bytes) = found else {
        return Ok(None);
    };
    let name = String::from_utf8_lossy(&key[1..]).into_owned();
    record::decode(key, &bytes)
        .map(Some)
        .map_err(|why| unreadable(db, name, why))
}

fn unreadable(db: &Database, key: String, why: String) -> RaftError {
    RaftError::Unreadable {
        path: db.path().to_owned(),
        key,
        why,
    }
}

/// Reads entries from disk; they are all there.
pub(crate) fn read(db: &Database, from: u64, below: u64, bytes: usize) -> io::Result<Vec<Entry>> {
    let mut entries: Vec<Entry> = Vec::new();
    let mut room = bytes;
    db.scan(&keys::entry(from), &keys::entry(below), |key, value| {
        if !entries.is_empty() && value.len() > room {
            return Ok(ControlFlow::Break(()));
        }
        room = room.saturating_sub(value.len());
        let index = keys::entry_index(key)?;
        let entry = record::decode::<Entry>(key, value);
        entries.push(entry.map_err(|why| io_error(format!("log entry {index}: {why}")))?);
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(entries)
}
