//! Passwords and tokens: how they are got, kept, and ended.

use api::limits::{FAILURES_FREE, LOGIN_SECONDS};
use api_types::problem::Problem;
use axum::body::Body;
use axum::http::Request;
use futures_util::future::join_all;
use model::Timestamp;
use model::account::{Role, TokenId};
use model::command::{Command, PutUser};
use model::limits::TOKENS_PER_USER_MAX;
use model::log::{Log, LogError};
use serde_json::{Value, json};

use crate::support::{Answer, Bench, NOW, PASSWORD, request};

fn login_request(body: &Value) -> Request<Body> {
    request("POST", "/login")
        .body(body.to_string().into())
        .unwrap()
}

async fn login(bench: &Bench, user: &str, password: &str) -> Answer {
    bench
        .send(login_request(&json!({"user": user, "password": password})))
        .await
}

async fn who(bench: &Bench, token: &str) -> Answer {
    let get = request("GET", "/whoami").header("Authorization", format!("Bearer {token}"));
    bench.send(get.body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn a_password_becomes_a_token_of_which_a_digest_is_kept() {
    let bench = Bench::new().await;
    let answer = login(&bench, "alice", PASSWORD).await.expect(200);
    assert_eq!(answer["expires_at"], "2025-12-01T16:00:00.000Z");
    let text = answer["token"].as_str().unwrap();
    let me = who(&bench, text).await.expect(200);
    assert_eq!(
        (&me["user"]["name"], &me["cluster"]),
        (&json!("alice"), &json!("lab"))
    );
    let (id, secret) = text.strip_prefix("god_").unwrap().split_once('_').unwrap();
    assert_eq!(me["token"], id);
    let state = bench.log.read();
    let kept = state.token(&TokenId(id.into())).unwrap();
    assert_eq!(kept.hash, api::secret::digest(secret));
    assert_eq!(kept.expires_at, Timestamp(NOW.0 + LOGIN_SECONDS * 1000));
    let everything = bench.log.everything();
    assert!(!everything.contains(secret) && !everything.contains(PASSWORD));
}

#[tokio::test]
async fn a_one_time_password_opens_one_login_with_a_new_one() {
    let bench = Bench::new().await;
    let before = bench.log.everything();
    let answer = login(&bench, "admin", PASSWORD).await;
    let problem = answer.problem(403, "PASSWORD_CHANGE_REQUIRED");
    assert_eq!(problem.field.as_deref(), Some("new_password"));
    assert_eq!(bench.log.everything(), before);
    let body = json!({"user": "admin", "password": PASSWORD, "new_password": "my own words"});
    bench.send(login_request(&body)).await.expect(200);
    login(&bench, "admin", PASSWORD)
        .await
        .problem(401, "BAD_CREDENTIALS");
    login(&bench, "admin", "my own words").await.expect(200);
}

#[tokio::test]
async fn of_two_who_know_a_one_time_password_one_gets_in() {
    let bench = Bench::new().await;
    bench.set_password("bob", true).await;
    let body = |new: &str| json!({"user": "bob", "password": PASSWORD, "new_password": new});
    let both = join_all([
        bench.send(login_request(&body("the first one"))),
        bench.send(login_request(&body("the other one"))),
    ]);
    let mut statuses: Vec<_> = both.await.iter().map(|it| it.status.as_u16()).collect();
    statuses.sort_unstable();
    // The second one loses in the log, or comes too late to know the password.
    assert!(
        statuses == [200, 409] || statuses == [200, 401],
        "{statuses:?}"
    );
    let tokens = bench
        .log
        .read()
        .tokens()
        .filter(|it| it.user.0 == "bob")
        .count();
    assert_eq!(tokens, 1);
}

#[tokio::test]
async fn nobody_learns_whether_a_user_exists() {
    let bench = Bench::new().await;
    let blank = |answer: Answer| {
        let problem = answer.problem(401, "BAD_CREDENTIALS");
        Problem {
            request_id: String::new(),
            ..problem
        }
    };
    let known = blank(login(&bench, "alice", "not hers").await);
    assert_eq!(blank(login(&bench, "mallory", "not hers").await), known);
    assert_eq!(blank(login(&bench, "", "not hers").await), known);
    assert_eq!(
        blank(login(&bench, &"x".repeat(1000), "not hers").await),
        known
    );
    assert_eq!(
        blank(login(&bench, "alice", &"x".repeat(2000)).await),
        known
    );
}

#[tokio::test]
async fn who_guesses_has_to_wait_and_others_do_not() {
    let bench = Bench::new().await;
    for _ in 0..FAILURES_FREE {
        login(&bench, "alice", "guess")
            .await
            .problem(401, "BAD_CREDENTIALS");
    }
    // A slow machine may get through again while the wait is short; it doubles each time.
    let mut refused = None;
    for _ in 0..10 {
        let answer = login(&bench, "alice", "guess").await;
        if answer.status == 429 {
            refused = Some(answer);
            break;
        }
    }
    let refused = refused.expect("guessing is slowed down");
    refused.problem(429, "OVERLOADED");
    assert!(
        refused
            .header("retry-after")
            .unwrap()
            .parse::<u64>()
            .unwrap()
            >= 1
    );
    login(&bench, "bob", PASSWORD).await.expect(200);
}

#[tokio::test]
async fn guessing_many_at_once_gains_nothing() {
    let bench = Bench::new().await;
    let answers = join_all((0..40).map(|_| login(&bench, "alice", "guess"))).await;
    let heard = answers.iter().filter(|it| it.status == 401).count();
    let free = usize::try_from(FAILURES_FREE).unwrap() + 1;
    assert!(
        (free..free + 5).contains(&heard),
        "{heard} guesses were looked at"
    );
    assert!(
        answers
            .iter()
            .all(|it| it.status == 401 || it.status == 429)
    );
}

#[tokio::test]
async fn too_many_logins_at_once_are_told_to_come_back() {
    let bench = Bench::new().await;
    let names: Vec<String> = (0..100).map(|at| format!("user{at}")).collect();
    let answers = join_all(names.iter().map(|name| login(&bench, name, "guess"))).await;
    let refused: Vec<_> = answers.iter().filter(|it| it.status == 503).collect();
    assert!(
        !refused.is_empty() && refused.len() < 40,
        "{} refused",
        refused.len()
    );
    for answer in refused {
        answer.problem(503, "OVERLOADED");
        assert_eq!(answer.header("retry-after"), Some("1"));
    }
}

#[tokio::test]
async fn a_token_ends_with_its_time() {
    let bench = Bench::new().await;
    let token = bench.token_until("alice", Timestamp(NOW.0 + 1000)).await;
    who(&bench, &token).await.expect(200);
    *bench.host.now.lock().unwrap() = Timestamp(NOW.0 + 999);
    who(&bench, &token).await.expect(200);
    *bench.host.now.lock().unwrap() = Timestamp(NOW.0 + 1000);
    let problem = who(&bench, &token).await.problem(401, "UNAUTHENTICATED");
    assert_eq!(problem.detail, "the token has expired");
}

#[tokio::test]
async fn a_login_is_ended_by_logging_out_and_others_go_on() {
    let bench = Bench::new().await;
    let (one, other) = (bench.token("alice").await, bench.token("alice").await);
    let out = request("POST", "/logout").header("Authorization", format!("Bearer {one}"));
    bench
        .send(out.body(Body::empty()).unwrap())
        .await
        .expect(204);
    who(&bench, &one).await.problem(401, "UNAUTHENTICATED");
    who(&bench, &other).await.expect(200);
}

#[tokio::test]
async fn tokens_are_made_listed_and_revoked_by_their_user() {
    let bench = Bench::new().await;
    let body = r#"{"label":"ci","ttl_seconds":3600}"#;
    let made = bench
        .ask("alice", "POST", "/tokens", body)
        .await
        .expect(201);
    assert_eq!(made["expires_at"], "2025-11-24T17:00:00.000Z");
    let (text, id) = (
        made["token"].as_str().unwrap(),
        made["id"].as_str().unwrap(),
    );
    let list = bench.ask("alice", "GET", "/tokens", "").await.expect(200);
    let items = list["items"].as_array().unwrap();
    assert!(items.iter().any(|it| it["id"] == id && it["label"] == "ci"));
    assert_eq!(items.iter().filter(|it| it["current"] == true).count(), 1);
    assert!(items.iter().all(|it| it["user"] == "alice"));
    let secret = text.rsplit_once(&format!("{id}_")).unwrap().1;
    assert!(!list.to_string().contains(secret) && !bench.log.everything().contains(secret));
    let path = format!("/tokens/{id}");
    bench
        .ask("bob", "DELETE", &path, "")
        .await
        .problem(404, "NOT_FOUND");
    who(&bench, text).await.expect(200);
    bench.ask("alice", "DELETE", &path, "").await.expect(204);
    who(&bench, text).await.problem(401, "UNAUTHENTICATED");
    let made = bench.ask("alice", "POST", "/tokens", "").await.expect(201);
    let path = format!("/tokens/{}", made["id"].as_str().unwrap());
    bench.ask("admin", "DELETE", &path, "").await.expect(204);
}

#[tokio::test]
async fn with_too_many_tokens_the_oldest_login_gives_way() {
    let bench = Bench::new().await;
    bench.log.let_time_pass();
    let first = login(&bench, "alice", PASSWORD).await.expect(200);
    for _ in 1..TOKENS_PER_USER_MAX {
        bench.token("alice").await;
    }
    let second = login(&bench, "alice", PASSWORD).await.expect(200);
    who(&bench, first["token"].as_str().unwrap())
        .await
        .problem(401, "UNAUTHENTICATED");
    let body = r#"{"label":"one more"}"#;
    let post = request("POST", "/tokens").header(
        "Authorization",
        format!("Bearer {}", second["token"].as_str().unwrap()),
    );
    let refused = bench.send(post.body(body.into()).unwrap()).await;
    refused.problem(409, "LIMIT_REACHED");
    for _ in 0..TOKENS_PER_USER_MAX {
        bench.token("bob").await;
    }
    // None of them is a login: nothing is taken from the user.
    login(&bench, "bob", PASSWORD)
        .await
        .problem(409, "LIMIT_REACHED");
}

#[tokio::test]
async fn a_token_that_is_younger_than_this_head_is_asked_about() {
    let bench = Bench::new().await;
    bench.log.fall_behind();
    let token = bench.token("alice").await;
    who(&bench, &token).await.expect(200);
    bench.log.fall_behind();
    let token = bench.token("alice").await;
    bench.log.fail(None, Some(LogError::NoLeader));
    let answer = who(&bench, &token).await;
    answer.problem(503, "NO_LEADER");
    assert_eq!(answer.header("retry-after"), Some("1"));
}

#[tokio::test]
async fn passwords_are_changed_by_who_knows_the_old_one() {
    let bench = Bench::new().await;
    let body = json!({"password": "a new pass word", "current": PASSWORD}).to_string();
    bench
        .ask("alice", "PUT", "/users/alice/password", &body)
        .await
        .expect(204);
    login(&bench, "alice", PASSWORD)
        .await
        .problem(401, "BAD_CREDENTIALS");
    login(&bench, "alice", "a new pass word").await.expect(200);
    let body = json!({"password": "only for today", "one_time": true}).to_string();
    bench
        .ask("admin", "PUT", "/users/bob/password", &body)
        .await
        .expect(204);
    login(&bench, "bob", "only for today")
        .await
        .problem(403, "PASSWORD_CHANGE_REQUIRED");
    assert!(!bench.log.everything().contains("only for today"));
}

#[tokio::test]
async fn a_disabled_user_gets_in_by_no_door() {
    let bench = Bench::new().await;
    let token = bench.token("alice").await;
    bench
        .apply(Command::PutUser(PutUser {
            name: "alice".into(),
            role: Role::User,
            disabled: true,
            ..PutUser::default()
        }))
        .await;
    who(&bench, &token).await.problem(401, "UNAUTHENTICATED");
    login(&bench, "alice", PASSWORD)
        .await
        .problem(403, "FORBIDDEN");
    // Who does not know the password does not learn it.
    login(&bench, "alice", "guess")
        .await
        .problem(401, "BAD_CREDENTIALS");
}
