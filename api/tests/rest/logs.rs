//! What jobs write, through a host that plays the nodes.

use api::host::{HostError, OutputKind, OutputStart};
use bytes::Bytes;
use model::JobId;
use model::account::TokenId;
use model::command::{Command, RevokeToken};
use model::log::Log;
use model::node::NodeRole;
use tokio::sync::mpsc;

use crate::support::Bench;

/// Alice's job 1 has run and written these bytes.
async fn with_output(bytes: &[u8]) -> Bench {
    let bench = Bench::new().await;
    let job = bench.submit("alice").await;
    bench.run(job, 0).await;
    *bench.host.output.lock().unwrap() = Ok(bytes.to_vec());
    bench
}

#[tokio::test]
async fn the_bytes_come_as_they_were_written() {
    let every_byte: Vec<u8> = (0..=255).cycle().take(1000).collect();
    let bench = with_output(&every_byte).await;
    let answer = bench.ask("alice", "GET", "/jobs/1/logs", "").await;
    answer.expect_status(200);
    assert_eq!(answer.body, every_byte);
    assert_eq!(
        answer.header("content-type"),
        Some("application/octet-stream")
    );
    assert_eq!(answer.header("godocker-log-offset"), Some("0"));
    assert_eq!(answer.header("godocker-log-attempt"), Some("1_0#1"));
    let asked = bench.host.asked.lock().unwrap().pop().unwrap();
    assert_eq!((asked.node, asked.kind), (bench.node, OutputKind::Stdout));
    assert_eq!(
        (asked.attempt.to_string(), asked.follow),
        ("1_0#1".into(), false)
    );
    assert_eq!(asked.owner, "alice".into());
    // Whoever reads, the node is told whose it is.
    bench
        .ask("op", "GET", "/jobs/1/logs", "")
        .await
        .expect_status(200);
    let asked = bench.host.asked.lock().unwrap().pop().unwrap();
    assert_eq!(asked.owner, "alice".into());
}

#[tokio::test]
async fn reading_begins_where_it_is_asked_to() {
    let bench = with_output(b"0123456789").await;
    let cases = [
        ("offset=0", "0", "0123456789", OutputStart::Offset(0)),
        ("offset=4", "4", "456789", OutputStart::Offset(4)),
        ("offset=10", "10", "", OutputStart::Offset(10)),
        ("offset=99", "10", "", OutputStart::Offset(99)),
        ("offset=-3", "7", "789", OutputStart::BeforeEnd(3)),
        ("offset=-99", "0", "0123456789", OutputStart::BeforeEnd(99)),
        (
            "offset=9223372036854775807",
            "10",
            "",
            OutputStart::Offset(i64::MAX.unsigned_abs()),
        ),
        (
            "offset=-9223372036854775808",
            "0",
            "0123456789",
            OutputStart::BeforeEnd(1 << 63),
        ),
    ];
    for (query, offset, text, start) in cases {
        let answer = bench
            .ask("alice", "GET", &format!("/jobs/1/logs?{query}"), "")
            .await;
        answer.expect_status(200);
        assert_eq!(
            answer.header("godocker-log-offset"),
            Some(offset),
            "{query}"
        );
        assert_eq!(answer.body, text.as_bytes(), "{query}");
        assert_eq!(bench.host.asked.lock().unwrap().pop().unwrap().start, start);
    }
    let path = "/jobs/1/logs?stream=stderr&follow=true";
    bench.ask("alice", "GET", path, "").await.expect_status(200);
    let asked = bench.host.asked.lock().unwrap().pop().unwrap();
    assert_eq!((asked.kind, asked.follow), (OutputKind::Stderr, true));
}

#[tokio::test]
async fn each_attempt_has_its_own_output() {
    let mut bench = Bench::new().await;
    let first_node = bench.node;
    let body = r#"{"argv":["sleep","1"],"image":"debian:12","on_lost":"requeue"}"#;
    bench.ask("alice", "POST", "/jobs", body).await.expect(201);
    bench.start(JobId(1)).await;
    bench.lose_node().await;
    bench.node = bench.join("n2", NodeRole::Agent).await;
    bench.log.skip_time(60_000);
    bench.start(JobId(1)).await;
    for (query, attempt, node) in [
        ("", "1_0#2", bench.node),
        ("?attempt=2", "1_0#2", bench.node),
        ("?attempt=1", "1_0#1", first_node),
    ] {
        let answer = bench
            .ask("alice", "GET", &format!("/jobs/1/logs{query}"), "")
            .await;
        assert_eq!(answer.header("godocker-log-attempt"), Some(attempt));
        assert_eq!(bench.host.asked.lock().unwrap().pop().unwrap().node, node);
    }
    let answer = bench
        .ask("alice", "GET", "/jobs/1/logs?attempt=3", "")
        .await;
    let problem = answer.problem(404, "NOT_FOUND");
    assert_eq!(problem.field.as_deref(), Some("attempt"));
}

