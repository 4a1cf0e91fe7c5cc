//! Questions to a state: which live jobs match, in pages.

use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Bound;

use crate::account::UserName;
use crate::id::{JobId, NodeId};
use crate::job::{Job, TaskState};
use crate::node::NodeHealth;
use crate::state::State;
use crate::unit::Timestamp;

/// Where a live job stands, as users see it. Derived from the job and its node.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum LiveState {
    /// Waiting for a node.
    Pending,
    /// With a node, not yet reported as running.
    Starting,
    /// Running.
    Running,
    /// With a node, and its end has been asked for.
    Stopping,
    /// Its node is lost; whether it runs cannot be told.
    Unknown,
}

impl LiveState {
    /// All of them.
    pub const ALL: [LiveState; 5] = [
        LiveState::Pending,
        LiveState::Starting,
        LiveState::Running,
        LiveState::Stopping,
        LiveState::Unknown,
    ];

    /// The word that users see.
    pub fn word(self) -> &'static str {
        match self {
            LiveState::Pending => "pending",
            LiveState::Starting => "starting",
            LiveState::Running => "running",
            LiveState::Stopping => "stopping",
            LiveState::Unknown => "unknown",
        }
    }
}

/// Which live jobs.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct JobFilter {
    /// Only this user's.
    pub owner: Option<UserName>,
    /// Only of this project.
    pub project: Option<String>,
    /// Only of this queue.
    pub queue: Option<String>,
    /// Only with this image, as it was asked for.
    pub image: Option<String>,
    /// Only in one of these states; empty: any.
    pub states: Vec<LiveState>,
    /// Only on this node.
    pub node: Option<NodeId>,
    /// Only with this tag.
    pub tag: Option<String>,
    /// Only with this in the name.
    pub name: Option<String>,
    /// Only submitted at or after this.
    pub since: Option<Timestamp>,
    /// Only submitted before this.
    pub until: Option<Timestamp>,
}

impl State {
    /// Where a live job stands.
    pub fn live_state(&self, job: &Job) -> LiveState {
        match &job.task {
            TaskState::Pending { .. } => LiveState::Pending,
            TaskState::Live(attempt) => {
                let health = self.node(attempt.node).map(|node| node.health);
                if health == Some(NodeHealth::Lost) {
                    LiveState::Unknown
                } else if job.cancel.is_some() {
                    LiveState::Stopping
                } else if attempt.started().is_some() {
                    LiveState::Running
                } else {
                    LiveState::Starting
                }
            }
        }
    }

    /// Live jobs that match, newest first, with ids below `before` (or from the newest on).
    pub fn live_page<'a>(
        &'a self,
        filter: &'a JobFilter,
        before: Option<JobId>,
    ) -> impl Iterator<Item = &'a Job> {
        let end = before.map_or(Bound::Unbounded, Bound::Excluded);
        let jobs = self.jobs_between((Bound::Unbounded, end)).rev();
        jobs.filter(move |job| self.matches(filter, job))
    }

    /// Whether a live job is one that the filter asks for.
    pub fn matches(&self, filter: &JobFilter, job: &Job) -> bool {
        let on = |node: NodeId| job.attempt().is_some_and(|attempt| attempt.node == node);
        filter
            .owner
            .as_ref()
            .is_none_or(|owner| *owner == job.owner)
            && (filter.project.as_ref()).is_none_or(|project| *project == job.spec.project)
            && (filter.queue.as_ref()).is_none_or(|queue| *queue == job.spec.queue)
            && (filter.image.as_ref()).is_none_or(|image| *image == job.spec.image)
            && (filter.states.is_empty() || filter.states.contains(&self.live_state(job)))
            && filter.node.is_none_or(on)
            && filter
                .tag
                .as_ref()
                .is_none_or(|tag| job.spec.tags.contains(tag))
            && filter
                .name
                .as_ref()
                .is_none_or(|part| job.spec.name.contains(part.as_str()))
            && filter.since.is_none_or(|since| job.submitted_at >= since)
            && filter.until.is_none_or(|until| job.submitted_at < until)
    }
}
