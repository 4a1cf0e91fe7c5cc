//! Who has been silent for too long.
//!
//! A leader knows only what it has heard itself. Silence is counted from the later of the last
//! word and the moment it began to lead: nobody is suspect because the leader is new.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use model::node::NodeHealth;
use model::unit::Millis;
use model::{NodeId, State};

/// What one leader has heard in its term. Times are its own monotonic clock.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Liveness {
    leading_since: Millis,
    heard: BTreeMap<NodeId, Millis>,
}

impl Liveness {
    /// Nothing heard yet.
    pub fn new(now: Millis) -> Liveness {
        Liveness {
            leading_since: now,
            heard: BTreeMap::new(),
        }
    }

    /// A node was heard at this moment.
    pub fn heard(&mut self, node: NodeId, at: Millis) {
        let known = self.heard.entry(node).or_default();
        *known = at.max(*known);
    }

    /// Nodes of which something worse is to be believed now.
    pub fn due(&self, state: &State, now: Millis) -> Vec<(NodeId, NodeHealth)> {
        let suspect_after = state.policy().timings.suspect_after;
        let lost_after = state.policy().lost_after(state.now());
        let mut due = Vec::new();
        for node in state.nodes() {
            let last = self.heard.get(&node.id).copied().unwrap_or_default();
            let silent = Millis(now.0.saturating_sub(last.max(self.leading_since).0));
            let worse = match node.health {
                NodeHealth::Joined | NodeHealth::Lost => None,
                NodeHealth::Up | NodeHealth::Suspect if silent >= lost_after => {
                    Some(NodeHealth::Lost)
                }
                NodeHealth::Up if silent >= suspect_after => Some(NodeHealth::Suspect),
                NodeHealth::Up | NodeHealth::Suspect => None,
            };
            due.extend(worse.map(|health| (node.id, health)));
        }
        due
    }
}
