//! The settings of the whole cluster: body and answer of `/settings`.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The settings of the whole cluster.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// How long silence is tolerated.
    pub timings: Timings,
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
