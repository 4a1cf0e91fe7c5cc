//! The index of ended jobs by what people look for them by. It is derived from their records, and
//! complete whenever tables are in use.
//!
//! An older release knows nothing of it: tables that it made or went on with lack the keys of the
//! jobs that ended meanwhile. A record that goes with every batch says up to which entry the index
//! is complete ([`Indexed`]); whoever opens tables, or installs a snapshot, adds what is missing
//! before they are used ([`complete`]). Every key can be written twice.

use std::io;
use std::ops::ControlFlow;

use model::job::EndedJob;
use model::{State, Timestamp};
use serde::{Deserialize, Serialize};

use super::keys::{self, Facet, Place};
use super::load::{Applied, Loaded};
use crate::database::{Database, WriteBatch};
use crate::disk::io_error;
use crate::record;
use crate::types::LogId;

/// Jobs that are added to the index with one write.
const BATCH: usize = 1_000;
/// Jobs after which the log is told how far it is.
const TELL_EVERY: usize = 100_000;

/// Up to where the index is complete.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Indexed {
    /// The last entry whose ended jobs are in it.
    pub(crate) last: Option<LogId>,
    /// The cluster's time at that entry: jobs that ended later are perhaps not.
    pub(crate) now: Timestamp,
}

impl Indexed {
    /// Everything that is applied is in it.
    pub(crate) fn at(applied: &Applied, state: &State) -> Indexed {
        Indexed {
            last: applied.last,
            now: state.now(),
        }
    }

    /// Says so.
    pub(crate) fn put(&self, batch: &mut WriteBatch) {
        batch.put(keys::INDEXED, record::encode(keys::INDEXED, self));
    }

    fn read(db: &Database) -> io::Result<Indexed> {
        let Some(bytes) = db.get(keys::INDEXED)? else {
            return Ok(Indexed::default());
        };
        let indexed = record::decode(keys::INDEXED, &bytes);
        indexed.map_err(|why| io_error(format!("the record `indexed` cannot be read: {why}")))
    }
}

/// Adds an ended job to the index.
pub(crate) fn put(batch: &mut WriteBatch, job: &EndedJob) {
    let mut put = |of, value: &str| {
        batch.put(keys::by_facet(of, value, job.ended_at, job.id), []);
    };
    put(Facet::Project, &job.spec.project);
    put(Facet::Queue, &job.spec.queue);
    put(Facet::Image, &job.spec.image);
    put(Facet::State, job.outcome.word());
    for tag in &job.spec.tags {
        put(Facet::Tag, tag);
    }
}

/// Adds to the index what an older release left out. Blocks; a million jobs take some tens of
/// seconds.
pub(crate) fn complete(db: &Database, loaded: &Loaded) -> io::Result<()> {
    let (known, wanted) = (
        Indexed::read(db)?,
        Indexed::at(&loaded.applied, &loaded.state),
    );
    if known.last == wanted.last {
        return Ok(());
    }
    let path = db.path().display();
    let since = known.now.0;
    tracing::info!(%path, since, "adding ended jobs of an older release to the index");
    let (mut batch, mut waiting, mut added) = (WriteBatch::default(), 0, 0);
    let by_time = keys::BY_TIME;
    db.scan(&by_time, &keys::behind(&by_time), |key, _| {
        let place = Place::parse(key).ok_or_else(|| super::ended::malformed(key))?;
        let (ended_at, id) = place.job();
        if ended_at < known.now {
            return Ok(ControlFlow::Break(()));
        }
        let bytes = db.get(&keys::ended(id))?;
        put(&mut batch, &super::ended::parse(id, bytes.as_deref())?);
        (waiting, added) = (waiting + 1, added + 1);
        if waiting == BATCH {
            db.write(std::mem::take(&mut batch), false)?;
            waiting = 0;
        }
        if added % TELL_EVERY == 0 {
            tracing::info!(%path, jobs = added, "adding to the index");
        }
        Ok(ControlFlow::Continue(()))
    })?;
    wanted.put(&mut batch);
    db.write(batch, false)?;
    tracing::info!(%path, jobs = added, "the index of ended jobs is complete");
    Ok(())
}
