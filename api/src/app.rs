//! What every handler shares: the host, the gates, and the few ways to speak to the log.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use model::command::{Command, Reply};
use model::log::{Applied, Log, LogError};
use model::{LogIndex, State, Timestamp};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::audit::{self, Deeds, Refusals};
use crate::directories::Directories;
use crate::gate::Gates;
use crate::host::Host;
use crate::limits::{APPLY_WAIT, BARRIER_WAIT, PROPOSE_WAIT};
use crate::metrics::Requests;
use crate::problem::Refused;
use crate::throttle::Throttle;

/// One server. A clone is another handle to it.
#[derive(Clone)]
pub(crate) struct App(Arc<Parts>);

struct Parts {
    host: Arc<dyn Host>,
    gates: Gates,
    throttle: Mutex<Throttle>,
    refusals: Refusals,
    deeds: Deeds,
    requests: Requests,
    directories: Directories,
    stopping: CancellationToken,
}

/// What was read, and how fresh it is.
pub(crate) struct Seen {
    pub(crate) state: Arc<State>,
    /// The state holds at least this entry.
    pub(crate) index: LogIndex,
    /// No quorum has confirmed that this is all.
    pub(crate) stale: bool,
}

impl App {
    pub(crate) fn new(host: Arc<dyn Host>, stopping: CancellationToken) -> App {
        let (gates, throttle) = (Gates::default(), Mutex::default());
        App(Arc::new(Parts {
            host,
            gates,
            throttle,
            refusals: Refusals::default(),
            deeds: Deeds::default(),
            requests: Requests::default(),
            directories: Directories::default(),
            stopping,
        }))
    }

    pub(crate) fn host(&self) -> &dyn Host {
        &*self.0.host
    }

    pub(crate) fn log(&self) -> Arc<dyn Log> {
        self.0.host.log()
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.0.host.now()
    }

    pub(crate) fn gates(&self) -> &Gates {
        &self.0.gates
    }

    pub(crate) fn throttle(&self) -> &Mutex<Throttle> {
        &self.0.throttle
    }

    pub(crate) fn directories(&self) -> &Directories {
        &self.0.directories
    }

    pub(crate) fn refusals(&self) -> &Refusals {
        &self.0.refusals
    }

    pub(crate) fn deeds(&self) -> &Deeds {
        &self.0.deeds
    }

    pub(crate) fn requests(&self) -> &Requests {
        &self.0.requests
    }

    /// Resolves when the server is about to stop: streams end then.
    pub(crate) async fn stopping(&self) {
        self.0.stopping.cancelled().await;
    }

    /// What this head knows now.
    pub(crate) fn look(&self) -> Seen {
        let log = self.log();
        // In this order: the state may hold more than the index says, never less.
        let index = log.applied();
        Seen {
            state: log.read(),
            index,
            stale: true,
        }
    }

    /// Everything acknowledged before this call, or, without a quorum, what this head knows.
    pub(crate) async fn look_fresh(&self) -> Result<Seen, Refused> {
        let stale = match self.barrier(BARRIER_WAIT).await {
            Ok(_) => false,
            Err(LogError::NoLeader | LogError::Overloaded | LogError::Unknown) => true,
            Err(error @ (LogError::Full | LogError::Storage(_) | LogError::Stopped)) => {
                return Err(error.into());
            }
        };
        Ok(Seen {
            stale,
            ..self.look()
        })
    }

    pub(crate) async fn barrier(&self, within: Duration) -> Result<LogIndex, LogError> {
        let log = self.log();
        timeout(within, log.barrier())
            .await
            .unwrap_or(Err(LogError::NoLeader))
    }

    /// Proposes a command; a rejection is an answer here.
    pub(crate) async fn propose(&self, command: Command) -> Result<Applied, Refused> {
        let log = self.log();
        let command = audit::sign(command);
        let applied = timeout(PROPOSE_WAIT, log.propose(command)).await;
        Ok(applied.unwrap_or(Err(LogError::Unknown))?)
    }

    /// Proposes a command and, if it can be, waits until this head shows what it led to.
    pub(crate) async fn change(&self, command: Command) -> Result<(), Refused> {
        self.try_change(command).await.map(drop)
    }

    /// Proposes a command and reads what it led to.
    pub(crate) async fn change_then_read(&self, command: Command) -> Result<Arc<State>, Refused> {
        if self.try_change(command).await? {
            Ok(self.log().read())
        } else {
            Err(Refused::done_unseen())
        }
    }

    /// Whether this head has applied what it led to.
    async fn try_change(&self, command: Command) -> Result<bool, Refused> {
        let applied = self.propose(command).await?;
        match applied.reply {
            Reply::Rejected(why) => Err(why.into()),
            Reply::Done
            | Reply::Submitted { .. }
            | Reply::Cancelled(_)
            | Reply::Planned { .. }
            | Reply::Joined(_)
            | Reply::Expired(_) => Ok(self.catch_up(applied.index).await),
        }
    }

    /// Waits a bounded time until an entry is applied here; says whether it is.
    pub(crate) async fn catch_up(&self, index: LogIndex) -> bool {
        let (log, before) = (self.log(), LogIndex(index.0.saturating_sub(1)));
        let reached = log.applied() >= index;
        reached || timeout(APPLY_WAIT, log.moved_past(before)).await.is_ok()
    }
}
