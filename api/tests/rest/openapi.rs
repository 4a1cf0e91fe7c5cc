//! The description that programs read is the one that is checked in, and describes what is
//! served: no more, no less.

use std::collections::BTreeSet;

use axum::body::Body;
use serde_json::Value;

use crate::support::{Bench, request};

const REGENERATE: &str = "cargo run -q -p api --example openapi > docs/openapi.json";
/// What needs no token. A route that is not named here refuses strangers.
const PUBLIC: [&str; 5] = ["/cluster", "/healthz", "/login", "/openapi.json", "/readyz"];

pub fn document() -> Value {
    serde_json::from_str(&api::openapi_text()).unwrap()
}

/// Every operation: path below the prefix, method, description.
pub fn operations(document: &Value) -> Vec<(String, String, &Value)> {
    let paths = document["paths"].as_object().unwrap();
    let all = paths.iter().flat_map(|(path, item)| {
        let path = path.strip_prefix(api_types::PREFIX).unwrap();
        let item = item.as_object().unwrap();
        item.iter()
            .map(move |(method, operation)| (path.to_owned(), method.to_uppercase(), operation))
    });
    all.collect()
}

/// Something in the place of parameters.
fn filled(path: &str) -> String {
    path.replace("{id}", "1")
        .replace("{node}", "n1")
        .replace("{name}", "x")
}

#[tokio::test]
async fn the_served_document_is_the_checked_in_one() {
    let bench = Bench::new().await;
    let served = bench
        .send(request("GET", "/openapi.json").body(Body::empty()).unwrap())
        .await;
    assert_eq!(served.header("content-type"), Some("application/json"));
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/openapi.json");
    let kept = std::fs::read(path).unwrap_or_default();
    assert!(
        served.body == kept,
        "docs/openapi.json is out of date; run\n  {REGENERATE}"
    );
    assert!(
        served.json()["openapi"]
            .as_str()
            .unwrap()
            .starts_with("3.1")
    );
}

#[tokio::test]
async fn every_documented_operation_is_served_and_no_other() {
    let bench = Bench::new().await;
    let token = bench.token("admin").await;
    let document = document();
    let operations = operations(&document);
    let paths: BTreeSet<&str> = operations.iter().map(|(path, ..)| &**path).collect();
    assert!(paths.len() >= 30, "{} paths", paths.len());
    for path in paths {
        for method in ["GET", "PUT", "POST", "DELETE", "PATCH"] {
            let request =
                request(method, &filled(path)).header("Authorization", format!("Bearer {token}"));
            let served = bench.send_head(request.body(Body::empty()).unwrap()).await;
            let unknown = served.0 == 405 || served.1 == "no such path";
            let documented = operations
                .iter()
                .any(|(known, by, _)| known == path && by == method);
            assert_eq!(!unknown, documented, "{method} {path}: {served:?}");
            if path == "/logout" && method == "POST" {
                return_token(&bench, &token).await;
            }
        }
    }
}

/// The token that was just logged out works again.
async fn return_token(bench: &Bench, text: &str) {
    let (id, secret) = text.strip_prefix("god_").unwrap().split_once('_').unwrap();
    bench
        .apply(model::command::Command::CreateToken(
            model::account::Token {
                id: model::account::TokenId(id.into()),
                hash: api::secret::digest(secret),
                user: "admin".into(),
                expires_at: model::Timestamp(u64::MAX),
                scopes: model::account::Scope::ALL.into(),
                ..model::account::Token::default()
            },
        ))
        .await;
}

