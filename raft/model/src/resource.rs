//! What a task asks of a node and what a node has: cpu and memory.

use core::fmt;
use serde::{Deserialize, Serialize};

use crate::unit::{Bytes, MilliCpus};

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
