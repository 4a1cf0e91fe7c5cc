//! What travels over a real connection: many streams, long streams, broken streams.

#![allow(clippy::unwrap_used, reason = "tests")]

mod fixture;

use fixture::{Cluster, listening, pair, raw, soon, waits};
use net::{Channel, NetError, Stream, limits};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Both ends of a fresh stream; the first frame is taken out again.
async fn stream(pair: &fixture::Pair) -> (Stream, Stream) {
    let mut near = soon(pair.near.open()).await.unwrap();
    soon(near.sender.send(&0_u8)).await.unwrap();
    let mut far = soon(pair.far.accept()).await.unwrap();
    assert_eq!(soon(far.receiver.receive::<u8>()).await, Ok(Some(0)));
    (near, far)
}

async fn agent_and_head() -> fixture::Pair {
    let cluster = Cluster::new(1);
    pair(&cluster.head(1), &cluster.agent(2), Channel::Agent).await
}

#[tokio::test]
async fn a_thousand_calls_at_the_same_time_get_their_own_answers() {
    let pair = agent_and_head().await;
    let far = pair.far.clone();
    let serving = tokio::spawn(async move {
        let mut calls = JoinSet::new();
        while let Ok(mut call) = far.accept().await {
            calls.spawn(async move {
                let number = call.receiver.receive::<u64>().await.unwrap().unwrap();
                call.sender.send(&(number * 3)).await.unwrap();
                call.sender.finish().unwrap();
            });
        }
        while let Some(done) = calls.join_next().await {
            done.unwrap();
        }
    });
    let mut calls = JoinSet::new();
    for number in 0..1_000_u64 {
        let near = pair.near.clone();
        calls.spawn(async move {
            let mut call = near.open().await.unwrap();
            call.sender.send(&number).await.unwrap();
            call.sender.finish().unwrap();
            let answer = call.receiver.receive::<u64>().await.unwrap();
            assert_eq!(answer, Some(number * 3));
            assert_eq!(call.receiver.receive::<u64>().await, Ok(None));
        });
    }
    while let Some(done) = soon(calls.join_next()).await {
        done.unwrap();
    }
    pair.near.close("all asked");
    soon(serving).await.unwrap();
}

/// The bytes of one piece of a long stream.
fn piece(number: u64, bytes: usize) -> Vec<u8> {
    let mut state = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut piece = Vec::with_capacity(bytes);
    while piece.len() < bytes {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        piece.extend_from_slice(&state.to_le_bytes());
    }
    piece.truncate(bytes);
    piece
}

#[tokio::test]
async fn a_hundred_megabytes_arrive_whole_and_wait_for_a_slow_reader() {
    const PIECE: usize = 1 << 20;
    const PIECES: u64 = 100;
    let window = u64::from(limits::STREAM_WINDOW) / PIECE as u64;
    let pair = agent_and_head().await;
    let (near, mut far) = stream(&pair).await;
    let (progress, mut sent) = watch::channel(0_u64);
    let sending = tokio::spawn(async move {
        let mut sender = near.sender;
        for number in 0..PIECES {
            sender.send_bytes(&piece(number, PIECE)).await.unwrap();
            progress.send_replace(number + 1);
        }
        sender.finish().unwrap();
        sender.abandoned().await;
    });
    for number in 0..PIECES {
        // The slowest reader: it takes a piece only when the sender is as far ahead as it gets.
        let ahead = (number + window - 1).min(PIECES);
        soon(sent.wait_for(|sent| *sent >= ahead)).await.unwrap();
        let got = soon(far.receiver.receive_bytes()).await.unwrap().unwrap();
        assert!(
            got[..] == piece(number, PIECE)[..],
            "piece {number} differs"
        );
        // What is neither read nor held back: the window, and the two pieces at its ends.
        let held = *sent.borrow() - number;
        assert!(
            held <= window + 2,
            "{held} pieces are kept for a reader that is slow"
        );
    }
    assert_eq!(soon(far.receiver.receive_bytes()).await, Ok(None));
    soon(sending).await.unwrap();
}

#[tokio::test]
async fn a_stalled_stream_does_not_hold_up_the_others() {
    let pair = agent_and_head().await;
    let (mut stalled, _unread) = stream(&pair).await;
    let body = vec![0; limits::FRAME_MAX];
    let flood = async {
        loop {
            stalled.sender.send_bytes(&body).await.unwrap();
        }
    };
    let exchange = async {
        for number in 0..50_u32 {
            let (mut near, mut far) = stream(&pair).await;
            near.sender.send(&number).await.unwrap();
            assert_eq!(far.receiver.receive::<u32>().await, Ok(Some(number)));
        }
    };
    soon(async {
        tokio::select! {
            () = flood => {}
            () = exchange => {}
        }
    })
    .await;
}

