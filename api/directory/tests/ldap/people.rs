//! Who is let in, as whom, and who is not.

use std::process::Command;
use std::time::Instant;

use directory::DirectoryError;

use super::authority::Authority;
use super::slapd::{FAR_YEAR, Slapd};
use super::{is_denied, open, told, unavailable};

const GROUPS: &str = r#"
[groups]
base = "ou=groups,o=site"
filter = "(|(memberUid={login})(member={dn}))"
"#;

fn unfit<T: std::fmt::Debug>(answer: Result<T, DirectoryError>) -> String {
    assert!(
        matches!(answer, Err(DirectoryError::Unfit { .. })),
        "{answer:?}"
    );
    told(answer)
}

#[tokio::test]
async fn the_right_password_lets_in_over_both_ways_to_tls() {
    let (slapd, ca) = Slapd::trusted();
    let at_once = slapd.settings(&ca);
    let secure = format!("ldaps://localhost:{}", slapd.tls_port);
    let start_tls = at_once.replace(&secure, &format!("ldap://localhost:{}", slapd.port));
    let by_address = at_once.replace("localhost", "127.0.0.1");
    for settings in [at_once, start_tls, by_address] {
        let directory = open(&settings);
        let ada = directory.authenticate("ada", "ada's secret").await.unwrap();
        assert_eq!(
            (ada.login.as_str(), ada.uid, ada.gid),
            ("ada", 2_001, 3_000)
        );
        assert_eq!(ada.home.as_deref(), Some("/home/ada"));
        assert_eq!(ada.mail.as_deref(), Some("ada@site.example"));
        assert!(ada.groups.is_empty() && ada.roles.is_empty());
        assert_eq!(directory.find("ada").await.unwrap(), Some(ada));
    }
}

#[tokio::test]
async fn wrong_passwords_and_strangers_are_told_apart_by_nobody() {
    let (slapd, ca) = Slapd::trusted();
    let directory = open(&slapd.settings(&ca));
    let wrong = told(directory.authenticate("ada", "wrong").await);
    let stranger = told(directory.authenticate("nobody", "wrong").await);
    assert_eq!(
        (wrong.as_str(), &wrong),
        ("wrong login or password", &stranger)
    );
    for (login, password) in [
        ("ada", "bob's secret"),
        ("ada", "ada's secret "),
        ("ada", "Ada's secret"),
        ("ADA", "ada's secret"),
        ("mute", "anything"),
        ("reader", "reads, no more"),
    ] {
        let answer = directory.authenticate(login, password).await;
        assert!(is_denied(&answer), "{login}: {answer:?}");
    }
    assert_eq!(directory.find("nobody").await.unwrap(), None);
    assert_eq!(directory.find("ADA").await.unwrap(), None);
}

#[tokio::test]
async fn an_empty_password_is_refused_before_any_server_hears_of_it() {
    let (slapd, ca) = Slapd::trusted();
    // This server takes it, which is why it must not hear of it.
    let mut whoami = Command::new("ldapwhoami");
    whoami.args(["-x", "-D", "uid=ada,ou=people,o=site", "-w", "", "-H"]);
    whoami.arg(format!("ldap://127.0.0.1:{}", slapd.port));
    let output = whoami.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.trim() == "anonymous",
        "{output:?}"
    );

    let settings = slapd.settings(&ca);
    let directory = open(&settings);
    assert!(is_denied(&directory.authenticate("ada", "").await));
    drop(slapd);
    // With no server there, whatever asks one cannot be answered: this asks none.
    assert!(is_denied(&directory.authenticate("ada", "").await));
    assert!(is_denied(
        &directory.authenticate("ada", "ada's\0secret").await
    ));
    unavailable(directory.authenticate("ada", "ada's secret").await);
}

#[tokio::test]
async fn an_entry_that_lacks_something_or_is_not_alone_lets_nobody_in() {
    let (slapd, ca) = Slapd::trusted();
    let directory = open(&slapd.settings(&ca));
    for (login, because) in [
        ("bare", "no `uidNumber`"),
        ("toor", "user id 0"),
        ("rootgroup", "first group's id 0"),
        ("daemon", "user id 500"),
        ("carl", "more than one `uid`"),
        ("relative", "home directory"),
    ] {
        let password = format!("{login}'s secret");
        let error = unfit(directory.authenticate(login, &password).await);
        assert!(error.contains(because), "{login}: {error}");
        assert_eq!(unfit(directory.find(login).await), error);
        // Who does not know the password does not hear of it.
        assert!(
            is_denied(&directory.authenticate(login, "wrong").await),
            "{login}"
        );
    }
    let twin = directory.authenticate("twin", "twin's secret").await;
    assert!(matches!(twin, Err(DirectoryError::Ambiguous)), "{twin:?}");
    let twin = directory.find("twin").await;
    assert!(matches!(twin, Err(DirectoryError::Ambiguous)), "{twin:?}");
}

