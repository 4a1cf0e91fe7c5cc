//! What users and projects claim while a plan is being made: what the state says, and what the plan
//! has placed so far.

use alloc::collections::BTreeMap;

use model::account::UserName;
use model::job::Job;
use model::quota::{Claim, Claims, Hold};
use model::{State, Timestamp};

/// Whose jobs a comparison is about: owner, project, queue.
type Kind<'a> = (&'a UserName, &'a str, &'a str);

/// Claims in a pass, read from the state when they are first needed.
pub(crate) struct Claimed<'a> {
    state: &'a State,
    now: Timestamp,
    users: BTreeMap<&'a UserName, Claim>,
    queues: BTreeMap<(&'a UserName, &'a str), Claim>,
    projects: BTreeMap<&'a str, Claim>,
    /// Nothing of this kind is bounded: no need to look again.
    free: BTreeMap<Kind<'a>, bool>,
}

impl<'a> Claimed<'a> {
    pub(crate) fn of(state: &'a State, now: Timestamp) -> Claimed<'a> {
        Claimed {
            state,
            now,
            users: BTreeMap::new(),
            queues: BTreeMap::new(),
            projects: BTreeMap::new(),
            free: BTreeMap::new(),
        }
    }

    /// What keeps a pending job from starting now.
    pub(crate) fn hold(&mut self, job: &'a Job) -> Option<Hold> {
        let (state, spec) = (self.state, &*job.spec);
        let kind: Kind<'a> = (&job.owner, &spec.project, &spec.queue);
        let free = || is_free(state, kind);
        if *self.free.entry(kind).or_insert_with(free) {
            return None;
        }
        let user = self.users.entry(&job.owner);
        let queue = self.queues.entry((&job.owner, &spec.queue));
        let project = self.projects.entry(&spec.project);
        let claims = Claims {
            user: user.or_insert_with(|| state.claim_of(&job.owner)),
            in_queue: queue.or_insert_with(|| state.claim_in(&job.owner, &spec.queue)),
            project: project.or_insert_with(|| state.claim_on(&spec.project)),
        };
        state.hold(job, claims, self.now)
    }

    /// Counts a job that this pass has placed.
    pub(crate) fn add(&mut self, job: &'a Job) {
        let (claim, spec) = (Claim::started(&job.spec), &*job.spec);
        let counted = [
            self.users.get_mut(&job.owner),
            self.queues.get_mut(&(&job.owner, spec.queue.as_str())),
            self.projects.get_mut(spec.project.as_str()),
        ];
        for sum in counted.into_iter().flatten() {
            *sum = sum.plus(&claim);
        }
    }
}

/// Whether no bound and no queue can keep such jobs from starting.
fn is_free(state: &State, (owner, project, queue): Kind<'_>) -> bool {
    let queue = state.queue(queue);
    let project = state.project(project);
    queue.is_some_and(|queue| queue.starts && queue.running_per_user.is_none())
        && project.is_some_and(|project| !project.quota.bounds_starts())
        && !state.quota_of(owner).bounds_starts()
}
