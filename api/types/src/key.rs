//! Public keys with which users open interactive sessions.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A public key.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct SshKey {
    /// `SHA256:` and the digest, as `ssh-keygen -l` prints it.
    pub fingerprint: String,
    /// Kind and key, as in `authorized_keys`.
    pub key: String,
    /// What it is for, in the user's words.
    #[serde(default)]
    pub label: String,
    /// When it was added.
    pub created_at: String,
}

/// Answer of `GET /keys`: the caller's own.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct SshKeyList {
    /// By fingerprint.
    pub items: Vec<SshKey>,
}

/// Body of `POST /keys`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SshKeyRequest {
    /// One line of an `authorized_keys` file without options, or a `.pub` file.
    pub key: String,
    /// What it is for. Left out: the comment behind the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
}
