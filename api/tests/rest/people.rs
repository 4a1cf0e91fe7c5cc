//! Projects, queues, bounds, tokens with scopes, public keys, and the audit log.

use serde_json::{Value, json};

use crate::support::{Bench, request};

const KEY: &str = "ssh-ed25519 \
    AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqtI alice@laptop";
const FINGERPRINT: &str = "SHA256:XzEt+wm4qeFsIP3/h4KLie89/1oYH2sbBYPzSUk1U/4";

async fn put(bench: &Bench, path: &str, body: &Value) -> Value {
    let answer = bench.ask("admin", "PUT", path, &body.to_string()).await;
    answer.expect(200)
}

async fn submit(bench: &Bench, user: &str, more: Value) -> crate::support::Answer {
    let mut body = json!({"argv": ["true"], "image": "debian:12", "cpu": 1.0});
    let both = body.as_object_mut().unwrap();
    both.extend(more.as_object().unwrap().clone());
    bench.ask(user, "POST", "/jobs", &body.to_string()).await
}

#[tokio::test]
async fn a_project_is_for_its_members_and_run_by_its_managers() {
    let bench = Bench::new().await;
    let lab = json!({"managers": ["alice"], "quota": {"cpu": 2.0, "core_hours": 1.5}});
    let made = put(&bench, "/projects/lab", &lab).await;
    assert_eq!(made["priority"], 50);
    assert_eq!(made["quota"], json!({"cpu": 2.0, "core_hours": 1.5}));
    let in_lab = json!({"project": "lab", "wall_limit_seconds": 60});
    let refused = submit(&bench, "bob", in_lab.clone()).await;
    assert_eq!(
        refused.problem(422, "INVALID").field.as_deref(),
        Some("project")
    );
    let member = "/projects/lab/members/bob";
    // Whoever is not in it does not even learn of it.
    bench
        .ask("bob", "PUT", member, "")
        .await
        .problem(404, "NOT_FOUND");
    bench.ask("alice", "PUT", member, "").await.expect(204);
    submit(&bench, "bob", in_lab.clone()).await.expect(201);
    bench
        .ask("bob", "DELETE", "/projects/lab/members/alice", "")
        .await
        .problem(403, "FORBIDDEN");
    let unknown = "/projects/lab/members/nobody";
    bench
        .ask("alice", "PUT", unknown, "")
        .await
        .problem(404, "NOT_FOUND");
    // What was not named stays as it is.
    let closed = put(&bench, "/projects/lab", &json!({"closed": true})).await;
    assert_eq!(closed["members"], json!(["bob"]));
    let refused = submit(&bench, "bob", in_lab)
        .await
        .problem(403, "FORBIDDEN");
    assert!(refused.detail.contains("closed"), "{}", refused.detail);
    bench
        .ask("admin", "DELETE", "/projects/lab", "")
        .await
        .problem(409, "CONFLICT");
    bench.ask("bob", "DELETE", member, "").await;
}

#[tokio::test]
async fn jobs_of_a_project_are_its_managers_to_see_and_to_end() {
    let bench = Bench::new().await;
    let lab = json!({"managers": ["alice"], "members": ["bob"]});
    put(&bench, "/projects/lab", &lab).await;
    let made = submit(&bench, "bob", json!({"project": "lab"}))
        .await
        .expect(201);
    let other = submit(&bench, "bob", json!({})).await.expect(201);
    let path = |made: &Value| format!("/jobs/{}", made["id"]);
    bench
        .ask("alice", "GET", &path(&made), "")
        .await
        .expect(200);
    bench
        .ask("alice", "GET", &path(&other), "")
        .await
        .problem(404, "NOT_FOUND");
    let ended = bench
        .ask("alice", "POST", &format!("{}/cancel", path(&made)), "")
        .await
        .expect(200);
    assert_eq!(ended["items"][0]["result"], "ended");
    bench
        .ask("alice", "GET", &path(&made), "")
        .await
        .expect(200);
}

