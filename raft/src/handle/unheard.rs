//! A leader that no quorum answers lets the other heads go.
//!
//! Where a link carries one way only, heads can hear a leader that hears nobody: nothing it is
//! given is ever committed, and as long as they hear it they choose no other. Without connections
//! they do not: a new one needs answers.
//!
//! Connections on which something comes are left alone, however late it is: on a slow line
//! another call makes everything slower, and what was on its way is sent once more.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use openraft::ServerState;
use openraft::async_runtime::WatchReceiver;
use tokio_util::sync::CancellationToken;

use super::Metrics;
use super::status::{MetricsReceiver, quorum_age};
use crate::limits;
use crate::network::peers::Peers;

/// Whether a head leads, as it believes, and no quorum has answered it for so long.
pub(super) fn is_unheard(metrics: &Metrics, election_max: Duration) -> bool {
    let patience = election_max * limits::UNHEARD_ELECTIONS;
    metrics.state == ServerState::Leader && quorum_age(metrics).is_some_and(|age| age > patience)
}

/// Looks, until cancelled.
pub(super) async fn watch(
    metrics: MetricsReceiver,
    election_max: Duration,
    peers: Arc<Peers>,
    cancel: CancellationToken,
) {
    let mut before = BTreeMap::new();
    loop {
        tokio::select! {
            () = tokio::time::sleep(election_max) => {}
            () = cancel.cancelled() => return,
        }
        let heard = peers.heard();
        if is_unheard(&metrics.borrow_watched(), election_max) {
            for node in silent(&before, &heard) {
                tracing::warn!(
                    node,
                    "no quorum answers: letting this head choose another leader"
                );
                peers.hang_up(node, "no quorum answers this leader");
            }
        }
        before = heard;
    }
}

/// The heads from which nothing has come between two looks, by how much had come at each.
fn silent(before: &BTreeMap<u64, u64>, now: &BTreeMap<u64, u64>) -> Vec<u64> {
    let silent = now
        .iter()
        .filter(|(node, heard)| before.get(node) == Some(heard));
    silent.map(|(node, _)| *node).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_links_on_which_nothing_came_are_silent() {
        let before = BTreeMap::from([(1, 10), (2, 20), (3, 30)]);
        // 1 was heard, 2 was not, 3 is gone, 4 is new.
        let now = BTreeMap::from([(1, 11), (2, 20), (4, 5)]);
        assert_eq!(silent(&before, &now), [2]);
    }
}
