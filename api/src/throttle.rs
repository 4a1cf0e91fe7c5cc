//! Slows down whoever guesses passwords: a growing wait per user and address.
//!
//! An attempt counts as failed when it begins, so that many at the same time gain nothing; a
//! success forgets it. What is remembered is bounded, and the clock is an argument.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::limits::{FAILURE_WAIT, FAILURE_WAIT_MAX, FAILURES_FREE, FAILURES_KEPT};

/// Who tries: the user name as given, and from where.
pub(crate) type Who = (String, IpAddr);

/// The failed logins of late.
#[derive(Debug, Default)]
pub(crate) struct Throttle {
    failures: HashMap<Who, Failures>,
}

#[derive(Clone, Copy, Debug)]
struct Failures {
    count: u32,
    last: Instant,
}

impl Failures {
    /// When the next attempt may be made.
    fn next(&self) -> Instant {
        let beyond = self.count.saturating_sub(FAILURES_FREE);
        let wait = match beyond.checked_sub(1) {
            None => Duration::ZERO,
            Some(doublings) => FAILURE_WAIT * 2_u32.saturating_pow(doublings.min(16)),
        };
        self.last + wait.min(FAILURE_WAIT_MAX)
    }
}

impl Throttle {
    /// Notes an attempt that begins.
    ///
    /// # Errors
    /// How long to wait before one may begin.
    pub(crate) fn begin(&mut self, who: Who, now: Instant) -> Result<(), Duration> {
        let before = self.failures.get(&who).copied();
        let count = match before {
            Some(known) if known.next() > now => return Err(known.next() - now),
            Some(known) if now - known.last > FAILURE_WAIT_MAX * 2 => 1,
            Some(known) => known.count.saturating_add(1),
            None => 1,
        };
        if before.is_none() && self.failures.len() >= FAILURES_KEPT {
            self.make_room();
        }
        self.failures.insert(who, Failures { count, last: now });
        Ok(())
    }

    /// Forgets the failures of somebody who knew the password.
    pub(crate) fn succeeded(&mut self, who: &Who) {
        self.failures.remove(who);
    }

    /// Drops the older half.
    fn make_room(&mut self) {
        let mut ages: Vec<Instant> = self.failures.values().map(|known| known.last).collect();
        ages.sort_unstable();
        let middle = ages[ages.len() / 2];
        self.failures.retain(|_, known| known.last > middle);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn who(name: &str) -> Who {
        (name.into(), IpAddr::from([127, 0, 0, 1]))
    }

    #[test]
    fn waits_grow_and_success_forgets() {
        let (mut throttle, mut now) = (Throttle::default(), Instant::now());
        for _ in 0..=FAILURES_FREE {
            assert_eq!(throttle.begin(who("a"), now), Ok(()));
        }
        assert_eq!(throttle.begin(who("a"), now), Err(FAILURE_WAIT));
        assert_eq!(throttle.begin(who("b"), now), Ok(()));
        now += FAILURE_WAIT;
        assert_eq!(throttle.begin(who("a"), now), Ok(()));
        assert_eq!(throttle.begin(who("a"), now), Err(FAILURE_WAIT * 2));
        throttle.succeeded(&who("a"));
        assert_eq!(throttle.begin(who("a"), now), Ok(()));
    }

    #[test]
    fn the_wait_has_an_end_and_the_memory_too() {
        let (mut throttle, mut now) = (Throttle::default(), Instant::now());
        for _ in 0..40 {
            if let Err(wait) = throttle.begin(who("a"), now) {
                assert!(wait <= FAILURE_WAIT_MAX);
                now += wait;
            }
        }
        for at in 0..FAILURES_KEPT * 2 {
            now += Duration::from_millis(1);
            assert_eq!(throttle.begin(who(&at.to_string()), now), Ok(()));
        }
        assert!(throttle.failures.len() <= FAILURES_KEPT);
    }
}
