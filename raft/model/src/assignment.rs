//! What a node is told of an attempt: complete, so that nothing is left to ask.

use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use crate::account::{UnixIds, UserName};
use crate::id::{AttemptId, Fence};
use crate::job::{Exit, Outcome, Started, Usage};
use crate::mount;
use crate::port::Published;
use crate::spec::JobSpec;
use crate::unit::{Millis, Timestamp};

/// An order to run one attempt.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Assignment {
    /// The attempt.
    pub attempt: AttemptId,
    /// The log index that placed it.
    pub fence: Fence,
    /// Whose job it is.
    pub owner: UserName,
    /// What to run as; `None`: the agent's unprivileged default.
    pub ids: Option<UnixIds>,
    /// What to run.
    pub spec: Arc<JobSpec>,
    /// The volumes asked for, resolved by policy.
    pub mounts: Vec<Mount>,
    /// The attempt may be tried again elsewhere when this node is silent: stop it when the lease
    /// runs out.
    pub exclusive: bool,
}

impl Assignment {
    /// What to run as, on a node whose unprivileged user is this one.
    pub fn runs_as(&self, (uid, gid): (u32, u32)) -> UnixIds {
        let nobody = || UnixIds {
            uid,
            gid,
            groups: Vec::new(),
        };
        self.ids.clone().unwrap_or_else(nobody)
    }

    /// Why no node runs this, whoever orders it; `None`: it may be run. What heads check before
    /// they place an attempt is checked here by the node itself, as far as it can know it.
    pub fn refusal(&self) -> Option<String> {
        if let Some(problem) = self.spec.validate().into_iter().next() {
            return Some(format!("{}: {}", problem.field, problem.message));
        }
        if self.attempt.number == 0 || self.owner.0.is_empty() {
            return Some("it is nobody's attempt".into());
        }
        let root = |ids: &UnixIds| ids.uid == 0 || ids.gid == 0 || ids.groups.contains(&0);
        if self.ids.as_ref().is_some_and(root) {
            return Some("user and group 0 are root of the machine: no job runs as those".into());
        }
        if self.mounts.len() != self.spec.volumes.len() {
            let (asked, given) = (self.spec.volumes.len(), self.mounts.len());
            return Some(format!("it asks for {asked} volumes and is given {given}"));
        }
        let volumes = self.mounts.iter().zip(&self.spec.volumes).enumerate();
        volumes
            .map(|(at, (mount, wanted))| {
                let twice = |other: &Mount| other.mount_path == mount.mount_path;
                if self.mounts[..at].iter().any(twice) {
                    return Some(format!("two volumes at {}", mount.mount_path));
                }
                let writable = !wanted.read_only && !self.spec.root;
                mount.refusal(&wanted.sub_path, writable)
            })
            .find_map(|wrong| wrong)
    }
}

/// A directory of the node, made visible in the container.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Mount {
    /// The administrator's directory on the node.
    pub host_path: String,
    /// A directory below it, relative, as the user named it; empty: that directory itself.
    pub sub_path: String,
    /// Where it appears.
    pub mount_path: String,
    /// Whether it may be written.
    pub writable: bool,
}

impl Mount {
    /// Why this is not mounted for somebody who asks for this part, and may write or not.
    fn refusal(&self, sub_path: &str, writable: bool) -> Option<String> {
        let at = &self.mount_path;
        if let Some(wrong) = mount::cannot_be_shown(&self.host_path) {
            return Some(format!("the directory of the volume at {at}: {wrong}"));
        }
        if let Some(wrong) = mount::cannot_be_covered(at) {
            return Some(format!("the volume at {at}: {wrong}"));
        }
        if self.sub_path != sub_path {
            return Some(format!(
                "the volume at {at} is another part than was asked for"
            ));
        }
        let more = self.writable && !writable;
        more.then(|| format!("the volume at {at} would be writable, against what the job says"))
    }
}

/// An order to end one attempt. Repeated until the node reports the end.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Stop {
    /// The attempt.
    pub attempt: AttemptId,
    /// The log index that placed it.
    pub fence: Fence,
    /// Why.
    pub cause: StopCause,
    /// Time between TERM and KILL.
    pub grace: Millis,
}

/// Why a node is told to end an attempt.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum StopCause {
    /// Somebody asked.
    Cancel,
    /// It ran for as long as it may.
    WallLimit,
    /// The node could not renew its lease.
    LeaseLost,
    /// The cluster has moved on: the attempt is over in the log.
    Stale,
    /// It wrote as much output as it may.
    OutputLimit,
    /// Its directory holds as much as it may.
    DiskLimit,
}

/// An attempt that a node has, as it says when a session opens.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Held {
    /// The attempt.
    pub attempt: AttemptId,
    /// The log index that placed it.
    pub fence: Fence,
}

/// What a node says of one attempt. Repeated until it is acknowledged after commit.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Report {
    /// The attempt.
    pub attempt: AttemptId,
    /// The fence of the assignment that it answers.
    pub fence: Fence,
    /// What happened.
    pub news: News,
}

/// What happened to an attempt.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum News {
    /// It runs.
    Running(Started),
    /// It is over; its container is stopped and its output complete.
    Ended(Ending),
    /// It runs, and its ports are reached there.
    Serving(Started, Vec<Published>),
}

/// The end of an attempt as its node saw it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Ending {
    /// What the start looked like; `None` if it never started.
    pub started: Option<Started>,
    /// The node's clock.
    pub at: Timestamp,
    /// How it ended.
    pub outcome: Outcome,
    /// What the engine said.
    pub exit: Exit,
    /// What was used.
    pub usage: Usage,
    /// A sentence for people, empty when the exit says it all.
    pub message: String,
}
