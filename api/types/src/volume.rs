//! Directories of the hosts that jobs may ask for by name.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A named volume.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Volume {
    /// The name users write.
    pub name: String,
    /// The directory on the nodes, absolute. Only shown to administrators.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_path: Option<String>,
    /// Where it appears in the container, absolute.
    pub mount_path: String,
    /// Jobs may write to it.
    pub writable: bool,
}

/// Answer of `GET /volumes`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct VolumeList {
    /// All volumes, by name.
    pub items: Vec<Volume>,
}

/// Body of `PUT /volumes/{name}`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VolumeRequest {
    /// The directory on the nodes, absolute.
    pub host_path: String,
    /// Where it appears in the container, absolute.
    pub mount_path: String,
    /// Jobs may write to it.
    #[serde(default)]
    pub writable: bool,
}
