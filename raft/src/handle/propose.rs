//! The log as the house uses it: propose, read, wait, search.
//!
//! A command goes to the leader, over one hop at most. As long as it is certain that nothing was
//! proposed it is tried again, for a bounded time; once that is not certain it is never tried
//! again: a second entry could do a second time what the first did.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use model::job::EndedJob;
use model::ledger::{LedgerLine, UsageSearch, UsageSum};
use model::log::{Applied, AuditPage, AuditSearch, EndedPage, EndedSearch, Later, Log, LogError};
use model::{Command, Event, JobId, LogIndex, NodeId, Rejection, Reply, State};
use openraft::{ReadPolicy, async_runtime::WatchReceiver};
use tokio::time::Instant;

use super::unheard::is_unheard;
use super::{Handle, Metrics, encoded};
use crate::limits;
use crate::network::message::{Proposed, ReadIndex, Request};
use crate::network::peers::{AskError, Urgency};
use crate::table_store::history::LedgerPlace;
use crate::table_store::{View, ended, history};
use crate::types::{Blob, Proposal};

/// The field that is wrong in a command that cannot be read at all.
const UNREADABLE: &str = "command";

/// Who is to be asked.
enum Way {
    Here,
    To { node: u64, addr: String },
    Nobody,
}

impl Log for Handle {
    fn propose(&self, command: Command) -> Later<'_, Result<Applied, LogError>> {
        Box::pin(self.propose_anywhere(command))
    }

    fn read(&self) -> Arc<State> {
        self.tables().view().state.clone()
    }

    fn applied(&self) -> LogIndex {
        self.tables().view().index
    }

    fn barrier(&self) -> Later<'_, Result<LogIndex, LogError>> {
        Box::pin(self.wait_linearizable())
    }

    fn moved_past(&self, index: LogIndex) -> Later<'_, LogIndex> {
        Box::pin(async move {
            let mut moved = self.tables().moved();
            let found = moved.wait_for(|at| *at > index).await.map(|at| *at);
            match found {
                Ok(at) => at,
                // Nothing will ever move again.
                Err(_) => std::future::pending().await,
            }
        })
    }

    fn ended_job(&self, id: JobId) -> Later<'_, Result<Option<EndedJob>, LogError>> {
        Box::pin(self.ask_disk(move |view| ended::job(view, id)))
    }

    fn ended_jobs(&self, search: EndedSearch) -> Later<'_, Result<EndedPage, LogError>> {
        Box::pin(self.ask_disk(move |view| ended::page(view, &search)))
    }

    fn events(
        &self,
        after: LogIndex,
        limit: usize,
    ) -> Later<'_, Result<Option<Vec<Event>>, LogError>> {
        Box::pin(self.ask_disk(move |view| history::events(view, after, limit)))
    }

    fn usage(
        &self,
        search: UsageSearch,
    ) -> Later<'_, Result<BTreeMap<String, UsageSum>, LogError>> {
        Box::pin(self.ask_disk(move |view| history::usage(view, &search)))
    }

    fn audit(&self, search: AuditSearch) -> Later<'_, Result<AuditPage, LogError>> {
        Box::pin(self.ask_disk(move |view| history::audit(view, &search)))
    }

    fn leader(&self) -> Option<NodeId> {
        self.metrics().current_leader.map(NodeId)
    }
}

impl Handle {
    /// Accounting lines from a place on in the order in which they were written, at most `limit`,
    /// and the place behind the last.
    ///
    /// # Errors
    /// [`LogError::Storage`].
    pub async fn ledger(
        &self,
        place: LedgerPlace,
        limit: usize,
    ) -> Result<(Vec<LedgerLine>, LedgerPlace), LogError> {
        self.ask_disk(move |view| history::ledger(view, &place, limit))
            .await
    }

    /// Proposes what the leader of this term has decided. It is not forwarded: the next leader has
    /// decided nothing of the kind.
    ///
    /// # Errors
    /// [`LogError::NoLeader`] when this head does not lead that term: nothing was proposed. After
    /// [`LogError::Unknown`] the command may or may not come to be applied.
    pub async fn propose_leading(&self, term: u64, command: &Command) -> Result<Applied, LogError> {
        self.check_running()?;
        if self.term() != term || !matches!(self.way(), Way::Here) {
            return Err(LogError::NoLeader);
        }
        match self.write(encoded(command)).await {
            Proposed::Applied { index, reply } => Ok(Applied {
                index: LogIndex(index),
                reply,
            }),
            Proposed::NotLeading => Err(LogError::NoLeader),
            Proposed::Overloaded => Err(LogError::Overloaded),
            Proposed::Full => Err(LogError::Full),
            Proposed::Unknown => Err(LogError::Unknown),
        }
    }

