//! Heads that die, break off and are overloaded: what is repeated, and what is not.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::played::{Answer, Asked, Head};
use crate::support::Home;

fn accepted(asked: &Asked) -> Answer {
    match asked.what().as_str() {
        "POST /jobs" => Answer::json(201, &json!({"id": 7, "name": "true", "replayed": false})),
        _ => Answer::json(200, &json!({"items": []})),
    }
}

const SUBMIT: [&str; 4] = ["submit", "-q", "--", "true"];

#[test]
fn a_dead_head_is_passed_over_and_the_next_command_begins_with_the_live_one() {
    let live = Head::new(|_, asked| accepted(asked));
    let silent = Head::new(|_, _| Answer::Nothing);
    let home = Home::with_heads(&[&Head::dead(), &live.url(), &silent.url()]);
    assert_eq!(home.run(&SUBMIT).data(), "7\n");
    assert!(home.read("last-heads.toml").contains(&live.url()));
    home.run(&["nodes"]).data();
    assert_eq!(live.calls(), ["POST /jobs", "GET /nodes"]);
    assert_eq!(silent.calls(), Vec::<String>::new());
}

#[test]
fn a_submission_that_breaks_off_is_repeated_with_its_key_on_another_head() {
    let broken = Head::new(|_, _| Answer::Nothing);
    let live = Head::new(|_, asked| accepted(asked));
    let home = Home::with_heads(&[&broken.url(), &live.url()]);
    assert_eq!(home.run(&SUBMIT).data(), "7\n");
    let (first, second) = (&broken.asked()[0], &live.asked()[0]);
    let key = first.header("Idempotency-Key").unwrap();
    assert_eq!(key.len(), 32);
    assert_eq!(second.header("Idempotency-Key"), Some(key));
    assert_eq!(first.json(), second.json());
    assert_eq!(home.run(&SUBMIT).data(), "7\n");
    let next = live.asked()[1]
        .header("Idempotency-Key")
        .unwrap()
        .to_owned();
    assert_ne!(next, key, "another submission has another key");
}

#[test]
fn an_outcome_that_is_not_known_is_asked_again_with_the_same_key() {
    let head = Head::new(|before, asked| match before {
        0 => Answer::problem(504, "OUTCOME_UNKNOWN", "may or may not be"),
        _ => accepted(asked),
    });
    let home = Home::with_heads(&[&head.url()]);
    assert_eq!(home.run(&SUBMIT).data(), "7\n");
    let asked = head.asked();
    assert_eq!(asked.len(), 2);
    assert_eq!(
        asked[0].header("Idempotency-Key"),
        asked[1].header("Idempotency-Key")
    );
}

#[test]
fn a_given_key_is_the_one_that_is_sent() {
    let head =
        Head::new(|_, _| Answer::json(200, &json!({"id": 7, "name": "true", "replayed": true})));
    let home = Home::with_heads(&[&head.url()]);
    let ran = home.run(&["submit", "--key", "nightly-1", "--", "true"]);
    assert_eq!(
        ran.data(),
        "job 7 \"true\" was submitted before with this key\n"
    );
    assert_eq!(head.asked()[0].header("Idempotency-Key"), Some("nightly-1"));
}

#[test]
fn an_overloaded_head_is_given_the_time_that_it_asks_for() {
    let head = Head::new(|before, asked| match before {
        0 => Answer::problem(503, "OVERLOADED", "too much").with("Retry-After", "1"),
        _ => accepted(asked),
    });
    let home = Home::with_heads(&[&head.url()]);
    let began = Instant::now();
    assert_eq!(home.run(&SUBMIT).data(), "7\n");
    assert!(
        began.elapsed() >= Duration::from_secs(1),
        "asked after {:?}",
        began.elapsed()
    );
    assert_eq!(head.calls().len(), 2);
}

#[test]
fn a_head_without_a_leader_is_passed_over() {
    let cut_off = Head::new(|_, _| Answer::problem(503, "NO_LEADER", "no quorum"));
    let live = Head::new(|_, asked| accepted(asked));
    let home = Home::with_heads(&[&cut_off.url(), &live.url()]);
    assert_eq!(home.run(&SUBMIT).data(), "7\n");
    assert_eq!((cut_off.calls().len(), live.calls().len()), (1, 1));
}

