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
