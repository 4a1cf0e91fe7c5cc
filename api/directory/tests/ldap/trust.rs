//! To whom a password may be said: only to a server that shows a certificate for its name, valid
//! now, from the authority of the settings.

use std::time::{Duration, Instant};

use super::authority::Authority;
use super::slapd::{FAR_YEAR, Slapd, settings};
use super::{open, unavailable};

/// What is said of a server, asked in both ways, with this authority trusted.
async fn refused(slapd: &Slapd, ca_pem: &str) -> Vec<String> {
    let mut errors = Vec::new();
    for server in [
        format!("\"ldaps://localhost:{}\"", slapd.tls_port),
        format!("\"ldap://localhost:{}\"", slapd.port),
    ] {
        let settings = settings(&server, ca_pem) + "bind_dn = \"cn=reader,o=site\"\n";
        let directory = open(&settings);
        errors.push(unavailable(
            directory.authenticate("ada", "ada's secret").await,
        ));
        unavailable(directory.find("ada").await);
    }
    errors
}

#[tokio::test]
async fn another_authority_is_not_trusted() {
    let (slapd, _) = Slapd::trusted();
    let other = Authority::new("somebody else");
    for error in refused(&slapd, &other.pem).await {
        assert!(error.contains("UnknownIssuer"), "{error}");
    }
}

#[tokio::test]
async fn a_certificate_for_another_name_is_not_this_servers() {
    let authority = Authority::new("site");
    let signed = authority.sign(&["ldap.other.example", "127.0.0.2"], FAR_YEAR);
    let slapd = Slapd::start(Some((&authority.pem, &signed)));
    for error in refused(&slapd, &authority.pem).await {
        assert!(error.contains("not valid for name"), "{error}");
    }
}

#[tokio::test]
async fn an_expired_certificate_is_refused() {
    let authority = Authority::new("site");
    let signed = authority.sign(&["localhost"], 2_021);
    let slapd = Slapd::start(Some((&authority.pem, &signed)));
    for error in refused(&slapd, &authority.pem).await {
        assert!(error.contains("expired"), "{error}");
    }
}

#[tokio::test]
async fn a_server_without_tls_is_not_asked() {
    let slapd = Slapd::start(None);
    let authority = Authority::new("site");
    let server = format!("\"ldap://localhost:{}\"", slapd.port);
    let directory = open(&settings(&server, &authority.pem));
    let error = unavailable(directory.authenticate("ada", "ada's secret").await);
    assert!(error.contains("refuses StartTLS"), "{error}");
    let server = format!("\"ldaps://localhost:{}\"", slapd.port);
    let directory = open(&settings(&server, &authority.pem));
    let error = unavailable(directory.find("ada").await);
    assert!(
        error.contains("no TLS") || error.contains("broke off"),
        "{error}"
    );
}

#[tokio::test]
async fn the_next_server_is_asked_when_one_is_down_or_not_trusted() {
    let (slapd, ca) = Slapd::trusted();
    let (stranger, _) = Slapd::trusted();
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let silent_port = silent.local_addr().unwrap().port();
    let servers = format!(
        "\"ldaps://localhost:1\", \"ldaps://localhost:{}\", \"ldaps://localhost:{silent_port}\", \
         \"ldaps://localhost:{}\"",
        stranger.tls_port, slapd.tls_port
    );
    let more = "bind_dn = \"cn=reader,o=site\"\nstep_timeout_ms = 1000\n";
    let directory = open(&(settings(&servers, &ca) + more));
    let begun = Instant::now();
    assert!(directory.authenticate("ada", "ada's secret").await.is_ok());
    assert!(
        begun.elapsed() < Duration::from_secs(9),
        "{:?}",
        begun.elapsed()
    );
    // A refusal is an answer: no other server is asked to say otherwise.
    let begun = Instant::now();
    let answer = directory.authenticate("ada", "wrong").await;
    assert!(super::is_denied(&answer), "{answer:?}");
    assert!(
        begun.elapsed() < Duration::from_secs(9),
        "{:?}",
        begun.elapsed()
    );
    drop(slapd);
    unavailable(directory.authenticate("ada", "ada's secret").await);
}

#[tokio::test]
async fn tls_is_of_version_1_2_or_1_3_and_no_older() {
    let authority = Authority::new("site");
    let signed = authority.sign(&["localhost"], FAR_YEAR);
    let speaking = |version: &str| {
        // GnuTLS thinks little of the old ones itself; it must be told that they are meant.
        let suite = "NORMAL:%COMPAT:+SHA1:+SIGN-ECDSA-SHA1:-VERS-ALL";
        let more = format!("TLSCipherSuite {suite}:+VERS-TLS{version}\n");
        Slapd::with(Some((&authority.pem, &signed)), &more)
    };
    for version in ["1.2", "1.3"] {
        let slapd = speaking(version);
        let directory = open(&slapd.settings(&authority.pem));
        let answer = directory.authenticate("ada", "ada's secret").await;
        assert!(answer.is_ok(), "TLS {version}: {answer:?}");
    }
    for version in ["1.0", "1.1"] {
        for error in refused(&speaking(version), &authority.pem).await {
            assert!(error.contains("no TLS"), "TLS {version}: {error}");
        }
    }
}
