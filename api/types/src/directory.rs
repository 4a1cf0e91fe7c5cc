//! Directories of users that a site has already.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A directory, without its secret.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Directory {
    /// Its name.
    pub name: String,
    /// Its kind and how it is asked.
    #[schema(value_type = Object)]
    pub settings: serde_json::Value,
    /// It is asked with a password.
    pub has_secret: bool,
    /// For how many seconds what it said of somebody is believed.
    pub believed_seconds: u64,
}

/// Answer of `GET /directories`.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct DirectoryList {
    /// By name: the order in which they are asked about somebody who is not known yet.
    pub items: Vec<Directory>,
}

/// Body of `PUT /directories/{name}`.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DirectoryRequest {
    /// Its kind and how it is asked, as the administrators' guide has it.
    #[schema(value_type = Object)]
    pub settings: serde_json::Value,
    /// The password with which it is asked. Left out: as it was; empty: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
}

/// Body of `POST /directories/{name}/test`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DirectoryTest {
    /// Whom to ask about.
    pub login: String,
}

/// Answer of `POST /directories/{name}/test`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct DirectoryAnswer {
    /// It knows somebody of that name.
    pub found: bool,
    /// The user id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
    /// The id of the first group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gid: Option<u32>,
    /// The ids of the other groups.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<u32>,
    /// The home directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub home: Option<String>,
    /// The mail address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mail: Option<String>,
}
