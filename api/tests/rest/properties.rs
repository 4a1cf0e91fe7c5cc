//! Whatever a client sends, it is told why it is refused, and never that we failed.
//!
//! Bodies and queries are made from good ones by mutation, with a seed that is printed:
//! `API_SEED=… cargo nextest run -p api properties` repeats a run.

use axum::body::Body;
use serde_json::{Map, Value, json};

use crate::openapi::{document, operations};
use crate::support::{Bench, request};

/// Bodies and queries of one run.
const CASES: usize = 4_000;

/// SplitMix64 (Steele, Lea, Flood 2014).
struct Chance(u64);

impl Chance {
    #[allow(clippy::print_stdout, reason = "for whoever repeats a run")]
    fn new(name: &str) -> Chance {
        let seed = std::env::var("API_SEED")
            .ok()
            .and_then(|text| text.parse().ok());
        let seed = seed.unwrap_or(20_251_124);
        println!("repeat with API_SEED={seed} cargo nextest run -p api {name}");
        Chance(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).unwrap()
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }
}

fn good_bodies() -> Vec<(&'static str, &'static str, Value)> {
    let job = json!({
        "name": "n", "tags": ["t"], "image": "debian:12", "pull": "missing", "script": "true",
        "args": ["a"], "env": {"A": "b"}, "cpu": 1.5, "memory_bytes": 1 << 30,
        "wall_limit_seconds": 60, "grace_seconds": 5, "on_lost": "hold",
        "volumes": [{"name": "data", "read_only": true}],
    });
    let timings = json!({
        "heartbeat_ms": 1000, "suspect_after_ms": 15000, "lease_ms": 60000,
        "lease_margin_ms": 15000,
    });
    vec![
        ("POST", "/jobs", job.clone()),
        ("POST", "/jobs", json!({"argv": ["true"], "cpu": 0.1})),
        ("POST", "/jobs:batch", json!({"jobs": [job.clone(), job]})),
        (
            "POST",
            "/jobs:cancel",
            json!({"ids": [1, 2], "reason": "r", "grace_seconds": 1}),
        ),
        (
            "POST",
            "/jobs/1/cancel",
            json!({"reason": "r", "grace_seconds": 1}),
        ),
        ("POST", "/nodes/n1/drain", json!({"reason": "r"})),
        ("PUT", "/heads/head1", json!({"intent": "voter"})),
        ("POST", "/raft/transfer", json!({"to": "head1"})),
        ("PUT", "/settings", json!({ "timings": timings })),
        (
            "PUT",
            "/users/carol",
            json!({"role": "user", "uid": 1, "gid": 1, "disabled": false}),
        ),
        (
            "PUT",
            "/volumes/v",
            json!({"host_path": "/a", "mount_path": "/b", "writable": true}),
        ),
        (
            "POST",
            "/tokens",
            json!({"label": "l", "ttl_seconds": 3600}),
        ),
        (
            "POST",
            "/join-tokens",
            json!({"role": "agent", "ttl_seconds": 3600}),
        ),
        (
            "POST",
            "/login",
            json!({"user": "alice", "password": "p", "new_password": "q"}),
        ),
        (
            "PUT",
            "/users/bob/password",
            json!({"password": "p", "current": "q", "one_time": true}),
        ),
    ]
}

fn odd_value(chance: &mut Chance) -> Value {
    let texts = [
        "",
        " ",
        "\0",
        "\u{202e}x",
        "..",
        "/",
        "a/../b",
        "🦀",
        "-1",
        "null",
        "GODOCKER_X",
    ];
    match chance.below(12) {
        0 => Value::Null,
        1 => json!(chance.one_in(2)),
        2 => json!(chance.next()),
        3 => json!(-i64::try_from(chance.next() >> 1).unwrap()),
        4 => json!(f64::from_bits(chance.next())),
        5 => json!(*chance.pick(&[0.0, -0.0, 1e-9, 0.0005, 1e15, 1e300, f64::MIN_POSITIVE])),
        6 => json!(*chance.pick(&[0_u64, 1, 1 << 50, (1 << 50) + 1, 1 << 63, u64::MAX])),
        7 | 8 => json!(*chance.pick(&texts)),
        9 => json!("x".repeat(chance.below(400))),
        10 => json!(vec![json!(*chance.pick(&texts)); chance.below(70)]),
        _ => json!({*chance.pick(&texts): *chance.pick(&texts)}),
    }
}

/// Changes something, somewhere.
fn mutate(value: &mut Value, chance: &mut Chance) {
    if chance.one_in(4) {
        *value = odd_value(chance);
        return;
    }
    match value {
        Value::Object(object) => mutate_object(object, chance),
        Value::Array(list) if !list.is_empty() => {
            let at = chance.below(list.len());
            match chance.below(4) {
                0 => list.push(list[at].clone()),
                1 => drop(list.remove(at)),
                2 | 3 => mutate(&mut list[at], chance),
                _ => {}
            }
        }
        Value::Array(_) | Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            *value = odd_value(chance);
        }
    }
}