    async fn propose_anywhere(&self, command: Command) -> Result<Applied, LogError> {
        self.check_running()?;
        let roomy = self.has_room_for(&command);
        let command = encoded(&command);
        if command.len() > limits::COMMAND_BYTES_MAX {
            let (name, limit) = ("command bytes".into(), limits::COMMAND_BYTES_MAX as u64);
            let reply = Reply::Rejected(Rejection::Limit { name, limit });
            return Ok(Applied {
                index: self.applied(),
                reply,
            });
        }
        let place = self.0.admission.enter(command.len());
        let place = place.ok_or(LogError::Overloaded)?;
        let deadline = Instant::now() + limits::LEADER_WAIT;
        loop {
            let began = Instant::now();
            let outcome = match self.way() {
                Way::Here if !roomy => Proposed::Full,
                Way::Here => self.write(command.clone()).await,
                Way::To { node, addr } => self.forward(node, &addr, command.clone()).await,
                Way::Nobody => Proposed::NotLeading,
            };
            match outcome {
                Proposed::Applied { index, reply } => {
                    place.done(began.elapsed());
                    return Ok(Applied {
                        index: LogIndex(index),
                        reply,
                    });
                }
                Proposed::Overloaded => return Err(LogError::Overloaded),
                Proposed::Full => return Err(LogError::Full),
                Proposed::Unknown => return Err(LogError::Unknown),
                Proposed::NotLeading => self.pause(deadline).await?,
            }
        }
    }

    /// Waits for a leader to appear, a moment at most.
    async fn pause(&self, deadline: Instant) -> Result<(), LogError> {
        self.check_running()?;
        if Instant::now() >= deadline {
            return Err(LogError::NoLeader);
        }
        tokio::select! {
            () = self.cancel().cancelled() => Err(LogError::Stopped),
            () = tokio::time::sleep(limits::RETRY_PAUSE) => Ok(()),
        }
    }

    fn check_running(&self) -> Result<(), LogError> {
        if let Some(error) = &*self.0.failed.borrow() {
            return Err(LogError::Storage(error.to_string()));
        }
        if self.is_running() {
            Ok(())
        } else {
            Err(LogError::Stopped)
        }
    }

    fn way(&self) -> Way {
        let metrics = self.0.raft.metrics();
        let metrics = metrics.borrow_watched();
        match metrics.current_leader {
            // Nothing could come of it here.
            Some(leader) if leader == self.me().0 && self.is_unheard(&metrics) => Way::Nobody,
            Some(leader) if leader == self.me().0 => Way::Here,
            Some(node) => match metrics.membership_config.membership().get_node(&node) {
                Some(at) => Way::To {
                    node,
                    addr: at.addr.clone(),
                },
                None => Way::Nobody,
            },
            None => Way::Nobody,
        }
    }

    fn is_unheard(&self, metrics: &Metrics) -> bool {
        is_unheard(metrics, self.0.config.election_max)
    }

    /// A command that another head has forwarded; it is not forwarded again.
    pub(crate) async fn propose_here(&self, command: Bytes) -> Proposed {
        if self.check_running().is_err() || !matches!(self.way(), Way::Here) {
            return Proposed::NotLeading;
        }
        // What cannot be read here must not enter the log: no head could apply it.
        match model::format::decode::<Command>(&command) {
            Ok(command) if self.has_room_for(&command) => {}
            Ok(_) => return Proposed::Full,
            Err(why) => {
                let (field, message) = (UNREADABLE.into(), why.to_string());
                let reply = Reply::Rejected(Rejection::Invalid { field, message });
                return Proposed::Applied {
                    index: self.applied().0,
                    reply,
                };
            }
        }
        let Some(place) = self.0.admission.enter(command.len()) else {
            return Proposed::Overloaded;
        };
        let began = Instant::now();
        let outcome = self.write(command).await;
        if matches!(outcome, Proposed::Applied { .. }) {
            place.done(began.elapsed());
        }
        outcome
    }

