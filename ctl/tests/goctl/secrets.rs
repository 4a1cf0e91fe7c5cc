//! Secrets: where a value may come from, and that nothing of it is ever said.

use serde_json::{Value, json};

use crate::played::{Answer, Asked, Head};
use crate::support::{Home, Ran, finish};

/// What is kept; nobody may see it again.
const VALUE: &str = "hunter2 and more";

fn secret(name: &str) -> Value {
    json!({"name": name, "created_at": "2026-11-01T10:00:00Z",
        "changed_at": "2026-11-02T10:00:00Z", "changed_by": "ada"})
}

/// A head that keeps what it gets.
fn keeper() -> Head {
    Head::new(|_, asked| match asked.method.as_str() {
        "PUT" => Answer::json(200, &secret(asked.path.rsplit('/').next().unwrap())),
        "DELETE" => Answer::Whole {
            status: 204,
            headers: Vec::new(),
            body: Vec::new(),
        },
        _ => {
            let mut lab = secret("db");
            lab["project"] = json!("lab");
            let mut hub = secret("hub");
            (hub["registry"], hub["login"]) = (json!("docker.io"), json!("ada"));
            Answer::json(200, &json!({"items": [secret("db"), hub, lab]}))
        }
    })
}

#[track_caller]
fn says_nothing_of_it(ran: &Ran) {
    for part in [VALUE, "hunter2"] {
        assert!(
            !ran.out.contains(part) && !ran.err.contains(part),
            "{ran:?}"
        );
    }
}

#[test]
fn secrets_are_listed_without_their_values() {
    let head = keeper();
    let home = Home::with_heads(&[&head.url()]);
    let expected = "\
SECRET  PROJECT  REGISTRY       CHANGED               BY
db                              2026-11-02T10:00:00Z  ada
hub              ada@docker.io  2026-11-02T10:00:00Z  ada
db      lab                     2026-11-02T10:00:00Z  ada
";
    assert_eq!(home.run(&["secret", "--utc"]).data(), expected);
    assert_eq!(home.run(&["secret", "ls", "--utc"]).data(), expected);
    let json: Value =
        serde_json::from_str(home.run(&["secret", "ls", "-o", "json"]).data()).unwrap();
    assert_eq!(json[0], secret("db"));
    assert_eq!(
        (&json[1]["login"], &json[2]["project"]),
        (&json!("ada"), &json!("lab"))
    );
    assert_eq!(
        home.run(&["secret", "ls", "-o", "name"]).data(),
        "db\nhub\ndb\n"
    );
}

#[test]
fn a_value_comes_from_a_file_or_from_standard_input_byte_for_byte() {
    let head = keeper();
    let home = Home::with_heads(&[&head.url()]);
    let ran = home.run_with(&["secret", "set", "db", "--verbose"], VALUE);
    assert_eq!(ran.data(), "secret db is kept\n");
    says_nothing_of_it(&ran);
    home.write("key", &format!("{VALUE}\n"));
    says_nothing_of_it(&home.run(&["secret", "set", "key", "--file", "key"]));
    std::fs::write(home.path("binary"), b"\xff\x00\x01").unwrap();
    home.run(&["secret", "set", "bin", "-f", "binary"]).data();
    let json = home.run_with(&["secret", "set", "db", "-f", "-", "-o", "json"], VALUE);
    says_nothing_of_it(&json);
    assert_eq!(
        serde_json::from_str::<Value>(json.data()).unwrap(),
        secret("db")
    );
    let asked = head.asked();
    let bodies: Vec<Value> = asked.iter().map(Asked::json).collect();
    let with_end = format!("{VALUE}\n");
    let expected = [
        json!({ "value": VALUE }),
        json!({ "value": with_end }),
        json!({"value_base64": "/wAB"}),
        json!({ "value": VALUE }),
    ];
    assert_eq!(bodies, expected);
    let named = asked.iter().any(|asked| asked.path.contains("hunter2"));
    assert!(!named, "a value is in no path");
}

#[test]
fn a_secret_is_ones_own_or_a_projects_or_a_login_at_a_registry() {
    let head = keeper();
    let home = Home::with_heads(&[&head.url()]);
    home.run_with(&["secret", "set", "db", "--project", "lab"], VALUE)
        .data();
    let hub = [
        "secret",
        "set",
        "hub",
        "--registry",
        "docker.io",
        "--login",
        "ada",
    ];
    home.run_with(&hub, VALUE).data();
    let gone = home.run(&["secret", "rm", "db"]);
    assert_eq!(gone.data(), "secret db is forgotten\n");
    home.run(&["secret", "remove", "db", "--project", "lab"])
        .data();
    let calls = [
        "PUT /projects/lab/secrets/db",
        "PUT /secrets/hub",
        "DELETE /secrets/db",
        "DELETE /projects/lab/secrets/db",
    ];
    assert_eq!(head.calls(), calls);
    let login = json!({"value": VALUE, "registry": "docker.io", "login": "ada"});
    assert_eq!(head.asked()[1].json(), login);
}

