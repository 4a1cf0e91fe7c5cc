//! Whom work is charged to and where it waits: projects and queues, and who may use what.

use alloc::collections::BTreeSet;
use alloc::string::String;
use serde::{Deserialize, Serialize};

use crate::account::UserName;
use crate::quota::Quota;
use crate::unit::{Bytes, MilliCpus, Millis, Timestamp};

/// The name of the project and of the queue that exist without being made.
pub const DEFAULT: &str = "default";

/// Who may use something.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Grant {
    /// Everybody; the lists then add nothing.
    pub everybody: bool,
    /// These users.
    pub users: BTreeSet<UserName>,
    /// Jobs of these projects.
    pub projects: BTreeSet<String>,
}

impl Grant {
    /// Everybody.
    pub fn to_all() -> Grant {
        Grant {
            everybody: true,
            ..Grant::default()
        }
    }

    /// Whether a job of this user in this project may.
    pub fn allows(&self, user: &UserName, project: &str) -> bool {
        self.everybody || self.users.contains(user) || self.projects.contains(project)
    }
}

/// What jobs are charged to.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Project {
    /// Its name, unique.
    pub name: String,
    /// For people.
    pub description: String,
    /// Everybody may charge jobs to it.
    pub everybody: bool,
    /// Who may charge jobs to it.
    pub members: BTreeSet<UserName>,
    /// Who may besides change its members, and see and end its jobs.
    pub managers: BTreeSet<UserName>,
    /// Members see each other's jobs.
    pub shared: bool,
    /// New jobs are refused.
    pub closed: bool,
    /// 0 to 100; 50 is usual. Pending jobs of projects with a higher one are placed first.
    pub priority: u8,
    /// Its bounds.
    pub quota: Quota,
    /// When it was made.
    pub created_at: Timestamp,
}

impl Project {
    /// The one that exists without being made.
    pub fn fallback() -> Project {
        Project {
            name: DEFAULT.into(),
            everybody: true,
            priority: 50,
            ..Project::default()
        }
    }

    /// Whether the user may charge jobs to it.
    pub fn has(&self, user: &UserName) -> bool {
        self.everybody || self.members.contains(user) || self.managers.contains(user)
    }
}

/// Where jobs wait, with rules for all of them.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Queue {
    /// Its name, unique.
    pub name: String,
    /// For people.
    pub description: String,
    /// Who may submit to it.
    pub who: Grant,
    /// New jobs are accepted.
    pub accepts: bool,
    /// Waiting jobs are started.
    pub starts: bool,
    /// The longest wall-time limit; a job without one gets [`Queue::wall_default`].
    pub wall_max: Option<Millis>,
    /// The limit of jobs that bring none; `None`: [`Queue::wall_max`], if there is one.
    pub wall_default: Option<Millis>,
    /// The largest processor share of one job.
    pub cpu_max: Option<MilliCpus>,
    /// The largest memory of one job.
    pub memory_max: Option<Bytes>,
    /// Attempts that one user may have running.
    pub running_per_user: Option<u32>,
    /// Jobs that one user may have waiting.
    pub pending_per_user: Option<u32>,
}

impl Queue {
    /// The one that exists without being made.
    pub fn fallback() -> Queue {
        Queue {
            name: DEFAULT.into(),
            who: Grant::to_all(),
            accepts: true,
            starts: true,
            ..Queue::default()
        }
    }

    /// The wall-time limit of a job that brings none.
    pub fn usual_limit(&self) -> Option<Millis> {
        self.wall_default.or(self.wall_max)
    }
}
