//! What is only ever added to: the accounts, one line per attempt, written by the entry that ends
//! it; and the audit log, one line per wish that came to the door and would change something.

use alloc::borrow::Cow;
use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use serde::{Deserialize, Serialize};

use crate::account::UserName;
use crate::command::Who;
use crate::id::AttemptId;
use crate::job::{AttemptEnd, Outcome};
use crate::resource::{Effort, Resources};
use crate::unit::{Bytes, Millis, Timestamp};

/// Rows of one report; what belongs to none of the first ones is summed as [`OTHERS`].
pub const USAGE_ROWS_MAX: usize = 10_000;
/// The name of the row for all that [`USAGE_ROWS_MAX`] leaves no row of their own. It is no name of
/// anything.
pub const OTHERS: &str = "(others)";
/// Milliseconds of a day.
const DAY: u64 = 86_400_000;

/// What one attempt cost, and whom.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LedgerLine {
    /// The attempt.
    pub attempt: AttemptId,
    /// Who pays.
    pub owner: UserName,
    /// The project that it is charged to.
    pub project: String,
    /// The queue that it waited in.
    pub queue: String,
    /// The job's name, for people.
    pub name: String,
    /// What was asked for.
    pub asked: Resources,
    /// The image as it was asked for.
    pub image: String,
    /// When the job was submitted.
    pub submitted_at: Timestamp,
    /// Since when the task waited for this attempt.
    pub waited_since: Timestamp,
    /// What is charged: what was asked for, for as long as it ran.
    pub charged: Effort,
    /// The rest of the story.
    pub end: AttemptEnd,
}

/// Who wanted what, from where, and what became of it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct AuditLine {
    /// The cluster's time when it was committed.
    pub at: Timestamp,
    /// Who and from where.
    pub who: Who,
    /// The method and path of the request.
    pub what: String,
    /// What became of it.
    pub verdict: Verdict,
}

/// What became of a wish.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Verdict {
    /// It was done.
    Done,
    /// It was allowed, but could not be done, for this reason.
    Rejected(String),
    /// It was refused at the door, so often, for this reason.
    Refused {
        /// The code of the answer.
        why: String,
        /// How often since the last such line.
        times: u32,
    },
    /// It was done at a node, so often.
    DoneOften {
        /// How often since the last such line.
        times: u32,
    },
    /// It was begun at a node and not seen to be done, so often, for this reason.
    Failed {
        /// The code of the answer, or that there was none.
        why: String,
        /// How often since the last such line.
        times: u32,
    },
}

/// By what a report sums.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum UsageBy {
    /// [`LedgerLine::owner`].
    #[default]
    User,
    /// [`LedgerLine::project`].
    Project,
    /// [`LedgerLine::queue`].
    Queue,
    /// [`LedgerLine::image`].
    Image,
    /// The node's name.
    Node,
    /// The outcome's word.
    State,
    /// The day (UTC) of the end, counted from 1970-01-01.
    Day,
}

/// Which accounting lines a report sums, and how.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct UsageSearch {
    /// By what.
    pub by: UsageBy,
    /// Lines that were written at or after this.
    pub from: Timestamp,
    /// Lines that were written before this.
    pub until: Timestamp,
    /// Only this user's.
    pub owner: Option<UserName>,
    /// Only of this project.
    pub project: Option<String>,
}

/// Sums over accounting lines.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct UsageSum {
    /// Attempts.
    pub attempts: u64,
    /// Those that did not succeed.
    pub failed: u64,
    /// What was charged.
    pub charged: Effort,
    /// Processor time used, in microseconds.
    pub cpu_micros: u64,
    /// The most memory that one attempt used.
    pub memory_peak: Bytes,
    /// Read from block devices.
    pub io_read: Bytes,
    /// Written to block devices.
    pub io_written: Bytes,
    /// Between waiting and start, or the end of those that never started.
    pub waited: Millis,
    /// Between start and end.
    pub ran: Millis,
}

impl UsageSearch {
    /// Adds a line to the sums, if it is one of those that are wanted.
    pub fn add(&self, sums: &mut BTreeMap<String, UsageSum>, line: &LedgerLine) {
        let theirs = self.owner.as_ref().is_none_or(|owner| *owner == line.owner);
        let of_it = (self.project.as_ref()).is_none_or(|project| *project == line.project);
        if theirs && of_it {
            let key = self.key(line);
            let full = sums.len() >= USAGE_ROWS_MAX;
            match sums.get_mut(&*key) {
                Some(sum) => sum.add(line),
                // What is summed over is bounded, whatever people write into a field.
                None if full => {
                    sums.entry(OTHERS.into()).or_default().add(line);
                }
                None => sums.entry(key.into_owned()).or_default().add(line),
            }
        }
    }

    fn key<'a>(&self, line: &'a LedgerLine) -> Cow<'a, str> {
        Cow::Borrowed(match self.by {
            UsageBy::User => &line.owner.0,
            UsageBy::Project => &line.project,
            UsageBy::Queue => &line.queue,
            UsageBy::Image => &line.image,
            UsageBy::Node => &line.end.node_name,
            UsageBy::State => line.end.outcome.word(),
            UsageBy::Day => return Cow::Owned((line.end.ended_at.0 / DAY).to_string()),
        })
    }
}

impl UsageSum {
    fn add(&mut self, line: &LedgerLine) {
        let (end, used) = (&line.end, &line.end.usage);
        let since = end.started.as_ref().map(|started| started.at);
        let waited = since.unwrap_or(end.ended_at).since(line.waited_since);
        let ran = since.map_or(Millis(0), |since| end.ended_at.since(since));
        self.attempts += 1;
        self.failed += u64::from(end.outcome != Outcome::Succeeded);
        self.charged = self.charged.plus(&line.charged);
        self.cpu_micros = self.cpu_micros.saturating_add(used.cpu_micros);
        self.memory_peak = self.memory_peak.max(used.memory_peak);
        self.io_read = Bytes(self.io_read.0.saturating_add(used.io_read.0));
        self.io_written = Bytes(self.io_written.0.saturating_add(used.io_written.0));
        self.waited = self.waited.plus(waited);
        self.ran = self.ran.plus(ran);
    }

    /// Both together.
    pub fn plus(&self, other: &UsageSum) -> UsageSum {
        UsageSum {
            attempts: self.attempts + other.attempts,
            failed: self.failed + other.failed,
            charged: self.charged.plus(&other.charged),
            cpu_micros: self.cpu_micros.saturating_add(other.cpu_micros),
            memory_peak: self.memory_peak.max(other.memory_peak),
            io_read: Bytes(self.io_read.0.saturating_add(other.io_read.0)),
            io_written: Bytes(self.io_written.0.saturating_add(other.io_written.0)),
            waited: self.waited.plus(other.waited),
            ran: self.ran.plus(other.ran),
        }
    }
}
