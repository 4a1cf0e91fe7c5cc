//! S6, S7, S10, S12: a log starts whole, or not at all.

use std::fs;
use std::path::Path;

use openraft::RaftLogReader;
use openraft::raft::AppendEntriesRequest;
use openraft::storage::RaftLogStorage;

use super::super::stores::{
    append, close, entries, files, image, indexes, log_id, open_log, open_tables, vote,
};
use crate::database::{Database, Kind, WriteBatch};
use crate::error::RaftError;
use crate::log_store::LogStore;
use crate::network::client::is_stuck;
use crate::types::TypeConfig;

async fn closed(log: LogStore) {
    close(move || log.close()).await;
}

/// Changes records of a log that is not open.
fn change(dir: &Path, change: impl FnOnce(&mut WriteBatch)) {
    let db = Database::open(&dir.join("log"), Kind::Log).unwrap();
    let mut batch = WriteBatch::default();
    change(&mut batch);
    db.write(batch, true).unwrap();
}

fn entry_key(index: u64) -> Vec<u8> {
    [&b"E"[..], &index.to_be_bytes()].concat()
}

/// A log with a vote, entries 5 to 20, and everything else a log may hold.
async fn full(dir: &Path) {
    let mut log = open_log(dir).unwrap();
    log.save_vote(&vote(1)).await.unwrap();
    append(&log, entries(1, 0, 20)).await.unwrap();
    log.purge(log_id(1, 4)).await.unwrap();
    assert!(log.knows(2, [2; 16]).await.unwrap());
    log.save_committed(Some(log_id(1, 19))).await.unwrap();
    closed(log).await;
}

/// S6.
#[tokio::test]
async fn the_purge_point_survives_a_crash() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = open_log(dir.path()).unwrap();
    append(&log, entries(1, 0, 20)).await.unwrap();
    log.purge(log_id(1, 9)).await.unwrap();
    let crashed = image(dir.path());
    let mut after = open_log(crashed.path()).unwrap();
    let state = after.get_log_state().await.unwrap();
    assert_eq!(state.last_purged_log_id, Some(log_id(1, 9)));
    assert_eq!(state.last_log_id, Some(log_id(1, 20)));
    assert_eq!(indexes(&after).await, (10..=20).collect::<Vec<_>>());

    // Also one behind the end, which an installed snapshot leads to.
    after.purge(log_id(2, 50)).await.unwrap();
    let again = image(crashed.path());
    let mut again = open_log(again.path()).unwrap();
    let state = again.get_log_state().await.unwrap();
    assert_eq!(state.last_purged_log_id, Some(log_id(2, 50)));
    assert_eq!(state.last_log_id, Some(log_id(2, 50)));
    append(&again, entries(2, 51, 52)).await.unwrap();
}

/// S6: a log without its purge point does not pass for one that begins where it happens to.
#[tokio::test]
async fn a_log_without_its_purge_point_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    full(dir.path()).await;
    change(dir.path(), |batch| batch.delete(b"Mpurged"));
    match open_log(dir.path()).err() {
        Some(RaftError::Unreadable { key, .. }) => assert_eq!(key, "log entry 5"),
        other => panic!("{other:?}"),
    }
}

/// S7.
#[tokio::test]
async fn every_unreadable_record_of_the_log_refuses_the_start_by_name() {
    let records = [
        (b"Mowner".to_vec(), "owner"),
        (b"Mvote".to_vec(), "vote"),
        (b"Mpurged".to_vec(), "purged"),
        (b"Mcommitted".to_vec(), "committed"),
        (b"Mpeers".to_vec(), "peers"),
        (entry_key(5), "log entry 5"),
        (entry_key(13), "log entry 13"),
        (entry_key(20), "log entry 20"),
    ];
    let whole = tempfile::tempdir().unwrap();
    full(whole.path()).await;
    closed(open_log(whole.path()).unwrap()).await;
    for (record, name) in records {
        let dir = image(whole.path());
        let db = Database::open(&dir.path().join("log"), Kind::Log).unwrap();
        let mut bytes = db.get(&record).unwrap().unwrap();
        drop(db);
        *bytes.last_mut().unwrap() ^= 1;
        change(dir.path(), |batch| batch.put(&record, &bytes));
        match open_log(dir.path()).err() {
            Some(RaftError::Unreadable { key, path, .. }) => {
                assert_eq!((key.as_str(), path), (name, dir.path().join("log")));
            }
            other => panic!("{name}: {other:?}"),
        }
    }
}

