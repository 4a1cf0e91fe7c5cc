//! How long something took, many times: counted in fixed steps, so that counts of many places and
//! moments can be added.

use core::time::Duration;

/// The upper ends of the steps, in microseconds; the last step has none.
pub const STEPS_MICROS: [u64; 14] = [
    500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
    2_500_000, 5_000_000, 10_000_000,
];

/// Counted times.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Durations {
    /// How many were in each step: above the end of the one before, and not above its own. The
    /// last one is of those above all ends.
    pub counts: [u64; STEPS_MICROS.len() + 1],
    /// All of them together, in microseconds.
    pub total_micros: u64,
}

impl Durations {
    /// Counts one more.
    pub fn add(&mut self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let step = STEPS_MICROS.partition_point(|end| *end < micros);
        self.counts[step] += 1;
        self.total_micros = self.total_micros.saturating_add(micros);
    }

    /// How many were counted.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_as_long_as_a_step_belongs_to_it() {
        let mut durations = Durations::default();
        for micros in [0, 500, 501, 10_000_000, 10_000_001] {
            durations.add(Duration::from_micros(micros));
        }
        let mut counts = [0; STEPS_MICROS.len() + 1];
        (counts[0], counts[1], counts[13], counts[14]) = (2, 1, 1, 1);
        assert_eq!(durations.counts, counts);
        assert_eq!(durations.count(), 5);
        assert_eq!(durations.total_micros, 20_001_002);
    }
}