#[tokio::test]
async fn a_queue_holds_jobs_to_its_rules() {
    let bench = Bench::new().await;
    let night = json!({"who": {"users": ["alice"]}, "wall_max_seconds": 7200,
        "wall_default_seconds": 3600, "cpu_max": 2.0, "pending_per_user": 2});
    put(&bench, "/queues/night", &night).await;
    let queued = |more: Value| {
        let mut body = json!({"queue": "night"});
        let both = body.as_object_mut().unwrap();
        both.extend(more.as_object().unwrap().clone());
        body
    };
    let refused = submit(&bench, "bob", queued(json!({}))).await;
    assert_eq!(
        refused.problem(422, "INVALID").field.as_deref(),
        Some("queue")
    );
    let long = submit(&bench, "alice", queued(json!({"wall_limit_seconds": 7201}))).await;
    assert_eq!(
        long.problem(422, "INVALID").field.as_deref(),
        Some("wall_limit_seconds")
    );
    let wide = submit(&bench, "alice", queued(json!({"cpu": 3.0}))).await;
    assert_eq!(wide.problem(422, "INVALID").field.as_deref(), Some("cpu"));
    let made = submit(&bench, "alice", queued(json!({}))).await.expect(201);
    let shown = bench
        .ask("alice", "GET", &format!("/jobs/{}", made["id"]), "")
        .await
        .expect(200);
    assert_eq!(shown["wall_limit_seconds"], 3600);
    assert_eq!(shown["queue"], "night");
    submit(&bench, "alice", queued(json!({}))).await.expect(201);
    submit(&bench, "alice", queued(json!({})))
        .await
        .problem(409, "LIMIT_REACHED");
    // Who may use it is for operators to see.
    let seen = bench
        .ask("alice", "GET", "/queues/night", "")
        .await
        .expect(200);
    assert_eq!((&seen["who"], &seen["jobs"]), (&Value::Null, &json!(2)));
    bench
        .ask("bob", "GET", "/queues/night", "")
        .await
        .problem(404, "NOT_FOUND");
}

#[tokio::test]
async fn a_quota_is_told_with_what_is_taken_of_it() {
    let bench = Bench::new().await;
    let usual = bench
        .ask("alice", "GET", "/users/alice/quota", "")
        .await
        .expect(200);
    assert_eq!(
        (&usual["usual"], &usual["quota"]),
        (&json!(true), &json!({}))
    );
    let own = json!({"running": 1, "cpu": 8.5});
    put(&bench, "/users/alice/quota", &own).await;
    let job = bench.submit("alice").await;
    bench.start(job).await;
    let second = submit(&bench, "alice", json!({"wall_limit_seconds": 60})).await;
    let second = second.expect(201);
    let shown = bench
        .ask("alice", "GET", &format!("/jobs/{}", second["id"]), "")
        .await
        .expect(200);
    let reason = shown["reason"].as_str().unwrap();
    assert_eq!(reason, "quota of user alice reached: 1 running");
    let told = bench
        .ask("alice", "GET", "/users/alice/quota", "")
        .await
        .expect(200);
    assert_eq!(told["quota"], own);
    assert_eq!(
        (&told["taken"]["running"], &told["taken"]["pending"]),
        (&json!(1), &json!(1))
    );
    // Without a body: what everybody has.
    bench
        .ask("admin", "PUT", "/users/alice/quota", "")
        .await
        .expect(200);
    let wrong = json!({"core_hours": -1.0}).to_string();
    let refused = bench
        .ask("admin", "PUT", "/users/alice/quota", &wrong)
        .await;
    assert_eq!(
        refused.problem(422, "INVALID").field.as_deref(),
        Some("core_hours")
    );
}

