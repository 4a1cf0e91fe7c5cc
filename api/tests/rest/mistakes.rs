//! Mistakes and what is said about them: `mistakes.txt` is the table, one case a paragraph, and
//! `evil.txt` another one of jobs that want more than is theirs.
//!
//! Every case must name the right code and field and a remedy, leave everything kept as it was,
//! and leave a server that answers.

use axum::body::Body;
use axum::http::Request;
use model::account::Role;
use model::command::{Command, PutUser, RevokeToken};
use model::log::Log;
use model::policy::Volume;
use model::project::Grant;

use crate::support::{Bench, NOW, request};

const TABLES: [&str; 2] = [include_str!("mistakes.txt"), include_str!("evil.txt")];

/// One paragraph: a comment that names it, who asks for what, headers, body, and `=>` the answer.
#[derive(Debug, Default)]
struct Case {
    what: String,
    who: String,
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    status: u16,
    code: String,
    field: Option<String>,
}

fn cases(names: &[(&str, String)]) -> Vec<Case> {
    let paragraphs = TABLES.iter().flat_map(|table| table.split("\n\n"));
    let paragraphs = paragraphs.map(str::trim);
    let cases = paragraphs.filter(|text| text.starts_with('#'));
    cases.map(|text| case(text, names)).collect()
}

fn case(text: &str, names: &[(&str, String)]) -> Case {
    let mut text = text.to_owned();
    for (name, value) in names {
        text = text.replace(name, value);
    }
    let mut case = Case::default();
    for line in text.lines() {
        if let Some(what) = line.strip_prefix("# ") {
            case.what = what.into();
        } else if let Some(answer) = line.strip_prefix("=> ") {
            let mut words = answer.split_whitespace().map(str::to_owned);
            case.status = words.next().unwrap().parse().unwrap();
            case.code = words.next().unwrap();
            case.field = words
                .next()
                .map(|field| String::from_utf8(expand(&field)).unwrap());
        } else if case.who.is_empty() {
            let words: Vec<&str> = line.split_whitespace().collect();
            let [who, method, path] = words[..] else {
                panic!("`{line}` is not who, method and path");
            };
            (case.who, case.method) = (who.into(), method.into());
            case.path = String::from_utf8(expand(path)).unwrap();
        } else if let Some(header) = line.strip_prefix("~ ") {
            let (name, value) = header.split_once(": ").unwrap();
            let value = String::from_utf8(expand(value)).unwrap();
            case.headers.push((name.into(), value));
        } else {
            case.body.extend(expand(line));
        }
    }
    assert!(case.status > 0, "`{}` has no answer", case.what);
    case
}

/// Writes `<text*3>` out as `texttexttext`, and `<0xff*1>` as the byte.
fn expand(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('<') {
        let (inner, behind) = after.split_once('>').unwrap();
        let (what, count) = inner.rsplit_once('*').unwrap();
        out.extend(before.as_bytes());
        let what = match what.strip_prefix("0x") {
            Some(hex) => vec![u8::from_str_radix(hex, 16).unwrap()],
            None => what.as_bytes().to_vec(),
        };
        out.extend(what.repeat(count.parse().unwrap()));
        rest = behind;
    }
    out.extend(rest.as_bytes());
    out
}

