//! Which tasks still wait before another try.
//!
//! A leader counts each wait itself, on its monotonic clock, from when it first saw the task
//! pending. The stamps in the log come from the wall clocks of whoever led, and say only how long
//! the wait is: a head whose clock was wrong neither stalls a retry nor hastens it. A new leader
//! counts anew, so a change of leader lengthens a wait by what had passed of it.

use alloc::collections::{BTreeMap, BTreeSet};

use model::job::{Job, TaskState};
use model::unit::Millis;
use model::{JobId, State};

/// What one leader has seen in its term.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Retries {
    /// The number of the next try of each task that was tried before, and when it was first seen.
    seen: BTreeMap<JobId, (u32, Millis)>,
}

impl Retries {
    /// The jobs that wait at this moment of the leader's monotonic clock.
    pub fn waiting(&mut self, state: &State, now: Millis) -> BTreeSet<JobId> {
        let (mut seen, mut waiting) = (BTreeMap::new(), BTreeSet::new());
        for job in state.tried_before() {
            let Some(length) = wait(job) else {
                continue;
            };
            let next = job.next_attempt();
            let known = self.seen.get(&job.id).filter(|(number, _)| *number == next);
            let since = known.map_or(now, |(_, since)| *since);
            if now < since.plus(length) {
                waiting.insert(job.id);
            }
            seen.insert(job.id, (next, since));
        }
        self.seen = seen;
        waiting
    }
}

/// How long a pending task waits, whenever that was.
fn wait(job: &Job) -> Option<Millis> {
    match job.task {
        TaskState::Pending { since, not_before } => {
            Some(Millis(not_before.0.saturating_sub(since.0)))
        }
        TaskState::Live(_) => None,
    }
}
