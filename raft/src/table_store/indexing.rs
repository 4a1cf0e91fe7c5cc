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

/// Adds ended jobs to the index.
pub(crate) fn put(batch: &mut WriteBatch, jobs: &[EndedJob]) {
    let key = |of, value: &str, job: &EndedJob| keys::by_facet(of, value, job.ended_at, job.id);
    let project = |job: &EndedJob| key(Facet::Project, &job.spec.project, job);
    put_list(batch, jobs.iter().map(project));
    let queue = |job: &EndedJob| key(Facet::Queue, &job.spec.queue, job);
    put_list(batch, jobs.iter().map(queue));
    let image = |job: &EndedJob| key(Facet::Image, &job.spec.image, job);
    put_list(batch, jobs.iter().map(image));
    let state = |job: &EndedJob| key(Facet::State, job.outcome.word(), job);
    put_list(batch, jobs.iter().map(state));
    let tagged = jobs
        .iter()
        .flat_map(|job| job.spec.tags.iter().map(move |tag| (tag, job)));
    put_list(batch, tagged.map(|(tag, job)| key(Facet::Tag, tag, job)));
}

/// Puts keys in their own order: RocksDB then finds the place of each beside the one before.
pub(crate) fn put_list(batch: &mut WriteBatch, keys: impl Iterator<Item = Vec<u8>>) {
    let mut keys: Vec<Vec<u8>> = keys.collect();
    keys.sort_unstable();
    for key in keys {
        batch.put(key, []);
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
    let (mut waiting, mut added) = (Vec::new(), 0);
    let write = |jobs: &mut Vec<EndedJob>| {
        let mut batch = WriteBatch::default();
        put(&mut batch, jobs);
        jobs.clear();
        db.write(batch, false)
    };
    let by_time = keys::BY_TIME;
    db.scan(&by_time, &keys::behind(&by_time), |key, _| {
        let place = Place::parse(key).ok_or_else(|| super::ended::malformed(key))?;
        let (ended_at, id) = place.job();
        if ended_at < known.now {
            return Ok(ControlFlow::Break(()));
        }
        let bytes = db.get(&keys::ended(id))?;
        waiting.push(super::ended::parse(id, bytes.as_deref())?);
        added += 1;
        if waiting.len() == BATCH {
            write(&mut waiting)?;
        }
        if added % TELL_EVERY == 0 {
            tracing::info!(%path, jobs = added, "adding to the index");
        }
        Ok(ControlFlow::Continue(()))
    })?;
    write(&mut waiting)?;
    let mut batch = WriteBatch::default();
    wanted.put(&mut batch);
    db.write(batch, false)?;
    tracing::info!(%path, jobs = added, "the index of ended jobs is complete");
    Ok(())
}
