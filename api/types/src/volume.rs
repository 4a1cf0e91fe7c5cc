//! Directories of the hosts that jobs may ask for by name.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::project::Grant;

/// A named volume.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Volume {
    /// The name users write.
    pub name: String,
    /// The directory on the nodes, absolute, with `$USER`, `$UID` or `$PROJECT` for those of the
    /// job. Only shown to administrators.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_path: Option<String>,
    /// Who may ask for it. Only shown to administrators.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub who: Option<Grant>,
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
    /// The directory on the nodes, absolute. `$USER`, `$UID` and `$PROJECT` stand for those of the
    /// job.
    pub host_path: String,
    /// Where it appears in the container, absolute.
    pub mount_path: String,
    /// Jobs may write to it.
    #[serde(default)]
    pub writable: bool,
    /// Who may ask for it. Left out: everybody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub who: Option<Grant>,
}
