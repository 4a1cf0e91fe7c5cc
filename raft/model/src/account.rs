//! Who may speak: users, their bearer tokens, and the tokens with which nodes join.
//!
//! Secrets never enter the state: passwords are Argon2 strings, tokens and join secrets are
//! SHA-256 digests, both made by the head that received the secret.

use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec::Vec;
use core::borrow::Borrow;
use core::fmt;
use serde::{Deserialize, Serialize};

use crate::node::NodeRole;
use crate::quota::Quota;
use crate::unit::{Millis, Timestamp};

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

/// What a process is on a machine: never 0 for a job's own.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct UnixIds {
    /// User id.
    pub uid: u32,
    /// Primary group id.
    pub gid: u32,
    /// Secondary group ids.
    pub groups: Vec<u32>,
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
    /// What their jobs run as. `None`: the agent's unprivileged default.
    pub ids: Option<UnixIds>,
    /// May neither log in nor use a token.
    pub disabled: bool,
    /// When the account was made.
    pub created_at: Timestamp,
    /// Their home directory on the nodes, absolute; may be empty.
    pub home: String,
    /// Where they get mail; may be empty.
    pub mail: String,
    /// The directory that knows them, and when it last said so; `None`: the account is kept here.
    pub source: Option<Source>,
    /// Their own bounds instead of those that everybody has.
    pub quota: Option<Quota>,
}

/// Where an account comes from.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Source {
    /// The name of the directory.
    pub directory: String,
    /// When it last confirmed the account.
    pub confirmed_at: Timestamp,
}

/// A directory of the site that is asked who people are. What its settings mean is known to the
/// heads that ask it.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Directory {
    /// Its name, unique.
    pub name: String,
    /// Its kind and how it is reached: a JSON document, without secrets.
    pub settings: String,
    /// The password with which it is asked, sealed by a head; empty when it needs none.
    pub sealed: Vec<u8>,
    /// How long what it said is believed.
    pub life: Millis,
}

/// A public key with which a user opens interactive sessions.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct SshKey {
    /// Whose.
    pub user: UserName,
    /// `SHA256:` and the digest, as `ssh-keygen -l` prints it.
    pub fingerprint: String,
    /// Kind and key, as in `authorized_keys`, without the comment.
    pub key: String,
    /// What it is for, in the user's words.
    pub label: String,
    /// When it was added.
    pub created_at: Timestamp,
}

/// What a token may be used for. Nobody can do more with it than they may themselves.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum Scope {
    /// Look at what the user may see.
    Read,
    /// Submit, cancel and otherwise change jobs and their files.
    Jobs,
    /// Change the account: password, tokens, keys, projects that the user manages.
    Account,
    /// Act as an operator or administrator, if the user is one.
    Admin,
}

impl Scope {
    /// All of them.
    pub const ALL: [Scope; 4] = [Scope::Read, Scope::Jobs, Scope::Account, Scope::Admin];
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
    /// What it may be used for.
    pub scopes: BTreeSet<Scope>,
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
