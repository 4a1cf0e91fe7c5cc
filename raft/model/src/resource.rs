//! What a task asks of a node and what a node has: cpu and memory.

use core::fmt;
use serde::{Deserialize, Serialize};

use crate::unit::{Bytes, MilliCpus, Millis};

/// An amount of cpu and memory; both asked, held and owned are counted in it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Resources {
    /// Processor share.
    pub cpu: MilliCpus,
    /// Main memory.
    pub memory: Bytes,
}

impl Resources {
    /// Whether `wanted` fits into this amount in every dimension.
    pub fn fits(&self, wanted: &Resources) -> bool {
        wanted.cpu <= self.cpu && wanted.memory <= self.memory
    }

    /// Both amounts together, saturating.
    pub fn plus(&self, other: &Resources) -> Resources {
        Resources {
            cpu: MilliCpus(self.cpu.0.saturating_add(other.cpu.0)),
            memory: Bytes(self.memory.0.saturating_add(other.memory.0)),
        }
    }

    /// What is left of this amount when `other` is taken out, never below zero.
    pub fn minus(&self, other: &Resources) -> Resources {
        Resources {
            cpu: MilliCpus(self.cpu.0.saturating_sub(other.cpu.0)),
            memory: Bytes(self.memory.0.saturating_sub(other.memory.0)),
        }
    }
}

impl fmt::Display for Resources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} cpu, {}", self.cpu, self.memory)
    }
}

/// Resources times the time for which they were held. Whole numbers, rounded down, saturating.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Effort {
    /// Core-milliseconds.
    pub cpu: u64,
    /// MiB-milliseconds.
    pub memory: u64,
}

impl Effort {
    /// What holding so much for so long costs.
    pub fn of(resources: &Resources, length: Millis) -> Effort {
        let times = |amount: u64, unit: u64| {
            let product = u128::from(amount) * u128::from(length.0) / u128::from(unit);
            u64::try_from(product).unwrap_or(u64::MAX)
        };
        Effort {
            cpu: times(resources.cpu.0, 1000),
            memory: times(resources.memory.0, 1 << 20),
        }
    }

    /// Both together.
    pub fn plus(&self, other: &Effort) -> Effort {
        Effort {
            cpu: self.cpu.saturating_add(other.cpu),
            memory: self.memory.saturating_add(other.memory),
        }
    }

    /// What is left when `other` is taken out, never below zero.
    pub fn minus(&self, other: &Effort) -> Effort {
        Effort {
            cpu: self.cpu.saturating_sub(other.cpu),
            memory: self.memory.saturating_sub(other.memory),
        }
    }

    /// The smaller of the two in each dimension.
    pub fn least(&self, other: &Effort) -> Effort {
        Effort {
            cpu: self.cpu.min(other.cpu),
            memory: self.memory.min(other.memory),
        }
    }
}
