//! The rules that administrators set. They live in the log, so a change of leader is not a
//! change of rules.

use alloc::string::String;
use serde::{Deserialize, Serialize};

use crate::limits;
use crate::unit::{Millis, Timestamp};

/// How long silence is tolerated. All lengths are measured on monotonic clocks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Timings {
    /// How often an agent says that it is there.
    pub heartbeat: Millis,
    /// Silence after which nothing new is placed on a node.
    pub suspect_after: Millis,
    /// How long after its last renewal an agent may keep attempts that may be requeued; then it
    /// stops them by itself.
    pub lease: Millis,
    /// What the leader waits beyond the lease before it calls a node lost: the kill itself and
    /// the drift of two clocks.
    pub lease_margin: Millis,
}

impl Default for Timings {
    /// Heartbeat 1 s, suspect after 15 s, lease 60 s, margin 15 s.
    fn default() -> Self {
        Timings {
            heartbeat: Millis::seconds(1),
            suspect_after: Millis::seconds(15),
            lease: Millis::seconds(60),
            lease_margin: Millis::seconds(15),
        }
    }
}

impl Timings {
    /// The silence after which a node is called lost, if its lease was given under these timings.
    pub fn lost_after(&self) -> Millis {
        self.lease.plus(self.lease_margin)
    }

    /// Whether the lengths make sense together; the text says which do not.
    pub fn validate(&self) -> Result<(), &'static str> {
        let longest = (self.lease.max(self.lease_margin)).max(self.suspect_after);
        if longest > limits::TIMING_MAX {
            return Err("suspect_after, lease, lease_margin: at most a day each");
        }
        if self.heartbeat.0 < 10 {
            return Err("heartbeat: at least 10 ms");
        }
        if self.suspect_after.0 < self.heartbeat.0.saturating_mul(3) {
            return Err("suspect_after: at least three heartbeats");
        }
        if self.lease < self.suspect_after {
            return Err("lease: at least suspect_after");
        }
        if self.lease_margin.0.saturating_mul(20) < self.lease.0 {
            return Err("lease_margin: at least a twentieth of the lease");
        }
        Ok(())
    }
}

/// A directory of the hosts that jobs may ask for by name.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Volume {
    /// The name users write.
    pub name: String,
    /// The directory on the node, absolute.
    pub host_path: String,
    /// Where it appears in the container, absolute.
    pub mount_path: String,
    /// Jobs may write to it.
    pub writable: bool,
}

/// The settings of the whole cluster.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Policy {
    /// Tolerated silences.
    pub timings: Timings,
    /// Longer leases that agents may still have from before.
    pub earlier: Option<EarlierLeases>,
}

/// Leases that were given before they were made shorter: an agent that is cut off since then does
/// not know of the change, and keeps its attempts for as long as it was told. They are kept until
/// a leader has waited them out on its own clock and says so
/// ([`crate::Command::ForgetEarlierLeases`]).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct EarlierLeases {
    /// The silence that they demand.
    pub lost_after: Millis,
    /// About when none of them holds any more; for people.
    pub until: Timestamp,
}

impl Policy {
    /// The policy once the timings are changed.
    pub(crate) fn with(&self, timings: Timings, now: Timestamp) -> Policy {
        let earlier = self.earlier.map_or(Millis(0), |earlier| earlier.lost_after);
        let lost_after = self.timings.lost_after().max(earlier);
        let shorter = timings.lost_after() < lost_after;
        let until = now.plus(lost_after);
        Policy {
            timings,
            earlier: shorter.then_some(EarlierLeases { lost_after, until }),
        }
    }
}
