//! Calling a cluster that one knows by a digest only.

#![allow(clippy::unwrap_used, reason = "tests")]

mod fixture;

use fixture::{Cluster, listening, soon, waits};
use model::NodeId;
use net::{Channel, Identity, NetError, join, limits};

/// What the caller with the genuine digest says of this impostor.
async fn answer(genuine: &Cluster, impostor: &Identity) -> NetError {
    let (endpoint, addr) = listening(impostor);
    let error = soon(join::dial(&addr, genuine.ca.fingerprint()))
        .await
        .unwrap_err();
    assert!(waits(endpoint.accept()).await);
    error
}

#[tokio::test]
async fn the_right_digest_reaches_a_head_that_hears_what_is_said() {
    let cluster = Cluster::new(1);
    let (head, addr) = listening(&cluster.head(4));
    let near = soon(join::dial(&addr, cluster.ca.fingerprint()))
        .await
        .unwrap();
    assert_eq!(near.peer().unwrap().node, NodeId(4));
    let far = soon(head.accept()).await.unwrap();
    assert_eq!((far.peer(), far.channel()), (None, Channel::Join));
    let mut call = soon(near.open()).await.unwrap();
    soon(call.sender.send(&"let me in")).await.unwrap();
    call.sender.finish().unwrap();
    let mut heard = soon(far.accept()).await.unwrap();
    let words = soon(heard.receiver.receive::<String>()).await.unwrap();
    assert_eq!(words.as_deref(), Some("let me in"));
}

#[tokio::test]
async fn a_wrong_digest_says_nothing_to_anybody() {
    let cluster = Cluster::new(1);
    let (head, addr) = listening(&cluster.head(1));
    let mut digest = cluster.ca.fingerprint();
    digest[31] ^= 1;
    let error = soon(join::dial(&addr, digest)).await.unwrap_err();
    assert!(matches!(error, NetError::Untrusted { .. }), "{error:?}");
    assert!(waits(head.accept()).await);
}

#[tokio::test]
async fn a_man_in_the_middle_with_another_authority_is_found_out() {
    let (genuine, evil) = (Cluster::new(1), Cluster::new(1));
    let error = answer(&genuine, &evil.head(1)).await;
    assert!(matches!(error, NetError::Untrusted { .. }), "{error:?}");
}

#[tokio::test]
async fn showing_the_genuine_authority_does_not_help_whom_it_did_not_sign() {
    let (genuine, evil) = (Cluster::new(1), Cluster::new(1));
    let mut impostor = evil.head(1);
    impostor.ca_pem = genuine.ca.cert_pem();
    let error = answer(&genuine, &impostor).await;
    assert!(matches!(error, NetError::Untrusted { .. }), "{error:?}");
}

#[tokio::test]
async fn an_agent_cannot_admit() {
    let cluster = Cluster::new(1);
    let error = answer(&cluster, &cluster.agent(3)).await;
    assert!(matches!(error, NetError::Untrusted { .. }), "{error:?}");
}

#[tokio::test]
async fn an_expired_head_cannot_admit() {
    let cluster = Cluster::new(1);
    let error = answer(&cluster, &cluster.expired_head(3)).await;
    assert!(matches!(error, NetError::PeerExpired { .. }), "{error:?}");
}

#[tokio::test]
async fn a_stranger_has_few_streams_and_small_frames() {
    let cluster = Cluster::new(1);
    let (head, addr) = listening(&cluster.head(1));
    let near = soon(join::dial(&addr, cluster.ca.fingerprint()))
        .await
        .unwrap();
    let far = soon(head.accept()).await.unwrap();
    let mut open = Vec::new();
    for _ in 0..limits::JOIN_STREAMS_MAX {
        let mut stream = soon(near.open()).await.unwrap();
        soon(stream.sender.send(&1_u8)).await.unwrap();
        open.push((stream, soon(far.accept()).await.unwrap()));
    }
    assert!(waits(near.open()).await, "one stream too many");
    let (stream, _) = &mut open[0];
    let error = soon(
        stream
            .sender
            .send_bytes(&vec![0; limits::JOIN_FRAME_MAX + 1]),
    )
    .await;
    assert!(matches!(error, Err(NetError::TooLarge { .. })), "{error:?}");
    drop(open);
    soon(near.open()).await.unwrap();
}

#[tokio::test]
async fn strangers_are_few_and_make_room_when_they_leave() {
    let cluster = Cluster::new(1);
    let (head, addr) = listening(&cluster.head(1));
    let digest = cluster.ca.fingerprint();
    let mut open = Vec::new();
    for _ in 0..limits::JOINS_MAX {
        let near = soon(join::dial(&addr, digest)).await.unwrap();
        open.push((near, soon(head.accept()).await.unwrap()));
    }
    let surplus = soon(join::dial(&addr, digest)).await.unwrap();
    let why = NetError::Closed("too many machines join at the same time".into());
    assert_eq!(soon(surplus.closed()).await, why);
    let (left, far) = open.pop().unwrap();
    left.close("changed its mind");
    soon(far.closed()).await;
    let near = soon(join::dial(&addr, digest)).await.unwrap();
    soon(head.accept()).await.unwrap();
    assert!(near.is_open());
}
