//! Who has been silent for too long.
//!
//! A leader knows only what it has heard itself. Silence is counted from the later of the last
//! word and the moment it began to lead: nobody is suspect because the leader is new. Nor does it
//! know when a lease was made shorter: it waits out the longer ones from when it saw the change.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use model::command::ForgetEarlierLeases;
use model::node::NodeHealth;
use model::policy::{EarlierLeases, Policy, Timings};
use model::unit::Millis;
use model::{NodeId, State};

/// What decides how long leases last.
type Leases = (Timings, Option<EarlierLeases>);

/// What one leader has heard in its term. Times are its own monotonic clock.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Liveness {
    leading_since: Millis,
    heard: BTreeMap<NodeId, Millis>,
    /// The leases as they are, and since when it knows them.
    leases: Option<(Leases, Millis)>,
}

impl Liveness {
    /// Nothing heard yet.
    pub fn new(now: Millis) -> Liveness {
        Liveness {
            leading_since: now,
            heard: BTreeMap::new(),
            leases: None,
        }
    }

    /// A node was heard at this moment.
    pub fn heard(&mut self, node: NodeId, at: Millis) {
        let known = self.heard.entry(node).or_default();
        *known = at.max(*known);
    }

    /// Nodes of which something worse is to be believed now.
    pub fn due(&mut self, state: &State, now: Millis) -> Vec<(NodeId, NodeHealth)> {
        let suspect_after = state.policy().timings.suspect_after;
        let lost_after = self.lost_after(state.policy(), now);
        let mut due = Vec::new();
        for node in state.nodes() {
            let last = self.heard.get(&node.id).copied().unwrap_or_default();
            let silent = Millis(now.0.saturating_sub(last.max(self.leading_since).0));
            let worse = match node.health {
                NodeHealth::Joined | NodeHealth::Lost => None,
                NodeHealth::Up | NodeHealth::Unwell | NodeHealth::Suspect
                    if silent >= lost_after =>
                {
                    Some(NodeHealth::Lost)
                }
                NodeHealth::Up | NodeHealth::Unwell if silent >= suspect_after => {
                    Some(NodeHealth::Suspect)
                }
                NodeHealth::Up | NodeHealth::Unwell | NodeHealth::Suspect => None,
            };
            due.extend(worse.map(|health| (node.id, health)));
        }
        due
    }

    /// Longer leases from before the timings as they are, once they have run out.
    pub fn outlived(&mut self, state: &State, now: Millis) -> Option<ForgetEarlierLeases> {
        let policy = state.policy();
        let (timings, earlier) = (policy.timings, policy.earlier?);
        let ended = now >= self.known_since(policy, now).plus(earlier.lost_after);
        ended.then_some(ForgetEarlierLeases { timings, earlier })
    }

    /// The silence that counts: that of the longest lease that may be held.
    fn lost_after(&mut self, policy: &Policy, now: Millis) -> Millis {
        let new = policy.timings.lost_after();
        let since = self.known_since(policy, now);
        match policy.earlier {
            Some(earlier) if now < since.plus(earlier.lost_after) => new.max(earlier.lost_after),
            Some(_) | None => new,
        }
    }

    fn known_since(&mut self, policy: &Policy, now: Millis) -> Millis {
        let leases = (policy.timings, policy.earlier);
        match &self.leases {
            Some((known, since)) if *known == leases => *since,
            Some(_) | None => {
                self.leases = Some((leases, now));
                now
            }
        }
    }
}
