//! The leader says that it is there, as often as it is told to.
//!
//! openraft has one setting for how often heartbeats are sent and for how long each is waited for.
//! Here they are two: a leader that is a long way from the others is heard in time, and hears them.
//! Never are two heartbeats to the same head on their way.

use std::time::Duration;

use openraft::ServerState;
use openraft::async_runtime::WatchReceiver;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::types::Raft;

/// Sends heartbeats while this head leads, until cancelled or the log is gone.
pub(super) async fn beat(raft: Raft, every: Duration, cancel: CancellationToken) {
    let metrics = raft.metrics();
    let mut pace = tokio::time::interval(every);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = pace.tick() => {}
            () = cancel.cancelled() => return,
        }
        let leads = metrics.borrow_watched().state == ServerState::Leader;
        if leads && raft.trigger().heartbeat().await.is_err() {
            return;
        }
    }
}
