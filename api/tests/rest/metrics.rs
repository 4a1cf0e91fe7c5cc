//! The metrics: what they say is what the other routes say, in a form that a strict reader takes,
//! with labels that nobody can make more of.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use api::host::Figures;
use model::Timestamp;
use model::job::Outcome;
use model::measure::Durations;

use crate::support::{Bench, request};

/// Samples by name and labels as written, checked line by line.
fn read(text: &str) -> BTreeMap<String, f64> {
    let (mut samples, mut types) = (BTreeMap::new(), BTreeMap::new());
    let (mut helped, mut now) = (BTreeSet::new(), String::new());
    assert!(text.ends_with('\n'));
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').unwrap();
            assert!(!help.is_empty() && helped.insert(name.to_owned()), "{line}");
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert!(helped.contains(name), "{line}: no help before it");
            let counts = name.ends_with("_total");
            assert_eq!(kind == "counter", counts, "{line}");
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            assert!(
                types.insert(name.to_owned(), kind.to_owned()).is_none(),
                "{line}"
            );
            now = name.to_owned();
        } else {
            let (key, value) = line.rsplit_once(' ').unwrap();
            let (name, labels) = key.split_once('{').unwrap_or((key, "}"));
            let labels = labels.strip_suffix('}').unwrap();
            let parts = [
                name.to_owned(),
                format!("{now}_bucket"),
                format!("{now}_sum"),
            ];
            let parts = parts.into_iter().chain([format!("{now}_count")]);
            let of: Vec<String> = match types[&now].as_str() {
                "histogram" => parts.skip(1).collect(),
                _ => vec![now.clone()],
            };
            assert!(
                of.contains(&name.to_owned()),
                "{line}: behind the type of {now}"
            );
            let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
            assert!(
                name.starts_with("godocker_") && name.bytes().all(plain),
                "{line}"
            );
            check_labels(labels, line);
            let value: f64 = value.parse().unwrap();
            assert!(
                samples.insert(key.to_owned(), value).is_none(),
                "{line}: twice"
            );
        }
    }
    check_steps(&samples);
    samples
}

fn check_labels(labels: &str, line: &str) {
    let mut rest = labels;
    while !rest.is_empty() {
        let (name, behind) = rest.split_once("=\"").unwrap();
        let known = [
            "state", "queue", "head", "method", "route", "status", "le", "version",
        ];
        assert!(
            known.contains(&name),
            "{line}: the label {name} may have no bound"
        );
        let (value, behind) = behind.split_once('"').unwrap();
        assert!(!value.contains('\\'), "{line}");
        rest = behind.strip_prefix(',').unwrap_or(behind);
        assert!(rest.is_empty() || behind.starts_with(','), "{line}");
    }
}

/// The buckets of a histogram rise, and the last is the count.
fn check_steps(samples: &BTreeMap<String, f64>) {
    let counts = samples.iter().filter(|(key, _)| key.contains("_count"));
    for (key, count) in counts {
        let infinite = match key.split_once("_count{") {
            Some((name, labels)) => {
                format!("{name}_bucket{{le=\"+Inf\",{labels}")
            }
            None => format!("{}_bucket{{le=\"+Inf\"}}", key.trim_end_matches("_count")),
        };
        let turned = match key.split_once("_count{") {
            Some((name, labels)) => {
                let labels = labels.trim_end_matches('}');
                format!("{name}_bucket{{{labels},le=\"+Inf\"}}")
            }
            None => infinite.clone(),
        };
        let last = samples.get(&infinite).or_else(|| samples.get(&turned));
        assert_eq!(last, Some(count), "{key}");
    }
}

async fn metrics(bench: &Bench) -> BTreeMap<String, f64> {
    let answer = bench.ask("op", "GET", "/metrics", "").await;
    answer.expect_status(200);
    let kind = answer.header("content-type");
    assert_eq!(kind, Some("text/plain; version=0.0.4; charset=utf-8"));
    read(std::str::from_utf8(&answer.body).unwrap())
}