#[tokio::test]
async fn every_operation_says_who_may_ask_and_how_it_is_refused() {
    let document = document();
    let mut public = Vec::new();
    for (path, method, operation) in operations(&document) {
        assert!(
            operation["summary"].is_string(),
            "{method} {path} has no summary"
        );
        let responses = operation["responses"].as_object().unwrap();
        let mut needed = vec!["503", "default"];
        if operation["security"].as_array().unwrap().is_empty() {
            public.push(path.clone());
        } else {
            needed.extend(["401", "403"]);
        }
        if operation["requestBody"].is_object() {
            needed.extend(["400", "408", "413", "415", "422"]);
        }
        if path.contains('{') {
            needed.extend(["400", "404"]);
        }
        for status in needed {
            assert!(
                responses.contains_key(status),
                "{method} {path} does not say {status}"
            );
        }
        for (status, response) in responses {
            let good = status.starts_with('2') || (&*path, &**status) == ("/readyz", "503");
            let problem =
                resolve(&document, response)["content"][api_types::problem::MEDIA_TYPE].clone();
            assert_ne!(good, problem.is_object(), "{method} {path} {status}");
        }
    }
    public.sort();
    assert_eq!(public, PUBLIC);
}

#[tokio::test]
async fn what_needs_a_token_refuses_without_one() {
    let bench = Bench::new().await;
    let document = document();
    let before = bench.log.proposals();
    for (path, method, _) in operations(&document) {
        if PUBLIC.contains(&path.as_str()) {
            continue;
        }
        for token in [None, Some("Bearer god_0000"), Some("Basic YTpi")] {
            let mut request = request(&method, &filled(&path));
            if let Some(token) = token {
                request = request.header("Authorization", token);
            }
            let answer = bench.send(request.body(Body::empty()).unwrap()).await;
            answer.problem(401, "UNAUTHENTICATED");
            assert_eq!(
                answer.header("WWW-Authenticate"),
                Some("Bearer"),
                "{method} {path}"
            );
        }
    }
    assert_eq!(bench.log.proposals(), before);
}

fn resolve<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    match value["$ref"].as_str() {
        Some(reference) => document
            .pointer(reference.strip_prefix('#').unwrap())
            .unwrap(),
        None => value,
    }
}

/// Calls `visit` with every object in a document.
fn walk(value: &Value, visit: &mut dyn FnMut(&serde_json::Map<String, Value>)) {
    match value {
        Value::Object(object) => {
            visit(object);
            object.values().for_each(|value| walk(value, visit));
        }
        Value::Array(list) => list.iter().for_each(|value| walk(value, visit)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[tokio::test]
async fn the_document_holds_together() {
    let document = document();
    let mut used = BTreeSet::new();
    walk(&document, &mut |object| {
        if let Some(Value::String(reference)) = object.get("$ref") {
            let target = document.pointer(reference.strip_prefix('#').unwrap());
            assert!(
                target.is_some_and(Value::is_object),
                "{reference} leads nowhere"
            );
            used.insert(reference.clone());
        }
    });
    for kind in ["schemas", "responses"] {
        for name in document["components"][kind].as_object().unwrap().keys() {
            let reference = format!("#/components/{kind}/{name}");
            assert!(used.contains(&reference), "{reference} is not used");
        }
    }
    let mut ids = BTreeSet::new();
    for (path, method, operation) in operations(&document) {
        let id = operation["operationId"].as_str().unwrap();
        assert!(ids.insert(id), "two operations are called {id}");
        let parameters = operation["parameters"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let mut names = BTreeSet::new();
        for parameter in &parameters {
            let key = (
                parameter["in"].as_str().unwrap(),
                parameter["name"].as_str().unwrap(),
            );
            assert!(parameter["schema"].is_object(), "{method} {path}: {key:?}");
            assert!(names.insert(key), "{method} {path}: {key:?} twice");
            let in_path = key.0 == "path";
            assert_eq!(
                in_path,
                path.contains(&format!("{{{}}}", key.1)),
                "{method} {path}: {key:?}"
            );
            assert!(
                !in_path || parameter["required"] == true,
                "{method} {path}: {key:?}"
            );
        }
        let holes = path.matches('{').count();
        assert_eq!(
            holes,
            names.iter().filter(|key| key.0 == "path").count(),
            "{method} {path}"
        );
        for (status, response) in operation["responses"].as_object().unwrap() {
            let text = &resolve(&document, response)["description"];
            assert!(
                text.is_string(),
                "{method} {path}: {status} has no description"
            );
        }
    }
}
