//! When the log, a node, the disk or this head itself is not well: who is told what, and that
//! nothing is claimed that is not so.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use api::host::HostError;
use api::limits::{
    BARRIER_WAIT, BODY_WAIT, NODE_WAIT, PROPOSE_WAIT, QUICK_MAX, READY_WAIT, REMAINDER_BYTES_MAX,
    REMAINDER_WAIT, STRANGERS_MAX,
};
use axum::body::Body;
use axum::http::Request;
use bytes::Bytes;
use futures_util::future::join_all;
use futures_util::stream;
use model::NodeId;
use model::log::{Log, LogError};
use tokio::time::Instant;
use tower::ServiceExt;

use crate::support::host::Manner;
use crate::support::{Answer, Bench, request};

const JOB: &str = r#"{"argv":["true"],"image":"debian:12"}"#;

/// Everything that proposes, asked by an administrator.
const CHANGES: [(&str, &str, &str); 15] = [
    ("POST", "/jobs", JOB),
    ("POST", "/jobs:batch", r#"{"jobs":[{"argv":["true"]}]}"#),
    ("POST", "/jobs:cancel", r#"{"ids":[1]}"#),
    ("POST", "/jobs/1/cancel", ""),
    ("POST", "/jobs/1/give-up", ""),
    ("POST", "/nodes/n1/drain", ""),
    ("DELETE", "/nodes/n1/drain", ""),
    ("DELETE", "/nodes/n1", ""),
    (
        "PUT",
        "/volumes/v",
        r#"{"host_path":"/a","mount_path":"/b"}"#,
    ),
    ("DELETE", "/volumes/v", ""),
    ("PUT", "/users/carol", "{}"),
    ("PUT", "/users/bob/password", r#"{"password":"12345678"}"#),
    ("POST", "/tokens", ""),
    ("POST", "/join-tokens", r#"{"role":"agent"}"#),
    ("POST", "/logout", ""),
];

/// Asks with a token that is known already: making one would need the log.
async fn ask(bench: &Bench, token: &str, method: &str, path: &str, body: &str) -> Answer {
    let request = request(method, path).header("Authorization", format!("Bearer {token}"));
    bench
        .send(request.body(body.to_owned().into()).unwrap())
        .await
}

#[tokio::test]
async fn a_change_that_the_log_does_not_take_is_refused_with_what_to_do() {
    let bench = Bench::new().await;
    bench.submit("alice").await;
    let token = bench.token("admin").await;
    let before = bench.log.everything();
    let cases = [
        (LogError::NoLeader, 503, "NO_LEADER", true),
        (LogError::Overloaded, 503, "OVERLOADED", true),
        (LogError::Stopped, 503, "SHUTTING_DOWN", true),
        (LogError::Unknown, 504, "OUTCOME_UNKNOWN", false),
        (
            LogError::Storage("/var/lib/x: bad block".into()),
            500,
            "STORAGE",
            false,
        ),
    ];
    for (error, status, code, again) in cases {
        bench.log.fail(Some(error), None);
        for (method, path, body) in CHANGES {
            let answer = ask(&bench, &token, method, path, body).await;
            let problem = answer.problem(status, code);
            assert_eq!(
                answer.header("retry-after").is_some(),
                again,
                "{method} {path}"
            );
            assert!(
                !problem.detail.contains("/var/lib"),
                "that is for the head's own log"
            );
        }
    }
    assert_eq!(bench.log.everything(), before);
    bench.log.fail(None, None);
    bench.ask("alice", "POST", "/jobs", JOB).await.expect(201);
}

#[tokio::test]
async fn without_a_quorum_what_is_known_is_told_as_such() {
    let bench = Bench::new().await;
    bench.submit("alice").await;
    let token = bench.token("alice").await;
    bench
        .log
        .fail(Some(LogError::NoLeader), Some(LogError::NoLeader));
    let answer = ask(&bench, &token, "GET", "/jobs/1", "").await;
    assert_eq!(answer.header("godocker-stale"), Some("true"));
    assert_eq!(answer.expect(200)["state"], "pending");
    for path in ["/jobs", "/nodes", "/whoami", "/cluster", "/settings"] {
        ask(&bench, &token, "GET", path, "").await.expect(200);
    }
    let ready = ask(&bench, &token, "GET", "/readyz", "").await;
    assert_eq!(ready.header("content-type"), Some("application/json"));
    let ready = ready.expect(503);
    assert_eq!(ready["ready"], false);
    assert!(ready["reasons"][0].as_str().unwrap().contains("quorum"));
    let login = r#"{"user":"alice","password":"open sesame"}"#;
    ask(&bench, &token, "POST", "/login", login)
        .await
        .problem(503, "NO_LEADER");
    ask(&bench, &token, "GET", "/healthz", "")
        .await
        .expect_status(200);
}

#[tokio::test]
async fn a_single_job_is_read_behind_everything_acknowledged() {
    let bench = Bench::new().await;
    let token = bench.token("alice").await;
    bench.submit("alice").await;
    bench.log.fall_behind();
    let job = bench.submit("alice").await;
    let path = format!("/jobs/{job}");
    ask(
        &bench,
        &token,
        "GET",
        &format!("{path}?consistency=stale"),
        "",
    )
    .await
    .problem(404, "NOT_FOUND");
    assert_eq!(
        ask(&bench, &token, "GET", &path, "").await.expect(200)["id"],
        job.0
    );
}

#[tokio::test(start_paused = true)]
async fn a_log_that_does_not_answer_is_not_waited_for_forever() {
    let bench = Bench::new().await;
    bench.submit("alice").await;
    let token = bench.token("admin").await;
    bench.log.hang();
    let began = Instant::now();
    ask(&bench, &token, "POST", "/jobs", JOB)
        .await
        .problem(504, "OUTCOME_UNKNOWN");
    assert_eq!(began.elapsed(), PROPOSE_WAIT);
    let began = Instant::now();
    let answer = ask(&bench, &token, "GET", "/jobs/1", "").await;
    assert_eq!(
        (answer.header("godocker-stale"), began.elapsed()),
        (Some("true"), BARRIER_WAIT)
    );
    let began = Instant::now();
    ask(&bench, &token, "GET", "/readyz", "")
        .await
        .expect_status(503);
    assert_eq!(began.elapsed(), READY_WAIT);
}

#[tokio::test(start_paused = true)]
async fn what_is_done_but_cannot_be_shown_is_not_called_absent() {
    let bench = Bench::new().await;
    let token = bench.token("admin").await;
    bench.log.fall_behind();
    let answer = ask(&bench, &token, "PUT", "/users/carol", "{}").await;
    let problem = answer.problem(504, "OUTCOME_UNKNOWN");
    assert!(problem.detail.contains("done"), "{}", problem.detail);
    assert!(bench.log.everything().contains("carol"));
    // What needs not be shown is answered.
    ask(&bench, &token, "POST", "/jobs", JOB).await.expect(201);
    ask(&bench, &token, "POST", "/tokens", "").await.expect(201);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_cannot_be_reached_is_named_as_the_cause() {
    let bench = Bench::new().await;
    let job = bench.submit("alice").await;
    bench.start(job).await;
    let lost = HostError::Unreachable("no session".into());
    *bench.host.output.lock().unwrap() = Err(lost.clone());
    *bench.host.usage.lock().unwrap() = Err(lost);
    for path in ["/jobs/1/logs", "/jobs/1/usage"] {
        let answer = bench.ask("alice", "GET", path, "").await;
        assert!(
            answer
                .problem(502, "NODE_UNREACHABLE")
                .detail
                .contains("no session")
        );
        assert_eq!(answer.header("retry-after"), Some("1"));
    }
    *bench.host.manner.lock().unwrap() = Manner::Hangs;
    for path in ["/jobs/1/logs", "/jobs/1/usage"] {
        let began = Instant::now();
        bench
            .ask("alice", "GET", path, "")
            .await
            .problem(502, "NODE_UNREACHABLE");
        assert_eq!(began.elapsed(), NODE_WAIT);
    }
    bench.ask("alice", "GET", "/jobs/1", "").await.expect(200);
}

#[tokio::test(start_paused = true)]
async fn leadership_is_handed_over_by_who_has_it() {
    let bench = Bench::new().await;
    let cases = [
        (
            HostError::NotLeading(Some(NodeId(7))),
            409,
            "CONFLICT",
            "node 7 leads",
        ),
        (HostError::NotLeading(None), 503, "NO_LEADER", "no leader"),
        (
            HostError::Refused("head2 is a learner".into()),
            409,
            "CONFLICT",
            "learner",
        ),
        (
            HostError::Log(LogError::Overloaded),
            503,
            "OVERLOADED",
            "waiting",
        ),
    ];
    for (error, status, code, text) in cases {
        *bench.host.transfer.lock().unwrap() = Err(error);
        let answer = bench.ask("admin", "POST", "/raft/transfer", "").await;
        let detail = answer.problem(status, code).detail;
        assert!(detail.contains(text), "{detail}");
    }
    *bench.host.manner.lock().unwrap() = Manner::Hangs;
    let began = Instant::now();
    bench
        .ask("admin", "POST", "/raft/transfer", "")
        .await
        .problem(409, "CONFLICT");
    assert_eq!(began.elapsed(), NODE_WAIT);
}

#[tokio::test]
async fn a_disk_that_fails_is_told_without_its_paths() {
    let bench = Bench::new().await;
    let job = bench.submit("alice").await;
    bench.run(job, 0).await;
    bench.log.break_disk();
    for path in [
        "/jobs/1",
        "/jobs?done=true",
        "/events?after=1",
        "/jobs/1/logs",
    ] {
        let problem = bench
            .ask("alice", "GET", path, "")
            .await
            .problem(500, "STORAGE");
        assert!(!problem.detail.contains("/var/lib"), "{}", problem.detail);
    }
    bench.ask("alice", "GET", "/jobs", "").await.expect(200);
}

#[tokio::test]
async fn a_fault_of_ours_is_a_refusal_like_others_and_tells_nothing() {
    let bench = Bench::new().await;
    let job = bench.submit("alice").await;
    bench.start(job).await;
    *bench.host.manner.lock().unwrap() = Manner::Panics;
    let answer = bench.ask("alice", "GET", "/jobs/1/usage", "").await;
    let problem = answer.problem(500, "INTERNAL");
    assert!(!problem.detail.contains("as the test wants it"));
    bench.ask("alice", "GET", "/jobs/1", "").await.expect(200);
}

/// A body of which the first bytes come, and the others never.
fn unfinished(method: &str, path: &str, token: &str, first: usize) -> Request<Body> {
    let pieces = stream::iter((0..first.div_ceil(1 << 16)).map(move |at| {
        let rest = (first - (at << 16)).min(1 << 16);
        Ok::<_, Infallible>(Bytes::from(vec![b' '; rest]))
    }));
    let body = Body::from_stream(futures_util::StreamExt::chain(pieces, stream::pending()));
    let request = request(method, path).header("Authorization", format!("Bearer {token}"));
    request.body(body).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_come_is_not_waited_for_forever() {
    let bench = Bench::new().await;
    let token = bench.token("alice").await;
    let began = Instant::now();
    let answer = bench.send(unfinished("POST", "/jobs", &token, 10)).await;
    answer.problem(408, "TOO_SLOW");
    assert_eq!(began.elapsed(), BODY_WAIT);
    bench.ask("alice", "POST", "/jobs", JOB).await.expect(201);
}

/// Otherwise a client that is still sending would see its connection end, and not why.
#[tokio::test(start_paused = true)]
async fn a_refused_body_is_heard_out_within_bounds() {
    let bench = Bench::new().await;
    let token = bench.token("alice").await;
    let refused = async |pieces: usize, more: bool| {
        let taken = Arc::new(AtomicUsize::new(0));
        let count = taken.clone();
        let pieces = stream::iter((0..pieces).map(move |_| {
            count.fetch_add(1 << 16, Ordering::Relaxed);
            Ok::<_, Infallible>(Bytes::from(vec![b' '; 1 << 16]))
        }));
        let body = if more {
            Body::from_stream(futures_util::StreamExt::chain(pieces, stream::pending()))
        } else {
            Body::from_stream(pieces)
        };
        let request =
            request("PUT", "/settings").header("Authorization", format!("Bearer {token}"));
        let began = Instant::now();
        let answer = bench.send(request.body(body).unwrap()).await;
        answer.problem(403, "FORBIDDEN");
        (taken.load(Ordering::Relaxed), began.elapsed())
    };
    assert_eq!(refused(100, false).await, (100 << 16, Duration::ZERO));
    let (taken, _) = refused(100_000, false).await;
    assert!(taken <= REMAINDER_BYTES_MAX + (1 << 17), "{taken} bytes");
    assert_eq!(refused(1, true).await, (1 << 16, REMAINDER_WAIT));
}

#[tokio::test(start_paused = true)]
async fn bodies_take_room_as_they_arrive() {
    let bench = Bench::new().await;
    let token = bench.token("alice").await;
    // 40 that promise much and send little, and 15 that nearly fill what there is.
    let small = (0..40).map(|_| unfinished("POST", "/jobs", &token, 100));
    let large = (0..15).map(|_| unfinished("POST", "/jobs", &token, (4 << 20) - 2048));
    let held = join_all(small.chain(large).map(|request| bench.send(request)));
    let check = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        bench.ask("bob", "POST", "/jobs", JOB).await.expect(201);
        let both = join_all(
            [(); 2].map(|()| bench.send(unfinished("POST", "/jobs", &token, (4 << 20) - 2048))),
        );
        let both = both.await;
        let refused = both
            .iter()
            .filter(|answer| answer.status == 503)
            .collect::<Vec<_>>();
        assert!(!refused.is_empty());
        refused[0].problem(503, "OVERLOADED");
    };
    let (held, ()) = tokio::join!(held, check);
    assert!(held.iter().all(|answer| answer.status == 408));
    bench.ask("bob", "POST", "/jobs", JOB).await.expect(201);
}

#[tokio::test(start_paused = true)]
async fn strangers_that_fill_their_gate_keep_out_no_user() {
    let bench = Bench::new().await;
    let held =
        join_all((0..STRANGERS_MAX).map(|_| bench.send(unfinished("POST", "/login", "", 5))));
    let check = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let login = request("POST", "/login").body(Body::from("{}")).unwrap();
        let answer = bench.send(login).await;
        answer.problem(503, "OVERLOADED");
        assert_eq!(answer.header("retry-after"), Some("1"));
        bench.ask("alice", "POST", "/jobs", JOB).await.expect(201);
        let alive = request("GET", "/healthz").body(Body::empty()).unwrap();
        bench.send(alive).await.expect_status(200);
    };
    let (held, ()) = tokio::join!(held, check);
    assert!(held.iter().all(|answer| answer.status == 408));
}

#[tokio::test(start_paused = true)]
async fn who_comes_when_too_much_is_under_way_is_told_to_come_back() {
    let bench = Bench::new().await;
    let token = bench.token("alice").await;
    bench.log.hang();
    let held = join_all((0..QUICK_MAX).map(|_| ask(&bench, &token, "POST", "/jobs", JOB)));
    let check = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let answer = ask(&bench, &token, "GET", "/nodes", "").await;
        answer.problem(503, "OVERLOADED");
        assert_eq!(answer.header("retry-after"), Some("1"));
        // Whoever is not known learns nothing of it.
        ask(&bench, "no", "GET", "/nodes", "")
            .await
            .problem(401, "UNAUTHENTICATED");
        ask(&bench, &token, "GET", "/healthz", "")
            .await
            .expect_status(200);
    };
    let (held, ()) = tokio::join!(held, check);
    assert!(held.iter().all(|answer| answer.status == 504));
    ask(&bench, &token, "GET", "/nodes", "").await.expect(200);
}

#[tokio::test]
async fn a_head_without_the_clusters_state_says_so() {
    let bench = Bench::empty();
    let ready = bench
        .send(request("GET", "/readyz").body(Body::empty()).unwrap())
        .await
        .expect(503);
    assert!(
        ready["reasons"][0]
            .as_str()
            .unwrap()
            .contains("has not received")
    );
    let login = r#"{"user":"admin","password":"open sesame"}"#;
    ask(&bench, "no", "POST", "/login", login)
        .await
        .problem(401, "BAD_CREDENTIALS");
    assert_eq!(bench.log.read().users().count(), 0);
    let router = bench.router.clone();
    let nothing = request("GET", "/cluster").body(Body::empty()).unwrap();
    assert_eq!(router.oneshot(nothing).await.unwrap().status(), 200);
}
