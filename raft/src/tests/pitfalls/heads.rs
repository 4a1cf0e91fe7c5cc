//! S13, S15, S16: what only shows between heads.

use std::collections::BTreeMap;
use std::sync::{Mutex, mpsc};

use model::log::Log;
use model::{JobId, LogIndex, NodeId};

use super::super::heads::{Heads, PATIENCE, soon};
use super::super::stores::{cancel, submit, user, users};
use crate::disk::{DiskPoint, Faults};
use crate::error::RaftError;

/// S13.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wiped_head_is_not_taken_for_the_one_it_was() {
    let mut heads = Heads::none().started(3).await;
    let leader = heads.leader().await;
    let wiped = heads
        .nodes()
        .into_iter()
        .find(|node| *node != leader)
        .unwrap();
    heads.propose(leader, user("user-1")).await.unwrap();
    heads.converged().await;
    heads.end(wiped).await;
    std::fs::remove_dir_all(heads.dir(wiped)).unwrap();
    heads.start(wiped).await.unwrap();

    // It is told, and ends; nobody has given it anything.
    let node = NodeId(wiped);
    assert_eq!(
        soon(heads.handle(wiped).failed()).await,
        RaftError::Replaced { node }
    );
    assert_eq!(heads.handle(wiped).applied(), LogIndex(0));
    heads.propose(leader, user("user-2")).await.unwrap();
    assert_eq!(heads.handle(wiped).status().last_log, LogIndex(0));

    // Nor does its vote count: with one more head gone there is no quorum.
    let other = heads
        .nodes()
        .into_iter()
        .find(|node| ![leader, wiped].contains(node))
        .unwrap();
    heads.end(other).await;
    heads
        .until("the last head to stop", |heads| {
            !heads.handle(leader).is_leading()
        })
        .await;
    let alone = heads.handle(leader).barrier();
    assert!(soon(alone).await.is_err());
    heads.start(other).await.unwrap();
    heads.leader_of(&[leader, other]).await;
    heads.converged_of(&[leader, other]).await;
    assert_eq!(users(&heads.handle(other).read()), [1, 2]);
}

/// S15: the snapshot is larger than any message, and before it is installed the leader has purged
/// what follows it: the new head receives the next snapshot and goes on from there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_larger_than_a_message_arrives_although_the_leader_purges() {
    const LARGE: u64 = 40;
    let few = |config: &mut crate::Config| (config.snapshot_every, config.keep_logs) = (50, 20);
    let (received, may_install, faults) = gate();
    let heads = Heads::none().with_config(few).with_faults(2, faults);
    let mut heads = heads.started(1).await;
    for job in 1..=LARGE {
        // Ended ones leave the state, but not the tables.
        let command = submit(&format!("large-{job}"), 900_000);
        heads.propose(1, command).await.unwrap();
        heads.propose(1, cancel(job)).await.unwrap();
    }
    heads.handle(1).snapshot_now().await.unwrap();
    heads
        .until("a snapshot of it all", |heads| copied(heads) >= 2 * LARGE)
        .await;
    let (_, snapshot) = heads.handle(1).tables().snapshots().newest().unwrap();
    let files = std::fs::read_dir(snapshot.path()).unwrap();
    let bytes: u64 = files
        .map(|file| file.unwrap().metadata().unwrap().len())
        .sum();
    assert!(bytes > net::limits::RAFT_FRAME_MAX as u64, "{bytes}");
    for job in 0..60 {
        heads
            .propose(1, submit(&format!("small-{job}"), 100))
            .await
            .unwrap();
    }
    heads.until("a purge", |heads| purged(heads) > 0).await;

    heads.start(2).await.unwrap();
    let learner = heads.handle(1).set_members(heads.all([1]), heads.all([2]));
    soon(learner).await.unwrap();
    tokio::task::block_in_place(|| received.recv().unwrap());
    let sent = copied(&heads);
    for job in 60..200 {
        heads
            .propose(1, submit(&format!("small-{job}"), 100))
            .await
            .unwrap();
    }
    heads
        .until("a purge of what follows", |heads| purged(heads) > sent)
        .await;
    drop(may_install);
    let voter = heads
        .handle(1)
        .set_members(heads.all([1, 2]), BTreeMap::new());
    soon(voter).await.unwrap();
    heads.converged().await;
    assert_eq!(heads.handle(2).read().live_jobs(), 200);
    for job in 1..=LARGE {
        let ended = soon(heads.handle(2).ended_job(JobId(job))).await.unwrap();
        assert_eq!(ended.unwrap().spec.name, format!("large-{job}"));
    }
}

/// The last entry of the leader's newest snapshot.
fn copied(heads: &Heads) -> u64 {
    heads.handle(1).status().snapshot.unwrap_or_default().0
}

fn purged(heads: &Heads) -> u64 {
    heads.handle(1).log().purged().map_or(0, |last| last.index)
}

/// Faults that tell of each received snapshot, and hold it up until the sender is dropped.
fn gate() -> (mpsc::Receiver<()>, mpsc::Sender<()>, Faults) {
    let (tell, received) = mpsc::channel();
    let (may_install, wait) = mpsc::channel::<()>();
    let (tell, wait) = (Mutex::new(tell), Mutex::new(wait));
    let faults = Faults::new(move |point| {
        if point == DiskPoint::SnapshotReceived {
            // Nobody listens, or speaks, when it does not matter any more.
            let _ = tell.lock().unwrap().send(());
            let _ = wait.lock().unwrap().recv_timeout(PATIENCE);
        }
        Ok(())
    });
    (received, may_install, faults)
}

/// S16: a new leader knows nothing of its own and changes nothing by being one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_of_leader_changes_no_state() {
    let heads = Heads::none().started(3).await;
    for number in 1..=5 {
        heads
            .propose(1, submit(&format!("job-{number}"), 100))
            .await
            .unwrap();
    }
    heads.converged().await;
    let (_, before) = heads.handle(1).state_hash();
    for to in [2, 3, 1] {
        let leader = heads.leader().await;
        let transfer = heads.handle(leader).transfer_leadership(Some(NodeId(to)));
        soon(transfer).await.unwrap();
        assert_eq!(heads.leader().await, to);
        heads.converged().await;
        for node in heads.nodes() {
            assert_eq!(heads.handle(node).state_hash().1, before);
        }
    }
}
