//! How a password becomes a bearer token.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::token::Scope;
use crate::user::User;

/// Body of `POST /login`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LoginRequest {
    /// The login.
    pub user: String,
    /// The password.
    pub password: String,
    /// Replaces the password; needed when that was for one time only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new_password: Option<String>,
}

/// Answer of `POST /login`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct LoginAnswer {
    /// To be sent as `Authorization: Bearer …`. It is shown only here.
    pub token: String,
    /// Who is logged in.
    pub user: String,
    /// When the token ends.
    pub expires_at: String,
}

/// Answer of `GET /whoami`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct WhoAmI {
    /// Whom the token speaks for.
    pub user: User,
    /// The public half of the token.
    pub token: String,
    /// When the token ends.
    pub expires_at: String,
    /// What the token may be used for.
    #[serde(default)]
    pub scopes: Vec<Scope>,
    /// The cluster's name.
    pub cluster: String,
}
