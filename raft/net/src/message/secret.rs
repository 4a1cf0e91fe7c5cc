//! What an agent asks of a head about the secrets of an attempt, and what it is told.
//!
//! A head answers only for attempts that were given to the node that asks and are not over. Values
//! are never written down by whoever hears them, and no `Debug` shows them.

use std::fmt;

use model::assignment::Held;
use serde::{Deserialize, Serialize};

/// A wish for the secrets of one attempt.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SecretCall {
    /// Which attempt, and the fence that the agent has for it.
    pub held: Held,
    /// Which of its secrets.
    pub want: SecretWant,
}

/// Which secrets of an attempt.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum SecretWant {
    /// Those that it gets as files.
    Files,
    /// The login at its image's registry.
    Login,
}

/// The answer to a [`SecretCall`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum SecretAnswer {
    /// The files, as many as the job asks for.
    Files(Vec<SecretFile>),
    /// The login, if the job's owner or project has one.
    Login(Option<Login>),
    /// The attempt may not have them (any more), for this reason.
    Refused(String),
    /// This head does not know that the attempt is there, or does not know it yet.
    NotHere,
}

/// A secret as a file.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SecretFile {
    /// The file's name.
    pub name: String,
    /// What is in it.
    pub value: Plain,
}

/// A login at a registry.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Login {
    /// The registry, as images name it.
    pub host: String,
    /// The user's name there.
    pub login: String,
    /// The password or identity token.
    pub password: Plain,
    /// What tells this login from others, and from itself with another password; says nothing of
    /// the password.
    pub mark: String,
}

/// The value of a secret. Its `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plain(pub Vec<u8>);

impl fmt::Debug for Plain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_debug_shows_a_value() {
        let file = SecretFile {
            name: "key".into(),
            value: Plain(b"hunter2".to_vec()),
        };
        let shown = format!("{:?}", SecretAnswer::Files(vec![file]));
        assert!(
            shown.contains("key") && shown.contains("(secret)"),
            "{shown}"
        );
        assert!(
            !shown.contains("104") && !shown.contains("hunter2"),
            "{shown}"
        );
    }
}
