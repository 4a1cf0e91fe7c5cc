//! Contexts and the files that hold them.

use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use crate::played::{Answer, Head};
use crate::support::{Home, finish};

#[test]
fn contexts_are_added_used_renamed_and_removed() {
    let home = Home::new();
    home.run(&["context", "add", "a", "http://127.0.0.1:1"])
        .data();
    home.run(&[
        "context",
        "add",
        "b",
        "http://127.0.0.1:2",
        "http://127.0.0.1:3",
    ])
    .data();
    assert_eq!(home.run(&["context", "current"]).data(), "a\n");
    home.run(&["context", "use", "b"]).data();
    home.run(&["context", "rename", "b", "c"]).data();
    assert_eq!(home.run(&["context", "current"]).data(), "c\n");
    let table = home.run(&["context", "list"]);
    let expected = "\
CONTEXT  CURRENT  USER  HEADS
a                 -     http://127.0.0.1:1
c        *        -     http://127.0.0.1:2 http://127.0.0.1:3
";
    assert_eq!(table.data(), expected);
    assert_eq!(home.run(&["contexts", "ls", "-o", "name"]).data(), "a\nc\n");
    home.run(&["context", "remove", "c"]).data();
    let ran = home.run(&["context", "current"]);
    assert_eq!(ran.code, 3, "{ran:?}");
}

#[test]
fn an_option_or_a_variable_chooses_another_context() {
    let a = Head::new(|_, _| Answer::json(200, &json!({"items": []})));
    let b = Head::new(|_, _| Answer::json(200, &json!({"items": []})));
    let home = Home::new();
    home.run(&["context", "add", "a", &a.url()]).data();
    home.run(&["context", "add", "b", &b.url()]).data();
    home.run(&["nodes", "-c", "b"]).data();
    let mut command = home.command(&["nodes"]);
    command.env("GOCTL_CONTEXT", "b");
    finish(command, "").data();
    assert_eq!((a.calls().len(), b.calls().len()), (0, 2));
    let unknown = home.run(&["nodes", "-c", "nowhere", "-o", "json"]);
    assert_eq!(unknown.code, 3);
    assert_eq!(unknown.error()["hint"], "contexts: a, b");
}

#[test]
fn the_token_is_sent_and_kept_from_others() {
    let head = Head::new(|_, _| Answer::json(200, &json!({"items": []})));
    let home = Home::with_heads(&[&head.url()]);
    home.run(&["nodes"]).data();
    let mut command = home.command(&["nodes"]);
    command.env("GOCTL_TOKEN", "god_other");
    finish(command, "").data();
    let sent: Vec<_> = head
        .asked()
        .iter()
        .map(|a| a.header("Authorization").unwrap().to_owned())
        .collect();
    assert_eq!(sent, ["Bearer god_test_token", "Bearer god_other"]);
    home.run(&["context", "add", "x", "http://127.0.0.1:1"])
        .data();
    for name in ["config.toml", "credentials.toml"] {
        let mode = std::fs::metadata(home.path(name))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    let verbose = home.run(&["nodes", "--verbose"]);
    assert!(
        verbose.err.contains("> GET ") && verbose.err.contains("/nodes"),
        "{verbose:?}"
    );
    assert!(
        !format!("{verbose:?}").contains("god_test_token"),
        "{verbose:?}"
    );
    assert!(
        !home
            .run(&["config", "show"])
            .data()
            .contains("god_test_token")
    );
}

#[test]
fn servers_of_the_environment_replace_those_of_the_context() {
    let head = Head::new(|_, _| Answer::json(200, &json!({"items": []})));
    let home = Home::with_heads(&[&Head::dead()]);
    let mut command = home.command(&["nodes"]);
    command.env("GOCTL_SERVER", head.url());
    finish(command, "").data();
    assert_eq!(
        head.asked()[0].header("Authorization"),
        Some("Bearer god_test_token")
    );
}

/// A broken file, and what of it is told.
const BROKEN: [(&str, &str, &str); 6] = [
    (
        "config.toml",
        "current = \"lab\"\n[context.lab]\nheds = []\n",
        "config.toml:3: unknown field",
    ),
    ("config.toml", "current = \"lab\n", "config.toml:1:"),
    (
        "config.toml",
        "[context.lab]\nheads = [\"ftp://h\"]\n",
        "is not an https address",
    ),
    (
        "config.toml",
        "[context.lab]\nheads = [\"http://10.0.0.1:1\"]\n",
        "is not encrypted",
    ),
    (
        "config.toml",
        "[context.lab]\nheads = []\n",
        "names no head",
    ),
    (
        "credentials.toml",
        "[lab]\ntokn = 1\n",
        "credentials.toml:2: unknown field",
    ),
];

#[test]
fn a_broken_file_is_named_with_its_line() {
    for (name, text, told) in BROKEN {
        let home = Home::with_heads(&["http://127.0.0.1:1"]);
        home.write(name, text);
        let ran = home.run(&["ps", "-c", "lab"]);
        assert!((1..=2).contains(&ran.code), "{ran:?}");
        assert!(ran.err.contains(told), "{told}: {}", ran.err);
    }
}

#[test]
fn a_certificate_that_is_not_the_pinned_one_is_refused() {
    let home = Home::new();
    let text = format!(
        "current = \"lab\"\n[context.lab]\nheads = [\"https://127.0.0.1:1\"]\nca_sha256 = \"{}\"\n\
         ca = \"\"\"\n-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n\"\"\"\n",
        "0".repeat(64)
    );
    home.write("config.toml", &text);
    let ran = home.run(&["ps", "-o", "json"]);
    assert_eq!(
        (ran.code, &ran.error()["field"]),
        (1, &json!("ca_sha256")),
        "{ran:?}"
    );
}

#[test]
fn a_home_that_nobody_can_find_is_told() {
    let home = Home::new();
    let mut command = home.command(&["ps"]);
    command.env_remove("HOME").env_remove("GOCTL_CONFIG");
    let ran = finish(command, "");
    assert!(
        ran.err.contains("HOME is not set") && ran.err.contains("GOCTL_CONFIG"),
        "{ran:?}"
    );
}
