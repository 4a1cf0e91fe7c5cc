//! The corpus of injections against a real server, past the check that only lets plain names
//! through: the filters themselves let nobody be anybody else.

#[allow(dead_code, reason = "shared with tests/ldap, which uses all of it")]
#[path = "../../tests/ldap/authority.rs"]
mod authority;
#[path = "../../tests/ldap/corpus.rs"]
pub(crate) mod corpus;
#[allow(dead_code, reason = "shared with tests/ldap, which uses all of it")]
#[path = "../../tests/ldap/slapd.rs"]
mod slapd;

use super::*;
use crate::Settings;
use slapd::Slapd;

fn ldap(settings: &str) -> Ldap {
    let Settings::Ldap(settings) = toml::from_str(settings).unwrap() else {
        panic!("not LDAP: {settings}");
    };
    Ldap::open(settings, Some(Secret::new(slapd::READER_PASSWORD))).unwrap()
}

/// Nobody has a name like these; only that a server takes no note of case, and of spaces at the
/// ends, makes it find somebody, who has another name.
#[tokio::test]
async fn no_line_of_the_corpus_finds_anybody() {
    let (slapd, ca) = Slapd::trusted();
    let any_class = slapd.settings(&ca);
    let two = any_class.replace("(uid={login})", "(|(uid={login})(cn=x{login}*))");
    for directory in [ldap(&any_class), ldap(&two)] {
        for line in &corpus::lines() {
            // What the public door never lets through goes straight to the server here.
            let found = directory.ask(line, None).await;
            assert!(matches!(found, Ok(None)), "{line:?}: {found:?}");
            let proved = directory.ask(line, Some("ada's secret")).await;
            assert!(!matches!(proved, Ok(Some(_))), "{line:?}: {proved:?}");
        }
        assert!(
            directory
                .ask("ada", Some("ada's secret"))
                .await
                .unwrap()
                .is_some()
        );
    }
}

#[test]
fn a_service_account_and_its_secret_go_together() {
    let text = slapd::settings("\"ldaps://a\"", "x");
    let open = |text: &str, secret: Option<&str>| {
        let Settings::Ldap(settings) = toml::from_str(text).unwrap() else {
            panic!("not LDAP: {text}");
        };
        let opened = Ldap::open(settings, secret.map(Secret::new));
        opened
            .err()
            .map(|error| error.to_string())
            .unwrap_or_default()
    };
    let named = format!("{text}bind_dn = \"cn=a\"\n");
    for (text, secret) in [(&text, Some("x")), (&named, None), (&named, Some(""))] {
        let error = open(text, secret);
        assert!(error.starts_with("bind_dn: "), "{error}");
    }
    // What stands in `ca_pem` here is no certificate.
    assert!(open(&named, Some("x")).starts_with("ca_pem: "));
}
