//! A leader that no quorum answers lets the other heads go.
//!
//! Where a link carries one way only, heads can hear a leader that hears nobody: nothing it is
//! given is ever committed, and as long as they hear it they choose no other. Without connections
//! they do not: a new one needs answers.

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
    loop {
        tokio::select! {
            () = tokio::time::sleep(election_max) => {}
            () = cancel.cancelled() => return,
        }
        if is_unheard(&metrics.borrow_watched(), election_max) {
            tracing::warn!("no quorum answers: letting the other heads choose another leader");
            peers.hang_up("no quorum answers this leader");
        }
    }
}