#[tokio::test]
async fn receiving_may_be_given_up_and_taken_up_again() {
    let pair = agent_and_head().await;
    let (mut near, mut far) = stream(&pair).await;
    let body = vec![7; 3 << 20];
    let sending = async {
        near.sender.send_bytes(&body).await.unwrap();
        near.sender.finish().unwrap();
        near.sender.abandoned().await;
    };
    let receiving = async {
        let mut given_up = 0_u32;
        let got = loop {
            tokio::select! {
                biased;
                got = far.receiver.receive_bytes() => break got,
                () = tokio::task::yield_now() => given_up += 1,
            }
        };
        // The end is read too, so that the sender learns that all has arrived.
        assert_eq!(far.receiver.receive_bytes().await, Ok(None));
        (got.unwrap().unwrap(), given_up)
    };
    let ((), (got, given_up)) = soon(async { tokio::join!(sending, receiving) }).await;
    assert!(given_up > 0, "the frame arrived at once: nothing was tried");
    assert!(got[..] == body[..]);
}

#[tokio::test]
async fn a_sender_that_goes_away_is_not_mistaken_for_the_end() {
    let pair = agent_and_head().await;
    let (near, mut far) = stream(&pair).await;
    drop(near);
    let got = soon(far.receiver.receive::<u8>()).await;
    assert_eq!(
        got,
        Err(NetError::Closed("the peer broke the stream off".into()))
    );
    assert!(pair.far.is_open());
}

#[tokio::test]
async fn a_reader_that_goes_away_stops_the_sender() {
    let pair = agent_and_head().await;
    let (mut near, far) = stream(&pair).await;
    drop(far);
    soon(near.sender.abandoned()).await;
    let sent = soon(near.sender.send(&1_u8)).await;
    assert_eq!(sent, Err(NetError::Closed("the peer reads no more".into())));
}

#[tokio::test]
async fn a_peer_that_opens_streams_and_says_nothing_is_bounded() {
    let pair = agent_and_head().await;
    let mut open = Vec::new();
    for _ in 0..limits::STREAMS_MAX {
        open.push(soon(pair.near.open()).await.unwrap());
    }
    assert!(waits(pair.near.open()).await, "one stream too many");
    assert!(
        waits(pair.far.accept()).await,
        "a silent stream is nothing to serve"
    );
}

/// What the head makes of these bytes on a stream that then ends.
async fn answer_to(wire: &[u8]) -> Result<Option<u64>, NetError> {
    let cluster = Cluster::new(1);
    let (head, addr) = listening(&cluster.head(1));
    let shown = cluster.agent(2);
    let caller = raw(&cluster, &addr, b"godocker-agent/1", Some(&shown))
        .await
        .unwrap();
    let far = soon(head.accept()).await.unwrap();
    let (mut send, _receive) = soon(caller.open_bi()).await.unwrap();
    soon(send.write_all(wire)).await.unwrap();
    send.finish().unwrap();
    let mut stream = soon(far.accept()).await.unwrap();
    soon(stream.receiver.receive::<u64>()).await
}

#[tokio::test]
async fn bad_frames_on_a_real_connection_are_errors() {
    assert_eq!(answer_to(&[1, 0, 0, 0, 1, 42]).await, Ok(Some(42)));
    let malformed = |why| Err(NetError::Malformed(why));
    assert_eq!(
        answer_to(&[9, 0, 0, 0, 1, 42]).await,
        malformed("the stream ends inside a frame")
    );
    assert_eq!(
        answer_to(&[9, 0]).await,
        malformed("the stream ends inside a frame")
    );
    assert_eq!(
        answer_to(&[1, 0, 0, 0, 2, 42]).await,
        malformed("unknown version")
    );
    assert_eq!(
        answer_to(&[2, 0, 0, 0, 1, 4, 2]).await,
        malformed("bytes behind the message")
    );
    assert_eq!(
        answer_to(&[0, 0, 0, 0, 1]).await,
        malformed("does not decode")
    );
    let huge = answer_to(&[0xFF, 0xFF, 0xFF, 0xFF, 1, 42]).await;
    let (bytes, limit) = (u32::MAX as usize, limits::FRAME_MAX);
    assert_eq!(huge, Err(NetError::TooLarge { bytes, limit }));
}

#[tokio::test]
async fn the_raft_channel_carries_its_largest_frame() {
    let cluster = Cluster::new(1);
    let pair = pair(&cluster.head(1), &cluster.head(2), Channel::Raft).await;
    let (mut near, mut far) = stream(&pair).await;
    let body = piece(5, limits::RAFT_FRAME_MAX);
    let sending = near.sender.send_bytes(&body);
    let (sent, got) = soon(async { tokio::join!(sending, far.receiver.receive_bytes()) }).await;
    sent.unwrap();
    assert!(got.unwrap().unwrap()[..] == body[..]);
}
