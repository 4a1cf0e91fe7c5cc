//! Lists of jobs: which, in what order, and in pages that lose and double nothing.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use model::JobId;
use model::command::{Command, SubmitJobs};
use model::node::NodeRole;
use model::spec::{JobSpec, Program};
use model::{Bytes, MilliCpus, Resources};
use serde_json::{Value, json};

use crate::support::Bench;

fn ids(page: &Value) -> Vec<u64> {
    let items = page["items"].as_array().unwrap();
    items
        .iter()
        .map(|job| job["id"].as_u64().unwrap())
        .collect()
}

async fn page(bench: &Bench, user: &str, query: &str, cursor: Option<&str>) -> Value {
    let cursor = cursor
        .map(|cursor| format!("&cursor={cursor}"))
        .unwrap_or_default();
    bench
        .ask(user, "GET", &format!("/jobs?{query}{cursor}"), "")
        .await
        .expect(200)
}

/// All pages of a list; `between` runs after each page.
async fn all(bench: &Bench, user: &str, query: &str, mut between: impl AsyncFnMut()) -> Vec<u64> {
    let (mut found, mut cursor) = (Vec::new(), None::<String>);
    for _ in 0..1000 {
        let page = page(bench, user, query, cursor.as_deref()).await;
        found.extend(ids(&page));
        let Some(next) = page["next"].as_str() else {
            return found;
        };
        cursor = Some(next.into());
        between().await;
    }
    panic!("the list does not end");
}

#[tokio::test]
async fn pages_neither_lose_nor_double_while_jobs_arrive() {
    let bench = Bench::new().await;
    for _ in 0..25 {
        bench.submit("alice").await;
    }
    for limit in [1, 4, 5, 24, 25, 26] {
        let last = bench.submit("alice").await.0;
        let query = format!("limit={limit}");
        let arrives = async || {
            bench.submit("alice").await;
        };
        let found = all(&bench, "alice", &query, arrives).await;
        let expected: Vec<u64> = (1..=last).rev().collect();
        assert_eq!(found, expected, "limit {limit}");
    }
}

#[tokio::test]
async fn pages_lose_nothing_while_jobs_end() {
    let bench = Bench::new().await;
    bench.log.let_time_pass();
    for _ in 0..20 {
        bench.submit("alice").await;
    }
    // Some behind the place where the reader is, some before it.
    let mut order = [20, 9, 19, 1, 8, 10, 7, 2, 6, 3].map(JobId).into_iter();
    let ends = async || {
        for job in order.by_ref().take(2) {
            bench.run(job, 0).await;
        }
    };
    let mut found = all(&bench, "alice", "limit=3&done=true", ends).await;
    found.sort_unstable();
    found.dedup();
    assert_eq!(found, (1..=20).collect::<Vec<u64>>());
}

#[tokio::test]
async fn live_jobs_come_first_and_ended_ones_by_their_end() {
    let bench = Bench::new().await;
    bench.log.let_time_pass();
    for _ in 0..8 {
        bench.submit("alice").await;
    }
    for job in [3, 7, 1, 5] {
        bench.run(JobId(job), 0).await;
    }
    for limit in 1..=9 {
        let found = all(
            &bench,
            "alice",
            &format!("limit={limit}&done=true"),
            async || {},
        )
        .await;
        assert_eq!(found, [8, 6, 4, 2, 5, 1, 7, 3], "limit {limit}");
    }
    let live = page(&bench, "alice", "", None).await;
    assert_eq!(
        (ids(&live), &live["live_total"]),
        (vec![8, 6, 4, 2], &json!(4))
    );
    assert!(live["next"].is_null());
}

#[tokio::test]
async fn filters_pick_what_they_name() {
    let bench = Bench::new().await;
    let jobs = [
        r#"{"argv":["a"],"name":"align-1","tags":["phage"]}"#,
        r#"{"argv":["a"],"name":"align-2","tags":["phage","big"]}"#,
        r#"{"argv":["a"],"name":"merge"}"#,
        r#"{"argv":["a"],"name":"merge-2"}"#,
    ];
    for body in jobs {
        bench.ask("alice", "POST", "/jobs", body).await.expect(201);
    }
    bench.ask("bob", "POST", "/jobs", jobs[0]).await.expect(201);
    bench.start(JobId(2)).await;
    bench.run(JobId(3), 1).await;
    bench.run(JobId(4), 0).await;
    let cases = [
        ("", vec![2, 1]),
        ("tag=phage", vec![2, 1]),
        ("tag=big", vec![2]),
        ("tag=bi", vec![]),
        ("name=align", vec![2, 1]),
        ("name=merge", vec![]),
        ("name=merge&done=true", vec![4, 3]),
        ("state=running", vec![2]),
        ("state=pending,failed", vec![1, 3]),
        ("state=succeeded", vec![4]),
        ("state=cancelled", vec![]),
        ("node=n1", vec![2]),
        ("node=n1&done=true", vec![2]),
        ("since=2025-11-24T16:00:00Z", vec![2, 1]),
        ("since=2025-11-24T16:00:00.001Z&done=true", vec![]),
        ("until=2025-11-24T16:00:00Z&done=true", vec![]),
        ("until=2025-11-24T17:00:00.001%2B01:00", vec![2, 1]),
        ("user=alice", vec![2, 1]),
    ];
    for (query, expected) in cases {
        assert_eq!(
            ids(&page(&bench, "alice", query, None).await),
            expected,
            "{query}"
        );
    }
    assert_eq!(ids(&page(&bench, "op", "all=true", None).await), [5, 2, 1]);
    assert_eq!(ids(&page(&bench, "op", "user=bob", None).await), [5]);
    assert_eq!(ids(&page(&bench, "op", "", None).await), [0; 0]);
    assert_eq!(ids(&page(&bench, "bob", "done=true", None).await), [5]);
}