#[test]
fn what_would_be_done_twice_is_not_repeated() {
    let broken = Head::new(|_, _| Answer::Nothing);
    let live = Head::new(|_, _| Answer::Nothing);
    let home = Home::with_heads(&[&broken.url(), &live.url()]);
    let ran = home.run(&["admin", "join-token", "create", "--role", "agent"]);
    assert_eq!(ran.code, 7, "{ran:?}");
    assert!(ran.err.contains("look before you repeat"), "{ran:?}");
    assert_eq!((broken.calls().len(), live.calls().len()), (1, 0));
}

#[test]
fn what_changes_nothing_when_repeated_is_repeated() {
    let broken = Head::new(|_, _| Answer::Nothing);
    let answer = json!({"items": [{"id": 4, "result": "stopping"}]});
    let live = Head::new(move |_, _| Answer::json(200, &answer));
    let home = Home::with_heads(&[&broken.url(), &live.url()]);
    assert_eq!(
        home.run(&["cancel", "4", "--reason", "x"]).data(),
        "job 4: is being stopped\n"
    );
    assert_eq!(broken.asked()[0].json(), json!({"ids": [4], "reason": "x"}));
    assert_eq!(live.asked()[0].json(), json!({"ids": [4], "reason": "x"}));
}

#[test]
fn heads_that_are_all_dead_are_named() {
    let (one, two) = (Head::dead(), Head::dead());
    let ran = Home::with_heads(&[&one, &two]).run(&["ps"]);
    assert_eq!(ran.code, 7, "{ran:?}");
    assert!(ran.err.contains(&one) && ran.err.contains(&two), "{ran:?}");
    assert!(ran.err.contains("hint: "), "{ran:?}");
}

#[test]
fn patience_ends_with_timeout() {
    let silent = Head::new(|_, _| Answer::Silence);
    let home = Home::with_heads(&[&silent.url()]);
    let ran = home.run(&["ps", "--timeout", "300ms", "-o", "json"]);
    assert_eq!(
        (ran.code, &ran.error()["code"]),
        (8, &json!("TIMED_OUT")),
        "{ran:?}"
    );
}

#[test]
fn the_leader_is_asked_how_far_the_heads_are() {
    let status = |node: u64, lag: Option<u64>| {
        json!({"node": node, "name": format!("head-{node}"), "term": 3, "leader": 2,
        "role": "x", "last_log": 40, "committed": 40, "applied": 40,
        "members": [
            {"node": 1, "name": "head-1", "addr": "127.0.0.1:1", "voter": true,
             "intent": "voter", "matched": lag.map(|lag| 40 - lag), "lag": lag},
            {"node": 2, "name": "head-2", "addr": "127.0.0.1:2", "voter": true,
             "intent": "voter", "matched": lag.map(|_| 40), "lag": lag.map(|_| 0)},
        ]})
    };
    let leader = Head::new(move |_, _| Answer::json(200, &status(2, Some(5))));
    let url = leader.url();
    let follower = Head::new(move |_, asked| match asked.what().as_str() {
        "GET /cluster" => Answer::json(
            200,
            &json!({
            "name": "lab", "id": "x", "version": "1", "api_version": "1.0", "ca_sha256": "",
            "ca_pem": "", "heads": [
                {"id": 1, "name": "head-1", "url": "https://h:1", "leader": false},
                {"id": 2, "name": "head-2", "url": url, "leader": true},
            ]}),
        ),
        _ => Answer::json(200, &status(1, None)),
    });
    let home = Home::with_heads(&[&follower.url()]);
    let expected = "\
term 3, head-2 leads
log 40, committed 40, applied 40, snapshot none   (as head-2 sees it)

HEAD    ID  PART    WANTED  HAS  LAG  ADDRESS
head-1   1  voter   voter    35    5  127.0.0.1:1
head-2   2  leader  voter    40    0  127.0.0.1:2
";
    assert_eq!(home.run(&["admin", "raft", "status"]).data(), expected);
    let local = home.run(&["admin", "raft", "status", "--local", "-o", "json"]);
    let local: serde_json::Value = serde_json::from_str(local.data()).unwrap();
    assert_eq!(local["node"], 1);
    assert_eq!(leader.calls(), ["GET /raft"]);
}
