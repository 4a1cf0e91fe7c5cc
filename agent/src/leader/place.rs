//! Placing: whenever the state moves on, the scheduler is asked and its plan proposed.

use std::time::{Duration, Instant};

use model::log::Log;
use model::{Command, Reply};
use scheduler::retries::Retries;

use super::Duty;
use crate::clock;

/// How often the scheduler is asked although nothing has moved: tasks may wait for a moment.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

pub(super) async fn run(duty: Duty) {
    let mut retries = Retries::default();
    loop {
        let index = duty.raft.applied();
        let state = duty.raft.read();
        let waiting = retries.waiting(&state, clock::monotonic());
        let began = Instant::now();
        let plan = scheduler::plan(&state, &waiting, clock::wall());
        duty.planning.planned(began.elapsed(), clock::wall());
        drop(state);
        let mut placed = false;
        if !plan.placements.is_empty() || !plan.over_quota.is_empty() {
            let reply = duty.propose(Command::CommitPlan(plan)).await;
            if let Some(Reply::Planned { accepted, .. }) = reply {
                duty.planning.placed(accepted);
                placed = accepted > 0;
            }
        }
        if !placed {
            // Time alone can make a task ready; either is reason enough to look again.
            let _ = tokio::time::timeout(LOOK_AGAIN, duty.raft.moved_past(index)).await;
        }
    }
}
