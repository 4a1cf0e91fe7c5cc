//! The settings of the whole cluster: body and answer of `/settings`.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::job_request::Network;
use crate::project::{Grant, Quota};

/// The settings of the whole cluster.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// How long silence is tolerated. Left out: as it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timings: Option<Timings>,
    /// What jobs may have. Left out: as it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rules: Option<Rules>,
}

/// What jobs may have. What is left out goes back to its default.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Rules {
    /// The bounds of a user that has none of their own.
    #[serde(default)]
    pub user_quota: Quota,
    /// Days over which hours are summed, today included. Left out: 30.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window_days: Option<u32>,
    /// What happens to a waiting job whose start would exceed a bound.
    #[serde(default)]
    pub over_quota: OverQuota,
    /// The network of jobs that ask for none.
    #[serde(default)]
    pub network: Network,
    /// Who may ask for the network `bridge` when it is not what jobs get anyhow.
    #[serde(default)]
    pub bridge: Grant,
    /// Who may run as root inside the container.
    #[serde(default)]
    pub root: Grant,
    /// What jobs that run as root get of volumes.
    #[serde(default)]
    pub root_volumes: RootVolumes,
    /// Which images jobs may use: the first that matches decides. None at all: every image. None
    /// that matches: not that image.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<ImageRule>,
    /// The most that one attempt may write to its outputs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_max_bytes: Option<u64>,
    /// The most that the directory of one attempt may hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk_max_bytes: Option<u64>,
    /// Who may have ports of their jobs published.
    #[serde(default)]
    pub publish: Grant,
}

/// What happens to a waiting job whose start would exceed a bound.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OverQuota {
    /// It waits, and says why.
    #[default]
    Wait,
    /// It is over.
    End,
}

/// What jobs that run as root get of volumes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RootVolumes {
    /// All of them, read-only. Inside, what the files allow whom does not count.
    ReadOnly,
    /// None: a job that asks for both is refused.
    #[default]
    Refused,
}

/// Allows or denies images.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ImageRule {
    /// Whether images that match may be used.
    pub allow: bool,
    /// What the whole reference is held against: `docker.io/library/*`, `*@sha256:*`.
    pub pattern: String,
}

/// How long silence is tolerated.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Timings {
    /// How often an agent says that it is there.
    pub heartbeat_ms: u64,
    /// Silence after which nothing new is placed on a node.
    pub suspect_after_ms: u64,
    /// How long a cut-off agent keeps jobs that may be tried elsewhere.
    pub lease_ms: u64,
    /// What the leader waits beyond the lease before it calls a node lost.
    pub lease_margin_ms: u64,
}
