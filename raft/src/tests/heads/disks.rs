//! Disks of single heads that fail, fill up, or stall.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use model::Reply;
use model::log::{Log, LogError};
use tokio::time::Instant;

use super::load::assert_holds;
use super::{Heads, Load, soon};
use crate::disk::{DiskPoint, Faults};
use crate::error::RaftError;
use crate::limits;
use crate::tests::stores::{Switch, user, users};

/// The leader's disk fails at `point`: it ends and acknowledges nothing from then on, the others
/// go on, and it comes back when its disk works again.
async fn the_leader_fails_at(point: DiskPoint, kind: io::ErrorKind) {
    let (switch, faults) = Switch::new();
    let mut heads = Heads::none().with_faults(1, faults).started(3).await;
    let leader = heads.leader().await;
    let to_first = heads
        .handle(leader)
        .transfer_leadership(Some(model::NodeId(1)));
    soon(to_first).await.unwrap();
    assert_eq!(heads.leader().await, 1);
    heads.propose(1, user("user-1")).await.unwrap();

    let failed = heads.handle(1).failed();
    switch.refuse(point, kind);
    let refused = heads.propose(1, user("user-2")).await;
    // A quorum may have it nevertheless; then it stays.
    let kept = refused.is_ok();
    let error = soon(failed).await;
    assert!(
        matches!(error, RaftError::Storage { .. } | RaftError::Fatal(_)),
        "{error}"
    );
    switch.allow();
    for _ in 0..3 {
        let refused = heads.propose(1, user("user-3")).await;
        assert!(matches!(refused, Err(LogError::Storage(_))), "{refused:?}");
    }
    assert!(!heads.handle(1).is_leading());

    let leader = heads.leader_of(&[2, 3]).await;
    assert_eq!(
        heads.propose(leader, user("user-4")).await.unwrap().reply,
        Reply::Done
    );
    heads.end(1).await;
    heads.start(1).await.unwrap();
    assert_eq!(
        heads.propose(1, user("user-5")).await.unwrap().reply,
        Reply::Done
    );
    heads.converged().await;
    let held = users(&heads.handle(1).read());
    assert!(
        held == [1, 2, 4, 5] || (!kept && held == [1, 4, 5]),
        "{held:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_whose_log_cannot_be_synced_ends() {
    the_leader_fails_at(DiskPoint::LogSynced, io::ErrorKind::Other).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_whose_tables_cannot_be_written_ends() {
    the_leader_fails_at(DiskPoint::TablesWrite, io::ErrorKind::Other).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_whose_disk_is_full_ends_and_comes_back() {
    the_leader_fails_at(DiskPoint::LogWrite, io::ErrorKind::StorageFull).await;
}

/// With nobody else to acknowledge, not one command gets through a full disk, and not one that
/// was acknowledged is missing when there is room again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_single_head_with_a_full_disk_refuses_and_comes_back() {
    let (switch, faults) = Switch::new();
    let mut heads = Heads::none().with_faults(1, faults).started(1).await;
    for number in 1..=5 {
        heads
            .propose(1, user(&format!("user-{number}")))
            .await
            .unwrap();
    }
    for number in 6..=8 {
        switch.refuse(DiskPoint::LogWrite, io::ErrorKind::StorageFull);
        let failed = heads.handle(1).failed();
        let refused = heads.propose(1, user(&format!("user-{number}"))).await;
        assert!(refused.is_err(), "{refused:?}");
        assert!(matches!(soon(failed).await, RaftError::Storage { .. }));
        let refused = heads.propose(1, user("user-9")).await;
        assert!(matches!(refused, Err(LogError::Storage(_))), "{refused:?}");
        // It cannot even start before there is room, and says so.
        heads.end(1).await;
        switch.allow();
        heads.start(1).await.unwrap();
        heads.leader().await;
    }
    assert_eq!(
        heads.propose(1, user("user-10")).await.unwrap().reply,
        Reply::Done
    );
    assert_eq!(users(&heads.handle(1).read()), [1, 2, 3, 4, 5, 10]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_head_that_cannot_copy_its_tables_ends() {
    let (switch, faults) = Switch::new();
    let heads = Heads::none().with_faults(1, faults).started(1).await;
    let failed = heads.handle(1).failed();
    switch.refuse(DiskPoint::SnapshotBuilt, io::ErrorKind::StorageFull);
    heads.handle(1).snapshot_now().await.unwrap();
    soon(failed).await;
    let refused = heads.propose(1, user("user-1")).await;
    assert!(matches!(refused, Err(LogError::Storage(_))), "{refused:?}");
}

/// Whatever else goes wrong with a thread of ours, the head does not go on without it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_head_whose_thread_is_gone_ends() {
    for gone in [DiskPoint::LogWrite, DiskPoint::TablesWrite] {
        let now = Arc::new(AtomicBool::new(false));
        let armed = now.clone();
        let faults = Faults::new(move |point| {
            let here = armed.load(Ordering::Acquire) && point == gone;
            assert!(!here, "this is part of the test");
            Ok(())
        });
        let heads = Heads::none().with_faults(1, faults).started(1).await;
        let failed = heads.handle(1).failed();
        now.store(true, Ordering::Release);
        assert!(heads.propose(1, user("user-1")).await.is_err());
        soon(failed).await;
        let refused = heads.propose(1, user("user-2")).await;
        assert!(matches!(refused, Err(LogError::Storage(_))), "{refused:?}");
    }
}

/// While one write waits for the disk, what comes meanwhile goes in few more, a moment apart; and
/// it does go, however long that one waits.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_while_the_disk_is_busy_is_written_together() {
    const MANY: u64 = 1_000;
    let busy = Arc::new(AtomicBool::new(false));
    let writes = Arc::new(AtomicU64::new(0));
    let (waits, counted) = (busy.clone(), writes.clone());
    let faults = Faults::new(move |point| {
        if point == DiskPoint::AppendWrite {
            counted.fetch_add(1, Ordering::AcqRel);
        }
        while point == DiskPoint::LogSynced && waits.load(Ordering::Acquire) {
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    });
    let heads = Heads::none().with_faults(1, faults).started(1).await;
    let head = heads.handle(1);
    let taken = || head.metrics().last_log_index.unwrap();
    let (first, before) = (taken(), writes.load(Ordering::Acquire));
    busy.store(true, Ordering::Release);
    let began = Instant::now();
    let all = join_all((1..=MANY).map(|number| heads.propose(1, user(&format!("user-{number}")))));
    let until_taken = async {
        while taken() < first + MANY {
            tokio::task::yield_now().await;
        }
        busy.store(false, Ordering::Release);
        began.elapsed()
    };
    let (done, took) = soon(async { tokio::join!(all, until_taken) }).await;
    for applied in done {
        assert_eq!(applied.unwrap().reply, Reply::Done);
    }
    let writes = writes.load(Ordering::Acquire) - before;
    let moments = took.as_millis() / limits::TOGETHER_WAIT.as_millis();
    assert!(u128::from(writes) <= 3 + moments, "{writes} in {took:?}");
}

/// Every sync of every log takes longer than an election, and large entries are on their way all
/// the time: nobody misses a heartbeat.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn neither_slow_disks_nor_large_entries_delay_a_heartbeat() {
    let stall = Arc::new(AtomicU64::new(0));
    let mut heads = Heads::none();
    for node in 1..=3 {
        let stall = stall.clone();
        heads = heads.with_faults(node, slow(stall));
    }
    let heads = heads.started(3).await;
    let leader = heads.leader().await;
    let term = heads.handle(leader).term();
    stall.store(2_200, Ordering::Release);
    let load = Load::start(&heads, 8, 250_000);
    load.acknowledges(10).await;
    stall.store(0, Ordering::Release);
    load.acknowledges(16).await;
    let acknowledged = load.stop().await;
    heads.converged().await;
    for node in heads.nodes() {
        assert_eq!(heads.handle(node).term(), term, "there was an election");
        assert_holds(heads.handle(node), &acknowledged);
    }
}

fn slow(stall: Arc<AtomicU64>) -> Faults {
    Faults::new(move |point| {
        if point == DiskPoint::LogWrite {
            std::thread::sleep(Duration::from_millis(stall.load(Ordering::Acquire)));
        }
        Ok(())
    })
}
