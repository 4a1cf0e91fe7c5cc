//! Accounting: what attempts cost and used, summed.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// By what a report sums.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum UsageBy {
    /// Who pays.
    #[default]
    User,
    /// The project that is charged.
    Project,
    /// The queue that jobs waited in.
    Queue,
    /// The image as it was asked for.
    Image,
    /// The node.
    Node,
    /// How attempts ended.
    State,
    /// The day (UTC) on which attempts ended.
    Day,
}

/// Which attempts a report sums, and how.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct UsageQuery {
    /// By what it sums. Left out: by user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<UsageBy>,
    /// Only attempts that ended at or after this time (RFC 3339). Left out: 30 days ago.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Only attempts that ended before this time. Left out: now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// Only this user's. Users who are no operators see their own, and those of projects that they
    /// manage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Only of this project.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
}

/// Answer of `GET /usage`.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct UsageReport {
    /// The first moment that counts.
    pub from: String,
    /// The first moment that does not count any more.
    pub to: String,
    /// By what it sums.
    pub by: UsageBy,
    /// Largest charge first.
    pub rows: Vec<UsageRow>,
    /// All of them together.
    pub total: UsageRow,
}

/// Sums over attempts.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct UsageRow {
    /// Whose or what; `total` in the total.
    pub key: String,
    /// Attempts that ended.
    pub attempts: u64,
    /// Those that did not succeed.
    pub failed: u64,
    /// Processors asked for, times the time that they were held.
    pub core_hours: f64,
    /// GiB of memory asked for, times the time that they were held.
    pub gib_hours: f64,
    /// Processor time used.
    pub cpu_hours_used: f64,
    /// The most memory that one attempt used, in bytes.
    pub memory_peak_bytes: u64,
    /// Bytes read from block devices.
    pub io_read_bytes: u64,
    /// Bytes written to block devices.
    pub io_written_bytes: u64,
    /// Time between waiting and start, together.
    pub wait_hours: f64,
    /// Time between start and end, together.
    pub wall_hours: f64,
}
