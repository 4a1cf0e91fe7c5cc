//! What is asked of a head by somebody who does not keep to the rules.

use std::sync::{Mutex, mpsc};

use model::log::{Log, LogError};
use model::{Command, NodeId, Rejection, Reply};
use net::{Channel, Connection, Endpoint, NetError};
use tokio::task::JoinSet;

use super::{Heads, soon};
use crate::disk::{DiskPoint, Faults};
use crate::error::RaftError;
use crate::limits;
use crate::network::message::{Hello, Proposed, Request, Welcome};
use crate::tests::stores::{self, user, users};

/// A connection of head 2's to head 1.
async fn call(heads: &Heads) -> (Endpoint, Connection) {
    let endpoint = Endpoint::dialer(heads.identity(2)).unwrap();
    let addr = heads.addr(1);
    let connection = soon(endpoint.connect(&addr, Some(NodeId(1)), Channel::Raft)).await;
    (endpoint, connection.unwrap())
}

/// What comes back for one request.
async fn ask<T: serde::de::DeserializeOwned>(
    connection: &Connection,
    request: &Request,
) -> Result<Option<T>, NetError> {
    let mut stream = soon(connection.open()).await?;
    stream.sender.send(request).await?;
    stream.sender.finish()?;
    soon(stream.receiver.receive()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_say_who_it_is_is_not_heard() {
    let mut heads = Heads::none().started(1).await;
    heads.start(2).await.unwrap();
    let hello = |node| Hello {
        node,
        instance: [1; 16],
        known: None,
    };
    let (_endpoint, silent) = call(&heads).await;
    let answer = ask::<Proposed>(&silent, &Request::ReadIndex).await;
    assert!(answer.is_err(), "{answer:?}");
    let (_endpoint, liar) = call(&heads).await;
    let answer = ask::<Welcome>(&liar, &Request::Hello(hello(1))).await;
    assert!(answer.is_err(), "{answer:?}");
    let (_endpoint, honest) = call(&heads).await;
    let answer = ask::<Welcome>(&honest, &Request::Hello(hello(2)))
        .await
        .unwrap();
    assert!(matches!(answer, Some(Welcome::Yes { .. })), "{answer:?}");
    // The first that was met is the one, for ever.
    let (_endpoint, other) = call(&heads).await;
    let wiped = Hello {
        instance: [2; 16],
        ..hello(2)
    };
    let answer = ask::<Welcome>(&other, &Request::Hello(wiped))
        .await
        .unwrap();
    assert_eq!(answer, Some(Welcome::Replaced));
    assert!(ask::<Proposed>(&other, &Request::ReadIndex).await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_read_does_not_enter_the_log() {
    let heads = Heads::none().started(1).await;
    let leader = heads.handle(1);
    let last = leader.status().last_log;
    for bytes in [&b""[..], b"\x01", b"\xff\xff\xff", &[1; 100]] {
        match soon(leader.propose_here(bytes.to_vec().into())).await {
            Proposed::Applied { reply, .. } => assert!(
                matches!(reply, Reply::Rejected(Rejection::Invalid { .. })),
                "{reply:?}"
            ),
            other => panic!("{other:?}"),
        }
    }
    let large = stores::submit("large", limits::COMMAND_BYTES_MAX);
    let refused = heads.propose(1, large).await.unwrap();
    let limit = limits::COMMAND_BYTES_MAX as u64;
    let name = "command bytes".to_owned();
    assert_eq!(
        refused.reply,
        Reply::Rejected(Rejection::Limit { name, limit })
    );
    assert_eq!(leader.status().last_log, last);
}

/// While the disk stands still commands wait, up to a bound; then they are refused, and those
/// that waited are answered.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_more_commands_wait_than_the_bound_says() {
    let (go, wait) = mpsc::channel::<()>();
    let wait = Mutex::new(Some(wait));
    let stall = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let stalled = stall.clone();
    let faults = Faults::new(move |point| {
        if point == DiskPoint::LogWrite
            && stalled.load(std::sync::atomic::Ordering::Acquire)
            && let Some(wait) = wait.lock().unwrap().take()
        {
            // Until the test drops its end.
            let _ = wait.recv();
        }
        Ok(())
    });
    let heads = Heads::none().with_faults(1, faults).started(1).await;
    stall.store(true, std::sync::atomic::Ordering::Release);
    let mut waiting = JoinSet::new();
    for _ in 0..limits::PROPOSALS_MAX + 100 {
        let head = heads.handle(1).clone();
        waiting.spawn(async move { head.propose(Command::Expire).await });
    }
    for _ in 0..100 {
        let refused = soon(waiting.join_next()).await.unwrap().unwrap();
        assert_eq!(refused, Err(LogError::Overloaded));
    }
    drop(go);
    while let Some(done) = soon(waiting.join_next()).await {
        assert!(done.unwrap().is_ok());
    }
    heads.propose(1, user("user-1")).await.unwrap();
    assert_eq!(users(&heads.handle(1).read()), [1]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_head_does_not_start_on_the_directory_of_another() {
    let mut heads = Heads::none().started(1).await;
    heads.propose(1, user("user-1")).await.unwrap();
    heads.crash(1).await;
    std::fs::rename(heads.dir(1), heads.dir(2)).unwrap();
    let refused = heads.start(2).await.err();
    match refused {
        Some(RaftError::WrongNode {
            expected, found, ..
        }) => assert_eq!((expected, found), (NodeId(2), NodeId(1))),
        other => panic!("{other:?}"),
    }
    std::fs::rename(heads.dir(2), heads.dir(1)).unwrap();
    heads.start(1).await.unwrap();
    heads.leader().await;
    assert_eq!(users(&heads.handle(1).read()), [1]);
}
