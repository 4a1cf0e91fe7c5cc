//! What users ask about themselves: what they may do, their tokens, their keys.

use serde_json::{Value, json};

use crate::played::{Answer, Head};
use crate::support::Home;

const PUBLIC: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHjh ada@lab";

fn nothing() -> Answer {
    Answer::Whole {
        status: 204,
        headers: Vec::new(),
        body: Vec::new(),
    }
}

#[test]
fn what_one_may_is_told_by_the_exit_code() {
    let head = Head::new(|_, asked| match asked.path.as_str() {
        "/can-i?method=POST&path=%2Fjobs" => Answer::json(200, &json!({"allowed": true})),
        "/can-i?method=POST&path=%2Fjobs%3Acancel" => Answer::json(
            200,
            &json!({"allowed": true, "why": "for jobs of your own"}),
        ),
        "/can-i?method=PUT&path=%2Fusers%2Fx" => Answer::json(
            200,
            &json!({"allowed": false, "why": "only for administrators"}),
        ),
        _ => Answer::problem(422, "INVALID", "GET /nowhere is no operation"),
    });
    let home = Home::with_heads(&[&head.url()]);
    assert_eq!(home.run(&["can-i", "submit"]).data(), "yes\n");
    let cancel = home.run(&["can-i", "cancel"]);
    assert_eq!(cancel.data(), "yes: for jobs of your own\n");
    for args in [
        &["can-i", "manage-users"][..],
        &["can-i", "put", "/users/x"],
    ] {
        let ran = home.run(args);
        assert_eq!(
            (ran.code, ran.out.as_str()),
            (1, "no: only for administrators\n")
        );
        assert_eq!(ran.err, "");
    }
    let json = home.run(&["can-i", "submit", "-o", "json"]);
    assert_eq!(json.data(), "{\n  \"allowed\": true\n}\n");
    let nowhere = home.run(&["can-i", "GET", "/nowhere"]);
    assert_eq!(nowhere.code, 2, "not a no: {nowhere:?}");
    assert!(nowhere.err.contains("is no operation"), "{nowhere:?}");
}

#[test]
fn a_token_gets_the_scopes_that_are_asked_for() {
    let made = json!({"token": "god_t1_s", "id": "t1", "expires_at": "2027-01-01T00:00:00Z"});
    let head = Head::new(move |_, asked| match asked.what().as_str() {
        "POST /tokens" => Answer::json(201, &made),
        _ => Answer::json(
            200,
            &json!({"items": [{"id": "t1", "user": "ada", "label": "ci", "scopes": ["read", "jobs"],
                "created_at": "2026-11-01T10:00:00Z", "expires_at": "2027-01-01T00:00:00Z"}]}),
        ),
    });
    let home = Home::with_heads(&[&head.url()]);
    let ran = home.run(&["token", "create", "--scope", "read,jobs", "--utc"]);
    assert_eq!(ran.data(), "god_t1_s\n");
    let expected = "token t1 ends 2027-01-01T00:00:00Z; give it as GOCTL_TOKEN, it is not shown \
        again\n";
    assert_eq!(ran.err, expected);
    home.run(&["token", "create", "--scope", "read", "--scope", "account"])
        .data();
    home.run(&["token", "create"]).data();
    let scopes: Vec<Value> = head
        .asked()
        .iter()
        .map(|asked| asked.json()["scopes"].clone())
        .collect();
    assert_eq!(
        scopes,
        [
            json!(["read", "jobs"]),
            json!(["read", "account"]),
            Value::Null
        ]
    );
    let list = home.run(&["token", "list", "--columns", "token,scopes"]);
    assert_eq!(list.data(), "TOKEN  SCOPES\nt1     read,jobs\n");
}

#[test]
fn a_rotated_token_takes_the_place_of_the_one_in_use() {
    let made = json!({"token": "god_t2_s", "id": "t2", "expires_at": "2027-01-01T00:00:00Z"});
    let head = Head::new(move |_, _| Answer::json(201, &made));
    let home = Home::with_heads(&[&head.url()]);
    let other = home.run(&["token", "rotate", "t1", "--ttl", "1h"]);
    assert_eq!(other.data(), "god_t2_s\n");
    assert!(other.err.contains("give it as GOCTL_TOKEN"), "{other:?}");
    assert!(home.read("credentials.toml").contains("god_test_token"));
    let own = home.run(&["token", "rotate", "test"]);
    assert_eq!(own.data(), "god_t2_s\n");
    assert!(
        own.err.contains("context \"lab\" uses it from now on"),
        "{own:?}"
    );
    assert!(home.read("credentials.toml").contains("god_t2_s"));
    assert_eq!(
        head.calls(),
        ["POST /tokens/t1/rotate", "POST /tokens/test/rotate"]
    );
    assert_eq!(head.asked()[0].json(), json!({"ttl_seconds": 3_600}));
    assert_eq!(head.asked()[1].json(), json!({}));
}