#[test]
fn a_value_is_not_taken_from_the_command_line_and_not_repeated() {
    let head = keeper();
    let home = Home::with_heads(&[&head.url()]);
    let typed: [&[&str]; 5] = [
        &["secret", "set", "db", VALUE],
        &["secret", "set", "db", "--", VALUE],
        &["secret", "set", "db", "hunter2", "and", "more"],
        &["secret", "set", "db", "-hunter2"],
        &["secret", "set", "db", VALUE, "-o", "json"],
    ];
    for args in typed {
        let ran = home.run(args);
        assert_eq!(ran.out, "", "{args:?}");
        says_nothing_of_it(&ran);
        ran.told(2, &["not taken from the command line", "--file FILE"]);
    }
    let ran = home.run(&["secret", "set", "db", "--value=hunter2"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    says_nothing_of_it(&ran);
    let mut command = home.command(&["secret", "set", "db"]);
    command.env("GOCTL_SECRET", VALUE).env("SECRET", VALUE);
    let ran = finish(command, "");
    assert_eq!(ran.code, 2, "nor from a variable: {ran:?}");
    assert_eq!(head.calls(), [""; 0]);
}

#[test]
fn what_is_no_value_is_not_sent() {
    let head = keeper();
    let home = Home::with_heads(&[&head.url()]);
    home.write("large", &"a".repeat((64 << 10) + 1));
    home.write("empty", "");
    let cases: [(&[&str], &[&str]); 6] = [
        (&["secret", "set", "db"], &["the value is empty"]),
        (
            &["secret", "set", "db", "-f", "empty"],
            &["the value is empty"],
        ),
        (
            &["secret", "set", "db", "-f", "large"],
            &["large: larger than 64 KiB", "in a volume"],
        ),
        (
            &["secret", "set", "db", "-f", "missing"],
            &["missing: No such file"],
        ),
        (
            &["secret", "set", "hub", "--registry", "docker.io"],
            &["--login"],
        ),
        (&["secret", "set", "hub", "--login", "ada"], &["--registry"]),
    ];
    for (args, told) in cases {
        let ran = home.run(args);
        assert_eq!(ran.out, "", "{args:?}");
        ran.told(2, told);
    }
    assert_eq!(head.calls(), [""; 0]);
}

#[test]
fn a_refusal_names_the_remedy_and_not_the_value() {
    let head = Head::new(|_, asked| match asked.what().as_str() {
        "PUT /secrets/db" => {
            Answer::problem(409, "LIMIT_REACHED", "secrets of one owner: at most 64")
        }
        "PUT /projects/lab/secrets/db" => {
            Answer::problem(403, "FORBIDDEN", "only for managers of lab")
        }
        _ => Answer::problem(404, "NOT_FOUND", "secret db"),
    });
    let home = Home::with_heads(&[&head.url()]);
    let full = home.run_with(&["secret", "set", "db", "-o", "json"], VALUE);
    assert_eq!(
        (full.code, &full.error()["code"]),
        (5, &json!("LIMIT_REACHED"))
    );
    let denied = home.run_with(&["secret", "set", "db", "--project", "lab"], VALUE);
    assert_eq!(denied.code, 5, "{denied:?}");
    let gone = home.run(&["secret", "rm", "db"]);
    assert_eq!(gone.code, 3, "{gone:?}");
    for ran in [full, denied, gone] {
        says_nothing_of_it(&ran);
    }
}

#[test]
fn a_value_outlives_a_head_and_is_in_no_file_of_ours() {
    let head = keeper();
    let dying = Head::new(|_, _| Answer::Nothing);
    let home = Home::with_heads(&[&dying.url(), &head.url()]);
    let ran = home.run_with(&["secret", "set", "db"], VALUE);
    says_nothing_of_it(&ran);
    assert_eq!(ran.data(), "secret db is kept\n");
    assert_eq!(head.asked()[0].json()["value"], VALUE);
    for entry in std::fs::read_dir(home.path("")).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        assert!(!text.contains("hunter2"), "{text}");
    }
}