#[tokio::test]
async fn following_tells_each_piece_as_it_comes() {
    let bench = Bench::new().await;
    let job = bench.submit("alice").await;
    bench.start(job).await;
    let (write, written) = mpsc::channel(1);
    *bench.host.follow.lock().unwrap() = Some(written);
    let mut stream = bench.open("alice", "/jobs/1/logs?follow=true").await;
    for piece in ["one\n", "two", "\nthree\n"] {
        write.send(Ok(Bytes::from(piece))).await.unwrap();
        assert_eq!(stream.chunk().await.unwrap().unwrap(), piece.as_bytes());
    }
    drop(write);
    assert!(stream.chunk().await.is_none());
}

#[tokio::test]
async fn a_slow_reader_holds_the_node_back() {
    let bench = Bench::new().await;
    let job = bench.submit("alice").await;
    bench.start(job).await;
    let (write, written) = mpsc::channel(1);
    *bench.host.follow.lock().unwrap() = Some(written);
    let mut stream = bench.open("alice", "/jobs/1/logs?follow=true").await;
    let mut sent = 0;
    while write.try_send(Ok(Bytes::from_static(b"x"))).is_ok() {
        sent += 1;
        assert!(
            sent <= 1,
            "somebody takes what the client has not asked for"
        );
        tokio::task::yield_now().await;
    }
    stream.chunk().await.unwrap().unwrap();
    write.send(Ok(Bytes::from_static(b"y"))).await.unwrap();
    // The client is gone: the node stops.
    drop(stream);
    assert!(write.is_closed());
}

#[tokio::test]
async fn a_stream_that_breaks_does_not_look_whole() {
    let bench = Bench::new().await;
    let job = bench.submit("alice").await;
    bench.start(job).await;
    let (write, written) = mpsc::channel(2);
    *bench.host.follow.lock().unwrap() = Some(written);
    let mut stream = bench.open("alice", "/jobs/1/logs?follow=true").await;
    write.send(Ok(Bytes::from("half"))).await.unwrap();
    let lost = HostError::Unreachable("the session ended".into());
    write.send(Err(lost)).await.unwrap();
    assert_eq!(stream.chunk().await.unwrap().unwrap(), b"half");
    assert!(stream.chunk().await.unwrap().is_err());
}

#[tokio::test(start_paused = true)]
async fn following_ends_with_the_token_and_does_not_look_whole() {
    let bench = Bench::new().await;
    let job = bench.submit("alice").await;
    bench.start(job).await;
    let (write, written) = mpsc::channel(2);
    *bench.host.follow.lock().unwrap() = Some(written);
    let token = bench.token("alice").await;
    let mut stream = bench.open_as(&token, "/jobs/1/logs?follow=true").await;
    write.send(Ok(Bytes::from("a"))).await.unwrap();
    assert_eq!(stream.chunk().await.unwrap().unwrap(), b"a");
    let id = token.split('_').nth(1).unwrap();
    let (id, user) = (TokenId(id.into()), None);
    bench
        .apply(Command::RevokeToken(RevokeToken { id, user }))
        .await;
    assert!(stream.chunk().await.unwrap().is_err());
}

#[tokio::test]
async fn a_job_without_an_attempt_has_written_nothing() {
    let bench = Bench::new().await;
    bench.submit("alice").await;
    let answer = bench.ask("alice", "GET", "/jobs/1/logs", "").await;
    answer.expect_status(200);
    assert_eq!(
        (answer.body.len(), answer.header("godocker-log-attempt")),
        (0, None)
    );
    assert!(bench.host.asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn who_follows_a_waiting_job_is_there_when_it_starts() {
    let bench = Bench::new().await;
    let job = bench.submit("alice").await;
    *bench.host.output.lock().unwrap() = Ok(b"hello\n".to_vec());
    let following = bench.ask("alice", "GET", "/jobs/1/logs?follow=true", "");
    let placing = async {
        bench.submit("bob").await;
        bench.start(job).await;
    };
    let (answer, ()) = tokio::join!(following, placing);
    assert_eq!(answer.body, b"hello\n");
}

#[tokio::test(start_paused = true)]
async fn who_follows_a_job_that_does_not_start_is_answered_after_a_minute() {
    let bench = Bench::new().await;
    bench.submit("alice").await;
    let began = tokio::time::Instant::now();
    let answer = bench
        .ask("alice", "GET", "/jobs/1/logs?follow=true", "")
        .await;
    answer.expect_status(200);
    assert_eq!((answer.body.len(), began.elapsed().as_secs()), (0, 60));
    assert_eq!(answer.header("godocker-log-attempt"), None);
}

#[tokio::test]
async fn output_that_the_node_has_deleted_is_not_there() {
    let bench = with_output(b"").await;
    *bench.host.output.lock().unwrap() = Err(HostError::Missing);
    let answer = bench.ask("alice", "GET", "/jobs/1/logs", "").await;
    let problem = answer.problem(404, "NOT_FOUND");
    assert!(problem.hint.unwrap().contains("limited time"));
    assert_eq!(bench.log.read().live_jobs(), 0);
}