fn keys() -> Head {
    let key = json!({"fingerprint": "SHA256:ab/c+d", "key": "ssh-ed25519 AAAA", "label": "laptop",
        "created_at": "2026-11-01T10:00:00Z"});
    Head::new(move |_, asked| match asked.method.as_str() {
        "POST" => Answer::json(201, &key),
        "DELETE" => nothing(),
        _ => Answer::json(200, &json!({ "items": [key] })),
    })
}

#[test]
fn keys_are_listed_added_and_removed() {
    let head = keys();
    let home = Home::with_heads(&[&head.url()]);
    let expected = "KEY            KIND         ADDED                 LABEL\n\
        SHA256:ab/c+d  ssh-ed25519  2026-11-01T10:00:00Z  laptop\n";
    assert_eq!(home.run(&["keys", "--utc"]).data(), expected);
    assert_eq!(
        home.run(&["key", "list", "-o", "name"]).data(),
        "SHA256:ab/c+d\n"
    );
    home.write("mine.pub", &format!("# mine\n{PUBLIC}\n"));
    let ran = home.run(&["key", "add", "mine.pub", "--label", "laptop"]);
    assert_eq!(ran.data(), "key SHA256:ab/c+d \"laptop\" is added\n");
    home.run_with(&["key", "add", "-"], PUBLIC).data();
    std::fs::create_dir(home.path(".ssh")).unwrap();
    home.write(".ssh/id_ed25519.pub", PUBLIC);
    home.run(&["key", "add"]).data();
    let asked = head.asked();
    assert_eq!(asked[2].json(), json!({"key": PUBLIC, "label": "laptop"}));
    assert_eq!(asked[3].json(), json!({ "key": PUBLIC }));
    assert_eq!(asked[4].json(), json!({ "key": PUBLIC }));
    let ran = home.run(&["key", "remove", "SHA256:ab/c+d"]);
    assert_eq!(ran.data(), "key SHA256:ab/c+d is removed\n");
    assert_eq!(head.asked()[5].path, "/keys/SHA256%3Aab%2Fc%2Bd");
}

#[test]
fn what_is_no_public_key_is_not_sent() {
    let head = keys();
    let home = Home::with_heads(&[&head.url()]);
    let secret = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl\n-----END OPENSSH PRIVATE KEY-----\n";
    home.write("id", secret);
    home.write("two.pub", &format!("{PUBLIC}\n{PUBLIC}\n"));
    home.write("none.pub", "# nothing\n");
    home.write("large.pub", &"a".repeat(20_000));
    let cases: [(&[&str], &[&str]); 6] = [
        (&["key", "add", "id"], &["private key", "id.pub"]),
        (&["key", "add", "two.pub"], &["2 lines", "one key"]),
        (&["key", "add", "none.pub"], &["no key", ".pub file"]),
        (&["key", "add", "large.pub"], &["larger than 16 KiB"]),
        (
            &["key", "add", "missing.pub"],
            &["missing.pub: No such file"],
        ),
        (
            &["key", "add"],
            &["no key is named", "id_ed25519.pub", "ssh-keygen -t ed25519"],
        ),
    ];
    for (args, told) in cases {
        let ran = home.run(args);
        assert_eq!(ran.out, "", "{args:?}");
        ran.told(2, told);
    }
    assert_eq!(head.calls(), [""; 0]);
}

#[test]
fn an_account_keeps_what_is_not_named() {
    let account = json!({"name": "ada", "role": "operator", "uid": 1001, "gid": 1002,
        "groups": [100], "home": "/home/ada", "mail": "ada@lab", "created_at": "",
        "disabled": true});
    let head = Head::new(move |_, _| Answer::json(200, &account));
    let home = Home::with_heads(&[&head.url()]);
    home.run(&["admin", "user", "set", "ada", "--mail", "none"])
        .data();
    home.run(&[
        "admin", "user", "set", "ada", "--groups", "7,8", "--home", "/h", "--role", "user",
    ])
    .data();
    let kept = json!({"role": "operator", "uid": 1001, "gid": 1002, "groups": [100],
        "home": "/home/ada", "disabled": true});
    assert_eq!(head.asked()[1].json(), kept);
    let changed = json!({"role": "user", "uid": 1001, "gid": 1002, "groups": [7, 8],
        "home": "/h", "mail": "ada@lab", "disabled": true});
    assert_eq!(head.asked()[3].json(), changed);
}
