//! What the log consists of: the types given to openraft.

use std::fmt;

use bytes::Bytes;
use model::{Command, Reply, Timestamp};
use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::{Serialize, Serializer};

openraft::declare_raft_types!(
    /// One leader per term at most: an agent tells an old leader from a new one by its term.
    pub(crate) TypeConfig:
        D = Proposal,
        R = Answer,
        NodeId = u64,
        Node = openraft::BasicNode,
        LeaderId = openraft::impls::leader_id_std::LeaderId<u64, u64>,
);

pub(crate) type Entry = openraft::alias::EntryOf<TypeConfig>;
pub(crate) type LogId = openraft::alias::LogIdOf<TypeConfig>;
pub(crate) type Vote = openraft::alias::VoteOf<TypeConfig>;
pub(crate) type StoredMembership = openraft::alias::StoredMembershipOf<TypeConfig>;
pub(crate) type SnapshotMeta = openraft::alias::SnapshotMetaOf<TypeConfig>;
pub(crate) type Raft = openraft::Raft<TypeConfig, crate::table_store::TableStore>;

/// Bytes that are written as one piece, not one by one.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Blob(pub(crate) Bytes);

/// A command with the leader's clock. The command stays encoded until it is applied, so that
/// forwarding and replicating it costs a copy of bytes.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub(crate) struct Proposal {
    /// The leader's wall clock when it took the command, in milliseconds since 1970.
    pub(crate) time: u64,
    /// See [`model::format`].
    pub(crate) command: Blob,
}

/// What an entry led to; nothing for entries without a command.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub(crate) struct Answer(pub(crate) Option<Reply>);

impl Proposal {
    pub(crate) fn new(time: Timestamp, command: Bytes) -> Proposal {
        Proposal {
            time: time.0,
            command: Blob(command),
        }
    }

    pub(crate) fn decode(&self) -> Result<Command, model::format::FormatError> {
        model::format::decode(&self.command.0)
    }
}

impl fmt::Display for Proposal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "command of {} bytes", self.command.0.len())
    }
}

impl Serialize for Blob {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Blob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Blob, D::Error> {
        deserializer.deserialize_bytes(BlobVisitor)
    }
}

struct BlobVisitor;

impl Visitor<'_> for BlobVisitor {
    type Value = Blob;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "bytes")
    }

    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Blob, E> {
        Ok(Blob(Bytes::copy_from_slice(bytes)))
    }
}
