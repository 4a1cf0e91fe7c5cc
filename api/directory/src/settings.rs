//! The settings of a directory, as an administrator writes them. They hold no password and read no
//! file; [`Settings::validate`] names the field, the limit and the remedy.

use std::time::Duration;

use serde::Deserialize;

pub use crate::exec::ExecSettings;
pub use crate::ldap::{Attributes, GroupSettings, LdapSettings};
pub use crate::person::Accept;
pub use crate::system::SystemSettings;

use crate::DirectoryError;
use crate::limits::{LIFETIME_MS_MAX, SETTING_BYTES_MAX, TIMEOUT_MS_MAX};

/// Which directory is asked, and how.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Settings {
    /// LDAP servers.
    Ldap(Box<LdapSettings>),
    /// The machine's own accounts, with PAM for passwords.
    System(SystemSettings),
    /// A program of the site's own.
    Exec(ExecSettings),
}

impl Settings {
    /// # Errors
    /// [`DirectoryError::Misconfigured`] for the first setting that is wrong.
    pub fn validate(&self) -> Result<(), DirectoryError> {
        let (timeout_ms, accept) = match self {
            Settings::Ldap(ldap) => (ldap.timeout_ms, &ldap.accept),
            Settings::System(system) => (system.timeout_ms, &system.accept),
            Settings::Exec(exec) => (exec.timeout_ms, &exec.accept),
        };
        check_timeout("timeout_ms", timeout_ms)?;
        check_lifetime(self.lifetime_ms())?;
        accept.validate()?;
        match self {
            Settings::Ldap(ldap) => ldap.validate(),
            Settings::System(system) => system.validate(),
            Settings::Exec(exec) => exec.validate(),
        }
    }

    /// How long what was found may be said again without asking, in milliseconds; 0: not at all.
    pub fn lifetime_ms(&self) -> u64 {
        match self {
            Settings::Ldap(ldap) => ldap.lifetime_ms,
            Settings::System(system) => system.lifetime_ms,
            Settings::Exec(exec) => exec.lifetime_ms,
        }
    }
}

pub(crate) fn check_timeout(field: &'static str, ms: u64) -> Result<(), DirectoryError> {
    if (1..=TIMEOUT_MS_MAX).contains(&ms) {
        return Ok(());
    }
    let why = format!("{ms} is not between 1 and {TIMEOUT_MS_MAX}; 10000 does for most sites");
    Err(DirectoryError::misconfigured(field, why))
}

fn check_lifetime(ms: u64) -> Result<(), DirectoryError> {
    if ms <= LIFETIME_MS_MAX {
        return Ok(());
    }
    let why = format!("{ms} is more than {LIFETIME_MS_MAX}; so long who has left would get in");
    Err(DirectoryError::misconfigured("lifetime_ms", why))
}

/// Whether a text of the settings is there, of one line, and not too long.
pub(crate) fn check_text(field: &'static str, text: &str) -> Result<(), DirectoryError> {
    if (1..=SETTING_BYTES_MAX).contains(&text.len()) && !text.contains(char::is_control) {
        return Ok(());
    }
    let why = format!("write one line of 1 to {SETTING_BYTES_MAX} bytes");
    Err(DirectoryError::misconfigured(field, why))
}

/// The time-out of a setting that was checked.
pub(crate) fn span(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

#[cfg(test)]
#[path = "settings/tests.rs"]
mod tests;
