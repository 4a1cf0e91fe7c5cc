//! Secrets that jobs get as files, and logins at registries. What is kept is never shown again.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What is seen of a secret: everything but its value.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Secret {
    /// Its name, unique for its owner.
    pub name: String,
    /// The project that it belongs to. Left out: the caller's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// The registry that it is the password for. Left out: jobs get it as a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registry: Option<String>,
    /// The user's name at the registry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login: Option<String>,
    /// When it was made.
    pub created_at: String,
    /// When it got its value.
    pub changed_at: String,
    /// Who gave it its value.
    pub changed_by: String,
}

/// Answer of `GET /secrets`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct SecretList {
    /// The caller's own by name, then those of each project that they may charge jobs to.
    pub items: Vec<Secret>,
}

/// Body of `PUT /secrets/{name}`. Either `value` or `value_base64`.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SecretRequest {
    /// The value, at most 64 KiB. Nobody is ever shown it again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// The value, if it is no text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_base64: Option<String>,
    /// It is the password for this registry, as images name it: `docker.io`, `registry.lab:5000`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registry: Option<String>,
    /// The user's name at the registry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login: Option<String>,
}

/// Without the value.
impl fmt::Debug for SecretRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretRequest")
            .field("registry", &self.registry)
            .field("login", &self.login)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_not_in_the_debug_text() {
        let request = SecretRequest {
            value: Some("hunter2".into()),
            value_base64: Some("aHVudGVyMg==".into()),
            ..SecretRequest::default()
        };
        let text = format!("{request:?}");
        assert!(
            !text.contains("hunter2") && !text.contains("aHVu"),
            "{text}"
        );
    }
}
