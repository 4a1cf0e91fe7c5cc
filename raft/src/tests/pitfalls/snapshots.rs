//! S5, S9, S14: a snapshot says what it holds, holds everything, and is taken whole or not.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use model::{JobId, NodeId};
use openraft::RaftSnapshotBuilder;
use openraft::storage::RaftStateMachine;
use tokio::sync::Semaphore;

use super::super::stores::{
    Switch, append, apply, cancel, close, command, entries, entry, failures, files, flip, image,
    log_id, open_log, open_tables, open_tables_with, submit, users,
};
use crate::config::Config;
use crate::disk::{DiskPoint, Faults};
use crate::snapshot::Snapshot;
use crate::table_store::{TableStore, load};
use crate::types::SnapshotMeta;

/// S5: snapshots are built while entries are applied; each holds exactly what it says.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_holds_exactly_what_it_says() {
    let dir = tempfile::tempdir().unwrap();
    let tables = open_tables(dir.path()).unwrap();
    let (writing, turns) = (tables.clone(), Arc::new(Semaphore::new(0)));
    let given = turns.clone();
    let writer = tokio::spawn(async move {
        for index in 0.. {
            let Ok(turn) = given.acquire().await else {
                return index;
            };
            turn.forget();
            apply(&writing, entries(1, index, index)).await.unwrap();
        }
        unreachable!("it was stopped")
    });
    let mut seen = BTreeSet::new();
    while seen.len() < 8 {
        // A state has room for so many users only, and copies may take long.
        turns.add_permits(1_000);
        let built = tables.clone().build_snapshot().await.unwrap();
        let (meta, held) = content(built.snapshot.path());
        assert_eq!(meta, built.meta);
        let last = meta.last_log_id.map_or(0, |last| last.index);
        assert_eq!(held, (1..=last).collect::<Vec<_>>());
        seen.insert(last);
    }
    turns.close();
    let end = writer.await.unwrap();
    assert!(seen.iter().all(|seen| *seen < end), "{seen:?} of {end}");
}

/// A store gives its directory back only once a snapshot that is being made is made, and makes none
/// after that: whoever removes or opens the directory next has it alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_closes_waits_for_its_snapshot() {
    let dir = tempfile::tempdir().unwrap();
    let (reached, mut at_it) = tokio::sync::mpsc::unbounded_channel();
    let (go_on, held) = std::sync::mpsc::channel::<()>();
    let held = Mutex::new(held);
    let faults = Faults::new(move |point| {
        if point == DiskPoint::SnapshotBuilt {
            reached.send(()).map_err(io::Error::other)?;
            // An end that nobody holds back is as good as a word.
            let _ = held.lock().unwrap().recv();
        }
        Ok(())
    });
    let tables = open_tables_with(dir.path(), faults).unwrap();
    apply(&tables, entries(1, 0, 9)).await.unwrap();
    let mut builder = tables.clone();
    let building = tokio::spawn(async move { builder.build_snapshot().await.map(drop) });
    at_it.recv().await.unwrap();

    let closing = tables.clone();
    let mut closing = tokio::spawn(close(move || closing.close()));
    let early = tokio::time::timeout(Duration::from_millis(200), &mut closing);
    assert!(early.await.is_err(), "closed while a snapshot was made");
    drop(go_on);
    closing.await.unwrap();
    fs::remove_dir_all(dir.path().join("snapshots")).unwrap();
    // Made, or refused the flush that follows: the tables are closed by then.
    let _ = building.await.unwrap();
    let again = tables.clone().build_snapshot().await;
    assert!(again.unwrap_err().to_string().contains("has ended"));
    assert!(!dir.path().join("snapshots").exists());
}

/// What a copy says, and which entries it holds.
fn content(path: &Path) -> (SnapshotMeta, Vec<u64>) {
    let copy = tempfile::tempdir().unwrap();
    let place = copy.path().join("db");
    crate::disk::clone_db(path, &place).unwrap();
    let db = crate::database::Database::open(&place, crate::database::Kind::Tables).unwrap();
    let loaded = load::load(&db).unwrap();
    (load::verify(path).unwrap(), users(&loaded.state))
}

/// A store with entries up to 9, and a snapshot received from one with entries up to 40.
struct Offer {
    dir: tempfile::TempDir,
    tables: TableStore,
    meta: SnapshotMeta,
    snapshot: Snapshot,
}

impl Offer {
    async fn new(faults: Faults) -> Offer {
        let dir = tempfile::tempdir().unwrap();
        let tables = open_tables_with(dir.path(), faults).unwrap();
        apply(&tables, entries(1, 0, 9)).await.unwrap();
        let from = tempfile::tempdir().unwrap();
        let mut other = open_tables(from.path()).unwrap();
        apply(&other, entries(1, 0, 40)).await.unwrap();
        let built = other.build_snapshot().await.unwrap();
        let snapshot = tables.snapshots().receive_into().unwrap();
        for file in fs::read_dir(built.snapshot.path()).unwrap() {
            let file = file.unwrap();
            fs::copy(file.path(), snapshot.path().join(file.file_name())).unwrap();
        }
        Offer {
            dir,
            tables,
            meta: built.meta,
            snapshot,
        }
    }

    async fn install(&self) -> io::Result<()> {
        let mut tables = self.tables.clone();
        tables
            .install_snapshot(&self.meta, self.snapshot.clone())
            .await
    }

