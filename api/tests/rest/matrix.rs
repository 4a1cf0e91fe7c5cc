//! The table of who may ask for what, walked cell by cell: every operation, asked by nobody, with
//! tokens that have ended, by every role, with every single scope, and with all scopes but one.
//!
//! Whose a thing must be is walked in `access`; here only the door is asked, so what the path names
//! need not exist.

use std::collections::BTreeSet;

use api::authority::{Row, TABLE};
use axum::http::StatusCode;
use model::account::{Role, Scope, Token, TokenId};
use model::command::{Command, RevokeToken};
use model::log::Log;

use crate::openapi::{document, operations};
use crate::support::{Answer, Bench, NOW, request};

/// What the door says to those whom it does not let in.
const NOT_GOOD: &str = "the token is not good for";

/// A path that the pattern stands for.
fn path(row: &Row) -> String {
    let part = |part: &str| match part {
        "{id}" if row.path.starts_with("/jobs") => "4711".to_owned(),
        part if part.starts_with('{') => "nothing".to_owned(),
        part => part.to_owned(),
    };
    let parts: Vec<String> = row.path.split('/').map(part).collect();
    parts.join("/")
}

async fn ask(bench: &Bench, row: &Row, token: Option<&str>) -> Answer {
    let mut request = request(row.method, &path(row));
    if let Some(token) = token {
        request = request.header("Authorization", format!("Bearer {token}"));
    }
    // What is missing in the body is found behind the door.
    bench.send(request.body("".into()).unwrap()).await
}

/// Whether the door itself has refused.
fn shut(answer: &Answer) -> bool {
    let text = String::from_utf8_lossy(&answer.body);
    answer.status == StatusCode::FORBIDDEN
        && (text.contains(NOT_GOOD) || text.contains("is not an "))
}

async fn token(bench: &Bench, user: &str, scopes: BTreeSet<Scope>) -> String {
    let ends = NOW.plus(model::Millis::seconds(3600));
    let (text, token) = api::secret::new_token(user.into(), "matrix", ends);
    let token = Token { scopes, ..token };
    bench.apply(Command::CreateToken(token)).await;
    text
}

async fn revoke(bench: &Bench, text: &str) {
    let id = text["god_".len()..].split('_').next().unwrap();
    let revoke = RevokeToken {
        id: TokenId(id.into()),
        user: None,
    };
    bench.apply(Command::RevokeToken(revoke)).await;
}

/// What asks for news for ever would never answer.
fn answers_at_once(row: &Row) -> bool {
    row.path != "/events"
}

#[tokio::test]
async fn the_table_has_a_row_for_every_route_that_needs_a_token_and_no_other() {
    let document = document();
    let routes: BTreeSet<(String, String)> = operations(&document)
        .iter()
        .filter(|(_, _, operation)| operation["security"] != serde_json::json!([]))
        .map(|(path, method, _)| (method.to_string(), path.to_string()))
        .collect();
    let rows = TABLE.iter().map(|row| (row.method.into(), row.path.into()));
    assert_eq!(routes, rows.collect());
}

#[tokio::test]
async fn nobody_gets_in_without_a_token_that_is_valid() {
    let bench = Bench::new().await;
    let expired = bench.token_until("admin", NOW).await;
    let revoked = token(&bench, "admin", Scope::ALL.into()).await;
    revoke(&bench, &revoked).await;
    let broken = format!("{}_", &revoked[..revoked.len() - 1]);
    let all = [None, Some(&expired), Some(&revoked), Some(&broken)];
    for row in TABLE {
        for token in all {
            let answer = ask(&bench, row, token.map(|token| token.as_str())).await;
            assert_eq!(answer.status, 401, "{} {}", row.method, row.path);
        }
    }
}

#[tokio::test]
async fn every_role_gets_in_where_it_is_enough_and_nowhere_else() {
    let bench = Bench::new().await;
    let roles = [
        ("alice", Role::User),
        ("op", Role::Operator),
        ("admin", Role::Admin),
    ];
    let mut cells = 0;
    for row in TABLE.iter().filter(|row| answers_at_once(row)) {
        for (user, role) in roles {
            let token = token(&bench, user, Scope::ALL.into()).await;
            let answer = ask(&bench, row, Some(&token)).await;
            let enough = role >= row.role;
            assert_eq!(
                !shut(&answer),
                enough,
                "{user}: {} {}",
                row.method,
                row.path
            );
            revoke_if_there(&bench, &token).await;
            cells += 1;
        }
    }
    assert_eq!(cells, 3 * (TABLE.len() - 1));
}

#[tokio::test]
async fn a_token_opens_what_its_scopes_are_good_for_and_nothing_else() {
    let bench = Bench::new().await;
    for row in TABLE.iter().filter(|row| answers_at_once(row)) {
        for scope in Scope::ALL {
            let alone = token(&bench, "admin", [scope].into()).await;
            let answer = ask(&bench, row, Some(&alone)).await;
            let right = scope == row.scope;
            assert_eq!(
                !shut(&answer),
                right,
                "{scope:?}: {} {}",
                row.method,
                row.path
            );
            revoke_if_there(&bench, &alone).await;
        }
        let mut others = BTreeSet::from(Scope::ALL);
        others.remove(&row.scope);
        let others = token(&bench, "admin", others).await;
        let answer = ask(&bench, row, Some(&others)).await;
        assert!(shut(&answer), "all others: {} {}", row.method, row.path);
        revoke(&bench, &others).await;
    }
}

/// Logging out has done it already.
async fn revoke_if_there(bench: &Bench, text: &str) {
    let id = text["god_".len()..].split('_').next().unwrap();
    let id = TokenId(id.into());
    let known = bench.log.read().token(&id).is_some();
    if known {
        bench
            .apply(Command::RevokeToken(RevokeToken { id, user: None }))
            .await;
    }
}
