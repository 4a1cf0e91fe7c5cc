//! Projects, queues, bounds, and who may use what.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Who may use something.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// Everybody.
    #[serde(default)]
    pub everybody: bool,
    /// These users.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub users: Vec<String>,
    /// Jobs of these projects.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub projects: Vec<String>,
}

/// Bounds of a user or project. What is left out is unlimited.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Quota {
    /// Processors that running jobs hold together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<f64>,
    /// Memory that running jobs hold together, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    /// Running jobs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub running: Option<u32>,
    /// Waiting jobs; more are refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending: Option<u32>,
    /// Processors asked for times hours, over the window of the rules.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub core_hours: Option<f64>,
    /// GiB of memory asked for times hours, over the window of the rules.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gib_hours: Option<f64>,
    /// What job directories hold, in bytes: those kept of ended jobs, and the bounds of running
    /// ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk_bytes: Option<u64>,
}

/// What of the bounds is taken.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Taken {
    /// Processors that running jobs hold.
    pub cpu: f64,
    /// Memory that running jobs hold, in bytes.
    pub memory_bytes: u64,
    /// Running jobs.
    pub running: u32,
    /// Waiting jobs.
    pub pending: u32,
    /// Spent in the window.
    pub core_hours: f64,
    /// Spent in the window.
    pub gib_hours: f64,
    /// What running jobs may still spend, up to their time limits.
    pub reserved_core_hours: f64,
    /// What running jobs may still spend, up to their time limits.
    pub reserved_gib_hours: f64,
    /// What the nodes keep of ended jobs, in bytes.
    #[serde(default)]
    pub disk_bytes: u64,
    /// What the directories of running jobs may still hold, up to their bounds, in bytes.
    #[serde(default)]
    pub reserved_disk_bytes: u64,
}

/// Answer of `GET /users/{name}/quota` and `GET /projects/{name}/quota`.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct QuotaView {
    /// Whose: `user alice`, `project lab`.
    pub holder: String,
    /// The bounds in force.
    pub quota: Quota,
    /// They are those that everybody has.
    pub usual: bool,
    /// What of them is taken.
    pub taken: Taken,
    /// Days over which hours are summed, today included.
    pub window_days: u32,
}

/// A project.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Project {
    /// Its name.
    pub name: String,
    /// For people.
    #[serde(default)]
    pub description: String,
    /// Everybody may charge jobs to it.
    pub everybody: bool,
    /// Who may charge jobs to it.
    pub members: Vec<String>,
    /// Who may besides change its members, and see and end its jobs.
    pub managers: Vec<String>,
    /// Members see each other's jobs.
    pub shared: bool,
    /// New jobs are refused.
    pub closed: bool,
    /// 0 to 100; 50 is usual. Pending jobs of projects with a higher one are placed first.
    pub priority: u8,
    /// Its bounds.
    pub quota: Quota,
}

/// Answer of `GET /projects`: those that the caller may use, or all for operators.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct ProjectList {
    /// By name.
    pub items: Vec<Project>,
}

/// Body of `PUT /projects/{name}`: makes the project, or changes it. What is left out goes back to
/// its default.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProjectRequest {
    /// For people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Everybody may charge jobs to it.
    #[serde(default)]
    pub everybody: bool,
    /// Who may charge jobs to it. Left out: as it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub members: Option<Vec<String>>,
    /// Who manages it. Left out: as it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub managers: Option<Vec<String>>,
    /// Members see each other's jobs.
    #[serde(default)]
    pub shared: bool,
    /// New jobs are refused.
    #[serde(default)]
    pub closed: bool,
    /// 0 to 100; pending jobs of projects with a higher one are placed first. Left out: 50.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<u8>,
    /// Its bounds.
    #[serde(default)]
    pub quota: Quota,
}

/// Body of `PUT /projects/{name}/members/{user}`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MemberRequest {
    /// Manages the project.
    #[serde(default)]
    pub manager: bool,
}

/// A queue.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Queue {
    /// Its name.
    pub name: String,
    /// Its rules.
    #[serde(flatten)]
    pub rules: QueueRequest,
    /// Live jobs in it.
    #[serde(default)]
    pub jobs: u64,
}

/// Answer of `GET /queues`: those that the caller may use, or all for operators.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct QueueList {
    /// By name.
    pub items: Vec<Queue>,
}

/// Body of `PUT /queues/{name}`: makes the queue, or changes it. What is left out goes back to its
/// default.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct QueueRequest {
    /// For people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Who may submit to it. Left out: everybody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub who: Option<Grant>,
    /// It takes no new jobs.
    #[serde(default)]
    pub closed: bool,
    /// It starts no jobs.
    #[serde(default)]
    pub stopped: bool,
    /// The longest time limit of a job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wall_max_seconds: Option<u64>,
    /// The time limit of a job that brings none. Left out: the longest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wall_default_seconds: Option<u64>,
    /// The most processors of one job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_max: Option<f64>,
    /// The most memory of one job, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_max_bytes: Option<u64>,
    /// Jobs that one user may have running.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub running_per_user: Option<u32>,
    /// Jobs that one user may have waiting.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending_per_user: Option<u32>,
}