#[tokio::test]
async fn rules_of_images_root_and_network_are_kept_at_submission() {
    let bench = Bench::new().await;
    let rules = json!({"rules": {
        "images": [{"allow": true, "pattern": "docker.io/library/*"}],
        "root": {"users": ["bob"]},
        "bridge": {"users": ["alice"]},
        "output_max_bytes": 1_000_000,
    }});
    put(&bench, "/settings", &rules).await;
    let foreign = submit(&bench, "alice", json!({"image": "quay.io/x/y"})).await;
    let refused = foreign.problem(403, "FORBIDDEN");
    assert!(
        refused.detail.contains("no rule allows it"),
        "{}",
        refused.detail
    );
    let root = json!({"root": true});
    submit(&bench, "alice", root.clone())
        .await
        .problem(403, "FORBIDDEN");
    submit(&bench, "bob", root).await.expect(201);
    let bridge = json!({"network": "bridge"});
    submit(&bench, "bob", bridge.clone())
        .await
        .problem(403, "FORBIDDEN");
    let made = submit(&bench, "alice", bridge).await.expect(201);
    let shown = bench
        .ask("alice", "GET", &format!("/jobs/{}", made["id"]), "")
        .await
        .expect(200);
    assert_eq!(shown["spec"]["network"], "bridge");
    assert_eq!(shown["spec"]["output_max_bytes"], 1_000_000);
}