fn mutate_object(object: &mut Map<String, Value>, chance: &mut Chance) {
    let names: Vec<String> = object.keys().cloned().collect();
    match names.len() {
        0 => drop(object.insert("x".into(), odd_value(chance))),
        count => {
            let name = &names[chance.below(count)];
            match chance.below(6) {
                0 => drop(object.remove(name)),
                1 => drop(object.insert(format!("{name}s"), odd_value(chance))),
                _ => mutate(object.get_mut(name).unwrap(), chance),
            }
        }
    }
}

/// The text of a body, now and then with broken bytes.
fn written(body: &Value, chance: &mut Chance) -> Vec<u8> {
    let mut bytes = body.to_string().into_bytes();
    for _ in 0..chance.below(4) {
        if bytes.is_empty() || !chance.one_in(3) {
            continue;
        }
        let at = chance.below(bytes.len());
        match chance.below(4) {
            0 => bytes.truncate(at),
            1 => drop(bytes.remove(at)),
            2 => bytes[at] = *chance.pick(b"\0\"{}[],:\\\xff0e-"),
            _ => bytes.insert(at, *chance.pick(b"\0\"{}[],:\\\xff0e-")),
        }
    }
    bytes
}

/// The clock is stopped so that whoever waits is answered at once.
#[tokio::test(start_paused = true)]
async fn no_body_makes_the_server_fail() {
    let bench = Bench::new().await;
    let job = bench.submit("alice").await;
    bench.run(job, 0).await;
    let mut chance = Chance::new("no_body_makes_the_server_fail");
    let goods = good_bodies();
    let mut seen = std::collections::BTreeMap::new();
    for _ in 0..CASES {
        let (method, path, good) = chance.pick(&goods);
        let mut body = good.clone();
        for _ in 0..chance.below(4) {
            mutate(&mut body, &mut chance);
        }
        let bytes = written(&body, &mut chance);
        // Made anew, because a mutation may have made too many of them.
        let token = bench.known_token("admin").await;
        let request = request(method, path).header("Authorization", format!("Bearer {token}"));
        let answer = bench
            .send(request.body(Body::from(bytes.clone())).unwrap())
            .await;
        let status = answer.status.as_u16();
        *seen.entry(status).or_insert(0) += 1;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        assert!(status < 500, "{method} {path} {text}: {status}");
        if status >= 400 {
            let code = answer.json()["code"].as_str().unwrap().to_owned();
            answer.problem(status, &code);
        }
    }
    println!("{seen:?}");
    assert!(
        seen[&201] > 50 && seen[&422] > 500 && seen[&400] > 100,
        "{seen:?}"
    );
}

/// What stands in paths and queries.
const VALUES: [&str; 34] = [
    "",
    "0",
    "1",
    "2",
    "-1",
    "true",
    "false",
    "all",
    "x",
    "%00",
    "%ff",
    "%F0%9F%A6%80",
    "a%2Fb",
    "18446744073709551615",
    "18446744073709551616",
    "1e3",
    "n1",
    "alice",
    "*",
    "..",
    "%2e%2e",
    "running,failed",
    "2025-11-24T16:00:00Z",
    "9999999999-01-01",
    "stderr",
    "stale",
    "job",
    "RS4w",
    "+1",
    "%20",
    "a&b=c",
    "a=b",
    "null",
    "[]",
];

/// An operation's path with something in its holes and behind the `?`.
fn odd_path(path: &str, operation: &Value, chance: &mut Chance) -> String {
    let mut asked = path.to_owned();
    for hole in ["{id}", "{node}", "{name}"] {
        asked = asked.replace(hole, VALUES[chance.below(VALUES.len())]);
    }
    let parameters = operation["parameters"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let named = parameters.iter().filter(|it| it["in"] == "query");
    let names: Vec<&str> = named.map(|it| it["name"].as_str().unwrap()).collect();
    let mut query = Vec::new();
    for _ in 0..chance.below(4) {
        let name = if names.is_empty() || chance.one_in(8) {
            "x"
        } else {
            *chance.pick(&names)
        };
        query.push(format!("{name}={}", chance.pick(&VALUES)));
    }
    if path == "/events" {
        query.push("follow=false".into());
    }
    format!("{asked}?{}", query.join("&"))
}

#[tokio::test(start_paused = true)]
async fn no_path_and_no_query_makes_the_server_fail() {
    let bench = Bench::new().await;
    let job = bench.submit("alice").await;
    bench.run(job, 0).await;
    bench.submit("alice").await;
    let mut chance = Chance::new("no_path_and_no_query_makes_the_server_fail");
    let document = document();
    let gets: Vec<_> = operations(&document)
        .into_iter()
        .filter(|(_, method, _)| method == "GET")
        .collect();
    let token = bench.known_token("op").await;
    let (mut good, mut refused) = (0, 0);
    for _ in 0..CASES {
        let (path, _, operation) = chance.pick(&gets);
        let asked = odd_path(path, operation, &mut chance);
        let request = request("GET", &asked).header("Authorization", format!("Bearer {token}"));
        // What is no URL cannot be sent.
        let Ok(request) = request.body(Body::empty()) else {
            continue;
        };
        let answer = bench.send(request).await;
        assert!(answer.status.as_u16() < 500, "{asked}: {}", answer.status);
        if answer.status.is_success() {
            good += 1;
        } else {
            refused += 1;
        }
    }
    assert!(
        good > 500 && refused > 500,
        "{good} good, {refused} refused"
    );
}
