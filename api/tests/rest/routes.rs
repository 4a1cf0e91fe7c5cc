//! The other routes at work: nodes, volumes, accounts, heads, settings.

use axum::body::Body;
use model::JobId;
use model::log::Log;
use model::node::NodeRole;
use serde_json::{Value, json};

use crate::support::{Bench, PASSWORD, request};

#[tokio::test]
async fn nodes_are_shown_drained_and_removed() {
    let bench = Bench::new().await;
    let list = bench.ask("alice", "GET", "/nodes", "").await.expect(200);
    let names: Vec<_> = list["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["name"])
        .collect();
    assert_eq!(names, ["head1", "n1"]);
    let job = bench.submit("alice").await;
    bench.start(job).await;
    let node = bench.ask("alice", "GET", "/nodes/n1", "").await.expect(200);
    assert_eq!(
        node["capacity"],
        json!({"cpu": 4.0, "memory_bytes": 8_u64 << 30})
    );
    assert_eq!(node["held"], json!({"cpu": 1.0, "memory_bytes": 1 << 30}));
    assert_eq!((&node["jobs"], &node["accepts"]), (&json!(1), &json!(true)));
    let by_number = bench
        .ask("alice", "GET", &format!("/nodes/{}", node["id"]), "")
        .await;
    assert_eq!(by_number.expect(200), node);
    let body = r#"{"reason":"new disk"}"#;
    let drained = bench
        .ask("op", "POST", "/nodes/n1/drain", body)
        .await
        .expect(200);
    assert_eq!(
        (&drained["drain"], &drained["accepts"]),
        (&json!("new disk"), &json!(false))
    );
    let drained = bench
        .ask("op", "POST", "/nodes/n1/drain", "")
        .await
        .expect(200);
    assert_eq!(drained["drain"], "drained by op");
    let resumed = bench
        .ask("op", "DELETE", "/nodes/n1/drain", "")
        .await
        .expect(200);
    assert_eq!(
        (&resumed["drain"], &resumed["accepts"]),
        (&Value::Null, &json!(true))
    );
    bench.report_end(job, 0).await;
    bench
        .ask("admin", "DELETE", "/nodes/n1", "")
        .await
        .expect(204);
    bench
        .ask("admin", "GET", "/nodes/n1", "")
        .await
        .problem(404, "NOT_FOUND");
    assert!(bench.log.read().has_existed(JobId(1)));
}

#[tokio::test]
async fn volumes_are_made_used_and_forgotten() {
    let bench = Bench::new().await;
    let body = r#"{"host_path":"/srv/reads","mount_path":"/reads","writable":true}"#;
    let made = bench
        .ask("admin", "PUT", "/volumes/reads", body)
        .await
        .expect(200);
    assert_eq!(made["host_path"], "/srv/reads");
    let seen = bench
        .ask("alice", "GET", "/volumes/reads", "")
        .await
        .expect(200);
    assert_eq!(seen["mount_path"], "/reads");
    assert_eq!(
        seen["host_path"],
        Value::Null,
        "where it lies is for administrators"
    );
    let list = bench.ask("alice", "GET", "/volumes", "").await.expect(200);
    assert_eq!(list["items"], json!([seen]));
    let body = r#"{"argv":["ls"],"volumes":[{"name":"reads","read_only":true}]}"#;
    bench.ask("alice", "POST", "/jobs", body).await.expect(201);
    let refused = bench.ask("admin", "DELETE", "/volumes/reads", "").await;
    assert!(refused.problem(409, "CONFLICT").detail.contains("job 1"));
    bench.run(JobId(1), 0).await;
    bench
        .ask("admin", "DELETE", "/volumes/reads", "")
        .await
        .expect(204);
    bench
        .ask("alice", "GET", "/volumes/reads", "")
        .await
        .problem(404, "NOT_FOUND");
    let job = bench.ask("alice", "GET", "/jobs/1", "").await.expect(200);
    assert_eq!(
        job["spec"]["volumes"][0],
        json!({"name": "reads", "read_only": true})
    );
}

#[tokio::test]
async fn accounts_are_made_changed_and_listed_in_pages() {
    let bench = Bench::new().await;
    let body = r#"{"role":"operator","uid":1000,"gid":100}"#;
    let made = bench
        .ask("admin", "PUT", "/users/carol", body)
        .await
        .expect(200);
    assert_eq!(
        (&made["role"], &made["uid"]),
        (&json!("operator"), &json!(1000))
    );
    assert_eq!(made["has_password"], false);
    let changed = bench
        .ask("admin", "PUT", "/users/carol", r#"{"disabled":true}"#)
        .await;
    let changed = changed.expect(200);
    assert_eq!(
        (&changed["role"], &changed["disabled"]),
        (&json!("user"), &json!(true))
    );
    let (mut names, mut path) = (Vec::new(), "/users?limit=2".to_owned());
    loop {
        let page = bench.ask("admin", "GET", &path, "").await.expect(200);
        names.extend(
            page["items"]
                .as_array()
                .unwrap()
                .iter()
                .map(|it| it["name"].clone()),
        );
        let Some(next) = page["next"].as_str() else {
            break;
        };
        path = format!("/users?limit=2&cursor={next}");
    }
    assert_eq!(names, ["admin", "alice", "bob", "carol", "op"]);
    let own = bench
        .ask("alice", "GET", "/users/alice", "")
        .await
        .expect(200);
    assert_eq!(own["has_password"], true);
    let text = own.to_string();
    assert!(
        !text.contains("argon2") && !text.contains(PASSWORD),
        "{text}"
    );
}

#[tokio::test]
async fn a_permission_to_join_is_made_listed_and_taken_back() {
    let bench = Bench::new().await;
    let body = r#"{"role":"head","ttl_seconds":600}"#;
    let made = bench
        .ask("admin", "POST", "/join-tokens", body)
        .await
        .expect(201);
    assert_eq!(made["expires_at"], "2025-11-24T16:10:00.000Z");
    let (text, id) = (
        made["token"].as_str().unwrap(),
        made["id"].as_str().unwrap(),
    );
    // It may have the separator in it.
    let secret = text.splitn(3, '-').nth(2).unwrap();
    assert!(
        !bench.log.everything().contains(secret),
        "only a digest is kept"
    );
    let list = bench
        .ask("admin", "GET", "/join-tokens", "")
        .await
        .expect(200);
    let listed = list["items"].as_array().unwrap();
    assert!(
        listed
            .iter()
            .any(|it| it["id"] == id && it["role"] == "head")
    );
    assert!(!list.to_string().contains(secret));
    let path = format!("/join-tokens/{id}");
    bench.ask("admin", "DELETE", &path, "").await.expect(204);
    bench
        .ask("admin", "DELETE", &path, "")
        .await
        .problem(404, "NOT_FOUND");
}

#[tokio::test]
async fn heads_and_their_log_are_shown_and_led() {
    let bench = Bench::new().await;
    bench.join("head2", NodeRole::Head).await;
    let status = bench.ask("op", "GET", "/raft", "").await.expect(200);
    assert_eq!(
        (&status["role"], &status["term"]),
        (&json!("leader"), &json!(3))
    );
    assert_eq!(
        (&status["name"], &status["quorum_ack_age_ms"]),
        (&json!("head1"), &json!(12))
    );
    assert_eq!(status["members"][0]["addr"], "head1.lab:8444");
    let hash = bench.ask("op", "GET", "/raft/hash", "").await.expect(200);
    let expected = json!({"node": 1, "index": 9, "sha256": "ab".repeat(32)});
    assert_eq!(hash, expected);
    let head = bench
        .ask("admin", "PUT", "/heads/head2", r#"{"intent":"learner"}"#)
        .await;
    assert_eq!(head.expect(200)["intent"], "learner");
    let given = bench
        .ask("admin", "POST", "/raft/transfer", r#"{"to":"head2"}"#)
        .await;
    assert_eq!(given.expect(200)["node"], 1);
}

#[tokio::test]
async fn settings_are_shown_and_changed() {
    let bench = Bench::new().await;
    let mut settings = bench.ask("alice", "GET", "/settings", "").await.expect(200);
    assert_eq!(settings["timings"]["lease_ms"], 60_000);
    settings["timings"]["lease_ms"] = json!(90_000);
    let changed = bench
        .ask("admin", "PUT", "/settings", &settings.to_string())
        .await
        .expect(200);
    assert_eq!(changed, settings);
    assert_eq!(bench.log.read().policy().timings.lease.0, 90_000);
}

#[tokio::test]
async fn a_stranger_learns_how_to_trust_the_cluster_and_no_more() {
    let bench = Bench::new().await;
    let get = |path| request("GET", path).body(Body::empty()).unwrap();
    let cluster = bench.send(get("/cluster")).await.expect(200);
    assert_eq!(
        (&cluster["name"], &cluster["api_version"]),
        (&json!("lab"), &json!("1.0"))
    );
    let head = json!({"id": 1, "name": "head1", "url": "https://head1.lab:8443", "leader": true});
    assert_eq!(cluster["heads"], json!([head]));
    assert_eq!(cluster["ca_sha256"], "ab".repeat(32));
    let ready = bench.send(get("/readyz")).await.expect(200);
    assert_eq!(ready, json!({"ready": true, "reasons": []}));
    let alive = bench.send(get("/healthz")).await;
    assert_eq!((alive.status.as_u16(), &*alive.body), (200, &b"ok\n"[..]));
}

#[tokio::test]
async fn every_answer_has_an_id_and_is_not_cached() {
    let bench = Bench::new().await;
    let get = request("GET", "/healthz").header("X-Request-Id", "mine-1");
    let answer = bench.send(get.body(Body::empty()).unwrap()).await;
    assert_eq!(answer.header("x-request-id"), Some("mine-1"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    let get = request("GET", "/jobs").header("X-Request-Id", "not mine\tat all");
    let answer = bench.send(get.body(Body::empty()).unwrap()).await;
    let id = answer.problem(401, "UNAUTHENTICATED").request_id;
    assert!(
        id.len() == 16 && id.bytes().all(|b| b.is_ascii_hexdigit()),
        "{id}"
    );
}
