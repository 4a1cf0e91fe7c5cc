//! What can be set, and what makes sense together.

use std::path::PathBuf;
use std::time::Duration;

use model::NodeId;

use crate::disk::Faults;
use crate::error::RaftError;
use crate::limits;
use crate::outside::Outside;

/// The settings of one head's log.
///
/// A follower that hears nothing waits `election_max`, then a random time between `election_min`
/// and `election_max`. With the defaults the next leader of three is there about half a second
/// after the old one dies, and a stall of 400 ms changes nothing.
#[derive(Clone, Debug)]
pub struct Config {
    /// This head.
    pub node: NodeId,
    /// Its directory; everything in it is this room's.
    pub dir: PathBuf,
    /// How often the leader says that it is there.
    pub heartbeat: Duration,
    /// The least silence, beyond `election_max`, after which a follower stands for election.
    pub election_min: Duration,
    /// See [`Config`].
    pub election_max: Duration,
    /// Entries between two snapshots.
    pub snapshot_every: u64,
    /// Entries kept although a snapshot holds them, for followers that are a little behind.
    pub keep_logs: u64,
    /// Where tests interfere.
    pub faults: Faults,
    /// Time and threads.
    pub outside: Outside,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            node: model::id::FIRST_HEAD,
            dir: PathBuf::from("raft"),
            heartbeat: Duration::from_millis(50),
            election_min: Duration::from_millis(150),
            election_max: Duration::from_millis(300),
            snapshot_every: 20_000,
            keep_logs: 20_000,
            faults: Faults::default(),
            outside: Outside::default(),
        }
    }
}

impl Config {
    /// Whether the settings make sense together.
    ///
    /// # Errors
    /// [`RaftError::Config`], with what does not.
    pub fn validate(&self) -> Result<(), RaftError> {
        let wrong = |what| Err(RaftError::Config(what));
        if self.node.0 == 0 {
            return wrong("node: ids begin at 1");
        }
        if self.heartbeat < Duration::from_millis(10) {
            return wrong("heartbeat: at least 10 ms");
        }
        if self.election_min < self.heartbeat * 2 {
            return wrong("election_min: at least two heartbeats");
        }
        if self.election_max <= self.election_min {
            return wrong("election_max: more than election_min");
        }
        if self.election_max > Duration::from_secs(60) {
            return wrong("election_max: at most 60 s");
        }
        if self.snapshot_every == 0 {
            return wrong("snapshot_every: at least 1");
        }
        Ok(())
    }

    /// The same for openraft.
    pub(crate) fn openraft(&self) -> Result<openraft::Config, RaftError> {
        self.validate()?;
        let config = openraft::Config {
            cluster_name: "godocker".into(),
            // openraft gives up an answer after this time, so it is as long as it may be;
            // what sends heartbeats in time is `handle::pulse`.
            heartbeat_interval: millis(self.election_min * 9 / 10),
            heartbeat_min_interval: Some(0),
            election_timeout_min: millis(self.election_min),
            election_timeout_max: millis(self.election_max),
            enable_pre_vote: Some(true),
            install_snapshot_timeout: millis(limits::SNAPSHOT_MAX),
            max_payload_entries: limits::APPEND_ENTRIES_MAX,
            // Whoever is behind by less than what is kept is served from the log.
            replication_lag_threshold: self.snapshot_every.saturating_add(self.keep_logs),
            snapshot_policy: openraft::SnapshotPolicy::LogsSinceLast(self.snapshot_every),
            max_in_snapshot_log_to_keep: self.keep_logs,
            purge_batch_size: (self.keep_logs / 8).max(1),
            backoff: "50ms 100ms 200ms ..500ms".into(),
            // A restarted leader asks for votes like everyone else: what it served before its
            // restart may not be in its state yet.
            enable_leader_restore: Some(false),
            ..openraft::Config::default()
        };
        config
            .validate()
            .map_err(|_| RaftError::Config("refused by openraft"))
    }
}

fn millis(length: Duration) -> u64 {
    u64::try_from(length.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_make_sense() {
        Config::default().openraft().unwrap();
    }

    #[test]
    fn an_election_shorter_than_its_heartbeats_is_refused() {
        let config = Config {
            heartbeat: Duration::from_millis(500),
            ..Config::default()
        };
        assert!(matches!(config.validate(), Err(RaftError::Config(_))));
    }
}
