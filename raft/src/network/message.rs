//! Every word on the Raft channel. A stream begins with one [`Request`]; what follows is said
//! there. The channel's name in the handshake carries the version of all of it.

use model::Reply;
use net::Channel;
use net::permit::{Permitted, Speaker};
use openraft::raft::{AppendEntriesRequest, TransferLeaderRequest, VoteRequest};
use serde::{Deserialize, Serialize};

use crate::snapshot::transfer::FileInfo;
use crate::types::{Blob, SnapshotMeta, TypeConfig, Vote};

/// What a stream begins with.
#[derive(Serialize, Deserialize)]
pub(crate) enum Request {
    /// The first stream of a connection, before any other. Answer: [`Welcome`].
    Hello(Hello),
    /// Answer: `AppendEntriesResponse`.
    Append(AppendEntriesRequest<TypeConfig>),
    /// Then any number of `AppendEntriesRequest`; one `StreamAppendResult` for each, in order.
    StreamAppend,
    /// Answer: `VoteResponse`.
    Vote(VoteRequest<TypeConfig>),
    /// Answer: `VoteResponse`.
    PreVote(VoteRequest<TypeConfig>),
    /// Answer: `TransferLeaderResponse`.
    TransferLeader(TransferLeaderRequest<TypeConfig>),
    /// Then `Chunk`s until the end. Answer: `SnapshotResponse`, once it is installed.
    Snapshot {
        vote: Vote,
        meta: SnapshotMeta,
        files: Vec<FileInfo>,
    },
    /// A command for the leader, which does not forward it again. Answer: [`Proposed`].
    Propose(Blob),
    /// Up to which entry a linearizable read must wait. Answer: [`ReadIndex`].
    ReadIndex,
}

impl Permitted for Request {
    const CHANNEL: Channel = Channel::Raft;

    fn speaker(&self) -> Speaker {
        match self {
            Request::Hello(_)
            | Request::Append(_)
            | Request::StreamAppend
            | Request::Vote(_)
            | Request::PreVote(_)
            | Request::TransferLeader(_)
            | Request::Snapshot { .. }
            | Request::Propose(_)
            | Request::ReadIndex => Speaker::Head,
        }
    }
}

/// Who calls, with the directory that it calls from.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Hello {
    pub(crate) node: u64,
    pub(crate) instance: [u8; 16],
    /// The directory that the caller knows the called head with; whoever comes back with another
    /// one hears of it here.
    pub(crate) known: Option<[u8; 16]>,
}

/// Whether the caller is the one that it was before.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) enum Welcome {
    /// It is; this is the instance called.
    Yes { instance: [u8; 16] },
    /// The caller's id is known with another directory.
    Replaced,
}

/// What became of a forwarded command.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) enum Proposed {
    Applied {
        index: u64,
        reply: Reply,
    },
    /// Nothing was proposed.
    NotLeading,
    /// Nothing was proposed.
    Overloaded,
    /// Nothing was proposed.
    Full,
    Unknown,
}

/// The answer to [`Request::ReadIndex`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) enum ReadIndex {
    /// Wait until this entry is applied.
    Upto(u64),
    /// Not a leader that reaches a quorum.
    NotLeading,
}
