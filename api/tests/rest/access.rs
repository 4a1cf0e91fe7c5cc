//! Who may do what: every operation, asked by a user, an operator and an administrator.

use std::collections::BTreeSet;

use axum::http::StatusCode;
use model::node::NodeRole;

use crate::openapi::{document, operations};
use crate::support::{Bench, request};

/// Method, path as the description has it, path that is asked, body, and who may.
type Row = (&'static str, &'static str, &'static str, &'static str, Who);

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Who {
    Strangers,
    Users,
    Operators,
    Admins,
}

use Who::{Admins, Operators, Strangers, Users};

/// Alice has a pending job 1 and an ended job 2, bob the pending jobs 3 and 4.
const ROWS: [Row; 76] = [
    ("GET", "/cluster", "/cluster", "", Strangers),
    ("GET", "/healthz", "/healthz", "", Strangers),
    ("GET", "/readyz", "/readyz", "", Strangers),
    ("GET", "/openapi.json", "/openapi.json", "", Strangers),
    (
        "POST",
        "/login",
        "/login",
        r#"{"user":"alice","password":"open sesame"}"#,
        Strangers,
    ),
    ("GET", "/whoami", "/whoami", "", Users),
    ("GET", "/jobs", "/jobs?done=true", "", Users),
    ("GET", "/jobs", "/jobs?user=bob", "", Operators),
    ("GET", "/jobs", "/jobs?all=true", "", Operators),
    ("POST", "/jobs", "/jobs", r#"{"argv":["true"]}"#, Users),
    (
        "POST",
        "/jobs:batch",
        "/jobs:batch",
        r#"{"jobs":[{"argv":["true"]}]}"#,
        Users,
    ),
    (
        "POST",
        "/jobs:cancel",
        "/jobs:cancel",
        r#"{"ids":[1]}"#,
        Users,
    ),
    ("GET", "/jobs/{id}", "/jobs/1", "", Users),
    ("GET", "/jobs/{id}", "/jobs/3", "", Operators),
    ("GET", "/jobs/{id}/wait", "/jobs/2/wait", "", Users),
    ("GET", "/jobs/{id}/logs", "/jobs/2/logs", "", Users),
    ("GET", "/jobs/{id}/files", "/jobs/2/files", "", Users),
    (
        "GET",
        "/jobs/{id}/files/content",
        "/jobs/2/files/content?path=god.log",
        "",
        Users,
    ),
    (
        "GET",
        "/jobs/{id}/files/archive",
        "/jobs/2/files/archive",
        "",
        Users,
    ),
    ("GET", "/jobs/{id}/usage", "/jobs/2/usage", "", Users),
    ("POST", "/jobs/{id}/cancel", "/jobs/4/cancel", "", Operators),
    (
        "POST",
        "/jobs/{id}/give-up",
        "/jobs/5/give-up",
        "",
        Operators,
    ),
    ("GET", "/events", "/events?after=0&follow=false", "", Users),
    ("GET", "/nodes", "/nodes", "", Users),
    ("GET", "/nodes/{node}", "/nodes/n1", "", Users),
    (
        "POST",
        "/nodes/{node}/drain",
        "/nodes/n1/drain",
        r#"{"reason":"new disk"}"#,
        Operators,
    ),
    (
        "DELETE",
        "/nodes/{node}/drain",
        "/nodes/n1/drain",
        "",
        Operators,
    ),
    ("DELETE", "/nodes/{node}", "/nodes/n2", "", Admins),
    ("GET", "/volumes", "/volumes", "", Users),
    (
        "PUT",
        "/volumes/{name}",
        "/volumes/v",
        r#"{"host_path":"/a","mount_path":"/b"}"#,
        Admins,
    ),
    ("GET", "/volumes/{name}", "/volumes/v", "", Users),
    ("DELETE", "/volumes/{name}", "/volumes/v", "", Admins),
    ("GET", "/users", "/users", "", Admins),
    ("GET", "/users/{name}", "/users/bob", "", Admins),
    ("PUT", "/users/{name}", "/users/carol", "{}", Admins),
    (
        "PUT",
        "/users/{name}/password",
        "/users/carol/password",
        r#"{"password":"12345678"}"#,
        Admins,
    ),
    ("GET", "/tokens", "/tokens", "", Users),
    ("POST", "/tokens", "/tokens", "", Users),
    ("GET", "/join-tokens", "/join-tokens", "", Admins),
    (
        "POST",
        "/join-tokens",
        "/join-tokens",
        r#"{"role":"agent"}"#,
        Admins,
    ),
    ("GET", "/metrics", "/metrics", "", Operators),
    ("GET", "/raft", "/raft", "", Operators),
    ("GET", "/raft/hash", "/raft/hash", "", Operators),
    (
        "PUT",
        "/heads/{node}",
        "/heads/head1",
        r#"{"intent":"voter"}"#,
        Admins,
    ),
    ("POST", "/raft/transfer", "/raft/transfer", "", Admins),
    ("GET", "/can-i", "/can-i?method=get&path=/jobs/7", "", Users),
    ("GET", "/projects", "/projects", "", Users),
    ("GET", "/projects/{name}", "/projects/default", "", Users),
    ("GET", "/projects/{name}", "/projects/secret", "", Operators),
    ("PUT", "/projects/{name}", "/projects/fresh", "{}", Admins),
    ("DELETE", "/projects/{name}", "/projects/fresh", "", Admins),
    (
        "GET",
        "/projects/{name}/quota",
        "/projects/secret/quota",
        "",
        Operators,
    ),
    (
        "DELETE",
        "/projects/{name}/quota/spent",
        "/projects/default/quota/spent",
        "",
        Admins,
    ),
    (
        "PUT",
        "/projects/{name}/members/{user}",
        "/projects/secret/members/bob",
        "",
        Admins,
    ),
    (
        "DELETE",
        "/projects/{name}/members/{user}",
        "/projects/secret/members/bob",
        "",
        Admins,
    ),
    ("GET", "/queues", "/queues", "", Users),
    ("GET", "/queues/{name}", "/queues/default", "", Users),
    ("PUT", "/queues/{name}", "/queues/fresh", "{}", Admins),
    ("DELETE", "/queues/{name}", "/queues/fresh", "", Admins),
    (
        "GET",
        "/users/{name}/quota",
        "/users/bob/quota",
        "",
        Operators,
    ),
    (
        "PUT",
        "/users/{name}/quota",
        "/users/bob/quota",
        "{}",
        Admins,
    ),
    (
        "DELETE",
        "/users/{name}/quota/spent",
        "/users/bob/quota/spent",
        "",
        Admins,
    ),
    ("GET", "/keys", "/keys", "", Users),
    ("POST", "/keys", "/keys", KEY, Users),
    ("GET", "/secrets", "/secrets", "", Users),
    (
        "PUT",
        "/secrets/{name}",
        "/secrets/db",
        r#"{"value":"hunter2"}"#,
        Users,
    ),
    (
        "PUT",
        "/projects/{name}/secrets/{secret}",
        "/projects/secret/secrets/db",
        r#"{"value":"hunter2"}"#,
        Admins,
    ),
    (
        "DELETE",
        "/projects/{name}/secrets/{secret}",
        "/projects/secret/secrets/db",
        "",
        Admins,
    ),
    ("GET", "/audit", "/audit", "", Admins),
    ("GET", "/usage", "/usage?by=project", "", Users),
    ("GET", "/usage", "/usage?user=bob", "", Operators),
    ("GET", "/directories", "/directories", "", Admins),
    (
        "PUT",
        "/directories/{name}",
        "/directories/site",
        r#"{"settings":{"kind":"exec","command":["/nonexistent"]}}"#,
        Admins,
    ),
    (
        "DELETE",
        "/directories/{name}",
        "/directories/site",
        "",
        Admins,
    ),
    ("GET", "/settings", "/settings", "", Users),
    ("PUT", "/settings", "/settings", SETTINGS, Admins),
];

const KEY: &str = concat!(
    r#"{"key":"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XF"#,
    r#"SqtI alice@laptop"}"#
);

const SETTINGS: &str = concat!(
    r#"{"timings":{"heartbeat_ms":1000,"suspect_after_ms":15000,"#,
    r#""lease_ms":60000,"lease_margin_ms":15000}}"#
);

/// What cannot be asked twice, and is tested where it belongs.
const ONCE: [(&str, &str); 9] = [
    ("DELETE", "/secrets/{name}"),
    ("POST", "/logout"),
    ("PUT", "/jobs/{id}/files/content"),
    ("DELETE", "/jobs/{id}/files/content"),
    ("DELETE", "/tokens/{id}"),
    ("POST", "/tokens/{id}/rotate"),
    ("DELETE", "/keys/{fingerprint}"),
    ("POST", "/directories/{name}/test"),
    ("DELETE", "/join-tokens/{id}"),
];

async fn prepared() -> Bench {
    let bench = Bench::new().await;
    bench.join("n2", NodeRole::Agent).await;
    bench
        .ask("admin", "PUT", "/projects/secret", "{}")
        .await
        .expect(200);
    let log = ("god.log".to_owned(), b"1".to_vec());
    *bench.host.files.kept.lock().unwrap() = Ok([log].into());
    bench.submit("alice").await;
    let ended = bench.submit("alice").await;
    bench.run(ended, 0).await;
    bench.submit("bob").await;
    bench.submit("bob").await;
    let lost = bench.submit("bob").await;
    bench.start(lost).await;
    bench.lose_node().await;
    bench
}

#[tokio::test]
async fn each_operation_is_open_to_whom_it_says_and_to_nobody_else() {
    let bench = prepared().await;
    for (method, _, path, body, who) in ROWS {
        for (asker, may) in [
            ("alice", who <= Users),
            ("op", who <= Operators),
            ("admin", true),
        ] {
            bench.known_token(asker).await;
            let before = bench.log.proposals();
            let answer = bench.ask(asker, method, path, body).await;
            let text = String::from_utf8_lossy(&answer.body);
            let refused = matches!(answer.status, StatusCode::FORBIDDEN | StatusCode::NOT_FOUND);
            let once = path.ends_with("give-up") || method == "DELETE";
            let gone = answer.status == StatusCode::NOT_FOUND && once && asker == "admin";
            assert!(
                if may {
                    answer.status.is_success() || gone
                } else {
                    refused
                },
                "{asker} asks {method} {path}: {} {text}",
                answer.status
            );
            // A refused cancel, and who manages a project, is decided by the log.
            let proposed = bench.log.proposals() - before;
            assert!(
                may || proposed == 0
                    || path.ends_with("/cancel")
                    || path.contains("/members/")
                    || path.contains("/secrets/"),
                "{method} {path}"
            );
        }
    }
}

#[tokio::test]
async fn the_table_has_every_operation() {
    let asked = ROWS.iter().map(|(method, path, ..)| (*method, *path));
    let asked: BTreeSet<(&str, &str)> = asked.chain(ONCE).collect();
    let document = document();
    let known = operations(&document);
    let known: BTreeSet<(&str, &str)> = known
        .iter()
        .map(|(path, method, _)| (&**method, &**path))
        .collect();
    assert_eq!(asked, known);
}

#[tokio::test]
async fn what_strangers_may_needs_no_token_and_what_users_may_does() {
    let bench = prepared().await;
    for (method, _, path, body, who) in ROWS {
        let request = request(method, path).body(body.into()).unwrap();
        let answer = bench.send(request).await;
        assert_eq!(
            answer.status.is_success(),
            who == Strangers,
            "{method} {path}"
        );
        assert_eq!(answer.status == 401, who != Strangers, "{method} {path}");
    }
}

/// To see somebody else's job and to see none are the same, down to the text.
#[tokio::test]
async fn a_job_of_somebody_else_is_not_there() {
    let bench = prepared().await;
    let asked = [
        ("GET", ""),
        ("GET", "/wait?timeout=1"),
        ("GET", "/logs"),
        ("GET", "/files"),
        ("GET", "/files/archive"),
        ("GET", "/files/content?path=god.log"),
        ("PUT", "/files/content?path=work/a"),
        ("DELETE", "/files/content?path=work/a"),
        ("GET", "/usage"),
        ("POST", "/cancel"),
    ];
    for (method, tail) in asked {
        for (theirs, none) in [(3, 99), (2, 99)] {
            let asker = if theirs == 3 { "alice" } else { "bob" };
            let hidden = bench
                .ask(asker, method, &format!("/jobs/{theirs}{tail}"), "")
                .await;
            let absent = bench
                .ask(asker, method, &format!("/jobs/{none}{tail}"), "")
                .await;
            let hidden = hidden.problem(404, "NOT_FOUND").detail;
            let absent = absent.problem(404, "NOT_FOUND").detail;
            assert_eq!(
                hidden.replace(&theirs.to_string(), "N"),
                absent.replace("99", "N")
            );
        }
    }
    let body = r#"{"ids":[1,2,3,99]}"#;
    let items = bench
        .ask("alice", "POST", "/jobs:cancel", body)
        .await
        .expect(200);
    let results: Vec<_> = (0..4)
        .map(|at| items["items"][at]["result"].clone())
        .collect();
    assert_eq!(
        results,
        ["ended", "already_ended", "not_found", "not_found"]
    );
    let theirs = bench.ask("bob", "GET", "/jobs/3", "").await.expect(200);
    assert_eq!(theirs["state"], "pending");
}
