//! What went wrong, as RFC 9457 problem details.
//!
//! The `code` is stable and meant for programs; everything else is meant for people.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The media type of a [`Problem`].
pub const MEDIA_TYPE: &str = "application/problem+json";

/// Why a request was not served.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// A URI that names the kind of problem; `about:blank` when the status says it all.
    #[serde(rename = "type", default)]
    pub kind: String,
    /// The kind of problem in a few words.
    #[serde(default)]
    pub title: String,
    /// The HTTP status.
    #[serde(default)]
    pub status: u16,
    /// What is wrong with this request.
    #[serde(default)]
    pub detail: String,
    /// One of [`code`].
    #[serde(default)]
    pub code: String,
    /// The field that is to blame, as a path into the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// The id under which the server logged the request.
    #[serde(default)]
    pub request_id: String,
    /// Everything that is wrong, when several things are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<FieldProblem>,
}

/// One thing that is wrong with one field.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct FieldProblem {
    /// The field, as a path into the request: `env.HOME`, `tags[3]`.
    pub field: String,
    /// What is wrong with it, with the limit.
    pub message: String,
    /// What to do about it.
    #[serde(default)]
    pub remedy: String,
}

/// The values of [`Problem::code`].
pub mod code {
    /// 400: the request cannot be read.
    pub const BAD_REQUEST: &str = "BAD_REQUEST";
    /// 401: no valid bearer token.
    pub const UNAUTHENTICATED: &str = "UNAUTHENTICATED";
    /// 401: wrong user name or password.
    pub const BAD_CREDENTIALS: &str = "BAD_CREDENTIALS";
    /// 403: the password opens one login only, and only together with a new one.
    pub const PASSWORD_CHANGE_REQUIRED: &str = "PASSWORD_CHANGE_REQUIRED";
    /// 403: the user may not do this.
    pub const FORBIDDEN: &str = "FORBIDDEN";
    /// 404: no such thing, or not for this user.
    pub const NOT_FOUND: &str = "NOT_FOUND";
    /// 405: the path exists, with other methods.
    pub const METHOD_NOT_ALLOWED: &str = "METHOD_NOT_ALLOWED";
    /// 409: it collides with what is there.
    pub const CONFLICT: &str = "CONFLICT";
    /// 409: a bound of the cluster is reached.
    pub const LIMIT_REACHED: &str = "LIMIT_REACHED";
    /// 410: the events asked for are no longer kept.
    pub const EVENTS_GONE: &str = "EVENTS_GONE";
    /// 408: the body did not arrive in time.
    pub const TOO_SLOW: &str = "TOO_SLOW";
    /// 416: the range begins behind the end of the file.
    pub const BAD_RANGE: &str = "BAD_RANGE";
    /// 413 or 431: the body or the headers are too large.
    pub const TOO_LARGE: &str = "TOO_LARGE";
    /// 415: the body is not JSON.
    pub const UNSUPPORTED_MEDIA_TYPE: &str = "UNSUPPORTED_MEDIA_TYPE";
    /// 422: the request is readable but wrong; see the fields named.
    pub const INVALID: &str = "INVALID";
    /// 429 or 503: too much is waiting; try again after `Retry-After`.
    pub const OVERLOADED: &str = "OVERLOADED";
    /// 500: a fault of the server.
    pub const INTERNAL: &str = "INTERNAL";
    /// 500: the disk of this head fails.
    pub const STORAGE: &str = "STORAGE";
    /// 502: the node that has the answer cannot be reached.
    pub const NODE_UNREACHABLE: &str = "NODE_UNREACHABLE";
    /// 503: no leader reaches a quorum; nothing was changed.
    pub const NO_LEADER: &str = "NO_LEADER";
    /// 503: this head is shutting down; nothing was changed.
    pub const SHUTTING_DOWN: &str = "SHUTTING_DOWN";
    /// 507: the disk of the leading head is nearly full; nothing was changed.
    pub const DISK_FULL: &str = "DISK_FULL";
    /// 504: the change may or may not come to be; repeat it only with the same idempotency key.
    pub const UNKNOWN_OUTCOME: &str = "OUTCOME_UNKNOWN";
}
