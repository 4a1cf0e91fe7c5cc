//! Bearer tokens.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A bearer token, without its secret.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Token {
    /// Its public half.
    pub id: String,
    /// Whom it speaks for.
    pub user: String,
    /// What it is for, in the user's words.
    #[serde(default)]
    pub label: String,
    /// When it was made.
    pub created_at: String,
    /// When it ends.
    pub expires_at: String,
    /// The request was made with it.
    #[serde(default)]
    pub current: bool,
    /// What it may be used for.
    #[serde(default)]
    pub scopes: Vec<Scope>,
}

/// Answer of `GET /tokens`: the caller's own.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct TokenList {
    /// The tokens, by time of making.
    pub items: Vec<Token>,
}

/// Body of `POST /tokens`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenRequest {
    /// What it is for.
    #[serde(default)]
    pub label: String,
    /// How long it lives, in seconds. Left out: 30 days.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl_seconds: Option<u64>,
    /// What it may be used for; not more than the token that asks for it. Left out: the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scopes: Option<Vec<Scope>>,
}

/// Answer of `POST /tokens`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct TokenCreated {
    /// To be sent as `Authorization: Bearer …`. It is shown only here.
    pub token: String,
    /// Its public half.
    pub id: String,
    /// When it ends.
    pub expires_at: String,
}

/// Body of `POST /tokens/{id}/rotate`; may be left out.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RotateRequest {
    /// How long the new one lives, in seconds. Left out: 30 days.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl_seconds: Option<u64>,
}

/// What a token may be used for. Nobody can do more with it than they may themselves.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Look at what the user may see.
    Read,
    /// Submit, cancel and otherwise change jobs.
    Jobs,
    /// Change the account: password, tokens, keys, projects that the user manages.
    Account,
    /// Act as an operator or administrator, if the user is one.
    Admin,
}

impl Scope {
    /// All of them.
    pub const ALL: [Scope; 4] = [Scope::Read, Scope::Jobs, Scope::Account, Scope::Admin];

    /// The word on the wire.
    pub fn word(self) -> &'static str {
        match self {
            Scope::Read => "read",
            Scope::Jobs => "jobs",
            Scope::Account => "account",
            Scope::Admin => "admin",
        }
    }
}
