//! What goes wrong with the log, one variant per thing to do about it.

use std::path::PathBuf;

use model::NodeId;
use tokio::sync::watch;

/// What to do about a head whose directory is not what it was.
const REMEDY: &str = "this head must not start from it: remove it (`goctl admin head remove NAME`, \
    `goctl admin node remove NAME`) and join it anew with an empty data directory";

/// Why the log does not start, change its members, or go on.
///
/// Causes are kept as text, so that one failure can be told to everyone who waits for it.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RaftError {
    /// A setting makes no sense: change it.
    #[error("the log's settings: {0}")]
    Config(&'static str),
    /// The directory is another node's: the wrong disk is mounted, or the wrong id configured.
    #[error("{dir} holds the log of node {found}, not of node {expected}")]
    WrongNode {
        /// The directory.
        dir: PathBuf,
        /// Who was to start.
        expected: NodeId,
        /// Whose it is.
        found: NodeId,
    },
    /// The disk, or RocksDB on it, refuses.
    #[error("storage at {path}: {why}; make room there or mend the disk, and start it again")]
    Storage {
        /// The file or directory.
        path: PathBuf,
        /// What it said.
        why: String,
    },
    /// What RocksDB reads is not what it wrote; it names the file.
    #[error("{path} is damaged: {why}; {REMEDY}")]
    Damaged {
        /// The database.
        path: PathBuf,
        /// What it said.
        why: String,
    },
    /// A record cannot be read. It is not skipped: join again as a new node, or use a release
    /// that knows it.
    #[error("record {key} in {path} cannot be read: {why}; {REMEDY}")]
    Unreadable {
        /// The database.
        path: PathBuf,
        /// Which record.
        key: String,
        /// What is wrong with it.
        why: String,
    },
    /// Entries that this head has acknowledged are gone from its disk: it must not vote under its
    /// old id. Remove it and join again as a new node.
    #[error("{path} lost what was acknowledged: {what}; {REMEDY}")]
    Lost {
        /// The log's directory.
        path: PathBuf,
        /// What is missing.
        what: String,
    },
    /// The other heads know this node with another data directory: its own was lost or replaced.
    /// Remove it and join again as a new node.
    #[error("node {node} has been here with another data directory; join again as a new node")]
    Replaced {
        /// The id.
        node: NodeId,
    },
    /// Only the leader can do this.
    #[error("this head does not lead (leader: {leader:?})")]
    NotLeading {
        /// Who does, as far as known.
        leader: Option<NodeId>,
    },
    /// A new member has not received the log in time: try again.
    #[error("head {node} has not caught up yet")]
    NotCaughtUp {
        /// Which.
        node: NodeId,
    },
    /// A change of members or leader was refused: try again later.
    #[error("the members cannot be changed: {why}")]
    Membership {
        /// Why not.
        why: String,
    },
    /// Something did not happen in time: try again.
    #[error("timed out: {0}")]
    TimedOut(&'static str),
    /// A part of this head failed in a way that it cannot go on from.
    #[error("the log failed: {0}")]
    Fatal(String),
    /// This head is shutting down.
    #[error("the log is shutting down")]
    Stopped,
}

impl RaftError {
    /// Says that this head ends because of this, unless it ends because of something else already.
    pub(crate) fn tell(self, failed: &watch::Sender<Option<RaftError>>) {
        failed.send_if_modified(|failed| {
            let first = failed.is_none();
            failed.get_or_insert(self);
            first
        });
    }
}
