//! Every word on the wire between an agent and a head, and between a new node and a head.
//!
//! What heads say to each other about the log is in the `raft` room: it is openraft's, not ours.
//! Each stream begins with one [`Opening`] that says what it is for. Only a head that leads gives
//! orders; the others answer heartbeats so that agents know them.

mod files;
mod secret;

use model::account::UserName;
use model::assignment::{Assignment, Held, Report, Stop};
use model::format::{v1, v2, v3};
use model::job::Usage;
use model::node::NodeFacts;
use model::stored::Stored;
use model::{AttemptId, ClusterId, NodeId};
use serde::{Deserialize, Serialize};

pub use files::{
    ArchiveKind, FileEntry, FileFault, FileKind, FilesAnswer, FilesCall, FilesWish, Span, Taken,
};
pub use secret::{Login, Plain, SecretAnswer, SecretCall, SecretFile, SecretWant};

/// The first frame of every stream on the agent channel.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Opening {
    /// Agent to head: this stream carries the session; [`ToHead`] and [`ToAgent`] follow.
    Session(Hello),
    /// Head to agent: send what an attempt has written; raw frames follow. What older heads say;
    /// see [`Opening::OutputOf`].
    Output(OutputCall),
    /// Head to agent: what does an attempt use now; one [`UsageAnswer`] follows. What older heads
    /// say; see [`Opening::UsageOf`].
    Usage(AttemptId),
    /// Agent to head, beside its session: the secrets of an attempt; one [`SecretAnswer`] follows.
    Secrets(SecretCall),
    /// Head to agent: something is wanted of the files of an attempt; a [`FilesAnswer`] follows.
    Files(FilesCall),
    /// Head to agent: send what an attempt has written, if it is this user's; raw frames follow.
    OutputOf {
        /// Whose job it is, as the head knows it. The agent compares it with what it knows itself.
        owner: UserName,
        /// What is wanted.
        call: OutputCall,
    },
    /// Head to agent: what does an attempt use now, if it is this user's; one [`UsageAnswer`]
    /// follows.
    UsageOf {
        /// Whose job it is, as for [`Opening::OutputOf`].
        owner: UserName,
        /// Which attempt.
        attempt: AttemptId,
    },
}

/// What an agent says of itself when it opens a session.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Hello {
    /// What the node offers.
    pub facts: NodeFacts,
}

/// What an agent says in a session.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum ToHead {
    /// It is there. Answered by [`ToAgent::Alive`] with the same number.
    Heartbeat(u64),
    /// The answer to the first [`Lead`] of a term: every attempt that it has, running or ended
    /// and not yet forgotten. Until it has said so, the leader gives it no orders.
    Held {
        /// The leader's term.
        term: u64,
        /// What it has.
        held: Vec<Held>,
    },
    /// News of attempts; repeated until acknowledged.
    Reports(Vec<Report>),
    /// What keeps the node from starting attempts; `None`: nothing (any more). Said before
    /// anything else if there is something, and again when it changes.
    Trouble(Option<String>),
    /// What the node keeps of ended attempts, once it has been measured, and again when it has
    /// changed.
    Stored(Stored),
}

/// What a head says in a session.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum ToAgent {
    /// The answer to a heartbeat.
    Alive(Alive),
    /// What a leader wants. An agent that has heard a later term refuses it.
    Order {
        /// The leader's term.
        term: u64,
        /// What it wants.
        order: Order,
    },
}

/// What a leader wants of an agent. Repeating one changes nothing.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Order {
    /// Run these; each is complete. What heads of version 1 say; see [`Order::Launch`].
    Assign(Vec<v1::Assignment>),
    /// End these.
    Stop(Vec<Stop>),
    /// The reports of these attempts that say `Running` are committed.
    NotedRunning(Vec<Held>),
    /// These attempts are over in the log: forget them, once nothing of them runs.
    Forget(Vec<Held>),
    /// Run these; each is complete. What heads of version 2 say; see [`Order::Launch`].
    Run(Vec<v2::Assignment>),
    /// Run these. What heads of version 3 say; see [`Order::Launch`].
    Start(Vec<v3::Assignment>),
    /// Run these; each is complete but for its secrets, which the agent asks for when it prepares
    /// the attempt ([`Opening::Secrets`]).
    Launch(Vec<Assignment>),
}

/// The answer to a heartbeat.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Alive {
    /// The heartbeat that is answered.
    pub number: u64,
    /// Set if the head leads and reached a quorum a moment ago.
    pub lead: Option<Lead>,
    /// How often the agent shall say that it is there.
    pub heartbeat_ms: u64,
    /// Every head's address, so that an agent learns of new ones.
    pub heads: Vec<HeadAddr>,
}

/// A leader's word that it leads.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Lead {
    /// In this term.
    pub term: u64,
    /// The agent's lease runs this long from the moment it sent the heartbeat.
    pub lease_ms: u64,
}

/// Where a head listens for peers.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct HeadAddr {
    /// Which head.
    pub node: NodeId,
    /// `host:port`.
    pub addr: String,
}

/// A wish to read an attempt's output.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct OutputCall {
    /// Whose output.
    pub attempt: AttemptId,
    /// Which of the two.
    pub stream: OutputStream,
    /// The first byte wanted.
    pub start: OutputStart,
    /// Wait for more until the attempt has ended.
    pub follow: bool,
}

/// Where reading an output begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum OutputStart {
    /// So many bytes behind the first.
    Offset(u64),
    /// So many bytes before the end as it is now, or at the first byte if there are fewer.
    BeforeEnd(u64),
}

/// The two streams that a program writes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum OutputStream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// The first frame of an answer to [`Opening::OutputOf`]; if it is `Found`, raw frames of bytes
/// follow until the stream ends.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum OutputAnswer {
    /// Bytes follow.
    Found {
        /// The position of the first of them, counted from 0.
        offset: u64,
    },
    /// The node does not have that attempt's output (any more), or it is somebody else's.
    Missing,
}

/// The answer to [`Opening::UsageOf`]; `None` when the attempt does not run here, or is somebody
/// else's.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct UsageAnswer(pub Option<Usage>);

/// What a new node sends on the join channel.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct JoinCall {
    /// The public half of the join token.
    pub token: String,
    /// The secret half.
    pub secret: String,
    /// The name that the node wants.
    pub name: String,
    /// Certificate request (PKCS #10, PEM); of its contents only the key is used.
    pub request_pem: String,
    /// Host names and addresses under which users will call the node's REST API.
    pub names: Vec<String>,
    /// What the node offers.
    pub facts: NodeFacts,
}

/// The answer to a [`JoinCall`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum JoinAnswer {
    /// It is in.
    Welcome(Welcome),
    /// It is not, for this reason; nothing was changed.
    Refused(String),
    /// No leader could be reached; try again.
    TryAgain(String),
}

/// What an admitted node needs from then on.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Welcome {
    /// The cluster's id.
    pub cluster: ClusterId,
    /// The node's id.
    pub node: NodeId,
    /// Whether it is a head.
    pub head: bool,
    /// Its certificate, PEM.
    pub certificate_pem: String,
    /// The cluster's CA certificate, PEM.
    pub ca_pem: String,
    /// The CA's key, PEM; for heads only, which sign the certificates of later nodes.
    pub ca_key_pem: Option<String>,
    /// Every head's address.
    pub heads: Vec<HeadAddr>,
}
