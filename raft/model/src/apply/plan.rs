//! Placing: every line of a plan is checked again, so that a slow, stale or foreign scheduler
//! cannot corrupt anything.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::{Writer, limit};
use crate::change::EventKind;
use crate::command::{CommitPlan, Placement, Refusal, Reply};
use crate::id::{Fence, JobId};
use crate::job::{Attempt, Job, Outcome, Phase, TaskState};
use crate::limits;
use crate::policy::OverQuota;
use crate::quota::{Claims, Hold};

impl Writer<'_> {
    pub(super) fn commit_plan(&mut self, plan: &CommitPlan) -> Reply {
        if plan.placements.len() > limits::PLAN_MAX {
            return limit("placements in one plan", limits::PLAN_MAX);
        }
        if plan.over_quota.len() > limits::PLAN_MAX {
            return limit("jobs over quota in one plan", limits::PLAN_MAX);
        }
        for id in &plan.over_quota {
            self.end_over_quota(*id);
        }
        let (mut accepted, mut refused) = (0, Vec::new());
        for placement in &plan.placements {
            match self.place(placement) {
                Ok(()) => accepted += 1,
                Err(why) => refused.push((placement.task, why)),
            }
        }
        Reply::Planned { accepted, refused }
    }

    fn place(&mut self, placement: &Placement) -> Result<(), Refusal> {
        let mut job = self.job(placement.task.job).ok_or(Refusal::NotPending)?;
        let pending = matches!(job.task, TaskState::Pending { .. });
        if !pending || job.task_id() != placement.task {
            return Err(Refusal::NotPending);
        }
        let node = self
            .node(placement.node)
            .map_err(|_| Refusal::NodeUnavailable)?;
        if !node.accepts() {
            return Err(Refusal::NodeUnavailable);
        }
        if !node.can_start(&job.spec) {
            return Err(Refusal::WrongRuntime);
        }
        if !self.state.free(&node).fits(&job.spec.resources) {
            return Err(Refusal::NoRoom);
        }
        if self.hold_of(&job).is_some() {
            return Err(Refusal::OnHold);
        }
        let number = job.next_attempt();
        job.task = TaskState::Live(Box::new(Attempt {
            number,
            node: node.id,
            fence: Fence(self.at.index.0),
            placed_at: self.now(),
            phase: Phase::Placed,
        }));
        let (attempt, owner) = (job.task_id().attempt(number), job.owner.clone());
        self.put_job(job);
        self.tell(EventKind::AttemptPlaced {
            attempt,
            owner,
            node: node.id,
        });
        Ok(())
    }

    /// What keeps a job from starting, as things are now.
    fn hold_of(&self, job: &Job) -> Option<Hold> {
        let claims = Claims {
            user: &self.state.claim_of(&job.owner),
            in_queue: &self.state.claim_in(&job.owner, &job.spec.queue),
            project: &self.state.claim_on(&job.spec.project),
        };
        self.state.hold(job, claims, self.now())
    }

    /// Ends a waiting job if its start would exceed a quota now, and administrators want that.
    fn end_over_quota(&mut self, id: JobId) {
        let wanted = self.state.policy.rules.over_quota == OverQuota::End;
        let Some(job) = self.job(id).filter(|_| wanted) else {
            return;
        };
        let pending = matches!(job.task, TaskState::Pending { .. });
        if pending && matches!(self.hold_of(&job), Some(Hold::Quota { .. })) {
            self.end_job(job, Outcome::OverQuota);
        }
    }
}
