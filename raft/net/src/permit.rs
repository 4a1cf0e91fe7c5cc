//! Who may say what on the wire, in one table: a message without a row does not compile, and one
//! that is said by somebody else ends the connection.
//!
//! A certificate and a channel make a [`Speaker`]; what each channel asks of a certificate is
//! checked when the connection is made. A row says which channel and which speaker a message is
//! good for. What it may be *about* is not known here: an agent's reports count only for attempts
//! that are placed on its node (`model::State::apply`).
//!
//! | message | channel | speaker |
//! |---|---|---|
//! | [`JoinCall`] | join | a machine without a certificate |
//! | [`Opening::Session`], [`Opening::Secrets`], [`ToHead`] | agent | a node that calls a head |
//! | other [`Opening`]s, [`ToAgent`] | agent | the head that was called |
//! | what heads ask of each other about the log (`raft`) | Raft | a head |

use quinn::Side;

use crate::endpoint::Channel;
use crate::message::{JoinCall, Opening, ToAgent, ToHead};

/// Who speaks on a connection.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Speaker {
    /// A machine that is not a node yet, or not any more.
    Newcomer,
    /// The agent of a node.
    Agent,
    /// A head.
    Head,
}

impl Speaker {
    /// Who the other side is, on a connection that was let in: on the agent channel and the join
    /// channel the head is the one that was called.
    pub(crate) fn opposite(channel: Channel, own: Side) -> Speaker {
        match (channel, own) {
            (Channel::Raft, Side::Client | Side::Server)
            | (Channel::Agent | Channel::Join, Side::Client) => Speaker::Head,
            (Channel::Agent, Side::Server) => Speaker::Agent,
            (Channel::Join, Side::Server) => Speaker::Newcomer,
        }
    }
}

/// A message that asks, tells or orders something: a row of the table.
pub trait Permitted {
    /// Where it may be said.
    const CHANNEL: Channel;

    /// Who may say it.
    fn speaker(&self) -> Speaker;
}

impl Permitted for JoinCall {
    const CHANNEL: Channel = Channel::Join;

    fn speaker(&self) -> Speaker {
        Speaker::Newcomer
    }
}

impl Permitted for Opening {
    const CHANNEL: Channel = Channel::Agent;

    fn speaker(&self) -> Speaker {
        match self {
            Opening::Session(_) | Opening::Secrets(_) => Speaker::Agent,
            Opening::Output(_)
            | Opening::Usage(_)
            | Opening::Files(_)
            | Opening::OutputOf { .. }
            | Opening::UsageOf { .. } => Speaker::Head,
        }
    }
}

impl Permitted for ToHead {
    const CHANNEL: Channel = Channel::Agent;

    fn speaker(&self) -> Speaker {
        match self {
            ToHead::Heartbeat(_)
            | ToHead::Held { .. }
            | ToHead::Reports(_)
            | ToHead::Trouble(_)
            | ToHead::Stored(_) => Speaker::Agent,
        }
    }
}

impl Permitted for ToAgent {
    const CHANNEL: Channel = Channel::Agent;

    fn speaker(&self) -> Speaker {
        match self {
            ToAgent::Alive(_) | ToAgent::Order { .. } => Speaker::Head,
        }
    }
}
