//! What heads refuse: the exit code, the field and the remedy reach the user.

use serde_json::json;

use crate::played::{Answer, Head};
use crate::support::Home;

/// Status, code, exit code of goctl.
const REFUSALS: [(u16, &str, i32); 12] = [
    (400, "BAD_REQUEST", 1),
    (401, "UNAUTHENTICATED", 4),
    (403, "FORBIDDEN", 5),
    (404, "NOT_FOUND", 3),
    (409, "CONFLICT", 9),
    (409, "LIMIT_REACHED", 5),
    (413, "TOO_LARGE", 1),
    (422, "INVALID", 1),
    (500, "INTERNAL", 1),
    (500, "STORAGE", 1),
    (502, "NODE_UNREACHABLE", 1),
    (405, "METHOD_NOT_ALLOWED", 1),
];

#[test]
fn each_refusal_has_its_exit_code() {
    for (status, code, exit) in REFUSALS {
        let head = Head::new(move |_, _| Answer::problem(status, code, "because"));
        let home = Home::with_heads(&[&head.url()]);
        let ran = home.run(&["submit", "-o", "json", "--", "true"]);
        assert_eq!(
            (ran.code, ran.out.as_str()),
            (exit, ""),
            "{status} {code}: {ran:?}"
        );
        let error = ran.error();
        assert_eq!(
            (&error["code"], &error["message"]),
            (&json!(code), &json!("because"))
        );
        assert_eq!(
            (&error["status"], &error["exit"]),
            (&json!(status), &json!(exit))
        );
        assert_eq!(error["request_id"], "r-1");
        assert_eq!(head.calls().len(), 1, "{code} is final");
    }
}

#[test]
fn a_failure_beside_a_job_is_told_apart_from_the_job() {
    let head = Head::new(|_, _| Answer::problem(403, "FORBIDDEN", "no"));
    let home = Home::with_heads(&[&head.url()]);
    for args in [
        &["run", "--", "true"][..],
        &["wait", "4"],
        &["submit", "--wait", "--", "true"],
    ] {
        assert_eq!(home.run(args).code, 125, "{args:?}");
        let mut command = home.command(args);
        command.env("GOCTL_EXIT_ERROR", "99");
        assert_eq!(crate::support::finish(command, "").code, 99, "{args:?}");
    }
}

#[test]
fn every_wrong_field_is_named_with_its_remedy() {
    let head = Head::new(|_, _| {
        let body = json!({
            "status": 422, "code": "INVALID", "title": "invalid", "request_id": "r-2",
            "detail": "2 fields are wrong", "hint": "change them",
            "problems": [
                {"field": "cpu", "message": "at most 1000", "remedy": "ask for less"},
                {"field": "tags[0]", "message": "too long", "remedy": ""},
            ],
        });
        Answer::json(422, &body)
    });
    let home = Home::with_heads(&[&head.url()]);
    let ran = home.run(&["submit", "--cpu", "9999", "--", "true"]);
    let expected = "\
error: 2 fields are wrong
  cpu: at most 1000 (ask for less)
  tags[0]: too long
  hint: change them
  [INVALID] request r-2
";
    assert_eq!((ran.code, ran.err.as_str()), (1, expected));
}

#[test]
fn one_wrong_field_is_told_once() {
    let head = Head::new(|_, _| {
        let body = json!({
            "status": 422, "code": "INVALID", "detail": "cpu: at most 1000", "hint": "ask for less",
            "problems": [{"field": "cpu", "message": "at most 1000", "remedy": "ask for less"}],
        });
        Answer::json(422, &body)
    });
    let ran = Home::with_heads(&[&head.url()]).run(&["submit", "--", "true"]);
    assert_eq!(
        ran.err,
        "error: cpu: at most 1000\n  hint: ask for less\n  [INVALID]\n"
    );
}

#[test]
fn a_wait_that_is_longer_than_our_patience_is_not_begun() {
    let head = Head::new(|_, _| {
        Answer::problem(429, "OVERLOADED", "too many failed logins").with("Retry-After", "300")
    });
    let ran = Home::with_heads(&[&head.url()]).run(&["ps"]);
    assert_eq!((ran.code, head.calls().len()), (1, 1), "{ran:?}");
    assert!(ran.err.contains("too many failed logins"), "{ran:?}");
}

#[test]
fn a_submission_without_an_answer_says_how_to_find_out() {
    let head = Head::new(|_, _| Answer::problem(504, "OUTCOME_UNKNOWN", "may or may not be"));
    let home = Home::with_heads(&[&head.url()]);
    let ran = home.run(&["submit", "--timeout", "500ms", "--", "true"]);
    let asked = head.asked();
    let key = asked[0].header("Idempotency-Key").unwrap();
    assert_eq!(ran.code, 8, "{ran:?}");
    assert!(
        ran.err.contains(&format!("--key {key} gives the same job")),
        "{ran:?}"
    );
    assert!(
        asked
            .iter()
            .all(|asked| asked.header("Idempotency-Key") == Some(key))
    );
}

#[test]
fn an_answer_that_is_none_is_told() {
    let head = Head::new(|_, _| Answer::text(Vec::new(), "<html>"));
    let home = Home::with_heads(&[&head.url()]);
    let ran = home.run(&["show", "4"]);
    assert_eq!(ran.code, 1);
    assert!(
        ran.err.contains("is not understood") && ran.err.contains("goctl version"),
        "{ran:?}"
    );
}

#[test]
fn a_proxy_that_answers_in_html_is_no_panic() {
    let head = Head::new(|_, _| Answer::Whole {
        status: 418,
        headers: Vec::new(),
        body: vec![0xff; 100_000],
    });
    let home = Home::with_heads(&[&head.url()]);
    let ran = home.run(&["show", "4"]);
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("418"), "{ran:?}");
}

#[test]
fn of_several_jobs_the_one_that_is_not_there_is_named() {
    let head = Head::new(|_, _| {
        let items = json!([{"id": 4, "result": "ended"}, {"id": 5, "result": "not_found"}]);
        Answer::json(200, &json!({ "items": items }))
    });
    let home = Home::with_heads(&[&head.url()]);
    let ran = home.run(&["cancel", "4", "5"]);
    assert_eq!(
        (ran.code, ran.out.as_str()),
        (3, "job 4: cancelled before it started\n")
    );
    assert!(ran.err.contains("there is no job 5"), "{ran:?}");
    let range = home.run(&["cancel", "4-5"]);
    assert_eq!(range.code, 0, "a range may have gaps: {range:?}");
}
