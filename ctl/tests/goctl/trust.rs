//! Which heads are believed: those of the one authority, after its digest was compared.

use serde_json::json;

use crate::played::{Answer, Asked, Head};
use crate::support::{Home, Ran, finish};

const CA: &str = include_str!("tls/ca.crt");
const OTHER: &str = include_str!("tls/other.crt");

/// A head under the authority `CA`; it says that it is under `shown`.
fn head(shown: &'static str) -> Head {
    Head::tls(move |_, asked| match asked.what().as_str() {
        "GET /cluster" => Answer::json(
            200,
            &json!({"name": "lab", "id": "x", "version": "1", "api_version": "1.0",
                "ca_sha256": "", "ca_pem": shown, "heads": []}),
        ),
        "POST /login" => Answer::json(
            200,
            &json!({"token": "god_new", "user": "ada", "expires_at": "2027-01-01T00:00:00Z"}),
        ),
        _ => Answer::json(200, &json!({"items": []})),
    })
}

fn login(home: &Home, head: &Head, further: &[&str]) -> Ran {
    let url = head.url();
    let args = [
        &["login", &url, "--user", "ada", "--password-stdin"],
        further,
    ]
    .concat();
    home.run_with(&args, "secret\n")
}

/// Whether the password or a token was sent.
fn told(asked: &[Asked]) -> bool {
    asked
        .iter()
        .any(|asked| !asked.body.is_empty() || asked.header("Authorization").is_some())
}

#[test]
fn the_right_digest_logs_in_and_is_remembered() {
    let head = head(CA);
    let home = Home::new();
    let digest = ctl::client::tls::fingerprint(CA).unwrap();
    let ran = login(&home, &head, &["--ca-sha256", &digest.to_uppercase()]);
    assert_eq!(ran.code, 0, "{ran:?}");
    home.run(&["nodes"]).data();
    assert_eq!(
        head.asked().last().unwrap().header("Authorization"),
        Some("Bearer god_new")
    );
    // The same authority is known now.
    assert_eq!(login(&home, &head, &[]).code, 0);
}

#[test]
fn a_file_with_the_certificate_is_as_good() {
    let home = Home::new();
    home.write("ca.crt", CA);
    assert_eq!(login(&home, &head(CA), &["--ca-file", "ca.crt"]).code, 0);
}

#[test]
fn a_digest_of_another_cluster_keeps_the_password_here() {
    let (head, home) = (head(CA), Home::new());
    let digest = ctl::client::tls::fingerprint(OTHER).unwrap();
    let ran = login(&home, &head, &["--ca-sha256", &digest, "-o", "json"]);
    assert_eq!(
        (ran.code, &ran.error()["field"]),
        (1, &json!("--ca-sha256")),
        "{ran:?}"
    );
    assert!(!told(&head.asked()), "{:?}", head.asked());
}

#[test]
fn a_head_that_shows_a_certificate_it_is_not_under_is_refused() {
    let (head, home) = (head(OTHER), Home::new());
    let digest = ctl::client::tls::fingerprint(OTHER).unwrap();
    let ran = login(&home, &head, &["--ca-sha256", &digest]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(
        ran.err
            .contains("does not show a certificate of this cluster"),
        "{ran:?}"
    );
    assert!(!told(&head.asked()), "{:?}", head.asked());
}

#[test]
fn a_digest_that_nobody_gave_is_not_taken_on_trust() {
    let (head, home) = (head(CA), Home::new());
    let ran = login(&home, &head, &[]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.err.contains("--ca-sha256"), "{ran:?}");
    assert!(!told(&head.asked()), "{:?}", head.asked());
}

#[test]
fn a_token_is_not_sent_to_a_head_of_another_authority() {
    let (head, home) = (head(CA), Home::new());
    home.write("ca.crt", OTHER);
    home.run(&["context", "add", "lab", &head.url(), "--ca-file", "ca.crt"])
        .data();
    home.write("credentials.toml", "[lab]\ntoken = \"god_secret\"\n");
    let ran = home.run(&["nodes"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert_eq!(head.calls(), Vec::<String>::new());
    let stranger = Home::new();
    let mut nobody = stranger.command(&["nodes"]);
    nobody
        .env("GOCTL_SERVER", head.url())
        .env("GOCTL_TOKEN", "god_secret");
    let ran = finish(nobody, "");
    assert!(ran.err.contains("GOCTL_CA_FILE"), "{ran:?}");
    assert_eq!(head.calls(), Vec::<String>::new());
}
