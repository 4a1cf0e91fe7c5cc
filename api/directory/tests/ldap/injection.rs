//! `injection.txt` against a real server: every line as a login and as a password. Nobody is ever
//! let in by one. The lines reach the server's filters in `src/ldap/tests.rs`; here they meet what
//! stands before it too.

use super::slapd::Slapd;
use super::{corpus, is_denied, open};

const PEOPLE: [&str; 4] = ["ada", "bob", "admin", "odd"];

#[tokio::test]
async fn no_line_lets_anybody_in() {
    let (slapd, ca) = Slapd::trusted();
    let groups = "[groups]\nbase = \"ou=groups,o=site\"\nfilter = \"(memberUid={login})\"\n";
    let directory = open(&(slapd.settings(&ca) + groups));
    let lines = corpus::lines();
    for line in &lines {
        for password in ["ada's secret", "wrong", line, ""] {
            let answer = directory.authenticate(line, password).await;
            assert!(
                is_denied(&answer),
                "login {line:?}, password {password:?}: {answer:?}"
            );
        }
        let found = directory.find(line).await;
        assert!(matches!(found, Ok(None)), "{line:?}: {found:?}");
        let answer = directory.authenticate("ada", line).await;
        assert!(is_denied(&answer), "password {line:?}: {answer:?}");
    }
    for login in PEOPLE {
        for other in PEOPLE {
            let answer = directory
                .authenticate(login, &format!("{other}'s secret"))
                .await;
            assert_eq!(answer.is_ok(), login == other, "{login} with {other}'s");
        }
    }
}
