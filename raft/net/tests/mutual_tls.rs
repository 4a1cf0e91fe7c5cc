//! Who may speak to whom, and what each side is told when it may not.

#![allow(clippy::unwrap_used, reason = "tests")]

mod fixture;

use std::collections::HashSet;
use std::time::{Duration, SystemTime};

use fixture::{Cluster, listening, pair, raw, soon, waits};
use model::NodeId;
use model::node::NodeRole;
use net::{Channel, Endpoint, Identity, NetError, Peer};

/// How the head answers a caller: the connection's end as the caller sees it, and whether the
/// head ever handed the connection out.
async fn refusal(head: &Identity, caller: &Identity, channel: Channel) -> NetError {
    let (endpoint, addr) = listening(head);
    let caller = Endpoint::dialer(caller).unwrap();
    let error = match soon(caller.connect(&addr, None, channel)).await {
        Err(error) => error,
        Ok(connection) => soon(connection.closed()).await,
    };
    assert!(
        waits(endpoint.accept()).await,
        "a refused connection was handed out"
    );
    error
}

#[tokio::test]
async fn a_head_speaks_raft_with_a_head() {
    let cluster = Cluster::new(1);
    let pair = pair(&cluster.head(1), &cluster.head(2), Channel::Raft).await;
    let head = |node| {
        Some(Peer {
            node: NodeId(node),
            role: NodeRole::Head,
        })
    };
    assert_eq!(pair.near.peer(), head(1));
    assert_eq!(pair.far.peer(), head(2));
    assert_eq!(pair.far.channel(), Channel::Raft);
}

#[tokio::test]
async fn an_agent_and_a_head_use_the_agent_channel() {
    let cluster = Cluster::new(1);
    for (caller, role) in [
        (cluster.agent(5), NodeRole::Agent),
        (cluster.head(5), NodeRole::Head),
    ] {
        let pair = pair(&cluster.head(1), &caller, Channel::Agent).await;
        let peer = pair.far.peer().unwrap();
        assert_eq!((peer.node, peer.role), (NodeId(5), role));
    }
}

#[tokio::test]
async fn an_agent_does_not_speak_raft() {
    let cluster = Cluster::new(1);
    let error = refusal(&cluster.head(1), &cluster.agent(5), Channel::Raft).await;
    let why = "an agent's certificate does not speak Raft";
    assert_eq!(error, NetError::Forbidden(why.into()));
}

#[tokio::test]
async fn a_node_does_not_join_again_as_a_node() {
    let cluster = Cluster::new(1);
    let error = refusal(&cluster.head(1), &cluster.head(2), Channel::Join).await;
    assert!(matches!(error, NetError::Forbidden(_)), "{error:?}");
}

#[tokio::test]
async fn a_head_of_a_foreign_authority_is_not_spoken_to() {
    let error = refusal(
        &Cluster::new(1).head(1),
        &Cluster::new(2).head(2),
        Channel::Raft,
    )
    .await;
    assert!(matches!(error, NetError::Untrusted { .. }), "{error:?}");
}

#[tokio::test]
async fn a_caller_of_a_foreign_authority_is_not_let_in() {
    // It trusts us and tells the right names, but its own certificate is another authority's.
    let (ours, foreign) = (Cluster::new(1), Cluster::new(1));
    for channel in [Channel::Raft, Channel::Agent] {
        let mut caller = foreign.head(2);
        caller.ca_pem = ours.ca.cert_pem();
        let error = refusal(&ours.head(1), &caller, channel).await;
        assert!(matches!(error, NetError::Untrusted { .. }), "{error:?}");
    }
}

#[tokio::test]
async fn a_name_of_another_cluster_is_refused_under_the_same_authority() {
    let (cluster, other) = (Cluster::new(1), Cluster::new(2));
    let later = SystemTime::now() + Duration::from_secs(3_600);
    let misnamed = cluster.forged(&[other.head_name(1)], later);
    let error = refusal(&misnamed, &cluster.head(2), Channel::Raft).await;
    assert!(matches!(error, NetError::Untrusted { .. }), "{error:?}");
    let error = refusal(&cluster.head(1), &misnamed, Channel::Raft).await;
    assert!(matches!(error, NetError::Forbidden(_)), "{error:?}");
}

#[tokio::test]
async fn a_certificate_of_two_nodes_is_nobodys() {
    let cluster = Cluster::new(1);
    let later = SystemTime::now() + Duration::from_secs(3_600);
    let two = cluster.forged(&[cluster.head_name(2), cluster.head_name(3)], later);
    let error = refusal(&cluster.head(1), &two, Channel::Raft).await;
    assert!(matches!(error, NetError::Forbidden(_)), "{error:?}");
    let none = cluster.forged(&["head.example".into()], later);
    let error = refusal(&cluster.head(1), &none, Channel::Agent).await;
    assert!(matches!(error, NetError::Forbidden(_)), "{error:?}");
}

