//! How many commands a head lets wait for their outcome: as many as it gets done in a moment.
//!
//! What was taken has to be done within [`limits::OUTCOME_WAIT`], or nobody knows what became of
//! it; what is refused can come again. How many commands a moment is worth depends on the machine
//! and on what they are, so it is measured: one that found `n` before it and took `t` shows that
//! `n` are done in `t`. A depth that proves too deep is cut at once and grows back by one for each
//! command that is in time.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use model::measure::Durations;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::limits;

/// Who may wait.
#[derive(Debug)]
pub(super) struct Admission {
    waiting: AtomicUsize,
    depth: AtomicUsize,
    bytes: Semaphore,
    /// How long those took that came to an outcome.
    took: Mutex<Durations>,
}

/// A command that waits; leaves when it is dropped.
#[derive(Debug)]
pub(super) struct Place<'a> {
    admission: &'a Admission,
    /// How many waited when it came, itself included.
    found: usize,
    _bytes: SemaphorePermit<'a>,
}

impl Default for Admission {
    fn default() -> Admission {
        Admission {
            waiting: AtomicUsize::new(0),
            depth: AtomicUsize::new(limits::PROPOSALS_MAX),
            bytes: Semaphore::new(limits::PROPOSED_BYTES_MAX),
            took: Mutex::default(),
        }
    }
}

impl Admission {
    /// A place for a command of so many bytes, if there is one.
    pub(super) fn enter(&self, bytes: usize) -> Option<Place<'_>> {
        let bytes = u32::try_from(bytes).ok()?;
        let bytes = self.bytes.try_acquire_many(bytes).ok()?;
        let found = self.waiting.fetch_add(1, Ordering::AcqRel) + 1;
        let place = Place {
            admission: self,
            found,
            _bytes: bytes,
        };
        (found <= self.depth.load(Ordering::Acquire)).then_some(place)
    }

    /// How many wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Acquire)
    }

    /// How long commands took.
    pub(super) fn took(&self) -> Durations {
        *self.took.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn learn(&self, found: usize, took: Duration) {
        let next = |depth| Some(next_depth(depth, found, took));
        // It never fails: there always is a next depth.
        let _ = self
            .depth
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, next);
    }
}

impl Place<'_> {
    /// The command is done, so long after it could be begun.
    pub(super) fn done(&self, took: Duration) {
        self.admission.learn(self.found, took);
        let durations = &self.admission.took;
        durations
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .add(took);
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.admission.waiting.fetch_sub(1, Ordering::AcqRel);
    }
}

fn next_depth(depth: usize, found: usize, took: Duration) -> usize {
    if took <= limits::PROPOSAL_GOAL {
        return (depth + 1).min(limits::PROPOSALS_MAX);
    }
    let goal = limits::PROPOSAL_GOAL.as_millis();
    let shown = found as u128 * goal / took.as_millis().max(1);
    let shown = usize::try_from(shown).unwrap_or(usize::MAX);
    depth.min(shown.max(limits::PROPOSALS_MIN))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn no_more_wait_than_are_done_in_a_moment() {
        let admission = Admission::default();
        let places: Vec<_> = (0..4_000).map(|_| admission.enter(10).unwrap()).collect();
        // 4,000 in four times the goal: 1,000 in the goal.
        places.last().unwrap().done(limits::PROPOSAL_GOAL * 4);
        assert!(admission.enter(10).is_none());
        drop(places);
        let mut places: Vec<_> = (0..1_000).map(|_| admission.enter(10).unwrap()).collect();
        assert!(admission.enter(10).is_none());
        // Whoever was refused has left nothing behind, and what is quick makes room again.
        places.pop().unwrap().done(Duration::from_millis(5));
        places.push(admission.enter(10).unwrap());
        places.push(admission.enter(10).unwrap());
        assert!(admission.enter(10).is_none());
    }

    #[test]
    fn few_may_always_wait_however_long_they_take() {
        let depth = next_depth(limits::PROPOSALS_MAX, 3, Duration::from_secs(3_600));
        assert_eq!(depth, limits::PROPOSALS_MIN);
        let most = next_depth(limits::PROPOSALS_MAX, 9_000, Duration::ZERO);
        assert_eq!(most, limits::PROPOSALS_MAX);
    }

    #[test]
    fn bytes_are_bounded_by_themselves() {
        let admission = Admission::default();
        let large = admission.enter(limits::PROPOSED_BYTES_MAX).unwrap();
        assert!(admission.enter(1).is_none());
        drop(large);
        assert!(admission.enter(1).is_some());
    }
}
