//! What the placing of a head has done since the head started, over all its terms.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use model::Timestamp;
use model::measure::Durations;

/// Counters of the plans that a head has made.
#[derive(Debug, Default)]
pub struct Planning(Mutex<Planned>);

/// What was counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Planned {
    /// How long the plans took.
    pub plans: Durations,
    /// Tasks that they placed.
    pub placed: u64,
    /// When the last one was made, by the wall clock.
    pub at: Option<Timestamp>,
}

impl Planning {
    /// What was counted so far.
    pub fn read(&self) -> Planned {
        *self.lock()
    }

    pub(super) fn planned(&self, took: Duration, at: Timestamp) {
        let mut planned = self.lock();
        planned.plans.add(took);
        planned.at = Some(at);
    }

    pub(super) fn placed(&self, count: u32) {
        self.lock().placed += u64::from(count);
    }

    fn lock(&self) -> MutexGuard<'_, Planned> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
