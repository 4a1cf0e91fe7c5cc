//! LDAP against a real `slapd`, which each test starts for itself, and against servers of the
//! tests' own that behave as no server should.
#![allow(clippy::unwrap_used, reason = "tests")]

mod authority;
mod broken;
mod corpus;
mod injection;
mod liar;
mod people;
mod slapd;
mod trust;

use directory::{Directory, DirectoryError, Secret, Settings};

/// Opens the directory of these settings; the service account's password is slapd's reader's.
fn open(settings: &str) -> Box<dyn Directory> {
    let settings: Settings = toml::from_str(settings).unwrap();
    let secret = matches!(&settings, Settings::Ldap(ldap) if ldap.bind_dn.is_some());
    directory::open(
        settings,
        secret.then(|| Secret::new(slapd::READER_PASSWORD)),
    )
    .unwrap()
}

fn is_denied<T: std::fmt::Debug>(answer: &Result<T, DirectoryError>) -> bool {
    matches!(answer, Err(DirectoryError::Denied))
}

/// The error of an answer and what caused it, on one line.
fn told<T: std::fmt::Debug>(answer: Result<T, DirectoryError>) -> String {
    let error = answer.unwrap_err();
    let mut text = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        text += &format!(": {cause}");
        source = cause.source();
    }
    text
}

/// The same, of a directory that could not be asked.
fn unavailable<T: std::fmt::Debug>(answer: Result<T, DirectoryError>) -> String {
    assert!(
        matches!(answer, Err(DirectoryError::Unavailable { .. })),
        "{answer:?}"
    );
    told(answer)
}
