//! Accounts.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// An account.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct User {
    /// The login.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// The user id that their jobs run as. Left out: the nodes' unprivileged default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
    /// The group id that their jobs run as.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gid: Option<u32>,
    /// The other groups that their jobs are in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<u32>,
    /// Their home directory on the nodes.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub home: String,
    /// Where they get mail.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub mail: String,
    /// The directory that knows them. Left out: the account is kept in the cluster itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory: Option<String>,
    /// When that directory last confirmed the account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmed_at: Option<String>,
    /// May neither log in nor use a token.
    #[serde(default)]
    pub disabled: bool,
    /// Has a password that can open a login.
    #[serde(default)]
    pub has_password: bool,
    /// The password opens one login only, together with a new one.
    #[serde(default)]
    pub password_one_time: bool,
    /// When the account was made.
    pub created_at: String,
}

/// What a user may do to what is not theirs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Their own jobs.
    #[default]
    User,
    /// Everybody's jobs, and draining nodes.
    Operator,
    /// Everything.
    Admin,
}

/// Answer of `GET /users`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct UserList {
    /// Accounts, by name.
    pub items: Vec<User>,
    /// Give this as `cursor` to get the next page; none on the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// Body of `PUT /users/{name}`: makes the account, or changes it. What is left out goes back to
/// its default.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UserRequest {
    /// What they may do.
    #[serde(default)]
    pub role: Role,
    /// The user id that their jobs run as; together with `gid`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
    /// The group id that their jobs run as; together with `uid`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gid: Option<u32>,
    /// The other groups that their jobs are in; with `uid` and `gid` only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<u32>,
    /// Their home directory on the nodes, absolute.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub home: String,
    /// Where they get mail.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub mail: String,
    /// May neither log in nor use a token.
    #[serde(default)]
    pub disabled: bool,
}

/// Body of `PUT /users/{name}/password`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PasswordRequest {
    /// The new password.
    pub password: String,
    /// The old password; needed by users who change their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current: Option<String>,
    /// The new password opens one login only, together with another one. For administrators.
    #[serde(default)]
    pub one_time: bool,
}
