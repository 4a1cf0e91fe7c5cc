//! Leaders and whole clusters die under load: somebody else leads soon, and nothing that was
//! acknowledged is lost.

use std::time::Duration;

use model::NodeId;
use tokio::time::Instant;

use super::load::assert_holds;
use super::{Heads, Load, soon};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_leader_dies_under_load_and_nothing_acknowledged_is_lost() {
    let mut heads = Heads::none().started(3).await;
    let load = Load::start(&heads, 8, 200);
    for _ in 0..2 {
        load.acknowledges(100).await;
        let old = heads.leader().await;
        heads.crash(old).await;
        load.ask(&heads);
        let died = Instant::now();
        load.acknowledges(100).await;
        assert!(
            died.elapsed() < Duration::from_secs(15),
            "{:?}",
            died.elapsed()
        );
        assert_ne!(heads.leader().await, old);
        heads.start(old).await.unwrap();
        load.ask(&heads);
    }
    load.acknowledges(100).await;
    let gap = load.longest_gap();
    assert!(
        gap < Duration::from_secs(10),
        "nothing was acknowledged for {gap:?}"
    );
    let acknowledged = load.stop().await;
    heads.converged().await;
    for node in heads.nodes() {
        assert_holds(heads.handle(node), &acknowledged);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_that_crashes_as_a_whole_keeps_what_it_acknowledged() {
    let mut heads = Heads::none().started(3).await;
    let load = Load::start(&heads, 8, 200);
    for _ in 0..2 {
        load.acknowledges(100).await;
        let terms: Vec<u64> = heads
            .nodes()
            .iter()
            .map(|node| heads.handle(*node).term())
            .collect();
        for node in heads.nodes() {
            heads.crash(node).await;
        }
        load.ask(&heads);
        for node in 1..=3 {
            heads.start(node).await.unwrap();
        }
        load.ask(&heads);
        let leader = heads.leader().await;
        assert!(Some(&heads.handle(leader).term()) > terms.iter().max());
    }
    load.acknowledges(100).await;
    let acknowledged = load.stop().await;
    heads.converged().await;
    for node in heads.nodes() {
        assert_holds(heads.handle(node), &acknowledged);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_is_stopped_hands_over_first() {
    let mut heads = Heads::none().started(3).await;
    let load = Load::start(&heads, 4, 200);
    load.acknowledges(50).await;
    let old = heads.leader().await;
    let term = heads.handle(old).term();
    heads.stop(old).await.unwrap();
    load.ask(&heads);
    // Whoever took over did not wait for a silence: there was one election only.
    let new = heads.leader().await;
    assert_eq!(heads.handle(new).term(), term + 1);
    load.acknowledges(50).await;
    let acknowledged = load.stop().await;
    heads.converged().await;
    assert_holds(heads.handle(new), &acknowledged);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leadership_goes_where_it_is_sent() {
    let heads = Heads::none().started(3).await;
    for to in [2, 3, 1] {
        let leader = heads.leader().await;
        soon(heads.handle(leader).transfer_leadership(Some(NodeId(to))))
            .await
            .unwrap();
        assert_eq!(heads.leader().await, to);
    }
    let leader = heads.handle(1);
    assert!(
        soon(leader.transfer_leadership(Some(NodeId(9))))
            .await
            .is_err()
    );
    assert_eq!(heads.leader().await, 1);
}
