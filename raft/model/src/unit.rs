//! Quantities with their unit in the type: time, processor share, memory.
//!
//! All are unsigned integers, so replicas never differ by a rounding. Arithmetic that could
//! overflow saturates; a saturated value is larger than any limit and is refused as such.

use core::fmt;
use serde::{Deserialize, Serialize};

/// A wall-clock moment: milliseconds since 1970-01-01T00:00:00Z.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize,
)]
pub struct Timestamp(pub u64);

/// A length of time in milliseconds.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize,
)]
pub struct Millis(pub u64);

/// Processor share in thousandths of one logical cpu: 1500 is one and a half.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize,
)]
pub struct MilliCpus(pub u64);

/// A size in bytes. Printed sizes are binary: `8G` is 8 GiB.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize,
)]
pub struct Bytes(pub u64);

impl Timestamp {
    /// The time that lies between `earlier` and this moment; zero if `earlier` is later.
    pub fn since(self, earlier: Timestamp) -> Millis {
        Millis(self.0.saturating_sub(earlier.0))
    }

    /// This moment, moved forward.
    pub fn plus(self, length: Millis) -> Timestamp {
        Timestamp(self.0.saturating_add(length.0))
    }
}

impl Millis {
    /// A length given in whole seconds.
    pub const fn seconds(seconds: u64) -> Millis {
        Millis(seconds.saturating_mul(1000))
    }

    /// Both lengths one after the other.
    pub fn plus(self, other: Millis) -> Millis {
        Millis(self.0.saturating_add(other.0))
    }
}

impl Bytes {
    /// A size given in mebibytes.
    pub const fn mebi(count: u64) -> Bytes {
        Bytes(count.saturating_mul(1 << 20))
    }
}

impl fmt::Display for MilliCpus {
    /// `1.5`, `2`, `0.25`: cpus without trailing zeros.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.0 / 1000, self.0 % 1000);
        match (rest, rest % 100, rest % 10) {
            (0, _, _) => write!(f, "{whole}"),
            (_, 0, _) => write!(f, "{whole}.{}", rest / 100),
            (_, _, 0) => write!(f, "{whole}.{:02}", rest / 10),
            (_, _, _) => write!(f, "{whole}.{rest:03}"),
        }
    }
}

impl fmt::Display for Bytes {
    /// The largest binary unit that divides the size exactly: `8G`, `512M`, `1536K`, `7`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (shift, letter) in [(40, 'T'), (30, 'G'), (20, 'M'), (10, 'K')] {
            if self.0 != 0 && self.0.trailing_zeros() >= shift {
                return write!(f, "{}{letter}", self.0 >> shift);
            }
        }
        write!(f, "{}", self.0)
    }
}
