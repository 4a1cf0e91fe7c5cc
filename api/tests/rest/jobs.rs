//! The life of a job as the API tells it: submitting, looking, waiting, ending.

use axum::body::Body;
use model::Bytes;
use model::job::Usage;
use model::log::Log;
use serde_json::{Value, json};

use crate::support::{Bench, request};

#[tokio::test]
async fn a_submitted_job_is_shown_as_it_was_asked_for() {
    let bench = Bench::new().await;
    let asked = json!({
        "name": "align", "tags": ["phage"], "image": "debian:12", "pull": "always",
        "script": "#!/bin/sh\nbowtie2 \"$@\"\n", "args": ["-x", "a b"], "env": {"A": "1"},
        "cpu": 1.5, "memory_bytes": 536_870_912, "wall_limit_seconds": 60, "grace_seconds": 5,
        "on_lost": "requeue", "volumes": [],
    });
    let token = bench.token("alice").await;
    let post = request("POST", "/jobs").header("Authorization", format!("Bearer {token}"));
    let answer = bench
        .send(post.body(asked.to_string().into()).unwrap())
        .await;
    assert_eq!(answer.header("location"), Some("/api/v1/jobs/1"));
    let made = answer.expect(201);
    assert_eq!(made, json!({"id": 1, "name": "align", "replayed": false}));
    let answer = bench.ask("alice", "GET", "/jobs/1", "").await;
    assert_eq!(
        answer.header("godocker-index").unwrap().parse(),
        Ok(bench.log.applied().0)
    );
    assert_eq!(answer.header("godocker-stale"), None);
    let job = answer.expect(200);
    let mut spec = asked.clone();
    let all = spec.as_object_mut().unwrap();
    all.remove("volumes");
    // What was left open is fixed now.
    let fixed = json!({"project": "default", "queue": "default", "network": "none"});
    all.extend(fixed.as_object().unwrap().clone());
    assert_eq!(job["spec"], spec);
    assert_eq!(
        (&job["state"], &job["owner"]),
        (&json!("pending"), &json!("alice"))
    );
    assert_eq!(job["submitted_at"], "2025-11-24T16:00:00.000Z");
    let again = bench
        .ask("alice", "POST", "/jobs", &job["spec"].to_string())
        .await
        .expect(201);
    assert_eq!(again["id"], 2);
}

