//! What can end or keep from starting a `goagent`, one variant per thing to do about it.

use std::path::PathBuf;

/// Why a command of `goagent` failed.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// The configuration is wrong.
    #[error(transparent)]
    Config(#[from] crate::config::ConfigError),
    /// The data directory does not say who this node is.
    #[error("this node's identity")]
    Identity(#[from] crate::identity::IdentityError),
    /// The network, TLS included.
    #[error("network")]
    Net(#[from] net::NetError),
    /// The replicated log.
    #[error("the log")]
    Raft(#[from] raft::RaftError),
    /// The log did not take a command.
    #[error("the log")]
    Log(#[from] model::log::LogError),
    /// The journal.
    #[error(transparent)]
    Journal(#[from] crate::journal::JournalError),
    /// The runtime that was asked for cannot be used.
    #[error("runtime: {why}; see `goagent check`")]
    Runtime {
        /// Why not.
        why: String,
    },
    /// The REST API.
    #[error("the REST API")]
    Api(#[from] api::ApiError),
    /// The data directory is in use by another node.
    #[error("{path} holds a node already; choose another node.data_dir or remove it")]
    Taken {
        /// The directory.
        path: PathBuf,
    },
    /// The data directory holds no node.
    #[error("{path} holds no node; run `goagent init` or `goagent join TOKEN` first")]
    NoNode {
        /// The directory.
        path: PathBuf,
    },
    /// The heads did not let this node in.
    #[error("the cluster refused: {why}")]
    Refused {
        /// In its words.
        why: String,
    },
    /// The join token is malformed.
    #[error(
        "the join token is malformed: {why}; copy it whole from `goctl admin join-token create`"
    )]
    BadJoinToken {
        /// What is wrong.
        why: &'static str,
    },
    /// Something could not be written for want of room.
    #[error("there is no room left in {path}")]
    NoRoom {
        /// The directory.
        path: PathBuf,
        /// What could not be written.
        #[source]
        source: Box<AgentError>,
    },
    /// An operation of the system failed.
    #[error("{what}")]
    Io {
        /// What was tried.
        what: String,
        /// How it failed.
        #[source]
        source: std::io::Error,
    },
}

impl AgentError {
    /// Whether something could not be written or read: want of room shows so.
    pub fn is_of_storage(&self) -> bool {
        match self {
            AgentError::Raft(_) | AgentError::Journal(_) | AgentError::Io { .. } => true,
            AgentError::Config(_)
            | AgentError::Identity(_)
            | AgentError::Net(_)
            | AgentError::Log(_)
            | AgentError::Runtime { .. }
            | AgentError::Api(_)
            | AgentError::Taken { .. }
            | AgentError::NoNode { .. }
            | AgentError::Refused { .. }
            | AgentError::NoRoom { .. }
            | AgentError::BadJoinToken { .. } => false,
        }
    }

    /// Names what was tried when the system failed it.
    pub fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> AgentError {
        let what = what.into();
        move |source| AgentError::Io { what, source }
    }
}
