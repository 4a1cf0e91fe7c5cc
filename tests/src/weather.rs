//! Weather over real processes: a load that never pauses, what it was told, and the verdict.
//!
//! A test makes a cluster and a [`load::Load`] over it, hurts the cluster, stops the load, and asks
//! [`verdict::Verdict`] whether every promise was kept. Nothing here hurts anything.

pub mod flood;
pub mod history;
pub mod load;
pub mod memory;
pub mod site;
pub mod stalls;
pub mod verdict;

use std::time::Duration;

use anyhow::Context;

/// How often or how long: what the variable says, or what is usual.
///
/// # Errors
/// If the variable is no number.
pub fn count(variable: &str, usual: usize) -> anyhow::Result<usize> {
    match std::env::var(variable) {
        Ok(text) => text.parse().with_context(|| format!("{variable}={text}")),
        Err(_) => Ok(usual),
    }
}

/// How long something took, again and again.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Times(Vec<Duration>);

impl Times {
    /// One more.
    pub fn push(&mut self, time: Duration) {
        self.0.push(time);
        self.0.sort();
    }

    /// The shortest of which so many of a hundred are no longer (nearest rank); zero if empty.
    pub fn percentile(&self, percent: usize) -> Duration {
        let rank = (self.0.len() * percent).div_ceil(100).max(1);
        self.0.get(rank - 1).copied().unwrap_or_default()
    }

    /// How many.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// `p50 12 ms, p99 30 ms of 20`.
    pub fn say(&self) -> String {
        let at = |percent| self.percentile(percent).as_millis();
        format!("p50 {} ms, p99 {} ms of {}", at(50), at(99), self.count())
    }
}

impl FromIterator<Duration> for Times {
    fn from_iter<I: IntoIterator<Item = Duration>>(times: I) -> Times {
        let mut times: Vec<Duration> = times.into_iter().collect();
        times.sort();
        Times(times)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_the_nearest_rank() {
        let mut times = Times::default();
        for millis in (1..=20).rev() {
            times.push(Duration::from_millis(millis));
        }
        assert_eq!(times.percentile(50), Duration::from_millis(10));
        assert_eq!(times.percentile(99), Duration::from_millis(20));
        assert_eq!(times.say(), "p50 10 ms, p99 20 ms of 20");
    }
}