    async fn write(&self, command: Bytes) -> Proposed {
        let proposal = Proposal::new(self.outside().now(), command);
        let written = self.0.together.write(proposal);
        let outcome = tokio::time::timeout(limits::OUTCOME_WAIT, written).await;
        outcome.unwrap_or(Proposed::Unknown)
    }

    async fn forward(&self, node: u64, addr: &str, command: Bytes) -> Proposed {
        let request = Request::Propose(Blob(command));
        let within = limits::OUTCOME_WAIT;
        // A call that is not answered soon is looked at again: the leader may have changed.
        let connection = self
            .0
            .peers
            .connection(node, addr, Duration::from_millis(200))
            .await;
        if connection.is_err() {
            return Proposed::NotLeading;
        }
        let peers = &self.0.peers;
        let asked = tokio::select! {
            asked = peers.ask(node, addr, Urgency::Question, &request, within) => asked,
            // A dead head answers nobody; whoever asked is told as soon as another one leads.
            () = self.another_leads(node) => return Proposed::Unknown,
        };
        match asked {
            Ok(proposed) if is_unreadable(&proposed) => {
                tracing::info!(
                    node,
                    "the leader is of an older release; ask it, not this head"
                );
                Proposed::Overloaded
            }
            Ok(proposed) => proposed,
            Err(AskError::NotSent(_)) => Proposed::NotLeading,
            Err(AskError::Lost(error)) => {
                tracing::debug!(%error, "the outcome of a forwarded command is unknown");
                Proposed::Unknown
            }
        }
    }

    /// Returns when a head other than this one leads.
    async fn another_leads(&self, head: u64) {
        let mut changes = self.status_changes();
        let other = changes.wait_for(|now| now.leader.is_some_and(|leader| leader.0 != head));
        if other.await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    async fn wait_linearizable(&self) -> Result<LogIndex, LogError> {
        self.check_running()?;
        let deadline = Instant::now() + limits::BARRIER_WAIT;
        let index = loop {
            let found = match self.way() {
                Way::Here => self.read_index_here().await,
                Way::To { node, addr } => self.read_index_from(node, &addr).await,
                Way::Nobody => None,
            };
            match found {
                Some(index) => break LogIndex(index),
                None => self.pause(deadline).await?,
            }
        };
        let mut moved = self.tables().moved();
        let reached = moved.wait_for(|at| *at >= index);
        match tokio::time::timeout_at(deadline, reached).await {
            Ok(Ok(at)) => Ok(*at),
            Ok(Err(_)) => Err(LogError::Stopped),
            Err(_) => Err(LogError::NoLeader),
        }
    }

    /// Up to which entry a linearizable read must wait; `None` if no quorum says that this head
    /// leads.
    pub(crate) async fn read_index_here(&self) -> Option<u64> {
        let read = self.raft().get_read_linearizer(ReadPolicy::ReadIndex);
        let read = tokio::time::timeout(limits::READ_INDEX_WAIT, read)
            .await
            .ok()?
            .ok()?;
        Some(read.read_log_id().index())
    }

    async fn read_index_from(&self, node: u64, addr: &str) -> Option<u64> {
        let (peers, within) = (&self.0.peers, limits::READ_INDEX_WAIT);
        let asked = peers
            .ask(node, addr, Urgency::Question, &Request::ReadIndex, within)
            .await;
        match asked {
            Ok(ReadIndex::Upto(index)) => Some(index),
            Ok(ReadIndex::NotLeading) => None,
            Err(error) => {
                tracing::debug!(error = %error.into_inner(), "the leader did not answer");
                None
            }
        }
    }

    async fn ask_disk<T: Send + 'static>(
        &self,
        question: impl FnOnce(&View) -> std::io::Result<T> + Send + 'static,
    ) -> Result<T, LogError> {
        let view = self.tables().view();
        let asked = self.outside().run(move || question(&view)).await;
        asked.map_err(|error| LogError::Storage(error.to_string()))
    }
}

/// Whether a leader could not read a command of ours, as one of an older release cannot.
fn is_unreadable(proposed: &Proposed) -> bool {
    let Proposed::Applied { reply, .. } = proposed else {
        return false;
    };
    matches!(reply, Reply::Rejected(Rejection::Invalid { field, .. }) if field == UNREADABLE)
}
