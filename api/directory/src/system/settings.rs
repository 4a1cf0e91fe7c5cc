//! What an administrator writes about the machine's own accounts.

use std::path::PathBuf;

use serde::Deserialize;

use crate::limits::{LIFETIME_MS, TIMEOUT_MS};
use crate::person::is_login;
use crate::{Accept, DirectoryError};

/// How the machine's own accounts are asked.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SystemSettings {
    /// The name of the PAM service, a file in `/etc/pam.d`.
    #[serde(default = "default_service")]
    pub service: String,
    /// Another directory of PAM services; needs libpam 1.4 or newer.
    #[serde(default)]
    pub pam_dir: Option<PathBuf>,
    /// The time-out of one question, in milliseconds. PAM modules take their time to refuse.
    #[serde(default = "default_timeout")]
    pub timeout_ms: u64,
    /// How long what was found is said again without asking, in milliseconds.
    #[serde(default = "default_lifetime")]
    pub lifetime_ms: u64,
    /// Which ids are accepted.
    #[serde(default)]
    pub accept: Accept,
}

fn default_service() -> String {
    "godocker".into()
}

fn default_timeout() -> u64 {
    TIMEOUT_MS
}

fn default_lifetime() -> u64 {
    LIFETIME_MS
}

impl Default for SystemSettings {
    fn default() -> SystemSettings {
        SystemSettings {
            service: default_service(),
            pam_dir: None,
            timeout_ms: default_timeout(),
            lifetime_ms: default_lifetime(),
            accept: Accept::default(),
        }
    }
}

impl SystemSettings {
    pub(crate) fn validate(&self) -> Result<(), DirectoryError> {
        // A service is named like a login, and as little a path.
        if !is_login(&self.service) {
            let why = "write the name of a file in /etc/pam.d: letters, digits, `.`, `_`, `-`";
            return Err(DirectoryError::misconfigured("service", why));
        }
        let dir = self.pam_dir.as_ref();
        if dir.is_some_and(|dir| !dir.is_absolute()) {
            let why = "write an absolute path, or leave it out for /etc/pam.d";
            return Err(DirectoryError::misconfigured("pam_dir", why));
        }
        Ok(())
    }
}