/// S7.
#[tokio::test]
async fn every_unreadable_record_of_the_tables_refuses_the_start_by_name() {
    let whole = tempfile::tempdir().unwrap();
    let tables = open_tables(whole.path()).unwrap();
    super::super::stores::apply(&tables, entries(1, 0, 3))
        .await
        .unwrap();
    close(move || tables.close()).await;
    for (record, name) in [(&b"Mapplied"[..], "applied"), (b"Suuser-2", "user/user-2")] {
        let dir = image(whole.path());
        let db = Database::open(&dir.path().join("tables/1"), Kind::Tables).unwrap();
        let mut bytes = db.get(record).unwrap().unwrap();
        bytes.pop();
        let mut batch = WriteBatch::default();
        batch.put(record, &bytes);
        db.write(batch, true).unwrap();
        drop(db);
        match open_tables(dir.path()).err() {
            Some(RaftError::Unreadable { key, .. }) => assert_eq!(key, name),
            other => panic!("{name}: {other:?}"),
        }
    }
}

/// S10.
#[tokio::test]
async fn entries_that_would_leave_a_hole_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = open_log(dir.path()).unwrap();
    assert!(
        append(&log, entries(1, 1, 2)).await.is_err(),
        "before the first"
    );
    append(&log, entries(1, 0, 4)).await.unwrap();
    assert!(append(&log, entries(1, 6, 7)).await.is_err(), "a hole");
    assert!(
        append(&log, entries(1, 4, 5)).await.is_err(),
        "an entry twice"
    );
    let mut torn = entries(1, 5, 8);
    torn.remove(1);
    assert!(append(&log, torn).await.is_err(), "a hole within");
    log.purge(log_id(1, 9)).await.unwrap();
    assert!(
        append(&log, entries(1, 11, 11)).await.is_err(),
        "behind a purge"
    );
    assert!(indexes(&log).await.is_empty());
    append(&log, entries(1, 10, 11)).await.unwrap();
    closed(log).await;
    let after = open_log(dir.path()).unwrap();
    assert_eq!(indexes(&after).await, [10, 11]);
}

/// S10: what follows a purge is not taken for what was asked for.
#[tokio::test]
async fn replication_gets_nothing_where_the_log_is_purged() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = open_log(dir.path()).unwrap();
    append(&log, entries(1, 0, 20)).await.unwrap();
    log.purge(log_id(1, 9)).await.unwrap();
    let asked = [
        (5, 15, Vec::new()),
        (9, 15, Vec::new()),
        (9, 10, Vec::new()),
        (10, 13, vec![10, 11, 12]),
        (20, 30, vec![20]),
    ];
    for (start, end, expected) in asked {
        let found = log.limited_get_log_entries(start, end).await.unwrap();
        let found: Vec<u64> = found.iter().map(|entry| entry.log_id.index).collect();
        assert_eq!(found, expected, "{start}..{end}");
    }
    // Whoever reads the whole log gets what is left of it.
    let rest = log.try_get_log_entries(5..13).await.unwrap();
    assert_eq!(rest.first().map(|entry| entry.log_id.index), Some(10));

    let request = |prev: u64, entries| AppendEntriesRequest::<TypeConfig> {
        vote: vote(1),
        prev_log_id: Some(log_id(1, prev)),
        leader_commit: None,
        entries,
    };
    assert!(is_stuck(&log, &request(8, Vec::new())));
    assert!(!is_stuck(&log, &request(9, Vec::new())));
    assert!(!is_stuck(&log, &request(8, entries(1, 9, 9))));
}

/// S10: also while it is being purged.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_purge_under_a_reader_leaves_no_hole_in_what_it_reads() {
    let dir = tempfile::tempdir().unwrap();
    let log = open_log(dir.path()).unwrap();
    append(&log, entries(1, 0, 400)).await.unwrap();
    let mut purger = log.clone();
    let purging = tokio::spawn(async move {
        for upto in (0..400).step_by(10) {
            purger.purge(log_id(1, upto)).await.unwrap();
        }
    });
    let mut reader = log.clone();
    let (mut whole, mut nothing) = (0, 0);
    while !purging.is_finished() || nothing == 0 {
        let start = reader.purged().map_or(0, |last| last.index + 1);
        let found = reader.limited_get_log_entries(start, 401).await.unwrap();
        match found.first() {
            Some(first) => {
                assert_eq!(first.log_id.index, start);
                whole += 1;
            }
            None => nothing += 1,
        }
        if purging.is_finished() {
            assert!(
                reader
                    .limited_get_log_entries(5, 401)
                    .await
                    .unwrap()
                    .is_empty()
            );
            nothing += 1;
        }
    }
    purging.await.unwrap();
    assert!(whole > 0);
}

/// S10.
#[tokio::test]
async fn a_log_with_a_hole_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    full(dir.path()).await;
    change(dir.path(), |batch| batch.delete(entry_key(13)));
    match open_log(dir.path()).err() {
        Some(RaftError::Unreadable { key, .. }) => assert_eq!(key, "log entry 14"),
        other => panic!("{other:?}"),
    }
}

