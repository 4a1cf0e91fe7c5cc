//! What a stranger may know of the cluster, so that they can log in.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Answer of `GET /cluster`; needs no token.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct ClusterInfo {
    /// The cluster's name.
    pub name: String,
    /// The cluster's id, 32 hexadecimal digits.
    pub id: String,
    /// The version of the answering goagent.
    pub version: String,
    /// The version of this interface.
    pub api_version: String,
    /// The heads, by id.
    pub heads: Vec<Head>,
    /// SHA-256 of the authority's certificate (DER), 64 hexadecimal digits.
    pub ca_sha256: String,
    /// The authority's certificate. Trust it only after its digest was compared.
    pub ca_pem: String,
}

/// Where a head answers.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Head {
    /// Its number.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// Where its REST API is: `https://host:port`.
    pub url: String,
    /// Whether it leads, as the answering head knows.
    pub leader: bool,
}

/// Answer of `GET /readyz`, with status 200 when ready and 503 when not.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Ready {
    /// Whether requests that change something can be served now.
    pub ready: bool,
    /// What is missing; empty when ready.
    #[serde(default)]
    pub reasons: Vec<String>,
}
