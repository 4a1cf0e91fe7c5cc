//! What a head knows of the log and its members.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use model::job::Outcome;
use model::measure::Durations;
use model::{LogIndex, NodeId};
use openraft::async_runtime::WatchReceiver;
use openraft::{Instant, ServerState};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{Handle, Metrics};
use crate::error::RaftError;
use crate::types::TypeConfig;

pub(super) type MetricsReceiver = openraft::alias::WatchReceiverOf<TypeConfig, Metrics>;

/// What a head is at the moment.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub enum Role {
    /// Takes commands and replicates them.
    Leader,
    /// Votes, and keeps what the leader sends.
    Follower,
    /// Stands for election.
    Candidate,
    /// Keeps what the leader sends, without a vote; also before it is a member.
    #[default]
    Learner,
    /// Has ended.
    Stopped,
}

impl Role {
    /// The word that users see.
    pub fn word(self) -> &'static str {
        match self {
            Role::Leader => "leader",
            Role::Follower => "follower",
            Role::Candidate => "candidate",
            Role::Learner => "learner",
            Role::Stopped => "shutdown",
        }
    }
}

/// The log as one head sees it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RaftStatus {
    /// This head.
    pub node: NodeId,
    /// Its term.
    pub term: u64,
    /// Who leads, as it knows.
    pub leader: Option<NodeId>,
    /// What it is.
    pub role: Role,
    /// The last entry in its log.
    pub last_log: LogIndex,
    /// The last entry that it knows to be on a quorum.
    pub committed: LogIndex,
    /// The last entry in its state.
    pub applied: LogIndex,
    /// The last entry in its newest snapshot.
    pub snapshot: Option<LogIndex>,
    /// Time since a quorum last answered; only the leader knows.
    pub millis_since_quorum_ack: Option<u64>,
    /// The members, by id.
    pub members: Vec<Member>,
}

/// A member of the log.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Member {
    /// Which.
    pub node: NodeId,
    /// Where its peers reach it.
    pub addr: String,
    /// Whether it votes.
    pub voter: bool,
    /// The last entry that it is known to hold; only the leader knows.
    pub matched: Option<u64>,
    /// How many entries it is behind; only the leader knows.
    pub lag: Option<u64>,
}

/// What a head has counted since it started.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Figures {
    /// From a command to its outcome, of commands written here.
    pub commits: Durations,
    /// Commands that wait for their outcome here.
    pub waiting: usize,
    /// Jobs whose end was applied here.
    pub ended: BTreeMap<Outcome, u64>,
}

impl Handle {
    /// What this head has counted since it started.
    pub fn figures(&self) -> Figures {
        Figures {
            commits: self.0.admission.took(),
            waiting: self.0.admission.waiting(),
            ended: self.tables().ended(),
        }
    }

    /// The log as this head sees it now.
    pub fn status(&self) -> RaftStatus {
        let mut status = of(&self.metrics());
        status.applied = self.tables().view().index;
        status
    }

    /// Tells when term, leader, role, members or newest snapshot change. The positions in what
    /// it shows are those of the moment of the last such change.
    pub fn status_changes(&self) -> watch::Receiver<RaftStatus> {
        self.0.status.subscribe()
    }

    /// The current term.
    pub fn term(&self) -> u64 {
        self.metrics().current_term
    }

    /// Whether this head leads and a quorum has answered it within an election timeout: no other
    /// head can lead a later term unheard for longer than that.
    pub fn is_leading(&self) -> bool {
        let metrics = self.metrics();
        let fresh = quorum_age(&metrics).is_some_and(|age| age <= self.0.config.election_max);
        self.is_running() && metrics.state == ServerState::Leader && fresh
    }

    /// Whether it has neither failed nor been told to stop.
    pub(crate) fn is_running(&self) -> bool {
        !self.0.stopping.load(std::sync::atomic::Ordering::Acquire)
            && self.0.failed.borrow().is_none()
    }
}