/// S13: without its owner a log would come back as that of another directory.
#[tokio::test]
async fn a_log_without_its_owner_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    full(dir.path()).await;
    change(dir.path(), |batch| batch.delete(b"Mowner"));
    match open_log(dir.path()).err() {
        Some(RaftError::Lost { path, .. }) => assert_eq!(path, dir.path().join("log")),
        other => panic!("{other:?}"),
    }
}

/// A log as it was after each of some acknowledged steps: votes and entries in turn.
struct Steps {
    dir: tempfile::TempDir,
    /// Bytes of the write-ahead log, and the mark.
    behind: Vec<(u64, Vec<u8>)>,
}

impl Steps {
    async fn taken() -> Steps {
        let dir = tempfile::tempdir().unwrap();
        let mut log = open_log(dir.path()).unwrap();
        let mut behind = Vec::new();
        for step in 0..6 {
            if step % 2 == 0 {
                log.save_vote(&vote(1 + step / 2)).await.unwrap();
            } else {
                append(&log, entries(1, step / 2, step / 2)).await.unwrap();
            }
            let mark = fs::read(dir.path().join("acknowledged")).unwrap();
            behind.push((fs::metadata(wal(dir.path())).unwrap().len(), mark));
        }
        // What is looked at later is a copy: this one stays as it is after the last step.
        let dir = image(dir.path());
        Steps { dir, behind }
    }

    /// The log as a crash leaves it that lost all behind `bytes`, with the mark of a step.
    fn cut(&self, bytes: u64, step: usize) -> tempfile::TempDir {
        let dir = image(self.dir.path());
        let file = fs::File::options().write(true).open(wal(dir.path()));
        file.unwrap().set_len(bytes).unwrap();
        fs::write(dir.path().join("acknowledged"), &self.behind[step].1).unwrap();
        dir
    }
}

/// The write-ahead log that is written to.
fn wal(dir: &Path) -> std::path::PathBuf {
    files(&dir.join("log"), "log").pop().unwrap()
}

/// S12: a write that was torn before it was acknowledged is as if it had never been; the log goes
/// on from there.
#[tokio::test]
async fn a_torn_end_that_was_never_acknowledged_is_dropped() {
    let steps = Steps::taken().await;
    for step in 0..5 {
        let (from, to) = (steps.behind[step].0, steps.behind[step + 1].0);
        assert!(from < to);
        for bytes in [from, from + 1, (from + to) / 2, to - 1] {
            let dir = steps.cut(bytes, step);
            let mut log = open_log(dir.path()).unwrap();
            let whole = (step as u64).div_ceil(2);
            assert_eq!(indexes(&log).await, (0..whole).collect::<Vec<_>>());
            let voted = log.read_vote().await.unwrap().unwrap();
            assert_eq!(voted, vote(1 + step as u64 / 2));
            append(&log, entries(1, whole, whole + 2)).await.unwrap();
            closed(log).await;
            let log = open_log(dir.path()).unwrap();
            assert_eq!(indexes(&log).await.len() as u64, whole + 3);
        }
    }
}

/// S12: what was acknowledged and is gone refuses the start, whichever way it went.
#[tokio::test]
async fn a_log_that_lost_what_it_acknowledged_is_refused() {
    let steps = Steps::taken().await;
    for step in 1..6 {
        let (from, to) = (steps.behind[step - 1].0, steps.behind[step].0);
        for bytes in [0, from, from + 1, to - 1] {
            let dir = steps.cut(bytes, step);
            match open_log(dir.path()).err() {
                Some(RaftError::Lost { path, .. }) => assert_eq!(path, dir.path().join("log")),
                other => panic!("step {step}, cut at {bytes}: {other:?}"),
            }
        }
    }
}

/// S12: without its mark a log could not tell.
#[tokio::test]
async fn a_log_without_its_mark_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    full(dir.path()).await;
    let mark = dir.path().join("acknowledged");
    let whole = fs::read(&mark).unwrap();
    let refused = |dir: &Path| match open_log(dir).err() {
        Some(RaftError::Lost { .. } | RaftError::Unreadable { .. }) => {}
        other => panic!("{other:?}"),
    };
    fs::remove_file(&mark).unwrap();
    refused(dir.path());
    fs::write(&mark, b"").unwrap();
    refused(dir.path());
    fs::write(&mark, vec![0; whole.len()]).unwrap();
    refused(dir.path());
    fs::write(&mark, &whole).unwrap();
    closed(open_log(dir.path()).unwrap()).await;
    // And the other way round: a mark whose log is gone.
    fs::remove_dir_all(dir.path().join("log")).unwrap();
    refused(dir.path());
}
