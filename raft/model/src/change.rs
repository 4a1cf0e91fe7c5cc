//! What one command touched: the records to write, and the news to tell.
//!
//! The storage adapter writes every touched record as it now stands, together with the applied
//! index, in one batch; the event stream is fed from the same value.

use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use crate::account::{TokenId, UserName};
use crate::id::{AttemptId, JobId, LogIndex, NodeId};
use crate::job::{EndedJob, Outcome};
use crate::ledger::{AuditLine, LedgerLine};
use crate::node::NodeHealth;
use crate::quota::Holder;
use crate::unit::Timestamp;

/// The kinds of records that the state consists of. Each is a table of its own on disk.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Table {
    /// One record: cluster name, counters, clock.
    Meta,
    /// One record: the administrators' settings.
    Policy,
    /// Accounts by name.
    User,
    /// Bearer tokens by public half.
    Token,
    /// Join tokens by public half.
    JoinToken,
    /// Named volumes.
    Volume,
    /// Nodes by id.
    Node,
    /// What live jobs asked for; written once.
    Spec,
    /// Where live jobs stand.
    Job,
    /// Idempotency keys by user and key.
    SubmitKey,
    /// Why nodes are unwell, by node.
    Trouble,
    /// Projects by name.
    Project,
    /// Queues by name.
    Queue,
    /// What users and projects have spent, by holder.
    Spent,
    /// Directories of users by name.
    Directory,
    /// Public keys by user and fingerprint.
    SshKey,
    /// Sealed secrets by owner and name.
    Secret,
    /// Where published ports of live jobs are reached, by job.
    Ports,
    /// What nodes keep of ended attempts, by node.
    Stored,
}

impl Table {
    /// Every table, in the order in which they are loaded: a job needs its spec.
    pub const ALL: [Table; 19] = [
        Table::Meta,
        Table::Policy,
        Table::User,
        Table::Token,
        Table::JoinToken,
        Table::Volume,
        Table::Node,
        Table::Spec,
        Table::Job,
        Table::SubmitKey,
        Table::Trouble,
        Table::Project,
        Table::Queue,
        Table::Spent,
        Table::Directory,
        Table::SshKey,
        Table::Secret,
        Table::Ports,
        Table::Stored,
    ];

    /// The table's name on disk.
    pub fn name(self) -> &'static str {
        match self {
            Table::Meta => "meta",
            Table::Policy => "policy",
            Table::User => "user",
            Table::Token => "token",
            Table::JoinToken => "join_token",
            Table::Volume => "volume",
            Table::Node => "node",
            Table::Spec => "spec",
            Table::Job => "job",
            Table::SubmitKey => "submit_key",
            Table::Trouble => "trouble",
            Table::Project => "project",
            Table::Queue => "queue",
            Table::Spent => "spent",
            Table::Directory => "directory",
            Table::SshKey => "ssh_key",
            Table::Secret => "secret",
            Table::Ports => "ports",
            Table::Stored => "stored",
        }
    }
}

/// Names one record of one table.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum RecordKey {
    /// See [`Table::Meta`].
    Meta,
    /// See [`Table::Policy`].
    Policy,
    /// See [`Table::User`].
    User(UserName),
    /// See [`Table::Token`].
    Token(TokenId),
    /// See [`Table::JoinToken`].
    JoinToken(TokenId),
    /// See [`Table::Volume`].
    Volume(String),
    /// See [`Table::Node`].
    Node(NodeId),
    /// See [`Table::Spec`].
    Spec(JobId),
    /// See [`Table::Job`].
    Job(JobId),
    /// See [`Table::SubmitKey`].
    SubmitKey(UserName, String),
    /// See [`Table::Trouble`].
    Trouble(NodeId),
    /// See [`Table::Project`].
    Project(String),
    /// See [`Table::Queue`].
    Queue(String),
    /// See [`Table::Spent`].
    Spent(Holder),
    /// See [`Table::Directory`].
    Directory(String),
    /// See [`Table::SshKey`].
    SshKey(UserName, String),
    /// See [`Table::Secret`].
    Secret(Holder, String),
    /// See [`Table::Ports`].
    Ports(JobId),
    /// See [`Table::Stored`].
    Stored(NodeId),
}

/// What one command changed.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Changes {
    /// Records to write as they stand now, or to delete if they are gone; in order, each once.
    pub touched: Vec<RecordKey>,
    /// Jobs that ended and left the state.
    pub ended: Vec<EndedJob>,
    /// Accounting lines.
    pub ledger: Vec<LedgerLine>,
    /// What the audit log gets, in order.
    pub audit: Vec<AuditLine>,
    /// News, in order.
    pub events: Vec<EventKind>,
}

impl Changes {
    /// Whether nothing is to be written or told.
    pub fn is_empty(&self) -> bool {
        self.touched.is_empty()
            && self.ended.is_empty()
            && self.ledger.is_empty()
            && self.audit.is_empty()
            && self.events.is_empty()
    }
}

/// The news of one log entry. Streams resume behind its index.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Event {
    /// The entry.
    pub index: LogIndex,
    /// The cluster's time when it was applied.
    pub at: Timestamp,
    /// What happened, in order.
    pub kinds: Vec<EventKind>,
}

/// One piece of news.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum EventKind {
    /// Jobs with consecutive ids were admitted.
    JobsSubmitted {
        /// By whom.
        owner: UserName,
        /// The first id.
        first: JobId,
        /// How many.
        count: u32,
    },
    /// Somebody asked for the end of a job.
    CancelRequested {
        /// Which.
        job: JobId,
        /// Whose.
        owner: UserName,
        /// Who asked.
        by: UserName,
    },
    /// A task was given to a node.
    AttemptPlaced {
        /// Which.
        attempt: AttemptId,
        /// Whose.
        owner: UserName,
        /// Where.
        node: NodeId,
    },
    /// A node reported that the attempt runs.
    AttemptStarted {
        /// Which.
        attempt: AttemptId,
        /// Whose.
        owner: UserName,
        /// Where.
        node: NodeId,
    },
    /// An attempt is over.
    AttemptEnded {
        /// Which.
        attempt: AttemptId,
        /// Whose.
        owner: UserName,
        /// Where.
        node: NodeId,
        /// How.
        outcome: Outcome,
        /// The exit code, if it had one.
        code: Option<i32>,
        /// The task waits for another attempt.
        requeued: bool,
    },
    /// A job is over.
    JobEnded {
        /// Which.
        job: JobId,
        /// Whose.
        owner: UserName,
        /// How.
        outcome: Outcome,
    },
    /// A node was admitted.
    NodeJoined {
        /// Which.
        node: NodeId,
        /// Its name.
        name: String,
    },
    /// What is believed of a node has changed.
    NodeHealth {
        /// Which.
        node: NodeId,
        /// What is believed now.
        health: NodeHealth,
    },
    /// A drain began or ended.
    NodeDrain {
        /// Which.
        node: NodeId,
        /// Why; `None` when it ended.
        reason: Option<String>,
    },
    /// A node was removed.
    NodeRemoved {
        /// Which.
        node: NodeId,
        /// Its name.
        name: String,
    },
}
