//! Who may speak: users, their bearer tokens, and the tokens with which nodes join.
//!
//! Secrets never enter the state: passwords are Argon2 strings, tokens and join secrets are
//! SHA-256 digests, both made by the head that received the secret.

use alloc::string::String;
use core::borrow::Borrow;
use core::fmt;
use serde::{Deserialize, Serialize};

use crate::node::NodeRole;
use crate::unit::Timestamp;

/// A login: letters, digits, `.`, `_`, `-`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub struct UserName(pub String);

impl fmt::Display for UserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<&str> for UserName {
    fn from(text: &str) -> Self {
        UserName(text.into())
    }
}

impl Borrow<str> for UserName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// What a user may do to what is not theirs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
pub enum Role {
    /// Their own jobs.
    #[default]
    User,
    /// Everybody's jobs, and draining nodes.
    Operator,
    /// Everything.
    Admin,
}

/// An account.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct User {
    /// The login.
    pub name: UserName,
    /// What they may do.
    pub role: Role,
    /// Argon2 string; empty when they cannot log in by password.
    pub password: String,
    /// The password opens one login only, and only together with a new one.
    pub one_time: bool,
    /// The user and group id that their jobs run as. `None`: the agent's unprivileged default.
    pub unix_ids: Option<(u32, u32)>,
    /// May neither log in nor use a token.
    pub disabled: bool,
    /// When the account was made.
    pub created_at: Timestamp,
}

/// The public half of a bearer token: what it is looked up by.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub struct TokenId(pub String);

/// A bearer token, without its secret.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Token {
    /// Its public half.
    pub id: TokenId,
    /// SHA-256 of the secret half.
    pub hash: [u8; 32],
    /// Whom it speaks for.
    pub user: UserName,
    /// What it is for, in the user's words.
    pub label: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// A permission to join once, without its secret.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct JoinToken {
    /// Its public half.
    pub id: TokenId,
    /// SHA-256 of the secret half.
    pub hash: [u8; 32],
    /// What the node that uses it becomes.
    pub role: NodeRole,
    /// Who made it.
    pub by: UserName,
    /// When it ends.
    pub expires_at: Timestamp,
    /// The node it was used for, with the digest of that node's public key: the same node may
    /// ask again when the answer was lost, nobody else.
    pub used: Option<(crate::id::NodeId, [u8; 32])>,
}
