//! Bits that turn over on a disk: refused by the name of what is damaged, never served.

use std::fs;
use std::path::{Path, PathBuf};

use openraft::RaftSnapshotBuilder;
use openraft::storage::{RaftLogStorage, RaftStateMachine};

use super::stores::{
    append, apply, close, entries, files, flip, image, indexes, log_id, open_log, open_tables,
    users, vote,
};
use crate::error::RaftError;
use crate::snapshot::transfer::{Assembler, Reader, list};

/// A closed log with a vote and entries 0 to 50.
async fn log() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let mut log = open_log(dir.path()).unwrap();
    log.save_vote(&vote(3)).await.unwrap();
    for index in 0..=50 {
        append(&log, entries(1, index, index)).await.unwrap();
    }
    image(dir.path())
}

/// Closed tables with entries up to 50 in their files, and a snapshot.
async fn tables() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let mut tables = open_tables(dir.path()).unwrap();
    apply(&tables, entries(1, 0, 50)).await.unwrap();
    tables.build_snapshot().await.unwrap();
    close(move || tables.close()).await;
    dir
}

fn size(path: &Path) -> usize {
    usize::try_from(fs::metadata(path).unwrap().len()).unwrap()
}

/// The file that an error is about.
fn named(error: &RaftError) -> &Path {
    match error {
        RaftError::Storage { path, .. }
        | RaftError::Damaged { path, .. }
        | RaftError::Unreadable { path, .. }
        | RaftError::Lost { path, .. } => path,
        RaftError::Config(_)
        | RaftError::WrongNode { .. }
        | RaftError::Replaced { .. }
        | RaftError::NotLeading { .. }
        | RaftError::NotCaughtUp { .. }
        | RaftError::Membership { .. }
        | RaftError::TimedOut(_)
        | RaftError::Fatal(_)
        | RaftError::Stopped => panic!("{error}"),
    }
}

#[tokio::test]
async fn a_flipped_bit_anywhere_in_the_write_ahead_log_is_found() {
    let whole = log().await;
    let wal = files(&whole.path().join("log"), "log").pop().unwrap();
    let bytes = size(&wal);
    for byte in (0..bytes).step_by(bytes / 60) {
        let dir = image(whole.path());
        flip(&dir.path().join("log").join(wal.file_name().unwrap()), byte);
        match open_log(dir.path()) {
            Err(error) => assert_eq!(named(&error), dir.path().join("log"), "byte {byte}"),
            Ok(_) => panic!("byte {byte} of {bytes} made no difference"),
        }
    }
}

#[tokio::test]
async fn a_flipped_bit_in_the_files_of_the_log_is_found() {
    let dir = log().await;
    // Opening it moves what the write-ahead log holds into a file.
    let log = open_log(dir.path()).unwrap();
    close(move || log.close()).await;
    let table = files(&dir.path().join("log"), "sst").pop().unwrap();
    let bytes = size(&table);
    let mut refused = 0;
    for byte in (0..bytes).step_by(bytes / 40) {
        let dir = image(dir.path());
        flip(
            &dir.path().join("log").join(table.file_name().unwrap()),
            byte,
        );
        match open_log(dir.path()) {
            Err(error) => {
                assert_eq!(named(&error), dir.path().join("log"));
                refused += 1;
            }
            // Filters and properties are not what is kept.
            Ok(log) => assert_eq!(indexes(&log).await.len(), 51, "byte {byte}"),
        }
    }
    assert!(refused > 20, "{refused}");
}

/// What was purged lies in its file until RocksDB rewrites it, and nobody would read it any more.
#[tokio::test]
async fn a_flipped_bit_in_what_was_purged_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = open_log(dir.path()).unwrap();
    append(&log, entries(1, 0, 2_000)).await.unwrap();
    close(move || log.close()).await;
    // Opening it moves what the write-ahead log holds into a file.
    log = open_log(dir.path()).unwrap();
    log.purge(log_id(1, 1_900)).await.unwrap();
    close(move || log.close()).await;
    log = open_log(dir.path()).unwrap();
    assert_eq!(indexes(&log).await.len(), 100);
    close(move || log.close()).await;

    let first = files(&dir.path().join("log"), "sst").remove(0);
    flip(&first, 20);
    let error = open_log(dir.path()).err().expect("refused");
    assert_eq!(named(&error), dir.path().join("log"));
    assert!(error.to_string().contains(".sst"), "{error}");
}

#[tokio::test]
async fn a_flipped_bit_in_the_tables_is_found() {
    let whole = tables().await;
    let table = files(&whole.path().join("tables/1"), "sst").pop().unwrap();
    let bytes = size(&table);
    let mut refused = 0;
    for byte in (0..bytes).step_by(bytes / 40) {
        let dir = image(whole.path());
        flip(
            &dir.path().join("tables/1").join(table.file_name().unwrap()),
            byte,
        );
        match open_tables(dir.path()) {
            Err(error) => {
                assert_eq!(named(&error), dir.path().join("tables/1"));
                refused += 1;
            }
            Ok(tables) => assert_eq!(users(&tables.view().state).len(), 50, "byte {byte}"),
        }
    }
    assert!(refused > 20, "{refused}");
}