#[tokio::test]
async fn groups_are_found_by_login_and_by_name_however_it_is_written() {
    let (slapd, ca) = Slapd::trusted();
    let directory = open(&(slapd.settings(&ca) + GROUPS));
    let ada = directory.authenticate("ada", "ada's secret").await.unwrap();
    assert_eq!(ada.groups, [4_000], "wheel's 10 is the system's own");
    assert_eq!(ada.roles, ["curators", "lab", "wheel"]);
    let bob = directory.find("bob").await.unwrap().unwrap();
    assert_eq!((bob.groups, bob.roles.len()), (vec![4_000, 4_001], 2));
    let odd = directory.authenticate("odd", "odd's secret").await.unwrap();
    assert_eq!(
        (odd.groups.len(), odd.roles),
        (0, vec!["curators".to_owned()])
    );
    let admin = directory.find("admin").await.unwrap().unwrap();
    assert!(admin.groups.is_empty() && admin.roles.is_empty());
}

#[tokio::test]
async fn who_is_in_more_groups_than_the_server_tells_is_refused() {
    let authority = Authority::new("site");
    let signed = authority.sign(&["localhost"], FAR_YEAR);
    let slapd = Slapd::with(Some((&authority.pem, &signed)), "sizelimit 2\n");
    let directory = open(&(slapd.settings(&authority.pem) + GROUPS));
    let error = unfit(directory.authenticate("ada", "ada's secret").await);
    assert!(
        error.contains("more groups than the server tells"),
        "{error}"
    );
    assert!(directory.authenticate("bob", "bob's secret").await.is_ok());
}

#[tokio::test]
async fn other_attributes_and_minimums_can_be_chosen() {
    let (slapd, ca) = Slapd::trusted();
    let more = "[attributes]\nhome = \"sn\"\nmail = \"cn\"\n[accept]\nuid_min = 500\n";
    let directory = open(&(slapd.settings(&ca) + more));
    // A home that is no path, since it is somebody's surname.
    assert!(unfit(directory.find("daemon").await).contains("home directory"));
    let directory = open(&(slapd.settings(&ca) + "[accept]\nuid_min = 500\n"));
    assert_eq!(directory.find("daemon").await.unwrap().unwrap().uid, 500);
}

#[tokio::test]
async fn people_are_found_under_no_name_where_the_site_lets_anybody_read() {
    let (slapd, ca) = Slapd::trusted();
    let with_reader = slapd.settings(&ca);
    let without = with_reader.replace("bind_dn = \"cn=reader,o=site\"\n", "");
    let open_base = without.replace("ou=people,o=site", "ou=open,o=site");
    let directory = open(&open_base);
    assert!(directory.authenticate("eve", "eve's secret").await.is_ok());
    assert!(is_denied(&directory.authenticate("eve", "wrong").await));
    // Where it does not, nothing is found, and that is no reason to let anybody in.
    let directory = open(&without);
    assert!(directory.authenticate("ada", "ada's secret").await.is_err());
    assert!(!matches!(directory.find("ada").await, Ok(Some(_))));
}

#[tokio::test]
async fn references_to_other_servers_are_not_followed() {
    let (slapd, ca) = Slapd::trusted();
    // One is below the base: what is here is found, what is there is not asked for.
    let begun = Instant::now();
    let directory = open(&slapd.settings(&ca));
    assert!(directory.find("ada").await.unwrap().is_some());
    assert_eq!(directory.find("zoe").await.unwrap(), None);
    // The base itself is elsewhere.
    let settings = slapd
        .settings(&ca)
        .replace("ou=people,o=site", "ou=elsewhere,ou=people,o=site");
    let error = unavailable(open(&settings).authenticate("ada", "ada's secret").await);
    assert!(error.contains("code 10"), "{error}");
    assert!(begun.elapsed().as_secs() < 10);
}

#[tokio::test]
async fn a_service_account_that_is_refused_lets_nobody_in() {
    let (slapd, ca) = Slapd::trusted();
    for bind_dn in [
        "cn=stranger,o=site",
        "uid=ada,ou=people,o=site",
        "no name at all",
    ] {
        let directory = open(&slapd.settings(&ca).replace("cn=reader,o=site", bind_dn));
        let error = unavailable(directory.authenticate("ada", "ada's secret").await);
        assert!(error.contains("bind_dn"), "{error}");
        unavailable(directory.find("ada").await);
    }
    let settings = slapd
        .settings(&ca)
        .replace("ou=people,o=site", "ou=nowhere,o=site");
    unavailable(open(&settings).find("ada").await);
}