#[tokio::test]
async fn a_token_is_good_for_its_scopes_and_replaced_in_one_step() {
    let bench = Bench::new().await;
    let body = json!({"scopes": ["read"], "label": "robot"}).to_string();
    let made = bench
        .ask("alice", "POST", "/tokens", &body)
        .await
        .expect(201);
    let with = |token: &Value| {
        let token = token.as_str().unwrap().to_owned();
        move |method: &str, path: &str| {
            let bearer = format!("Bearer {token}");
            let request = request(method, path).header("Authorization", bearer);
            request
                .body(r#"{"argv":["true"],"image":"a"}"#.into())
                .unwrap()
        }
    };
    let old = with(&made["token"]);
    bench.send(old("GET", "/jobs")).await.expect(200);
    bench
        .send(old("POST", "/jobs"))
        .await
        .problem(403, "FORBIDDEN");
    let path = format!("/tokens/{}/rotate", made["id"].as_str().unwrap());
    bench
        .ask("bob", "POST", &path, "")
        .await
        .problem(404, "NOT_FOUND");
    let next = bench.ask("alice", "POST", &path, "").await.expect(201);
    bench
        .send(old("GET", "/jobs"))
        .await
        .problem(401, "UNAUTHENTICATED");
    let new = with(&next["token"]);
    bench.send(new("GET", "/jobs")).await.expect(200);
    bench
        .send(new("POST", "/jobs"))
        .await
        .problem(403, "FORBIDDEN");
    let list = bench.ask("alice", "GET", "/tokens", "").await.expect(200);
    let found = list["items"].as_array().unwrap().iter();
    let found = found.filter(|token| token["label"] == "robot");
    assert_eq!(
        found.map(|token| &token["scopes"]).collect::<Vec<_>>(),
        [&json!(["read"])]
    );
}

#[tokio::test]
async fn a_public_key_is_kept_under_its_fingerprint() {
    let bench = Bench::new().await;
    let body = json!({"key": KEY}).to_string();
    let made = bench.ask("alice", "POST", "/keys", &body).await.expect(201);
    assert_eq!(
        (&made["fingerprint"], &made["label"]),
        (&json!(FINGERPRINT), &json!("alice@laptop"))
    );
    let list = bench.ask("bob", "GET", "/keys", "").await.expect(200);
    assert_eq!(list["items"], json!([]));
    let path = format!("/keys/{}", FINGERPRINT.replace('/', "%2F"));
    bench
        .ask("bob", "DELETE", &path, "")
        .await
        .problem(404, "NOT_FOUND");
    bench.ask("alice", "DELETE", &path, "").await.expect(204);
    for wrong in [
        "",
        "ssh-ed25519 AAAA",
        "ssh-dss AAAAB3NzaC1kc3M=",
        "command=\"x\" ssh-ed25519 A",
    ] {
        let body = json!({"key": wrong}).to_string();
        let refused = bench.ask("alice", "POST", "/keys", &body).await;
        assert_eq!(
            refused.problem(422, "INVALID").field.as_deref(),
            Some("key")
        );
    }
}

#[tokio::test]
async fn the_audit_log_says_who_wanted_what_and_what_became_of_it() {
    let bench = Bench::new().await;
    put(&bench, "/queues/night", &json!({})).await;
    submit(&bench, "alice", json!({"queue": "nowhere"}))
        .await
        .problem(422, "INVALID");
    bench.ask("alice", "GET", "/jobs", "").await.expect(200);
    let page = bench.ask("admin", "GET", "/audit", "").await.expect(200);
    let lines = page["items"].as_array().unwrap().iter();
    let lines: Vec<_> = lines
        .map(|line| {
            (
                line["user"].clone(),
                line["what"].clone(),
                line["verdict"].clone(),
            )
        })
        .collect();
    let line = |user: &str, what: &str, verdict: &str| (json!(user), json!(what), json!(verdict));
    assert_eq!(lines[0], line("alice", "POST /jobs", "rejected"));
    assert!(lines.contains(&line("admin", "PUT /queues/night", "done")));
    assert!(
        !lines
            .iter()
            .any(|(_, what, _)| what.as_str().unwrap().starts_with("GET"))
    );
    let theirs = bench
        .ask("admin", "GET", "/audit?user=alice&limit=1", "")
        .await;
    assert_eq!(theirs.expect(200)["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn one_may_ask_what_one_may() {
    let bench = Bench::new().await;
    for (user, query, allowed) in [
        ("alice", "method=POST&path=/jobs", true),
        ("alice", "method=put&path=/queues/night", false),
        ("op", "method=POST&path=/nodes/n1/drain", true),
        ("admin", "method=PUT&path=/queues/night", true),
    ] {
        let path = format!("/can-i?{query}");
        let answer = bench.ask(user, "GET", &path, "").await.expect(200);
        assert_eq!(answer["allowed"], allowed, "{user} {query}: {answer}");
    }
    bench
        .ask("alice", "GET", "/can-i?method=GET&path=/nothing", "")
        .await
        .problem(422, "INVALID");
}

#[tokio::test]
async fn what_was_used_is_summed_for_whom_it_concerns() {
    let bench = Bench::new().await;
    let lab = json!({"managers": ["alice"], "members": ["bob"]});
    put(&bench, "/projects/lab", &lab).await;
    let made = submit(&bench, "bob", json!({"project": "lab"}))
        .await
        .expect(201);
    bench
        .run(model::JobId(made["id"].as_u64().unwrap()), 1)
        .await;
    let other = bench.submit("bob").await;
    bench.run(other, 0).await;
    let own = bench.submit("alice").await;
    bench.run(own, 0).await;
    let report = |user: &'static str, query: &'static str| {
        let bench = &bench;
        async move {
            let path = format!("/usage?{query}");
            bench.ask(user, "GET", &path, "").await
        }
    };
    let keys = |report: &Value| -> Vec<(String, u64)> {
        let rows = report["rows"].as_array().unwrap().iter();
        let pair = |row: &Value| {
            (
                row["key"].as_str().unwrap().into(),
                row["attempts"].as_u64().unwrap(),
            )
        };
        let mut rows: Vec<_> = rows.map(pair).collect();
        rows.sort();
        rows
    };
    let all = report("op", "by=user").await.expect(200);
    assert_eq!(keys(&all), [("alice".into(), 1), ("bob".into(), 2)]);
    assert_eq!(
        (&all["total"]["attempts"], &all["total"]["failed"]),
        (&json!(3), &json!(1))
    );
    let mine = report("bob", "by=project").await.expect(200);
    assert_eq!(keys(&mine), [("default".into(), 1), ("lab".into(), 1)]);
    let states = report("bob", "by=state").await.expect(200);
    assert_eq!(
        keys(&states),
        [("failed".into(), 1), ("succeeded".into(), 1)]
    );
    // Of the project that she manages she sees everybody's.
    let managed = report("alice", "by=user&project=lab").await.expect(200);
    assert_eq!(keys(&managed), [("bob".into(), 1)]);
    report("alice", "user=bob").await.problem(403, "FORBIDDEN");
    let nothing = report("alice", "to=1971-01-01T00:00:00Z").await.expect(200);
    assert_eq!(nothing["rows"], json!([]));
    report("alice", "from=2030-01-01T00:00:00Z")
        .await
        .problem(422, "INVALID");
}
