//! What the API needs of the process that hosts it, and nothing more.
//!
//! The log itself is `model`'s seam; this trait adds what only a running head knows: its clock,
//! its part in the quorum, and what nodes answer about attempts. The handlers hold no other
//! handle to the outside.

pub mod files;

use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::Stream;
use model::account::{TokenId, UserName};
use model::job::{Outcome, Usage};
use model::log::{Later, Log, LogError};
use model::measure::Durations;
use model::node::NodeRole;
use model::{AttemptId, LogIndex, NodeId, Timestamp};

/// A head, as its REST API sees it.
pub trait Host: Send + Sync {
    /// The replicated log.
    fn log(&self) -> Arc<dyn Log>;

    /// The wall clock.
    fn now(&self) -> Timestamp;

    /// Opens the output of an attempt on its node.
    ///
    /// # Errors
    /// See [`HostError`].
    fn output(&self, request: OutputRequest) -> Later<'_, Result<Output, HostError>>;

    /// The files of attempts.
    fn files(&self) -> &dyn files::Files;

    /// What an attempt uses now; `None` when it does not run on that node, or is not this user's.
    ///
    /// # Errors
    /// See [`HostError`].
    fn usage(
        &self,
        attempt: AttemptId,
        node: NodeId,
        owner: UserName,
    ) -> Later<'_, Result<Option<Usage>, HostError>>;

    /// This head's view of the log's membership. Answered from memory.
    fn raft_status(&self) -> RaftStatus;

    /// What this head has counted since it started. Answered from memory.
    fn figures(&self) -> Figures;

    /// SHA-256 over every record of this head's state, with the last entry in it.
    ///
    /// # Errors
    /// See [`HostError`].
    fn state_hash(&self) -> Later<'_, Result<(LogIndex, [u8; 32]), HostError>>;

    /// Hands leadership over, to the head named or to the one that is furthest.
    ///
    /// # Errors
    /// See [`HostError`]; [`HostError::NotLeading`] when another head leads.
    fn transfer_leadership(&self, to: Option<NodeId>) -> Later<'_, Result<(), HostError>>;

    /// Makes a secret unreadable to all but the heads of this cluster. `None` if it cannot be done.
    fn seal(&self, secret: &[u8]) -> Option<Vec<u8>>;

    /// The same for a place: it is opened for that place only. `None` if it cannot be done.
    fn seal_for(&self, place: &str, secret: &[u8]) -> Option<Vec<u8>>;

    /// The secret again; `None` if no head of this cluster has sealed it.
    fn unseal(&self, sealed: &[u8]) -> Option<Vec<u8>>;

    /// The cluster's certificate authority.
    fn cluster_ca(&self) -> ClusterCa;

    /// The text with which a machine joins: role, addresses of heads, digest of the authority,
    /// and both halves of the token.
    fn encode_join_token(&self, id: &TokenId, secret: &str, role: NodeRole) -> String;
}

/// Which of the two streams that a program writes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OutputKind {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// Where reading an output begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OutputStart {
    /// So many bytes behind the first.
    Offset(u64),
    /// So many bytes before the end as it is now, or at the first byte if there are fewer.
    BeforeEnd(u64),
}

/// A wish to read an attempt's output.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OutputRequest {
    /// Whose.
    pub attempt: AttemptId,
    /// On which node it ran.
    pub node: NodeId,
    /// Whose job it is.
    pub owner: UserName,
    /// Which stream.
    pub kind: OutputKind,
    /// Where to begin.
    pub start: OutputStart,
    /// Go on until the attempt has ended and all of it was told.
    pub follow: bool,
}

/// An opened output.
pub struct Output {
    /// The position of the first byte that follows, counted from 0.
    pub offset: u64,
    /// The bytes as they were written. An error ends the stream short of its end. Dropping it
    /// stops the node from sending.
    pub chunks: Pin<Box<dyn Stream<Item = Result<Bytes, HostError>> + Send>>,
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Output")
            .field("offset", &self.offset)
            .finish_non_exhaustive()
    }
}

/// The certificate authority of the cluster.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ClusterCa {
    /// Its certificate.
    pub pem: String,
    /// SHA-256 of the certificate (DER).
    pub sha256: [u8; 32],
}

/// What a head does in its term.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum RaftRole {
    /// Leads.
    Leader,
    /// Follows a leader, or waits for one.
    #[default]
    Follower,
    /// Asks for votes.
    Candidate,
    /// Receives the log without a vote.
    Learner,
    /// Is ending.
    Shutdown,
}

/// One head's view of the replicated log.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RaftStatus {
    /// The head that says so.
    pub node: NodeId,
    /// Its term.
    pub term: u64,
    /// Who leads, as it knows.
    pub leader: Option<NodeId>,
    /// What it does.
    pub role: RaftRole,
    /// The last entry in its log.
    pub last_log: LogIndex,
    /// The last entry known to be on a quorum.
    pub committed: LogIndex,
    /// The last entry in its state.
    pub applied: LogIndex,
    /// The last entry in its newest snapshot.
    pub snapshot: Option<LogIndex>,
    /// Milliseconds since a quorum last answered; only the leader knows.
    pub millis_since_quorum_ack: Option<u64>,
    /// The members, by id.
    pub members: Vec<RaftMember>,
}

/// One member of the log's quorum.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RaftMember {
    /// Which head.
    pub node: NodeId,
    /// Where its peers reach it, `host:port`.
    pub addr: String,
    /// Whether it votes.
    pub voter: bool,
    /// The last entry that it is known to hold; only the leader knows.
    pub matched: Option<LogIndex>,
    /// How many entries it is behind; only the leader knows.
    pub lag: Option<u64>,
}

/// What a head counts, since it started: what cannot be read off its state.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Figures {
    /// From a command to its outcome, of commands written here.
    pub commits: Durations,
    /// Commands that wait for their outcome.
    pub waiting: usize,
    /// Jobs whose end was applied here.
    pub ended: BTreeMap<Outcome, u64>,
    /// Plans made here, while this head led.
    pub plans: Durations,
    /// Tasks that they placed.
    pub placed: u64,
    /// When the last plan was made.
    pub planned_at: Option<Timestamp>,
    /// Agents in session with this head.
    pub sessions: usize,
}

/// Why the host could not answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum HostError {
    /// The node does not have it (any more).
    Missing,
    /// It cannot be done with this file; the text says why, for people.
    File(files::FileFault, String),
    /// The node cannot be reached; the text says why, for people.
    Unreachable(String),
    /// Another head leads, or none.
    NotLeading(Option<NodeId>),
    /// It cannot be done; the text says why, for people.
    Refused(String),
    /// The log could not answer.
    Log(LogError),
}

impl fmt::Display for HostError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HostError::Missing => write!(f, "the node does not have it any more"),
            HostError::File(_, why) => write!(f, "{why}"),
            HostError::Unreachable(why) => write!(f, "the node cannot be reached: {why}"),
            HostError::NotLeading(Some(leader)) => write!(f, "node {leader} leads, not this one"),
            HostError::NotLeading(None) => write!(f, "no head leads now"),
            HostError::Refused(why) => write!(f, "{why}"),
            HostError::Log(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for HostError {}

impl From<LogError> for HostError {
    fn from(error: LogError) -> Self {
        HostError::Log(error)
    }
}