impl Case {
    fn request(&self, token: Option<&String>) -> Request<Body> {
        let mut request = match self.path.strip_prefix('!') {
            Some(raw) => Request::builder().method(&*self.method).uri(raw),
            None => request(&self.method, &self.path),
        };
        let given = |name: &str| self.headers.iter().any(|(known, _)| known == name);
        if let Some(token) = token.filter(|_| !given("Authorization")) {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        if !self.body.is_empty() && !given("Content-Type") {
            request = request.header("Content-Type", "application/json");
        }
        for (name, value) in &self.headers {
            request = request.header(name, value.as_bytes());
        }
        request.body(Body::from(self.body.clone())).unwrap()
    }
}

/// Alice has a running job 1 and an ended job 2, bob a job 3; the key `used` is used.
async fn prepare(bench: &Bench) {
    let first = bench.submit("alice").await;
    bench.start(first).await;
    let second = bench.submit("alice").await;
    bench.run(second, 0).await;
    bench.submit("bob").await;
    let volume = Volume {
        name: "data".into(),
        host_path: "/srv/data".into(),
        mount_path: "/data".into(),
        writable: false,
        who: Grant::to_all(),
    };
    bench.apply(Command::PutVolume(volume)).await;
    let token = bench.token("alice").await;
    let body = r#"{"argv":["true"],"image":"debian:12"}"#;
    let keyed = request("POST", "/jobs")
        .header("Authorization", format!("Bearer {token}"))
        .header("Idempotency-Key", "used");
    bench
        .send(keyed.body(body.into()).unwrap())
        .await
        .expect(201);
}

/// Tokens that do not open anything, by the name that the table has for them.
async fn bad_tokens(bench: &Bench) -> Vec<(&'static str, String)> {
    let expired = bench.token_until("alice", NOW).await;
    let revoked = bench.token("alice").await;
    let id = revoked["god_".len()..].split('_').next().unwrap();
    let (id, user) = (model::account::TokenId(id.into()), None);
    bench
        .apply(Command::RevokeToken(RevokeToken { id, user }))
        .await;
    let disabled = bench.token("eve").await;
    disable_eve(bench, true).await;
    let good = bench.token("alice").await;
    let wrong = format!("{}{}", &good[..good.len() - 2], "__");
    vec![
        ("$expired", expired),
        ("$revoked", revoked),
        ("$disabled", disabled),
        ("$wrong", wrong),
    ]
}

async fn disable_eve(bench: &Bench, disabled: bool) {
    let put = PutUser {
        name: "eve".into(),
        role: Role::User,
        disabled,
        ..PutUser::default()
    };
    bench.apply(Command::PutUser(put)).await;
}

#[tokio::test]
async fn every_mistake_is_told_and_changes_nothing() {
    let bench = Bench::new().await;
    prepare(&bench).await;
    disable_eve(&bench, false).await;
    let mut names = bad_tokens(&bench).await;
    let page = bench
        .ask("alice", "GET", "/jobs?limit=1", "")
        .await
        .expect(200);
    names.push(("$cursor", page["next"].as_str().unwrap().into()));
    names.push(("$words", [r#""<a*131072>""#; 9].join(",")));
    names.push(("$megabytes", [r#"{"script":"<x*1048000>"}"#; 9].join(",")));
    let mut tokens = std::collections::HashMap::new();
    for who in ["alice", "bob", "op", "admin"] {
        tokens.insert(who, bench.token(who).await);
    }
    let before = bench.log.everything();
    let cases = cases(&names);
    assert!(cases.len() >= 230, "only {} cases", cases.len());
    for case in cases {
        let token = tokens.get(&*case.who);
        assert!(
            token.is_some() || case.who == "nobody",
            "who is {}?",
            case.who
        );
        let answer = bench.send(case.request(token)).await;
        let told = String::from_utf8_lossy(&answer.body).into_owned();
        println!("{}: {:.300}", case.what, told);
        let problem = answer.problem(case.status, &case.code);
        assert_eq!(problem.field, case.field, "{}: {told}", case.what);
        let remedies = problem.problems.iter().all(|it| !it.remedy.is_empty());
        assert!(remedies, "{}: {told}", case.what);
        let retry = answer.header("retry-after").is_some();
        assert_eq!(
            retry,
            matches!(case.status, 429 | 502 | 503),
            "{}",
            case.what
        );
        assert_eq!(
            bench.log.everything(),
            before,
            "{} changed something",
            case.what
        );
        let alive = bench
            .send(request("GET", "/healthz").body(Body::empty()).unwrap())
            .await;
        assert_eq!(alive.status, 200, "after {}", case.what);
    }
    let after = bench.ask("alice", "GET", "/jobs/1", "").await.expect(200);
    assert_eq!(after["state"], "running");
    assert_eq!(bench.log.read().now(), NOW);
}

#[tokio::test]
async fn all_that_is_wrong_with_a_job_is_told_at_once() {
    let bench = Bench::new().await;
    let body = r#"{"argv":["true"],"image":"no image","cpu":0,"memory_bytes":1,"tags":[""]}"#;
    let answer = bench.ask("alice", "POST", "/jobs", body).await;
    let problem = answer.problem(422, "INVALID");
    let mut fields: Vec<_> = problem.problems.iter().map(|it| &*it.field).collect();
    fields.sort_unstable();
    assert_eq!(fields, ["cpu", "image", "memory_bytes", "tags[0]"]);
    assert_eq!(problem.field.as_deref(), Some(&*problem.problems[0].field));
}

#[tokio::test]
async fn an_answer_lists_a_bounded_number_of_problems() {
    let bench = Bench::new().await;
    let jobs = vec![r#"{"argv":["true"],"image":"no image","cpu":0}"#; 2_000].join(",");
    let body = format!(r#"{{"jobs":[{jobs}]}}"#);
    let answer = bench.ask("alice", "POST", "/jobs:batch", &body).await;
    let problem = answer.problem(422, "INVALID");
    assert_eq!(problem.problems.len(), api::limits::PROBLEMS_MAX);
    assert_eq!(problem.problems[1].field, "jobs[0].cpu".to_owned());
}
