//! Placing: every line of a plan is checked again, so that a slow, stale or foreign scheduler
//! cannot corrupt anything.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::{Writer, limit};
use crate::change::EventKind;
use crate::command::{CommitPlan, Placement, Refusal, Reply};
use crate::id::Fence;
use crate::job::{Attempt, Phase, TaskState};
use crate::limits;

impl Writer<'_> {
    pub(super) fn commit_plan(&mut self, plan: &CommitPlan) -> Reply {
        if plan.placements.len() > limits::PLAN_MAX {
            return limit("placements in one plan", limits::PLAN_MAX);
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
}
