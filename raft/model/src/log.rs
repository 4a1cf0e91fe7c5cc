//! The first seam: how the rooms around speak to the replicated log, whoever hosts it.
//!
//! `raft` implements it over openraft and RocksDB, the simulation in memory.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::future::Future;
use core::pin::Pin;

use crate::account::UserName;
use crate::change::Event;
use crate::command::{Command, Reply};
use crate::id::{JobId, LogIndex, NodeId};
use crate::job::{EndedJob, Outcome};
use crate::ledger::{AuditLine, UsageSearch, UsageSum};
use crate::state::State;
use crate::unit::Timestamp;

/// An answer that takes a while.
pub type Later<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A replicated log with the state that it leads to.
pub trait Log: Send + Sync {
    /// Proposes a command and waits until a quorum holds it on disk and it is applied here or at
    /// the leader. A follower forwards it to the leader, once.
    ///
    /// # Errors
    /// See [`LogError`]. After [`LogError::Unknown`] the command may or may not be applied.
    fn propose(&self, command: Command) -> Later<'_, Result<Applied, LogError>>;

    /// The state as it is known here now; may be behind the leader's.
    fn read(&self) -> Arc<State>;

    /// The last entry that [`Log::read`] contains.
    fn applied(&self) -> LogIndex;

    /// Waits until [`Log::read`] holds everything that was acknowledged anywhere before this
    /// call: what is read afterwards is linearizable.
    ///
    /// # Errors
    /// [`LogError::NoLeader`] when no quorum answers in time; the state can still be read, as old
    /// as it is.
    fn barrier(&self) -> Later<'_, Result<LogIndex, LogError>>;

    /// Waits until an entry behind `index` is applied here, and answers the newest index.
    fn moved_past(&self, index: LogIndex) -> Later<'_, LogIndex>;

    /// An ended job, from disk.
    ///
    /// # Errors
    /// [`LogError::Storage`].
    fn ended_job(&self, id: JobId) -> Later<'_, Result<Option<EndedJob>, LogError>>;

    /// Ended jobs that match, newest end first.
    ///
    /// # Errors
    /// [`LogError::Storage`].
    fn ended_jobs(&self, search: EndedSearch) -> Later<'_, Result<EndedPage, LogError>>;

    /// The events behind `after`, oldest first, at most `limit` entries' worth. `None` when some
    /// of them are no longer kept.
    ///
    /// # Errors
    /// [`LogError::Storage`].
    fn events(
        &self,
        after: LogIndex,
        limit: usize,
    ) -> Later<'_, Result<Option<Vec<Event>>, LogError>>;

    /// Sums over accounting lines, by what the search says.
    ///
    /// # Errors
    /// [`LogError::Storage`].
    fn usage(&self, search: UsageSearch)
    -> Later<'_, Result<BTreeMap<String, UsageSum>, LogError>>;

    /// Lines of the audit log, newest first.
    ///
    /// # Errors
    /// [`LogError::Storage`].
    fn audit(&self, search: AuditSearch) -> Later<'_, Result<AuditPage, LogError>>;

    /// Who leads, as known here.
    fn leader(&self) -> Option<NodeId>;
}

/// What became of a proposed command.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Applied {
    /// Its entry.
    pub index: LogIndex,
    /// Its answer.
    pub reply: Reply,
}

/// Which ended jobs, and from where on.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct EndedSearch {
    /// Only this user's.
    pub owner: Option<UserName>,
    /// Only of this project.
    pub project: Option<String>,
    /// Only of this queue.
    pub queue: Option<String>,
    /// Only with this image, as it was asked for.
    pub image: Option<String>,
    /// Only with one of these outcomes; empty: any.
    pub outcomes: Vec<Outcome>,
    /// Only jobs with this tag.
    pub tag: Option<String>,
    /// Only jobs whose name contains this.
    pub name: Option<String>,
    /// Only jobs that ended at or after this.
    pub since: Option<Timestamp>,
    /// Only jobs that ended before this.
    pub until: Option<Timestamp>,
    /// Continue behind this one (ended, id), as given by the page before.
    pub after: Option<(Timestamp, JobId)>,
    /// At most this many.
    pub limit: usize,
}

impl EndedSearch {
    /// Whether an ended job is one that is asked for, wherever a page begins.
    pub fn matches(&self, job: &EndedJob) -> bool {
        let is = |wanted: &Option<String>, found: &String| {
            wanted.as_ref().is_none_or(|wanted| wanted == found)
        };
        self.owner.as_ref().is_none_or(|owner| *owner == job.owner)
            && is(&self.project, &job.spec.project)
            && is(&self.queue, &job.spec.queue)
            && is(&self.image, &job.spec.image)
            && (self.outcomes.is_empty() || self.outcomes.contains(&job.outcome))
            && (self.tag.as_ref()).is_none_or(|tag| job.spec.tags.contains(tag))
            && (self.name.as_ref()).is_none_or(|part| job.spec.name.contains(part.as_str()))
            && self.since.is_none_or(|since| job.ended_at >= since)
            && self.until.is_none_or(|until| job.ended_at < until)
    }
}

/// A page of ended jobs.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct EndedPage {
    /// The jobs, newest end first.
    pub jobs: Vec<EndedJob>,
    /// Where the next page begins; `None` on the last.
    pub next: Option<(Timestamp, JobId)>,
}

/// Which lines of the audit log, and from where on.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct AuditSearch {
    /// Only of this user.
    pub user: Option<String>,
    /// Only of entries before this one.
    pub before: Option<LogIndex>,
    /// At most about this many; lines of one entry stay together.
    pub limit: usize,
}

/// A page of the audit log.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct AuditPage {
    /// The lines with their entries, newest first.
    pub lines: Vec<(LogIndex, AuditLine)>,
    /// Where the next page begins; `None` on the last.
    pub next: Option<LogIndex>,
}

/// Why the log could not answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LogError {
    /// There is no leader, or none that reaches a quorum. Nothing was proposed: try again.
    NoLeader,
    /// Too much is waiting. Nothing was proposed: try again later.
    Overloaded,
    /// The disk of the leading head is nearly full, and the command would add work. Nothing was
    /// proposed: try again when there is room.
    Full,
    /// No answer in time: the command may or may not come to be applied. Safe to repeat only with
    /// an idempotency key.
    Unknown,
    /// The disk of this head fails; the head stops.
    Storage(String),
    /// This head is shutting down.
    Stopped,
}

impl fmt::Display for LogError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LogError::NoLeader => write!(f, "no leader reaches a quorum of the heads"),
            LogError::Overloaded => write!(f, "too many commands are waiting"),
            LogError::Full => write!(f, "the disk of the leading head is nearly full"),
            LogError::Unknown => write!(f, "no answer in time; the outcome is unknown"),
            LogError::Storage(what) => write!(f, "storage: {what}"),
            LogError::Stopped => write!(f, "this head is shutting down"),
        }
    }
}

impl core::error::Error for LogError {}
