//! A whole snapshot of each version, as RocksDB's files. It can be installed for ever, and says
//! what it always said. The bytes of each kind of record in it are in `raft/model/golden`.

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use model::job::{EndedJob, Outcome};
use model::{Event, JobId, LogIndex, Timestamp};
use openraft::RaftSnapshotBuilder;
use tempfile::TempDir;

use super::golden;
use crate::database::{Database, Kind};
use crate::record::VERSION;
use crate::snapshot::transfer;
use crate::table_store::{keys, load};
use crate::tests::stores::{apply, cancel, command, entry, log_id, open_tables, submit};

/// Entries 0 to 5: a cluster with users, one job that lives and one that was cancelled.
async fn made() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let mut tables = open_tables(dir.path()).unwrap();
    let commands = [
        command(0),
        command(1),
        command(2),
        submit("one", 40),
        submit("two", 40),
        cancel(2),
    ];
    let entries = (0..)
        .zip(&commands)
        .map(|(at, command)| entry(1, at, command));
    apply(&tables, entries.collect()).await.unwrap();
    let snapshot = tables.build_snapshot().await.unwrap().snapshot;
    let path = snapshot.path().to_owned();
    (dir, path)
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for file in transfer::list(from).unwrap() {
        fs::copy(from.join(&file.name), to.join(&file.name)).unwrap();
    }
}

/// The same as [`made`] says now, from the files of any version.
fn look(dir: &Path) {
    let meta = load::verify(dir).unwrap();
    assert_eq!(meta.last_log_id, Some(log_id(1, 5)));
    let db = Database::open(dir, Kind::Inspect).unwrap();
    let state = load::load(&db).unwrap().state;
    assert!(state.user("user-1").is_some() && state.user("user-2").is_some());
    let job = state.job(JobId(1)).unwrap();
    assert_eq!(
        (job.owner.0.as_str(), job.spec.name.as_str()),
        ("admin", "one")
    );
    assert_eq!(job.submitted_at, Timestamp(1_003));
    assert!(state.job(JobId(2)).is_none());
    let bytes = db.get(&keys::ended(JobId(2))).unwrap().unwrap();
    let ended: EndedJob = model::format::decode(&bytes).unwrap();
    assert_eq!(
        (ended.outcome, ended.ended_at),
        (Outcome::Cancelled, Timestamp(1_005))
    );
    let mut events = Vec::new();
    db.scan(&keys::event(0), &keys::event(6), |_, bytes| {
        events.push(model::format::decode::<Event>(bytes).unwrap().index);
        Ok(ControlFlow::Continue(()))
    })
    .unwrap();
    assert!(
        events.contains(&LogIndex(3)) && events.contains(&LogIndex(5)),
        "{events:?}"
    );
}

#[tokio::test]
async fn golden_snapshots_of_every_version_can_be_read() {
    let (_dir, made) = made().await;
    look(&made);
    let newest = golden().join(VERSION.to_string()).join("snapshot");
    if !newest.exists() && std::env::var("GOLDEN").is_ok_and(|word| word == "add") {
        copy(&made, &newest);
    }
    for version in 1..=VERSION {
        let golden = golden().join(version.to_string()).join("snapshot");
        // Looking at a database leaves files in it.
        let dir = tempfile::tempdir().unwrap();
        let here = dir.path().join("snapshot");
        copy(&golden, &here);
        look(&here);
    }
}
