//! Three heads agree: one leader, one hop, nothing without a quorum.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use model::log::{Log, LogError};
use model::{NodeId, Reply};
use net::{Channel, Endpoint};
use openraft::raft::{AppendEntriesRequest, AppendEntriesResponse};
use tokio::time::Instant;

use super::{Heads, soon};
use crate::disk::{DiskPoint, Faults};
use crate::handle::Role;
use crate::network::message::{Hello, Proposed, Request, Welcome};
use crate::tests::stores::{self, entries, log_id, user, users};
use crate::types::{TypeConfig, Vote};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_heads_agree_on_every_command() {
    let heads = Heads::none().started(3).await;
    let leader = heads.leader().await;
    let mut last = heads.handle(leader).applied();
    for round in 0..5 {
        for node in heads.nodes() {
            let name = format!("user-{}", round * 3 + node);
            let applied = heads.propose(node, user(&name)).await.unwrap();
            assert_eq!(applied.reply, Reply::Done);
            assert!(applied.index > last);
            last = applied.index;
        }
    }
    heads.converged().await;
    for node in heads.nodes() {
        let (handle, status) = (heads.handle(node), heads.handle(node).status());
        assert_eq!(users(&handle.read()), (1..=15).collect::<Vec<_>>());
        assert_eq!(status.leader, Some(NodeId(leader)));
        let voters: Vec<_> = status
            .members
            .iter()
            .filter(|member| member.voter)
            .collect();
        assert_eq!(voters.len(), 3);
        let role = if node == leader {
            Role::Leader
        } else {
            Role::Follower
        };
        assert_eq!((status.role, handle.is_leading()), (role, node == leader));
    }
    let level = |heads: &Heads| {
        let members = heads.handle(leader).status().members;
        members.iter().all(|member| member.lag == Some(0))
    };
    heads.until("nobody to be behind", level).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_follower_is_asked_goes_one_hop_and_no_further() {
    let heads = Heads::none().started(3).await;
    let leader = heads.leader().await;
    let follower = heads
        .nodes()
        .into_iter()
        .find(|node| *node != leader)
        .unwrap();
    let follower = heads.handle(follower);
    let applied = soon(follower.propose(user("user-1"))).await.unwrap();
    // It was acknowledged, so whoever asks for a barrier anywhere sees it.
    for node in heads.nodes() {
        let seen = soon(heads.handle(node).barrier()).await.unwrap();
        assert!(seen >= applied.index);
        assert_eq!(users(&heads.handle(node).read()), [1]);
    }
    // What arrives at a follower by forwarding is not forwarded again.
    let command = model::format::encode(&user("user-2")).into();
    assert_eq!(
        soon(follower.propose_here(command)).await,
        Proposed::NotLeading
    );
    heads.converged().await;
    assert_eq!(users(&follower.read()), [1]);
}

/// A head whose tables stand still has what was acknowledged in its log, and not in its state.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_barrier_waits_until_what_was_acknowledged_is_applied() {
    let tables = Arc::new(Mutex::new(()));
    let held = tables.clone();
    let faults = Faults::new(move |point| {
        if point == DiskPoint::TablesWrite {
            drop(held.lock().unwrap());
        }
        Ok(())
    });
    let heads = Heads::none().with_faults(2, faults).started(3).await;
    let leader = heads.leader().await;
    let to_first = heads.handle(leader).transfer_leadership(Some(NodeId(1)));
    soon(to_first).await.unwrap();
    heads.converged().await;
    let (hold, wait) = mpsc::channel::<()>();
    let (tell, holds) = mpsc::channel();
    let holder = std::thread::spawn(move || {
        let _held = tables.lock().unwrap();
        tell.send(()).unwrap();
        // Until the test lets go, or has failed.
        let _ = wait.recv();
    });
    holds.recv().unwrap();
    let applied = heads.propose(1, user("user-1")).await.unwrap();
    let behind = heads.handle(2);
    let early = tokio::time::timeout(Duration::from_millis(300), behind.barrier()).await;
    assert!(early.is_err(), "answered before it was applied: {early:?}");
    drop(hold);
    let seen = soon(behind.barrier()).await.unwrap();
    assert!(seen >= applied.index);
    assert_eq!(users(&behind.read()), [1]);
    holder.join().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_acknowledged_without_a_quorum() {
    let mut heads = Heads::none().started(3).await;
    let leader = heads.leader().await;
    let others: Vec<u64> = heads
        .nodes()
        .into_iter()
        .filter(|node| *node != leader)
        .collect();
    for node in &others {
        heads.crash(*node).await;
    }
    let asked = tokio::time::timeout(
        Duration::from_secs(3),
        heads.propose(leader, user("user-1")),
    );
    assert!(!matches!(asked.await, Ok(Ok(_))));
    heads
        .until("the lonely head to give up", |heads| {
            !heads.handle(leader).is_leading()
        })
        .await;
    let read = heads.handle(leader).barrier();
    assert_eq!(soon(read).await, Err(LogError::NoLeader));

    heads.start(others[0]).await.unwrap();
    heads.leader().await;
    assert_eq!(
        heads.propose(leader, user("user-2")).await.unwrap().reply,
        Reply::Done
    );
    heads.converged().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_was_cut_off_stops_leading_and_what_it_took_is_gone() {
    let heads = Heads::none().started(3).await;
    let old = heads.leader().await;
    let others: Vec<u64> = heads
        .nodes()
        .into_iter()
        .filter(|node| *node != old)
        .collect();
    heads.propose(old, user("user-1")).await.unwrap();
    let term = heads.handle(old).term();
    heads.cut_off(Some(old));
    let cut = Instant::now();
    // Taken by the old leader, which does not know yet.
    let stale = heads.handle(old).propose(user("user-2"));
    let stale = tokio::time::timeout(Duration::from_secs(8), stale);
    let moved = async {
        heads
            .until("the old one to stop", |heads| {
                !heads.handle(old).is_leading()
            })
            .await;
        let stopped = cut.elapsed();
        let new = heads.leader_of(&others).await;
        heads.propose(new, user("user-3")).await.unwrap();
        (new, stopped)
    };
    let (stale, (new, stopped)) = tokio::join!(stale, moved);
    assert!(!matches!(stale, Ok(Ok(_))), "{stale:?}");
    assert!(
        stopped < Duration::from_secs(5),
        "it called itself leader for {stopped:?}"
    );
    assert!(heads.handle(new).term() > term);
    assert_ne!(new, old);

    heads.cut_off(None);
    heads.propose(new, user("user-4")).await.unwrap();
    heads.converged().await;
    assert_eq!(users(&heads.handle(old).read()), [1, 3, 4]);
}

/// A leader that votes alone hears nobody, and leads nevertheless.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_single_head_leads_while_nothing_happens() {
    let heads = Heads::none().started(1).await;
    // Twice the silence that ends the leadership of one among several.
    let until = Instant::now() + Duration::from_secs(2);
    while Instant::now() < until {
        assert!(heads.handle(1).is_leading(), "it stopped leading");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// An entry of a leader whose term is over is refused, whoever its sender believes to be.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn entries_of_an_old_term_are_refused() {
    let heads = Heads::none().started(3).await;
    let leader = heads.leader().await;
    let liar = heads
        .nodes()
        .into_iter()
        .find(|node| *node != leader)
        .unwrap();
    let victim = heads
        .nodes()
        .into_iter()
        .find(|node| *node != leader && *node != liar)
        .unwrap();
    let (term, last) = (
        heads.handle(leader).term(),
        heads.handle(victim).status().last_log.0,
    );

    let endpoint = Endpoint::dialer(heads.identity(liar)).unwrap();
    let addr = heads.addr(victim);
    let connection = endpoint.connect(&addr, Some(NodeId(victim)), Channel::Raft);
    let connection = soon(connection).await.unwrap();
    let mut stream = connection.open().await.unwrap();
    let hello = Hello {
        node: liar,
        instance: heads.handle(liar).log().owner().instance,
        known: None,
    };
    stream.sender.send(&Request::Hello(hello)).await.unwrap();
    let welcome = soon(stream.receiver.receive::<Welcome>()).await.unwrap();
    assert!(matches!(welcome, Some(Welcome::Yes { .. })));

    let mut stream = connection.open().await.unwrap();
    let old = AppendEntriesRequest::<TypeConfig> {
        vote: Vote::new_committed(term - 1, liar),
        prev_log_id: Some(log_id(term - 1, last)),
        entries: entries(term - 1, last + 1, last + 3),
        leader_commit: Some(log_id(term - 1, last + 3)),
    };
    stream.sender.send(&Request::Append(old)).await.unwrap();
    let answer = soon(
        stream
            .receiver
            .receive::<AppendEntriesResponse<TypeConfig>>(),
    )
    .await;
    let answer = answer.unwrap().unwrap();
    assert!(
        matches!(answer, AppendEntriesResponse::HigherVote(_)),
        "{answer}"
    );
    assert_eq!(heads.handle(victim).status().last_log.0, last);
    heads.propose(leader, user("user-1")).await.unwrap();
    heads.converged().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_head_that_is_no_member_leads_nobody() {
    let mut heads = Heads::none().started(1).await;
    heads.start(2).await.unwrap();
    let stranger = heads.handle(2);
    assert_eq!(
        soon(stranger.propose(stores::user("user-1"))).await,
        Err(LogError::NoLeader)
    );
    assert!(!stranger.is_leading());
    let alone = BTreeMap::from([(NodeId(2), heads.addr(2))]);
    assert!(stranger.set_members(alone, BTreeMap::new()).await.is_err());
}