#[tokio::test]
async fn another_head_than_the_expected_one_is_told_apart() {
    let cluster = Cluster::new(1);
    let (_head, addr) = listening(&cluster.head(3));
    let caller = Endpoint::dialer(&cluster.head(2)).unwrap();
    let error = soon(caller.connect(&addr, Some(NodeId(1)), Channel::Raft))
        .await
        .unwrap_err();
    let (expected, found) = (NodeId(1), NodeId(3));
    assert_eq!(
        error,
        NetError::WrongNode {
            addr: addr.clone(),
            expected,
            found
        }
    );
    let right = soon(caller.connect(&addr, Some(NodeId(3)), Channel::Raft)).await;
    assert_eq!(right.unwrap().peer().unwrap().node, NodeId(3));
}

#[tokio::test]
async fn an_agent_is_not_taken_for_a_head() {
    let cluster = Cluster::new(1);
    let error = refusal(&cluster.agent(1), &cluster.agent(2), Channel::Agent).await;
    assert!(matches!(error, NetError::Untrusted { .. }), "{error:?}");
}

#[tokio::test]
async fn whose_certificate_has_run_out_is_said() {
    let cluster = Cluster::new(1);
    let error = refusal(&cluster.expired_head(1), &cluster.head(2), Channel::Raft).await;
    assert!(matches!(error, NetError::PeerExpired { .. }), "{error:?}");
    let error = refusal(&cluster.head(1), &cluster.expired_head(2), Channel::Raft).await;
    assert!(matches!(error, NetError::OwnExpired { .. }), "{error:?}");
}

#[tokio::test]
async fn without_a_certificate_there_is_only_joining() {
    let cluster = Cluster::new(1);
    let (head, addr) = listening(&cluster.head(1));
    for protocol in ["godocker-raft/1", "godocker-agent/1"] {
        let stranger = raw(&cluster, &addr, protocol.as_bytes(), None)
            .await
            .unwrap();
        let quinn::ConnectionError::ApplicationClosed(end) = soon(stranger.closed()).await else {
            panic!("not closed by the head");
        };
        assert_eq!(end.error_code, 1_u32.into());
        assert_eq!(&end.reason[..], b"show a node's certificate");
    }
    let stranger = raw(&cluster, &addr, b"godocker-join/1", None)
        .await
        .unwrap();
    let accepted = soon(head.accept()).await.unwrap();
    assert_eq!((accepted.channel(), accepted.peer()), (Channel::Join, None));
    assert!(stranger.close_reason().is_none());
}

#[tokio::test]
async fn an_unknown_protocol_ends_in_the_handshake() {
    let cluster = Cluster::new(1);
    let (head, addr) = listening(&cluster.head(1));
    let shown = cluster.head(2);
    assert!(
        raw(&cluster, &addr, b"godocker-raft/9", Some(&shown))
            .await
            .is_err()
    );
    assert!(waits(head.accept()).await);
}

#[tokio::test]
async fn a_removed_node_is_cut_off_and_stays_out() {
    let cluster = Cluster::new(1);
    let (head, addr) = listening(&cluster.head(1));
    let removed = Endpoint::dialer(&cluster.agent(5)).unwrap();
    let stays = Endpoint::dialer(&cluster.agent(6)).unwrap();
    let cut = soon(removed.connect(&addr, None, Channel::Agent))
        .await
        .unwrap();
    let far = soon(head.accept()).await.unwrap();
    let kept = soon(stays.connect(&addr, None, Channel::Agent))
        .await
        .unwrap();
    let kept_far = soon(head.accept()).await.unwrap();

    head.deny(HashSet::from([NodeId(5)]));
    let why = NetError::Forbidden("this node was removed from the cluster".into());
    assert_eq!(soon(cut.closed()).await, why);
    assert!(!far.is_open());
    let again = soon(removed.connect(&addr, None, Channel::Agent))
        .await
        .unwrap();
    assert_eq!(soon(again.closed()).await, why);
    assert!(kept.is_open() && kept_far.is_open());

    head.deny(HashSet::new());
    let back = soon(removed.connect(&addr, None, Channel::Agent))
        .await
        .unwrap();
    let back_far = soon(head.accept()).await.unwrap();
    assert_eq!(back_far.peer().unwrap().node, NodeId(5));
    assert!(back.is_open());
}

#[tokio::test]
async fn a_removed_head_is_not_called_either() {
    let cluster = Cluster::new(1);
    let (_head, addr) = listening(&cluster.head(1));
    let caller = Endpoint::dialer(&cluster.head(2)).unwrap();
    let live = soon(caller.connect(&addr, None, Channel::Raft))
        .await
        .unwrap();
    caller.deny(HashSet::from([NodeId(1)]));
    assert!(!live.is_open());
    let error = soon(caller.connect(&addr, None, Channel::Raft))
        .await
        .unwrap_err();
    assert!(matches!(error, NetError::Forbidden(_)), "{error:?}");
}