#[tokio::test]
async fn metrics_say_what_the_other_routes_say() {
    let bench = Bench::new().await;
    let (started, _) = (bench.submit("alice").await, bench.submit("alice").await);
    bench.start(started).await;
    let mut commits = Durations::default();
    commits.add(Duration::from_millis(3));
    *bench.host.figures.lock().unwrap() = Figures {
        commits,
        ended: [(Outcome::OutOfMemory, 4)].into(),
        placed: 9,
        planned_at: Some(Timestamp(1_500)),
        ..Figures::default()
    };
    let samples = metrics(&bench).await;
    let is = |key: &str, wanted: f64| {
        assert_eq!(samples.get(key), Some(&wanted), "{key} in {samples:#?}");
    };
    is("godocker_jobs{state=\"pending\"}", 1.0);
    is("godocker_jobs{state=\"running\"}", 1.0);
    is("godocker_jobs{state=\"unknown\"}", 0.0);
    is(
        "godocker_queue_jobs{queue=\"default\",state=\"pending\"}",
        1.0,
    );
    is(
        "godocker_queue_jobs{queue=\"default\",state=\"placed\"}",
        1.0,
    );
    is("godocker_jobs_submitted_total", 2.0);
    is("godocker_jobs_ended_total{state=\"out_of_memory\"}", 4.0);
    is("godocker_cpu_held_cores", 1.0);
    is("godocker_memory_held_bytes", f64::from(1 << 30));
    is("godocker_scheduler_placed_total", 9.0);
    is("godocker_scheduler_last_plan_timestamp_seconds", 1.5);
    is("godocker_raft_commit_seconds_bucket{le=\"0.0025\"}", 0.0);
    is("godocker_raft_commit_seconds_bucket{le=\"0.005\"}", 1.0);
    is("godocker_raft_commit_seconds_count", 1.0);
    let list = bench.ask("op", "GET", "/nodes", "").await.expect(200);
    let nodes = list["items"].as_array().unwrap();
    let cores = nodes
        .iter()
        .filter_map(|node| node["capacity"]["cpu"].as_f64());
    is("godocker_cpu_cores", cores.sum());
    let up = nodes.iter().filter(|node| node["health"] == "up").count();
    is("godocker_nodes{state=\"up\"}", up as f64);
}

/// Whatever a client makes up, it adds no series but those of routes and statuses that exist.
#[tokio::test]
async fn requests_are_counted_by_route_and_not_by_what_clients_make_up() {
    let bench = Bench::new().await;
    for number in 1..=20 {
        bench
            .ask("alice", "GET", &format!("/jobs/{number}"), "")
            .await;
        bench
            .ask("alice", "GET", &format!("/nowhere-{number}"), "")
            .await;
        let invented = request(&format!("M{number}"), "/jobs").body("".into());
        bench.send(invented.unwrap()).await;
    }
    let samples = metrics(&bench).await;
    let count = |method: &str, route: &str, status: u16| {
        let labels = format!("method=\"{method}\",route=\"{route}\",status=\"{status}\"");
        samples
            .get(&format!("godocker_api_requests_total{{{labels}}}"))
            .copied()
    };
    assert_eq!(count("GET", "/api/v1/jobs/{id}", 404), Some(20.0));
    assert_eq!(count("GET", "none", 404), Some(20.0));
    let requests = |key: &&String| key.starts_with("godocker_api_requests_total");
    let series: Vec<&String> = samples.keys().filter(requests).collect();
    assert!(series.len() < 12, "{series:#?}");
}

#[tokio::test]
async fn metrics_are_for_operators_at_both_places() {
    let bench = Bench::new().await;
    let get = async |user: &str, path: &str| {
        let token = bench.token(user).await;
        let request = axum::http::Request::get(path);
        let request = request.header("Authorization", format!("Bearer {token}"));
        bench.send(request.body("".into()).unwrap()).await
    };
    for path in ["/metrics", "/api/v1/metrics"] {
        get("op", path).await.expect_status(200);
        get("alice", path).await.expect_status(403);
        let stranger = axum::http::Request::get(path).body("".into()).unwrap();
        bench.send(stranger).await.expect_status(401);
    }
}
