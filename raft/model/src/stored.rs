//! What nodes keep of ended attempts: how much of it is whose.
//!
//! Nodes measure it and say so when it has changed; it counts against
//! [`crate::quota::Quota::disk`].

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::cmp::Reverse;
use serde::{Deserialize, Serialize};

use crate::id::NodeId;
use crate::limits;
use crate::quota::Holder;
use crate::state::State;
use crate::unit::Bytes;

/// What one node keeps: by user and, of the same, by project.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Stored {
    /// Bytes of each; those that keep nothing there are left out.
    pub holders: BTreeMap<Holder, Bytes>,
}

impl Stored {
    /// What of it is taken: nothing that is empty, nothing beyond what can be summed, and of too
    /// many the largest.
    #[must_use]
    pub fn bounded(mut self) -> Stored {
        self.holders.retain(|_, bytes| bytes.0 > 0);
        for bytes in self.holders.values_mut() {
            *bytes = (*bytes).min(limits::STORED_BYTES_MAX);
        }
        if self.holders.len() > limits::STORED_HOLDERS_MAX {
            let mut all: Vec<(Holder, Bytes)> = self.holders.into_iter().collect();
            all.sort_by_key(|(_, bytes)| Reverse(*bytes));
            all.truncate(limits::STORED_HOLDERS_MAX);
            self.holders = all.into_iter().collect();
        }
        self
    }
}

impl State {
    /// What a node keeps.
    pub fn stored_on(&self, node: NodeId) -> Option<&Stored> {
        self.stored.get(&node)
    }

    /// What all nodes keep of a holder.
    pub fn stored_by(&self, holder: &Holder) -> Bytes {
        self.stored_sums.get(holder).copied().unwrap_or_default()
    }

    /// Takes over what a node keeps now; nothing: the node is forgotten.
    pub(crate) fn put_stored(&mut self, node: NodeId, stored: Stored) {
        if let Some(before) = self.stored.get(&node).cloned() {
            for (holder, bytes) in before.holders {
                let left = self.stored_by(&holder).0.saturating_sub(bytes.0);
                match left {
                    0 => drop(self.stored_sums.remove_mut(&holder)),
                    left => self.stored_sums.insert_mut(holder, Bytes(left)),
                }
            }
        }
        for (holder, bytes) in &stored.holders {
            let more = self.stored_by(holder).0.saturating_add(bytes.0);
            self.stored_sums.insert_mut(holder.clone(), Bytes(more));
        }
        if stored.holders.is_empty() {
            self.stored.remove_mut(&node);
        } else {
            self.stored.insert_mut(node, stored);
        }
    }
}
