//! A small file beside the log that says up to where it was acknowledged.
//!
//! RocksDB cannot tell a write-ahead log that lost its end from one that never had it. The mark
//! can: it is written after the log is durable and before anyone is told, so it never says more
//! than the log holds; a log that holds less than the mark has lost what others count on.
//!
//! The mark reaches the disk itself up to [`crate::limits::MARK_SYNC_EVERY`] later, except that
//! it is lowered durably before the log is truncated, and raised durably for a vote.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::error::RaftError;
use crate::limits;
use crate::record;
use crate::types::LogId;

/// Bytes of one of the two places; each in a sector of its own, so that one is always whole.
const PLACE: usize = 4_096;

/// What was acknowledged.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Acknowledged {
    /// Index and term of the last entry.
    pub(crate) last: Option<(u64, u64)>,
    /// The term of the last vote.
    pub(crate) vote_term: u64,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
struct Place {
    sequence: u64,
    acknowledged: Acknowledged,
}

pub(crate) struct Mark {
    file: File,
    place: Place,
    synced: Instant,
    dirty: bool,
}

impl Mark {
    /// The mark in `dir`, or a new one if there is none.
    pub(crate) fn open(dir: &Path) -> Result<(Mark, Acknowledged), RaftError> {
        let path = path(dir);
        let storage = |error: io::Error| crate::database::storage(&path, error);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let file = options.open(&path).map_err(storage)?;
        let length = file.metadata().map_err(storage)?.len();
        let fresh = !Mark::is_there(dir)?;
        let mut newest: Option<Place> = None;
        for at in 0..2 {
            let mut bytes = vec![0; PLACE];
            let offset = at * PLACE as u64;
            if length >= offset + PLACE as u64 {
                file.read_exact_at(&mut bytes, offset).map_err(storage)?;
            }
            if let Some(place) = parse(&bytes)
                && newest.is_none_or(|newest| newest.sequence < place.sequence)
            {
                newest = Some(place);
            }
        }
        let place = match newest {
            Some(place) => place,
            None if fresh => {
                file.set_len(2 * PLACE as u64).map_err(storage)?;
                Place {
                    sequence: 0,
                    acknowledged: Acknowledged::default(),
                }
            }
            None => {
                let key = "acknowledged".to_owned();
                let why = "neither of its places is whole".to_owned();
                return Err(RaftError::Unreadable { path, key, why });
            }
        };
        let mut mark = Mark {
            file,
            place,
            synced: Instant::now(),
            dirty: true,
        };
        if place.sequence == 0 {
            mark.write(Acknowledged::default()).map_err(storage)?;
        }
        mark.sync().map_err(storage)?;
        let found = mark.place.acknowledged;
        Ok((mark, found))
    }

    /// Whether a mark was ever written in `dir`. A file of zeros is the beginning of the first.
    pub(crate) fn is_there(dir: &Path) -> Result<bool, RaftError> {
        let path = path(dir);
        match std::fs::read(&path) {
            Ok(bytes) => Ok(bytes.iter().any(|byte| *byte != 0)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(crate::database::storage(&path, error)),
        }
    }

    /// Notes that everything up to `last` is about to be acknowledged.
    pub(crate) fn raise(&mut self, last: LogId) -> io::Result<()> {
        let last = Some((last.index, last.leader_id.term));
        self.write(Acknowledged {
            last,
            ..self.place.acknowledged
        })
    }

    /// Notes, durably, that nothing behind `last` counts any more.
    pub(crate) fn lower(&mut self, last: Option<LogId>) -> io::Result<()> {
        let last = last.map(|last| (last.index, last.leader_id.term));
        if self.place.acknowledged.last.map(|at| at.0) <= last.map(|at| at.0) {
            return Ok(());
        }
        self.write(Acknowledged {
            last,
            ..self.place.acknowledged
        })?;
        self.sync()
    }

    /// Notes, durably, that a vote of this term is about to be acknowledged.
    pub(crate) fn vote(&mut self, vote_term: u64) -> io::Result<()> {
        if self.place.acknowledged.vote_term >= vote_term {
            return Ok(());
        }
        self.write(Acknowledged {
            vote_term,
            ..self.place.acknowledged
        })?;
        self.sync()
    }

    /// Whether it is time to [`Mark::sync`].
    pub(crate) fn is_due(&self) -> bool {
        self.dirty && self.synced.elapsed() >= limits::MARK_SYNC_EVERY
    }

    /// Whether the disk may hold an older mark.
    pub(crate) fn is_dirty(&self) -> bool {
        self.dirty
    }

    /// Makes it durable.
    pub(crate) fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()?;
        (self.dirty, self.synced) = (false, Instant::now());
        Ok(())
    }

    fn write(&mut self, acknowledged: Acknowledged) -> io::Result<()> {
        let sequence = self.place.sequence + 1;
        self.place = Place {
            sequence,
            acknowledged,
        };
        let body = record::encode(b"acknowledged", &self.place);
        let length = u16::try_from(body.len()).map_err(io::Error::other)?;
        let mut bytes = length.to_le_bytes().to_vec();
        bytes.extend_from_slice(&body);
        self.file
            .write_all_at(&bytes, (sequence % 2) * PLACE as u64)?;
        self.dirty = true;
        Ok(())
    }
}

fn path(dir: &Path) -> PathBuf {
    dir.join("acknowledged")
}

fn parse(bytes: &[u8]) -> Option<Place> {
    let (length, rest) = bytes.split_first_chunk::<2>()?;
    let body = rest.get(..usize::from(u16::from_le_bytes(*length)))?;
    record::decode(b"acknowledged", body).ok()
}