    /// The last of the entries that the store shows; it shows all before it.
    fn shown(&self) -> u64 {
        last_of(&self.tables)
    }

    /// The same after a crash now.
    fn after_crash(&self) -> u64 {
        last_of(&open_tables(image(self.dir.path()).path()).unwrap())
    }
}

fn last_of(tables: &TableStore) -> u64 {
    let view = tables.view();
    let held = users(&view.state);
    assert_eq!(held, (1..=view.index.0).collect::<Vec<_>>());
    view.index.0
}

/// S9.
#[tokio::test]
async fn a_snapshot_that_is_not_what_was_announced_changes_nothing() {
    let mut offer = Offer::new(Faults::default()).await;
    offer.meta.last_log_id = Some(log_id(1, 41));
    assert!(offer.install().await.is_err());
    assert_eq!((offer.shown(), offer.after_crash()), (9, 9));
}

/// S9.
#[tokio::test]
async fn a_damaged_snapshot_changes_nothing() {
    let offer = Offer::new(Faults::default()).await;
    let table = files(offer.snapshot.path(), "sst").pop().unwrap();
    flip(&table, 100);
    assert!(offer.install().await.is_err());
    assert_eq!((offer.shown(), offer.after_crash()), (9, 9));
    fs::remove_file(table).unwrap();
    assert!(offer.install().await.is_err());
    assert_eq!((offer.shown(), offer.after_crash()), (9, 9));
    apply(&offer.tables, entries(1, 10, 12)).await.unwrap();
    assert_eq!(offer.after_crash(), 12);
}

/// S9: a crash at any moment of the installation leaves the old tables or the new ones.
#[tokio::test]
async fn a_snapshot_is_installed_whole_or_not_at_all() {
    let moments = [
        (DiskPoint::SnapshotReceived, 9),
        (DiskPoint::InstallBeforeMarker, 9),
        (DiskPoint::InstallAfterMarker, 40),
    ];
    for (moment, held) in moments {
        let (switch, faults) = Switch::new();
        let offer = Offer::new(faults).await;
        switch.refuse(moment, io::ErrorKind::StorageFull);
        assert!(offer.install().await.is_err());
        assert_eq!(offer.after_crash(), held, "{moment:?}");
    }
    let offer = Offer::new(Faults::default()).await;
    offer.install().await.unwrap();
    assert_eq!((offer.shown(), offer.after_crash()), (40, 40));
    apply(&offer.tables, entries(1, 41, 42)).await.unwrap();
    assert_eq!(offer.after_crash(), 42);
    assert_eq!(offer.tables.snapshots().newest().unwrap().0, offer.meta);
}

/// S14: ids are not handed out again although nothing is left of the jobs that had them.
#[tokio::test]
async fn job_ids_are_not_reused_behind_a_snapshot() {
    let from = tempfile::tempdir().unwrap();
    let mut tables = open_tables(from.path()).unwrap();
    let ended = (1..=3).flat_map(|job| [submit(&format!("job-{job}"), 10), cancel(job)]);
    let commands = std::iter::once(command(0)).chain(ended);
    let entries = (0..).zip(commands);
    let entries = entries.map(|(index, command)| entry(1, index, &command));
    apply(&tables, entries.collect()).await.unwrap();
    assert_eq!(tables.view().state.live_jobs(), 0);
    let built = tables.build_snapshot().await.unwrap();

    let to = tempfile::tempdir().unwrap();
    let mut other = open_tables(to.path()).unwrap();
    other
        .install_snapshot(&built.meta, built.snapshot)
        .await
        .unwrap();
    close(move || other.close()).await;
    let other = open_tables(to.path()).unwrap();
    apply(&other, vec![entry(1, 7, &submit("job-4", 10))])
        .await
        .unwrap();
    let view = other.view();
    let live: Vec<JobId> = view.state.jobs().map(|job| job.id).collect();
    assert_eq!(live, [JobId(4)]);
    for id in (1..=3).map(JobId) {
        let ended = crate::table_store::ended::job(&view, id).unwrap();
        assert_eq!(ended.map(|job| job.id), Some(id));
    }
}

/// S9: a crash between the moment at which an installed snapshot counts and the copy that is kept
/// of it. The log ends before what is applied, so it is purged up to there; a head that then has an
/// older snapshot only, or none, could help nobody.
#[tokio::test]
async fn a_head_that_crashed_in_an_installation_has_a_snapshot_of_what_it_installed() {
    let dir = tempfile::tempdir().unwrap();
    let log = open_log(dir.path()).unwrap();
    append(&log, entries(1, 0, 5)).await.unwrap();
    close(move || log.close()).await;
    let mut tables = open_tables(dir.path()).unwrap();
    apply(&tables, entries(1, 0, 3)).await.unwrap();
    tables.build_snapshot().await.unwrap();
    apply(&tables, entries(1, 4, 40)).await.unwrap();
    close(move || tables.close()).await;
    let config = Config {
        node: NodeId(1),
        dir: dir.path().to_owned(),
        ..Config::default()
    };
    let (log, tables) = crate::handle::open(&config, failures()).unwrap();
    let (meta, _) = tables.snapshots().newest().unwrap();
    assert_eq!(meta.last_log_id, Some(log_id(1, 40)));
    close(move || {
        tables.close();
        log.close();
    })
    .await;
}
