//! Logging in and out, against a head on this machine that is spoken to in the clear.

use serde_json::{Value, json};

use crate::played::{Answer, Asked, Head};
use crate::support::Home;

/// A head with one account, `ada`, whose password `first` is for one time.
fn head() -> Head {
    Head::new(|_, asked| match asked.what().as_str() {
        "GET /cluster" => Answer::json(
            200,
            &json!({
            "name": "lab", "id": "x", "version": "9.9", "api_version": "1.0", "ca_sha256": "",
            "ca_pem": "", "heads": [
                {"id": 2, "name": "head-2", "url": "https://head-2:8443", "leader": true},
            ]}),
        ),
        "POST /login" => login(&asked.json()),
        "POST /logout" => Answer::Whole {
            status: 204,
            headers: Vec::new(),
            body: Vec::new(),
        },
        "GET /whoami" => whoami(asked),
        "GET /projects" => Answer::json(
            200,
            &json!({"items": [
                project("default", true, &[], &[]), project("lab", false, &["bob", "ada"], &[]),
                project("mine", false, &[], &["ada"]), project("theirs", false, &["bob"], &[]),
            ]}),
        ),
        _ => Answer::problem(404, "NOT_FOUND", "no such thing"),
    })
}

fn login(body: &Value) -> Answer {
    let token = json!({"token": "god_new", "user": "ada", "expires_at": "2027-01-01T00:00:00Z"});
    match (
        body["password"].as_str().unwrap(),
        body["new_password"].as_str(),
    ) {
        ("second", None) | ("first", Some("second")) => Answer::json(200, &token),
        ("first", _) => Answer::problem(403, "PASSWORD_CHANGE_REQUIRED", "for one login only"),
        _ => Answer::problem(401, "BAD_CREDENTIALS", "wrong user name or password"),
    }
}

fn project(name: &str, everybody: bool, members: &[&str], managers: &[&str]) -> Value {
    json!({"name": name, "everybody": everybody, "members": members, "managers": managers,
        "shared": false, "closed": false, "priority": 50, "quota": {}})
}

fn whoami(asked: &Asked) -> Answer {
    if asked.header("Authorization") != Some("Bearer god_new") {
        return Answer::problem(401, "UNAUTHENTICATED", "no valid token");
    }
    Answer::json(
        200,
        &json!({
            "user": {"name": "ada", "role": "operator", "created_at": "2026-01-01T00:00:00Z",
                "uid": 1001, "gid": 1002, "groups": [100, 200], "home": "/home/ada",
                "directory": "campus", "confirmed_at": "2026-11-01T10:00:00Z"},
            "token": "new", "expires_at": "2027-01-01T00:00:00Z", "cluster": "lab",
            "scopes": ["read", "jobs"],
        }),
    )
}

#[test]
fn a_one_time_password_is_replaced_and_the_cluster_remembered() {
    let head = head();
    let home = Home::new();
    let url = head.url();
    let args = ["login", &url, "--user", "ada", "--password-stdin", "--utc"];
    let ran = home.run_with(&args, "first\n");
    assert_eq!(ran.code, 5, "without a new one: {ran:?}");
    assert!(ran.err.contains("second line"), "{ran:?}");
    let ran = home.run_with(&args, "first\nsecond\n");
    assert_eq!(ran.data(), "");
    let expected = "logged in as ada at cluster lab (2 heads), until 2027-01-01T00:00:00Z; saved \
        as context \"lab\"\n";
    assert_eq!(ran.err, expected);
    assert!(home.read("config.toml").contains("https://head-2:8443"));
    assert!(!home.read("config.toml").contains("god_new"));
    let me = home.run(&["whoami", "--utc"]);
    let expected = format!(
        "user       ada\nrole       operator\nruns as    1001:1002\ngroups     100, 200\n\
         home       /home/ada\ndirectory  campus, confirmed 2026-11-01T10:00:00Z\n\
         projects   default, lab, mine\ncluster    lab\nhead       {url}\n\
         token      new, ends 2027-01-01T00:00:00Z\nscopes     read,jobs\n"
    );
    assert_eq!(me.data(), expected);
    let json: Value = serde_json::from_str(home.run(&["whoami", "-o", "json"]).data()).unwrap();
    assert_eq!(json["user"]["uid"], 1001);
    assert_eq!(json["scopes"], json!(["read", "jobs"]));
    assert_eq!(json["projects"], json!(["default", "lab", "mine"]));
    assert_eq!(home.run(&["whoami", "-o", "name"]).data(), "ada\n");
}

#[test]
fn a_wrong_password_is_told_and_nothing_remembered() {
    let head = head();
    let home = Home::new();
    let args = [
        "login",
        &head.url(),
        "--user",
        "ada",
        "--password-stdin",
        "-o",
        "json",
    ];
    let ran = home.run_with(&args, "wrong\n");
    assert_eq!(
        (ran.code, &ran.error()["code"]),
        (4, &json!("BAD_CREDENTIALS"))
    );
    assert!(!home.path("config.toml").exists() && !home.path("credentials.toml").exists());
    assert_eq!(
        home.run_with(&args, "").code,
        2,
        "an empty password is not sent"
    );
}

#[test]
fn without_a_terminal_nobody_is_asked() {
    let head = head();
    let home = Home::new();
    let ran = home.run(&["login", &head.url(), "--user", "ada"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.err.contains("nobody can be asked: Password"), "{ran:?}");
}

#[test]
fn a_token_that_has_ended_says_how_to_go_on() {
    let head = head();
    let home = Home::with_heads(&[&head.url()]);
    let ran = home.run(&["whoami"]);
    assert_eq!(ran.code, 4);
    assert!(ran.err.contains("hint: goctl login"), "{ran:?}");
    let nowhere = Home::new().run(&["whoami"]);
    assert_eq!(nowhere.code, 4);
    assert!(nowhere.err.contains("goctl login https://"), "{nowhere:?}");
}

#[test]
fn logout_forgets_the_token_even_if_no_head_answers() {
    let head = head();
    let home = Home::with_heads(&[&head.url()]);
    assert_eq!(home.run(&["logout"]).err, "logged out of \"lab\"\n");
    assert_eq!(home.read("credentials.toml"), "");
    assert_eq!(home.run(&["logout"]).code, 4);
    let home = Home::with_heads(&[&Head::dead()]);
    let ran = home.run(&["logout"]);
    assert_eq!(ran.code, 7);
    assert!(ran.err.contains("may still be valid"), "{ran:?}");
    assert_eq!(home.read("credentials.toml"), "");
}