/// How long ago a quorum answered. A leader that is the only voter is its own quorum, and hears
/// nobody while nothing is proposed.
pub(super) fn quorum_age(metrics: &Metrics) -> Option<Duration> {
    let alone = metrics.membership_config.voter_ids().eq([metrics.id]);
    if alone && metrics.state == ServerState::Leader {
        return Some(Duration::ZERO);
    }
    metrics.last_quorum_acked.as_ref().map(|at| at.elapsed())
}

fn of(metrics: &Metrics) -> RaftStatus {
    let index = |at: Option<u64>| LogIndex(at.unwrap_or(0));
    let voters: BTreeSet<u64> = metrics.membership_config.voter_ids().collect();
    let matched = |node: u64| {
        let replication = metrics.replication.as_ref()?;
        replication.get(&node)?.as_ref().map(|at| at.index)
    };
    let members = metrics.membership_config.nodes().map(|(node, at)| {
        let matched = matched(*node);
        Member {
            node: NodeId(*node),
            addr: at.addr.clone(),
            voter: voters.contains(node),
            matched,
            lag: matched.map(|at| metrics.last_log_index.unwrap_or(0).saturating_sub(at)),
        }
    });
    RaftStatus {
        node: NodeId(metrics.id),
        term: metrics.current_term,
        leader: metrics.current_leader.map(NodeId),
        role: match metrics.state {
            ServerState::Leader => Role::Leader,
            ServerState::Follower => Role::Follower,
            ServerState::Candidate => Role::Candidate,
            ServerState::Learner => Role::Learner,
            ServerState::Shutdown => Role::Stopped,
        },
        last_log: index(metrics.last_log_index),
        committed: index(metrics.local_committed.as_ref().map(|at| at.index)),
        applied: index(metrics.last_applied.as_ref().map(|at| at.index)),
        snapshot: metrics.snapshot.as_ref().map(|at| LogIndex(at.index)),
        millis_since_quorum_ack: quorum_age(metrics)
            .map(|age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX)),
        members: members.collect(),
    }
}

/// Turns openraft's metrics into changes and failures, until cancelled.
pub(super) async fn follow(
    mut metrics: MetricsReceiver,
    tell: watch::Sender<RaftStatus>,
    failed: watch::Sender<Option<RaftError>>,
    cancel: CancellationToken,
) {
    loop {
        let now = metrics.borrow_watched().clone();
        let running = now.running_state.clone();
        let status = of(&now);
        tell.send_if_modified(|told| {
            let changed = essence(told) != essence(&status);
            *told = status;
            changed
        });
        if let Err(fatal) = running
            && !cancel.is_cancelled()
        {
            tracing::error!(error = %fatal, "the log failed; this head ends");
            super::fatal(fatal).tell(&failed);
            return;
        }
        tokio::select! {
            changed = metrics.changed() => if changed.is_err() {
                // Its end was not told: it panicked.
                if !cancel.is_cancelled() {
                    super::fatal("its task is gone").tell(&failed);
                }
                return;
            },
            () = cancel.cancelled() => return,
        }
    }
}

/// What is worth waking someone up for.
fn essence(status: &RaftStatus) -> impl PartialEq + '_ {
    let members: Vec<_> = status
        .members
        .iter()
        .map(|m| (m.node, m.addr.as_str(), m.voter))
        .collect();
    (
        status.node,
        status.term,
        status.leader,
        status.role,
        status.snapshot,
        members,
    )
}

#[cfg(test)]
mod tests {
    use openraft::type_config::TypeConfigExt;

    use super::*;

    #[tokio::test]
    async fn a_log_whose_task_is_gone_has_failed() {
        let (metrics, follow_metrics) = TypeConfig::watch_channel(Metrics::new_initial(1));
        let (tell, failed) = (
            watch::Sender::new(RaftStatus::default()),
            watch::Sender::new(None),
        );
        let cancel = CancellationToken::new();
        let following = tokio::spawn(follow(follow_metrics, tell, failed.clone(), cancel));
        drop(metrics);
        following.await.unwrap();
        assert!(matches!(*failed.borrow(), Some(RaftError::Fatal(_))));
    }
}