/// A copy can be made again: a damaged one is not kept, and the tables are served.
#[tokio::test]
async fn a_damaged_snapshot_of_our_own_is_not_kept() {
    let dir = tables().await;
    let snapshot: PathBuf = {
        let mut dirs = fs::read_dir(dir.path().join("snapshots")).unwrap();
        dirs.next().unwrap().unwrap().path()
    };
    // Not the file itself, which the tables share.
    let manifest = snapshot.join("CURRENT");
    fs::remove_file(&manifest).unwrap();
    fs::write(&manifest, b"MANIFEST-999999\n").unwrap();
    let tables = open_tables(dir.path()).unwrap();
    assert!(tables.snapshots().newest().is_none());
    assert!(!snapshot.exists());
    assert_eq!(users(&tables.view().state).len(), 50);
}

/// A damaged copy is not sent, and does not stay in the way of a good one.
#[tokio::test]
async fn a_damaged_snapshot_is_found_before_it_is_sent_and_replaced() {
    let dir = tables().await;
    let mut tables = open_tables(dir.path()).unwrap();
    let first = tables.get_current_snapshot().await.unwrap().unwrap();
    first.snapshot.check().unwrap();
    let table = files(first.snapshot.path(), "sst").pop().unwrap();
    // The tables share the file; what turns over is a bit of a copy of its own.
    let bytes = fs::read(&table).unwrap();
    fs::remove_file(&table).unwrap();
    fs::write(&table, bytes).unwrap();
    flip(&table, 20);
    let why = first.snapshot.check().unwrap_err().to_string();
    let name = table.file_name().unwrap().to_string_lossy().into_owned();
    assert!(why.contains(&name), "{why}");
    let second = tables.get_current_snapshot().await.unwrap().unwrap();
    second.snapshot.check().unwrap();
    assert_eq!(second.meta, first.meta);
    drop(first);
    second.snapshot.check().unwrap();
}

#[tokio::test]
async fn a_flipped_bit_in_our_own_small_files_is_found() {
    let whole = tables().await;
    let current = whole.path().join("tables/CURRENT");
    for byte in 0..size(&current) {
        let dir = image(whole.path());
        flip(&dir.path().join("tables/CURRENT"), byte);
        match open_tables(dir.path()).err() {
            Some(RaftError::Unreadable { key, .. }) => assert_eq!(key, "CURRENT"),
            other => panic!("byte {byte}: {other:?}"),
        }
    }
    // The mark has two places: one damaged does not matter, both do.
    let whole = log().await;
    let place = size(&whole.path().join("acknowledged")) / 2;
    let dir = image(whole.path());
    let mark = dir.path().join("acknowledged");
    flip(&mark, 8);
    let log = open_log(dir.path()).unwrap();
    assert_eq!(indexes(&log).await.len(), 51);
    close(move || log.close()).await;
    flip(&mark, place + 8);
    flip(&mark, 8);
    let dir = image(whole.path());
    let mark = dir.path().join("acknowledged");
    flip(&mark, 8);
    flip(&mark, place + 8);
    match open_log(dir.path()).err() {
        Some(RaftError::Unreadable { key, .. }) => assert_eq!(key, "acknowledged"),
        other => panic!("{other:?}"),
    }
}

/// What travels is checked piece by piece.
#[tokio::test]
async fn pieces_of_a_snapshot_are_taken_in_order_whole_and_undamaged() {
    let dir = tempfile::tempdir().unwrap();
    let (from, to) = (dir.path().join("from"), dir.path().join("to"));
    fs::create_dir(&from).unwrap();
    for (name, bytes) in [("000001.sst", 2_500_000), ("CURRENT", 10), ("EMPTY", 0)] {
        let content: Vec<u8> = (0..bytes).map(|at: u32| (at % 251) as u8).collect();
        fs::write(from.join(name), content).unwrap();
    }
    let files = list(&from).unwrap();
    let mut reader = Reader::new(&from, files.clone());
    let mut chunks = Vec::new();
    while let Some(chunk) = reader.next_chunk().unwrap() {
        assert!(chunk.bytes.0.len() <= crate::limits::CHUNK_BYTES);
        chunks.push(chunk);
    }
    assert_eq!(chunks.len(), 4);
    let fresh = || {
        crate::disk::remove_dir(&to).unwrap();
        fs::create_dir(&to).unwrap();
        Assembler::new(&to, files.clone()).unwrap()
    };

    let mut whole = fresh();
    for chunk in &chunks {
        whole.take(chunk).unwrap();
    }
    whole.finish().unwrap();
    for file in &files {
        assert_eq!(
            fs::read(from.join(&file.name)).unwrap(),
            fs::read(to.join(&file.name)).unwrap()
        );
    }

    let mut short = fresh();
    for chunk in &chunks[..3] {
        short.take(chunk).unwrap();
    }
    assert!(short.finish().is_err(), "one is missing");
    let mut skipping = fresh();
    skipping.take(&chunks[0]).unwrap();
    assert!(skipping.take(&chunks[0]).is_err(), "one comes twice");
    assert!(skipping.take(&chunks[2]).is_err(), "one is left out");
    let mut damaged = chunks[0].clone();
    damaged.sum ^= 1;
    assert!(fresh().take(&damaged).is_err(), "one is damaged");
}

#[test]
fn files_of_a_snapshot_stay_in_its_directory() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str| crate::snapshot::transfer::FileInfo {
        name: name.into(),
        bytes: 1,
    };
    let names = [
        &["../up"][..],
        &["/etc/passwd"],
        &[".."],
        &[""],
        &["b", "a"],
        &["a", "a"],
    ];
    for names in names {
        let files = names.iter().map(|name| file(name)).collect();
        assert!(Assembler::new(dir.path(), files).is_err(), "{names:?}");
    }
}
