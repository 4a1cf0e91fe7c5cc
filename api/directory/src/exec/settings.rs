//! What an administrator writes about a program that knows people.

use serde::Deserialize;

use crate::limits::{ARGV_MAX, LIFETIME_MS, SETTING_BYTES_MAX, TIMEOUT_MS};
use crate::{Accept, DirectoryError};

/// How a program is asked.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExecSettings {
    /// The program, by its absolute path, and its arguments. No shell sees them.
    pub command: Vec<String>,
    /// The time-out of one question, in milliseconds; then the program is killed.
    #[serde(default = "default_timeout")]
    pub timeout_ms: u64,
    /// How long what was found is said again without asking, in milliseconds.
    #[serde(default = "default_lifetime")]
    pub lifetime_ms: u64,
    /// Which ids are accepted.
    #[serde(default)]
    pub accept: Accept,
}

fn default_timeout() -> u64 {
    TIMEOUT_MS
}

fn default_lifetime() -> u64 {
    LIFETIME_MS
}

impl ExecSettings {
    pub(crate) fn validate(&self) -> Result<(), DirectoryError> {
        let wrong = |why: String| Err(DirectoryError::misconfigured("command", why));
        if self
            .command
            .first()
            .is_none_or(|program| !program.starts_with('/'))
        {
            return wrong("write the program with its absolute path, then its arguments".into());
        }
        if self.command.len() > ARGV_MAX {
            return wrong(format!("more than {ARGV_MAX} words"));
        }
        let bad = |word: &String| word.contains('\0') || word.len() > SETTING_BYTES_MAX;
        if self.command.iter().any(bad) {
            return wrong(format!(
                "a word is longer than {SETTING_BYTES_MAX} or has a NUL"
            ));
        }
        Ok(())
    }
}
