//! Logging in with a password that a directory of the site keeps. The directory is a program here;
//! how real ones are asked is tested in package `directory`.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use axum::http::Request;
use serde_json::{Value, json};

use crate::support::{Answer, Bench, NOW, request};

/// Says of `ada` with the password `enigma` who she is, of `eve` that she is root, and does
/// otherwise what the file beside it says.
const PROGRAM: &str = r#"#!/bin/sh
read -r asked
case $(cat "$(dirname "$0")/mood") in
    broken) exit 1 ;;
    gone) echo '{"verdict":"unknown"}'; exit ;;
esac
person='{"login":"ada","uid":4001,"gid":4002,"groups":[4003],"home":"/home/ada"}'
case $asked in
    *'"authenticate"'*'"eve"'*)
        echo '{"verdict":"granted","person":{"login":"eve","uid":0,"gid":0}}' ;;
    *'"authenticate"'*'"ada"'*'"enigma"'*) echo "{\"verdict\":\"granted\",\"person\":$person}" ;;
    *'"authenticate"'*) echo '{"verdict":"denied"}' ;;
    *'"ada"'*) echo "{\"verdict\":\"granted\",\"person\":$person}" ;;
    *) echo '{"verdict":"unknown"}' ;;
esac
"#;

struct Site {
    bench: Bench,
    dir: tempfile::TempDir,
}

impl Site {
    async fn new() -> Site {
        let dir = tempfile::tempdir().unwrap();
        let program = dir.path().join("people");
        std::fs::write(&program, PROGRAM).unwrap();
        std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
        let site = Site {
            bench: Bench::new().await,
            dir,
        };
        site.mood("well");
        let settings = json!({"kind": "exec", "command": [path(&program)], "lifetime_ms": 0});
        let body = json!({"settings": settings}).to_string();
        let kept = site
            .bench
            .ask("admin", "PUT", "/directories/site", &body)
            .await;
        assert_eq!(kept.expect(200)["believed_seconds"], 1);
        site
    }

    fn mood(&self, mood: &str) {
        std::fs::write(self.dir.path().join("mood"), mood).unwrap();
    }

    async fn login(&self, user: &str, password: &str) -> Answer {
        let body = json!({"user": user, "password": password}).to_string();
        let asked = request("POST", "/login").body(body.into()).unwrap();
        self.bench.send(asked).await
    }

    async fn whoami(&self, token: &Value) -> Answer {
        let bearer = format!("Bearer {}", token.as_str().unwrap());
        let asked: Request<_> = request("GET", "/whoami")
            .header("Authorization", bearer)
            .body("".into())
            .unwrap();
        self.bench.send(asked).await
    }

    fn later(&self, seconds: u64) {
        let later = NOW.plus(model::Millis::seconds(seconds));
        *self.bench.host.now.lock().unwrap() = later;
    }
}

fn path(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

#[tokio::test]
async fn who_is_in_the_directory_gets_an_account_with_its_ids() {
    let site = Site::new().await;
    let made = site.login("ada", "enigma").await.expect(200);
    let me = site.whoami(&made["token"]).await.expect(200);
    let user = &me["user"];
    assert_eq!(
        (&user["uid"], &user["gid"], &user["groups"]),
        (&json!(4001), &json!(4002), &json!([4003]))
    );
    assert_eq!(
        (&user["directory"], &user["home"]),
        (&json!("site"), &json!("/home/ada"))
    );
    assert_eq!(user["has_password"], false);
    for (user, password) in [
        ("ada", "wrong"),
        ("ada", ""),
        ("bertha", "enigma"),
        ("ADA", "enigma"),
    ] {
        site.login(user, password)
            .await
            .problem(401, "BAD_CREDENTIALS");
    }
    // Nobody is root, whatever a directory says.
    site.login("eve", "enigma").await.problem(403, "FORBIDDEN");
    let body = json!({"password": "12345678"}).to_string();
    let refused = site
        .bench
        .ask("admin", "PUT", "/users/ada/password", &body)
        .await;
    refused.problem(403, "FORBIDDEN");
}

#[tokio::test]
async fn an_account_of_the_cluster_is_not_taken_over() {
    let site = Site::new().await;
    // The program would say yes to any password of alice; it is not even asked.
    site.mood("broken");
    site.login("alice", "wrong")
        .await
        .problem(401, "BAD_CREDENTIALS");
    site.login("alice", crate::support::PASSWORD)
        .await
        .expect(200);
}

#[tokio::test]
async fn a_directory_that_gives_no_answer_lets_nobody_in() {
    let site = Site::new().await;
    let made = site.login("ada", "enigma").await.expect(200);
    site.mood("broken");
    // What it said a moment ago is believed for as long as was stated.
    site.whoami(&made["token"]).await.expect(200);
    site.later(3);
    let refused = site.whoami(&made["token"]).await;
    refused.problem(503, "OVERLOADED");
    assert!(refused.header("retry-after").is_some());
    site.login("ada", "enigma").await.problem(503, "OVERLOADED");
    site.mood("well");
    site.whoami(&made["token"]).await.expect(200);
}

#[tokio::test]
async fn who_has_left_the_directory_is_out_with_every_token() {
    let site = Site::new().await;
    let made = site.login("ada", "enigma").await.expect(200);
    site.mood("gone");
    site.later(3);
    site.whoami(&made["token"])
        .await
        .problem(401, "UNAUTHENTICATED");
    site.bench
        .ask("admin", "DELETE", "/directories/site", "")
        .await
        .expect(204);
    site.mood("well");
    site.whoami(&made["token"])
        .await
        .problem(401, "UNAUTHENTICATED");
    site.login("ada", "enigma")
        .await
        .problem(401, "BAD_CREDENTIALS");
}

#[tokio::test]
async fn settings_that_make_no_sense_are_refused_and_secrets_not_shown() {
    let site = Site::new().await;
    for settings in [
        json!({}),
        json!({"kind": "nis"}),
        json!({"kind": "exec", "command": []}),
        json!({"kind": "exec", "command": ["/bin/true"], "shell": true}),
        json!({"kind": "exec", "command": ["relative"]}),
    ] {
        let body = json!({ "settings": settings }).to_string();
        let refused = site
            .bench
            .ask("admin", "PUT", "/directories/site", &body)
            .await;
        assert_eq!(
            refused.problem(422, "INVALID").field.as_deref(),
            Some("settings")
        );
    }
    // A program takes no password.
    let settings = json!({"kind": "exec", "command": ["/bin/true"]});
    let body = json!({"settings": settings, "secret": "hush"}).to_string();
    let refused = site
        .bench
        .ask("admin", "PUT", "/directories/site", &body)
        .await;
    refused.problem(422, "INVALID");
    let asked = json!({"login": "ada"}).to_string();
    let found = site
        .bench
        .ask("admin", "POST", "/directories/site/test", &asked)
        .await;
    assert_eq!(found.expect(200)["uid"], 4001);
}
