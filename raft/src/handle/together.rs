//! Proposals that come while others are on their way go together, as one write.
//!
//! An entry by itself costs a message to each follower, a sync on each head and an answer, whatever
//! is in it. One write is on its way at a time: what comes meanwhile is one write then, so that a
//! busy leader appends, sends and syncs as often as it can, not as often as it is asked. A write
//! that takes long holds nobody up for more than [`limits::TOGETHER_WAIT`].

use futures_util::StreamExt;
use openraft::base::BoxStream;
use openraft::errors::{ClientWriteError, Fatal};
use openraft::raft::WriteResult;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::limits;
use crate::network::message::Proposed;
use crate::types::{Proposal, Raft, TypeConfig};

type Outcome = Result<WriteResult<TypeConfig>, Fatal<TypeConfig>>;

/// A proposal, and who is told what became of it.
pub(super) struct Waiting {
    proposal: Proposal,
    tell: oneshot::Sender<Proposed>,
}

/// The way to the log for proposals of this head. It has no bound of its own: what clients ask is
/// bounded by [`Admission`](super::admission::Admission), and a leader's duties wait for what they
/// propose.
pub(super) struct Together(mpsc::UnboundedSender<Waiting>);

impl Together {
    pub(super) fn new() -> (Together, mpsc::UnboundedReceiver<Waiting>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Together(sender), receiver)
    }

    /// Writes it with what else waits. What it led to, or [`Proposed::Unknown`] if this head ends.
    pub(super) async fn write(&self, proposal: Proposal) -> Proposed {
        let (tell, told) = oneshot::channel();
        if self.0.send(Waiting { proposal, tell }).is_err() {
            return Proposed::Unknown;
        }
        told.await.unwrap_or(Proposed::Unknown)
    }
}

/// Writes what waits until this head ends.
pub(super) async fn write(
    mut queue: mpsc::UnboundedReceiver<Waiting>,
    raft: Raft,
    tasks: TaskTracker,
    cancel: CancellationToken,
) {
    let mut waiting = Vec::new();
    loop {
        let taken = tokio::select! {
            taken = queue.recv_many(&mut waiting, limits::TOGETHER_MAX) => taken,
            () = cancel.cancelled() => return,
        };
        if taken == 0 {
            return;
        }
        let (proposals, tell): (Vec<_>, Vec<_>) = waiting
            .drain(..)
            .map(|one| (one.proposal, one.tell))
            .unzip();
        match raft.client_write_many(proposals).await {
            Ok(outcomes) => {
                let told = tasks.spawn(tell_all(outcomes, tell));
                // However it ended, or if it takes long: the next may go.
                let _ = tokio::time::timeout(limits::TOGETHER_WAIT, told).await;
            }
            Err(error) => tracing::debug!(%error, "the outcome of {taken} commands is unknown"),
        }
    }
}

/// Tells each what became of its proposal, in their order. Who is not told knows that nobody knows.
async fn tell_all(mut outcomes: BoxStream<'static, Outcome>, tell: Vec<oneshot::Sender<Proposed>>) {
    for tell in tell {
        let Some(outcome) = outcomes.next().await else {
            return;
        };
        // Whoever waits no longer has been told that nobody knows.
        let _ = tell.send(proposed(outcome));
    }
}

fn proposed(outcome: Outcome) -> Proposed {
    match outcome {
        Ok(Ok(written)) => match written.response.0 {
            Some(reply) => Proposed::Applied {
                index: written.log_id.index,
                reply,
            },
            None => Proposed::Unknown,
        },
        Ok(Err(ClientWriteError::ForwardToLeader(_))) => Proposed::NotLeading,
        Ok(Err(error)) => unknown(&error),
        Err(error) => unknown(&error),
    }
}

fn unknown(error: &dyn std::fmt::Display) -> Proposed {
    tracing::debug!(%error, "the outcome of a command is unknown");
    Proposed::Unknown
}
