//! Permissions for one node each to join.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::node::NodeRole;

/// A permission to join, without its secret.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct JoinToken {
    /// Its public half.
    pub id: String,
    /// What the node that uses it becomes.
    pub role: NodeRole,
    /// Who made it.
    pub by: String,
    /// When it ends.
    pub expires_at: String,
    /// The node that used it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used_by: Option<u64>,
}

/// Answer of `GET /join-tokens`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct JoinTokenList {
    /// All that have not expired.
    pub items: Vec<JoinToken>,
}

/// Body of `POST /join-tokens`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct JoinTokenRequest {
    /// What the node becomes.
    pub role: NodeRole,
    /// How long the permission lives, in seconds. Left out: an hour.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl_seconds: Option<u64>,
}

/// Answer of `POST /join-tokens`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct JoinTokenCreated {
    /// What `goagent join` takes. It is shown only here.
    pub token: String,
    /// Its public half.
    pub id: String,
    /// What the node becomes.
    pub role: NodeRole,
    /// When it ends.
    pub expires_at: String,
}