#[tokio::test]
async fn the_same_key_gives_the_same_job() {
    let bench = Bench::new().await;
    let token = bench.token("alice").await;
    let bobs = bench.token("bob").await;
    let post = |token: &str, body: &'static str| {
        let post = request("POST", "/jobs").header("Authorization", format!("Bearer {token}"));
        post.header("Idempotency-Key", "k1")
            .body(Body::from(body))
            .unwrap()
    };
    let first = bench
        .send(post(&token, r#"{"argv":["true"],"cpu":1}"#))
        .await
        .expect(201);
    // The same request, written differently.
    let again = bench
        .send(post(&token, r#" {"cpu":1.0, "argv":["true"]}"#))
        .await;
    assert_eq!(again.header("location"), Some("/api/v1/jobs/1"));
    let again = again.expect(200);
    assert_eq!(
        (&again["id"], &again["replayed"]),
        (&first["id"], &json!(true))
    );
    let other = bench
        .send(post(&bobs, r#"{"argv":["true"],"cpu":1}"#))
        .await
        .expect(201);
    assert_eq!(other["id"], 2, "a key is its user's own");
    assert_eq!(bench.log.read().live_jobs(), 2);
}

#[tokio::test]
async fn a_batch_is_admitted_whole_or_not_at_all() {
    let bench = Bench::new().await;
    let body = r#"{"jobs":[{"argv":["a"]},{"argv":["b"]},{"argv":["c"]}]}"#;
    let made = bench
        .ask("alice", "POST", "/jobs:batch", body)
        .await
        .expect(201);
    assert_eq!(made, json!({"first": 1, "count": 3, "replayed": false}));
    let body = r#"{"jobs":[{"argv":["a"]},{"argv":["b"],"volumes":[{"name":"none"}]}]}"#;
    let refused = bench.ask("alice", "POST", "/jobs:batch", body).await;
    let problem = refused.problem(422, "INVALID");
    assert_eq!(problem.field.as_deref(), Some("jobs[1].volumes[0].name"));
    assert_eq!(bench.log.read().live_jobs(), 3);
}

#[tokio::test]
async fn a_job_is_told_as_it_goes() {
    let bench = Bench::new().await;
    let job = bench.submit("alice").await;
    let show = async || bench.ask("alice", "GET", "/jobs/1", "").await.expect(200);
    assert_eq!(show().await["state"], "pending");
    bench.place(job).await;
    let placed = show().await;
    assert_eq!(
        (&placed["state"], &placed["node"]),
        (&json!("starting"), &json!("n1"))
    );
    bench.report_start(job).await;
    let running = show().await;
    assert_eq!(
        (&running["state"], &running["attempt"]),
        (&json!("running"), &json!("1_0#1"))
    );
    assert_eq!(running["attempts"][0]["image_digest"], "sha256:1");
    bench.report_end(job, 3).await;
    let ended = show().await;
    assert_eq!(
        (&ended["state"], &ended["exit_code"]),
        (&json!("failed"), &json!(3))
    );
    assert_eq!(ended["usage"]["cpu_seconds"], 1.5);
    assert_eq!(ended["usage"]["memory_peak_bytes"], 5);
    assert_eq!(ended["ended_at"], "2025-11-24T16:00:00.000Z");
}

#[tokio::test]
async fn a_job_that_fits_nowhere_says_why_it_waits() {
    let bench = Bench::new().await;
    let body = r#"{"argv":["true"],"image":"debian:12","cpu":64}"#;
    bench.ask("alice", "POST", "/jobs", body).await.expect(201);
    for path in ["/jobs/1", "/jobs"] {
        let seen = bench.ask("alice", "GET", path, "").await.expect(200);
        let job = if path == "/jobs" {
            &seen["items"][0]
        } else {
            &seen
        };
        let reason = job["reason"].as_str().unwrap();
        assert!(reason.contains("64") || reason.contains("cpu"), "{reason}");
    }
}

#[tokio::test]
async fn cancelling_ends_what_waits_and_stops_what_runs() {
    let bench = Bench::new().await;
    let (waits, runs) = (bench.submit("alice").await, bench.submit("alice").await);
    bench.start(runs).await;
    let body = r#"{"reason":"wrong reads","grace_seconds":7}"#;
    let path = format!("/jobs/{runs}/cancel");
    let answer = bench.ask("alice", "POST", &path, body).await.expect(200);
    assert_eq!(
        answer["items"][0],
        json!({"id": runs.0, "result": "stopping"})
    );
    let seen = bench.ask("alice", "GET", "/jobs/2", "").await.expect(200);
    assert_eq!(
        (&seen["state"], &seen["cancel"]["by"]),
        (&json!("stopping"), &json!("alice"))
    );
    assert_eq!(seen["cancel"]["reason"], "wrong reads");
    let path = format!("/jobs/{waits}/cancel");
    for result in ["ended", "already_ended"] {
        let answer = bench.ask("alice", "POST", &path, "").await.expect(200);
        assert_eq!(answer["items"][0]["result"], result);
    }
    let seen = bench.ask("alice", "GET", "/jobs/1", "").await.expect(200);
    assert_eq!(seen["state"], "cancelled");
}

#[tokio::test]
async fn who_waits_is_told_the_end() {
    let bench = Bench::new().await;
    let job = bench.submit("alice").await;
    bench.start(job).await;
    let waiting = bench.ask("alice", "GET", "/jobs/1/wait?timeout=60", "");
    let ending = async {
        // Other news comes first.
        bench.submit("bob").await;
        bench.report_end(job, 0).await;
    };
    let (seen, ()) = tokio::join!(waiting, ending);
    assert_eq!(seen.expect(200)["state"], "succeeded");
}

#[tokio::test(start_paused = true)]
async fn who_waits_in_vain_is_told_what_is() {
    let bench = Bench::new().await;
    bench.submit("alice").await;
    let began = tokio::time::Instant::now();
    let seen = bench
        .ask("alice", "GET", "/jobs/1/wait?timeout=7", "")
        .await
        .expect(200);
    assert_eq!(seen["state"], "pending");
    assert_eq!(began.elapsed().as_secs(), 7);
    let seen = bench
        .ask("alice", "GET", "/jobs/1/wait", "")
        .await
        .expect(200);
    assert_eq!(
        (&seen["state"], began.elapsed().as_secs()),
        (&json!("pending"), 37)
    );
}

#[tokio::test]
async fn what_runs_is_asked_what_it_uses() {
    let bench = Bench::new().await;
    let job = bench.submit("alice").await;
    let ask = async || {
        bench
            .ask("alice", "GET", "/jobs/1/usage", "")
            .await
            .expect(200)
    };
    let none = ask().await;
    assert_eq!(
        (&none["live"], &none["usage"]),
        (&json!(false), &Value::Null)
    );
    bench.start(job).await;
    let reading = Usage {
        memory: Bytes(77),
        processes: 2,
        ..Usage::default()
    };
    *bench.host.usage.lock().unwrap() = Ok(Some(reading));
    let live = ask().await;
    assert_eq!((&live["live"], &live["node"]), (&json!(true), &json!("n1")));
    assert_eq!(live["usage"]["memory_bytes"], 77);
    assert_eq!(*bench.host.asked_usage.lock().unwrap(), ["alice".into()]);
    bench.report_end(job, 0).await;
    let ended = ask().await;
    assert_eq!(
        (&ended["live"], &ended["usage"]["memory_peak_bytes"]),
        (&json!(false), &json!(5))
    );
}

#[tokio::test]
async fn a_lost_job_is_given_up_by_an_operator() {
    let bench = Bench::new().await;
    let job = bench.submit("alice").await;
    bench.start(job).await;
    bench.lose_node().await;
    let seen = bench.ask("alice", "GET", "/jobs/1", "").await.expect(200);
    assert_eq!(seen["state"], "unknown");
    assert!(seen["reason"].as_str().unwrap().contains("lost"));
    let given_up = bench
        .ask("op", "POST", "/jobs/1/give-up", "")
        .await
        .expect(200);
    assert_eq!(given_up["state"], "node_lost");
}
