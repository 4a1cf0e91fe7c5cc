//! S1, S2, S3, S11: what is acknowledged is on disk, in order, and a failure is for ever.

use std::io;
use std::sync::Mutex;
use std::sync::mpsc;

use futures_util::FutureExt;
use openraft::RaftLogReader;
use openraft::storage::RaftLogStorage;
use tokio::sync::oneshot::error::TryRecvError;

use super::super::heads::PATIENCE;
use super::super::stores::{
    Switch, append, close, entries, failures, image, indexes, open_log, open_log_with, opening,
    queue_append, vote,
};
use crate::disk::{DiskPoint, Faults};
use crate::error::RaftError;
use crate::log_store::LogStore;

/// A disk that stops before each write of the log until it is told to go on.
struct Gate {
    reached: mpsc::Receiver<()>,
    go: mpsc::Sender<()>,
}

impl Gate {
    fn new() -> (Gate, Faults) {
        let (tell, reached) = mpsc::channel();
        let (go, wait) = mpsc::channel::<()>();
        let (tell, wait) = (Mutex::new(tell), Mutex::new(wait));
        let faults = Faults::new(move |point| {
            if point == DiskPoint::LogWrite {
                // The test may have ended.
                let _ = tell.lock().unwrap().send(());
                let _ = wait.lock().unwrap().recv_timeout(PATIENCE);
            }
            Ok(())
        });
        (Gate { reached, go }, faults)
    }

    fn open(&self) {
        self.go.send(()).unwrap();
    }
}

/// S1.
#[tokio::test]
async fn a_vote_is_on_disk_before_it_is_given() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = open_log(dir.path()).unwrap();
    for term in 1..=3 {
        log.save_vote(&vote(term)).await.unwrap();
        let crashed = image(dir.path());
        let mut after = open_log(crashed.path()).unwrap();
        assert_eq!(after.read_vote().await.unwrap(), Some(vote(term)));
    }
}

/// S1: what was refused is not given later either.
#[tokio::test]
async fn a_vote_that_the_disk_refuses_is_not_given() {
    let dir = tempfile::tempdir().unwrap();
    let (switch, faults) = Switch::new();
    let mut log = open_log_with(dir.path(), &faults);
    log.save_vote(&vote(1)).await.unwrap();
    switch.refuse(DiskPoint::LogWrite, io::ErrorKind::StorageFull);
    assert!(log.save_vote(&vote(2)).await.is_err());
    assert_eq!(log.read_vote().await.unwrap(), Some(vote(1)));
    let mut after = open_log(image(dir.path()).path()).unwrap();
    assert_eq!(after.read_vote().await.unwrap(), Some(vote(1)));
}

/// S2.
#[tokio::test]
async fn an_append_is_acknowledged_after_it_is_on_disk() {
    let dir = tempfile::tempdir().unwrap();
    let (gate, faults) = Gate::new();
    let log = open_log_with(dir.path(), &faults);
    let mut durable = queue_append(&log, entries(1, 0, 9)).await.unwrap();
    gate.reached.recv().unwrap();
    // It can be read already, but nobody has been told that it is safe, for it is not.
    assert_eq!(indexes(&log).await, (0..=9).collect::<Vec<_>>());
    let told = durable.try_recv();
    let crashed = image(dir.path());
    let before = indexes(&open_log(crashed.path()).unwrap()).await;
    // The writer would wait for ever if the test ended here.
    gate.open();
    assert!(matches!(told, Err(TryRecvError::Empty)), "{told:?}");
    assert!(before.is_empty(), "{before:?}");

    durable.await.unwrap().unwrap();
    let crashed = image(dir.path());
    let after = open_log(crashed.path()).unwrap();
    assert_eq!(indexes(&after).await, (0..=9).collect::<Vec<_>>());
}

/// S3: while one group is written everything else waits and then goes into one batch; the disk
/// holds a beginning of what was asked at any time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn votes_and_entries_reach_the_disk_in_the_order_given() {
    let dir = tempfile::tempdir().unwrap();
    let (gate, faults) = Gate::new();
    let log = open_log_with(dir.path(), &faults);
    let (mut first, mut second) = (log.clone(), log.clone());
    let (first_vote, second_vote) = (vote(1), vote(2));
    let mut voting = Box::pin(first.save_vote(&first_vote));
    assert!(voting.as_mut().now_or_never().is_none());
    gate.reached.recv().unwrap();
    // The first is about to be written; these wait until it is.
    let one = queue_append(&log, entries(1, 0, 4)).await.unwrap();
    let mut voting_again = Box::pin(second.save_vote(&second_vote));
    assert!(voting_again.as_mut().now_or_never().is_none());
    let two = queue_append(&log, entries(2, 5, 6)).await.unwrap();
    let nothing = image(dir.path());
    gate.open();
    gate.reached.recv().unwrap();
    let begun = image(dir.path());
    gate.open();
    voting.await.unwrap();
    voting_again.await.unwrap();
    one.await.unwrap().unwrap();
    two.await.unwrap().unwrap();
    assert_eq!(content(nothing.path()).await, (None, Vec::new()));
    assert_eq!(content(begun.path()).await, (Some(1), Vec::new()));
    let all = content(image(dir.path()).path()).await;
    assert_eq!(all, (Some(2), (0..=6).collect()));
}

/// Term of the vote, and the entries.
async fn content(dir: &std::path::Path) -> (Option<u64>, Vec<u64>) {
    let mut log = open_log(dir).unwrap();
    let vote = log.read_vote().await.unwrap();
    (vote.map(|vote| vote.leader_id.term), indexes(&log).await)
}

/// S11: neither what waited nor what comes later is ever acknowledged, also when the disk works
/// again; the failure is told.
#[tokio::test]
async fn after_a_failed_sync_nothing_is_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let (switch, faults) = Switch::new();
    let failed = failures();
    let mut log = LogStore::open(dir.path(), opening(&faults, &failed)).unwrap();
    append(&log, entries(1, 0, 4)).await.unwrap();
    assert_eq!(*failed.borrow(), None);

    switch.refuse(DiskPoint::LogSynced, io::ErrorKind::Other);
    assert!(append(&log, entries(1, 5, 6)).await.is_err());
    assert!(matches!(*failed.borrow(), Some(RaftError::Storage { .. })));
    switch.allow();
    assert!(append(&log, entries(1, 7, 8)).await.is_err());
    assert!(log.save_vote(&vote(2)).await.is_err());
    assert_eq!(log.read_vote().await.unwrap(), None);

    let store = log.clone();
    close(move || store.close()).await;
    let after = open_log(dir.path()).unwrap();
    let kept = indexes(&after).await;
    assert!(kept.starts_with(&[0, 1, 2, 3, 4]), "{kept:?}");
    append(&after, entries(2, kept.len() as u64, 20))
        .await
        .unwrap();
}
