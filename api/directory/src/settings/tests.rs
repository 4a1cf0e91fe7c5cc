//! What may be written, and what is said to whoever writes something else.

use super::*;

const LDAP: &str = r#"
kind = "ldap"
servers = ["ldaps://ldap.example.org"]
ca_file = "/etc/godocker/ldap-ca.pem"
base = "ou=people,dc=example,dc=org"
"#;
const SYSTEM: &str = "kind = \"system\"\n";
const EXEC: &str = "kind = \"exec\"\ncommand = [\"/usr/local/bin/who\"]\n";

fn check(text: &str) -> Result<(), String> {
    let settings: Settings = toml::from_str(text).map_err(|error| error.to_string())?;
    settings.validate().map_err(|error| error.to_string())
}

#[test]
fn the_smallest_settings_of_each_kind_are_enough() {
    for text in [LDAP, SYSTEM, EXEC] {
        assert_eq!(check(text), Ok(()), "{text}");
    }
}

#[test]
fn unknown_words_are_refused() {
    for (text, word) in [
        ("kind = \"nis\"\n".to_owned(), "nis"),
        (format!("{LDAP}password = \"x\"\n"), "password"),
        (format!("{SYSTEM}servers = []\n"), "servers"),
        (format!("{EXEC}shell = true\n"), "shell"),
        (format!("{LDAP}[accept]\nuid_max = 3\n"), "uid_max"),
        (format!("{LDAP}[attributes]\nname = \"cn\"\n"), "name"),
    ] {
        let error = check(&text).unwrap_err();
        assert!(error.contains(word), "{text}: {error}");
    }
}

#[test]
fn each_mistake_names_its_field() {
    let ldap = |from: &str, to: &str| LDAP.replace(from, to);
    for (text, field) in [
        (
            ldap("ldaps://ldap.example.org", "ldap.example.org"),
            "servers",
        ),
        (
            ldap("ldaps://ldap.example.org", "http://ldap.example.org"),
            "servers",
        ),
        (ldap("[\"ldaps://ldap.example.org\"]", "[]"), "servers"),
        (ldap("ca_file", "# ca_file"), "ca_file"),
        (ldap("ou=people,dc=example,dc=org", ""), "base"),
        (format!("{LDAP}ca_pem = \"x\"\n"), "ca_file"),
        (format!("{LDAP}filter = \"(uid=ada)\"\n"), "filter"),
        (format!("{LDAP}filter = \"(uid={{login}}\"\n"), "filter"),
        (format!("{LDAP}filter = \"(uid={{dn}})\"\n"), "filter"),
        (format!("{LDAP}filter = \"(!(uid={{login}}))\"\n"), "filter"),
        (format!("{LDAP}timeout_ms = 0\n"), "timeout_ms"),
        (
            format!("{LDAP}step_timeout_ms = 999999\n"),
            "step_timeout_ms",
        ),
        (format!("{LDAP}lifetime_ms = 99999999\n"), "lifetime_ms"),
        (format!("{LDAP}[accept]\nuid_min = 0\n"), "accept.uid_min"),
        (format!("{LDAP}[accept]\ngid_min = 0\n"), "accept.gid_min"),
        (
            format!("{LDAP}[attributes]\nlogin = \"u(id\"\n"),
            "attributes.login",
        ),
        (
            format!("{LDAP}[groups]\nbase = \"\"\nfilter = \"(a={{dn}})\"\n"),
            "groups.base",
        ),
        (
            format!("{LDAP}[groups]\nbase = \"o=x\"\nfilter = \"(a=b)\"\n"),
            "groups.filter",
        ),
        (format!("{SYSTEM}service = \"../x\"\n"), "service"),
        (format!("{SYSTEM}pam_dir = \"etc\"\n"), "pam_dir"),
        ("kind = \"exec\"\ncommand = []\n".to_owned(), "command"),
        (
            "kind = \"exec\"\ncommand = [\"who\"]\n".to_owned(),
            "command",
        ),
        (
            "kind = \"exec\"\ncommand = [\"/who\", \"a\\u0000b\"]\n".to_owned(),
            "command",
        ),
    ] {
        let error = check(&text).unwrap_err();
        assert!(error.starts_with(&format!("{field}: ")), "{text}: {error}");
    }
}
