//! Heads come and go under load, and those that were away too long receive a snapshot.

use std::collections::BTreeMap;

use model::log::Log;
use model::{LogIndex, NodeId};

use super::load::assert_holds;
use super::{Heads, Load, soon};
use crate::error::RaftError;

/// Brings the members to `voters` and `learners`, asking whoever leads.
async fn members(heads: &Heads, voters: &[u64], learners: &[u64]) {
    for _ in 0..20 {
        let leader = heads.handle(heads.leader().await);
        let (voters, learners) = (voters.iter().copied(), learners.iter().copied());
        let set = leader.set_members(heads.all(voters), heads.all(learners));
        match soon(set).await {
            Ok(()) => return,
            Err(RaftError::NotLeading { .. } | RaftError::Membership { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }
    panic!("the members were not changed");
}

fn voters(heads: &Heads, node: u64) -> Vec<u64> {
    let members = heads.handle(node).status().members;
    members
        .iter()
        .filter(|member| member.voter)
        .map(|member| member.node.0)
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heads_are_added_promoted_and_removed_under_load() {
    let mut heads = Heads::none().started(3).await;
    let load = Load::start(&heads, 4, 200);
    load.acknowledges(50).await;

    heads.start(4).await.unwrap();
    members(&heads, &[1, 2, 3], &[4]).await;
    heads
        .until("the new head to receive", |heads| {
            heads.handle(4).applied().0 > 50
        })
        .await;
    assert_eq!(voters(&heads, 4), [1, 2, 3]);
    members(&heads, &[1, 2, 3, 4], &[]).await;
    load.acknowledges(50).await;

    // The leader itself leaves: its successor removes it.
    let old = heads.leader().await;
    let left: Vec<u64> = (1..=4).filter(|node| *node != old).collect();
    members(&heads, &left, &[]).await;
    heads.end(old).await;
    load.ask(&heads);
    let leader = heads.leader().await;
    assert_eq!(voters(&heads, leader), left);
    load.acknowledges(50).await;
    let acknowledged = load.stop().await;
    heads.converged().await;
    for node in left {
        assert_holds(heads.handle(node), &acknowledged);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_leader_changes_the_members() {
    let heads = Heads::none().started(3).await;
    let leader = heads.leader().await;
    let follower = heads
        .nodes()
        .into_iter()
        .find(|node| *node != leader)
        .unwrap();
    let set = heads
        .handle(follower)
        .set_members(heads.all(1..=2), BTreeMap::new());
    let leader = Some(NodeId(leader));
    assert_eq!(soon(set).await, Err(RaftError::NotLeading { leader }));
    let nobody = heads
        .handle(follower)
        .set_members(BTreeMap::new(), BTreeMap::new());
    assert!(matches!(
        soon(nobody).await,
        Err(RaftError::Membership { .. })
    ));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_head_that_was_away_too_long_receives_a_snapshot_and_goes_on() {
    let few = |config: &mut crate::Config| (config.snapshot_every, config.keep_logs) = (40, 10);
    let mut heads = Heads::none().with_config(few).started(3).await;
    let leader = heads.leader().await;
    let away = heads
        .nodes()
        .into_iter()
        .find(|node| *node != leader)
        .unwrap();
    heads.crash(away).await;
    let load = Load::start(&heads, 4, 200);
    load.acknowledges(300).await;

    heads.start(away).await.unwrap();
    heads
        .until("the snapshot to arrive", |heads| {
            heads.handle(away).applied().0 > 200
        })
        .await;
    // What it was sent it has: it starts from there, again and again.
    for _ in 0..2 {
        heads.crash(away).await;
        heads.start(away).await.unwrap();
        assert!(heads.handle(away).applied().0 > 200);
        load.acknowledges(100).await;
    }
    let acknowledged = load.stop().await;
    heads.converged().await;
    assert_holds(heads.handle(away), &acknowledged);
    let dirs = std::fs::read_dir(heads.dir(away).join("tables")).unwrap();
    let tables = dirs
        .filter(|entry| entry.as_ref().unwrap().path().is_dir())
        .count();
    assert_eq!(tables, 1, "tables of before are removed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_whose_snapshots_are_gone_makes_one_before_it_takes_part() {
    let few = |config: &mut crate::Config| (config.snapshot_every, config.keep_logs) = (40, 10);
    let mut heads = Heads::none().with_config(few).started(1).await;
    let only = heads.leader().await;
    let load = Load::start(&heads, 4, 200);
    load.acknowledges(200).await;
    heads
        .until("a snapshot", |heads| {
            heads.handle(only).status().snapshot > Some(LogIndex(100))
        })
        .await;
    let acknowledged = load.stop().await;
    heads.crash(only).await;
    let snapshots = heads.dir(only).join("snapshots");
    std::fs::remove_dir_all(&snapshots).unwrap();

    heads.start(only).await.unwrap();
    heads.leader().await;
    assert!(heads.handle(only).status().snapshot > Some(LogIndex(100)));
    assert_holds(heads.handle(only), &acknowledged);
}
