//! The audit log, and the question what one may do.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Who wanted what, from where, and what became of it.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct AuditLine {
    /// The entry of the log in which it stands.
    pub index: u64,
    /// The cluster's time when that was committed.
    pub at: String,
    /// The account, as far as it was proven; empty: nobody.
    pub user: String,
    /// The public half of the token that was shown; empty: none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub token: String,
    /// The address that the request came from.
    pub from: String,
    /// Method and path of the request; if it would change files of a job, theirs too.
    pub what: String,
    /// `done`, `rejected` by the cluster's rules, `refused` at the door, or `failed`: begun, and
    /// not seen to be done.
    pub verdict: String,
    /// Why it was not done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// How often there was the same since the last such line; of what is counted only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u32>,
}

/// Answer of `GET /audit`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct AuditPage {
    /// Newest first.
    pub items: Vec<AuditLine>,
    /// Give this as `before` to get older lines; none on the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<u64>,
}

/// Which lines of the audit log.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AuditQuery {
    /// Only of this user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Only entries before this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<u64>,
    /// At most this many lines. Left out: 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// What the caller asks whether they may do it.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct CanIQuery {
    /// A method: `GET`, `POST`, `PUT`, `DELETE`.
    pub method: String,
    /// A path below `/api/v1`: `/jobs/12/cancel`.
    pub path: String,
}

/// Answer of `GET /can-i`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct CanI {
    /// Whether the request would be let in.
    pub allowed: bool,
    /// Why not, or which part of the answer depends on what is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}