/// Whatever is written in a cursor, it leads to rows that its sender may see, or is refused.
#[tokio::test]
async fn a_forged_cursor_opens_nothing() {
    let bench = Bench::new().await;
    bench.log.let_time_pass();
    for user in ["alice", "bob", "alice", "bob", "alice"] {
        let job = bench.submit(user).await;
        if job.0 % 2 == 1 {
            bench.run(job, 0).await;
        }
        bench.submit(user).await;
    }
    let first = page(&bench, "alice", "limit=1&done=true", None).await;
    let cursor = first["next"].as_str().unwrap().to_owned();
    let plain = String::from_utf8(URL_SAFE_NO_PAD.decode(&cursor).unwrap()).unwrap();
    let list = plain.split('.').next().unwrap();
    let forged = [
        "L.1",
        "L.2",
        "L.18446744073709551615",
        "L.18446744073709551616",
        "L.-1",
        "L",
        "L.1.1",
        "E",
        "E.",
        "E.0.0",
        "E.18446744073709551615.18446744073709551615",
        "E.1",
        "X.1",
        "",
        ".",
        "L.0",
        "E.1764000000005.3",
    ];
    let forged = forged
        .iter()
        .map(|at| URL_SAFE_NO_PAD.encode(format!("{list}.{at}")));
    let bent = (0..cursor.len()).map(|at| {
        let mut bytes = cursor.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        String::from_utf8(bytes).unwrap()
    });
    let cut = (0..cursor.len()).map(|at| cursor[..at].to_owned());
    for cursor in forged.chain(bent).chain(cut) {
        let path = format!("/jobs?limit=100&done=true&cursor={cursor}");
        let answer = bench.ask("alice", "GET", &path, "").await;
        if answer.status == 422 {
            let problem = answer.problem(422, "INVALID");
            assert_eq!(problem.field.as_deref(), Some("cursor"));
            continue;
        }
        let page = answer.expect(200);
        let items = page["items"].as_array().unwrap();
        assert!(items.iter().all(|job| job["owner"] == "alice"), "{cursor}");
    }
}

/// A page looks at a bounded number of jobs; it may be empty and still not be the last.
#[tokio::test]
async fn a_rare_job_among_very_many_is_found_page_by_page() {
    let bench = Bench::new().await;
    let spec = |tag: &str| JobSpec {
        name: "n".into(),
        tags: vec![tag.into()],
        program: Program::Argv(vec!["true".into()]),
        resources: Resources {
            cpu: MilliCpus(1000),
            memory: Bytes(1 << 30),
        },
        ..JobSpec::default()
    };
    let submit = |specs| {
        Command::SubmitJobs(SubmitJobs {
            by: "alice".into(),
            key: None,
            specs,
        })
    };
    bench.apply(submit(vec![spec("rare")])).await;
    for _ in 0..6 {
        bench.apply(submit(vec![spec("common"); 10_000])).await;
    }
    let first = page(&bench, "alice", "tag=rare", None).await;
    assert_eq!(ids(&first), [0; 0]);
    let second = page(&bench, "alice", "tag=rare", first["next"].as_str()).await;
    assert_eq!(ids(&second), [1]);
    assert!(second["next"].is_null());
    let whole = page(&bench, "alice", "limit=1000", None).await;
    assert_eq!(
        (ids(&whole).len(), &whole["live_total"]),
        (1000, &json!(60_001))
    );
}

#[tokio::test]
async fn nodes_are_found_by_number_too() {
    let bench = Bench::new().await;
    let other = bench.join("n2", NodeRole::Agent).await;
    let job = bench.submit("alice").await;
    bench.start(job).await;
    let query = format!("node={}", bench.node);
    assert_eq!(ids(&page(&bench, "alice", &query, None).await), [1]);
    assert_eq!(
        ids(&page(&bench, "alice", &format!("node={other}"), None).await),
        [0; 0]
    );
}
