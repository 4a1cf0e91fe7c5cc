//! Connections and streams between peers.
//!
//! Only authenticated connections come out of here, and only with what the peer's certificate
//! allows on the channel that it asked for. What the bytes mean is not known here.

mod connection;
mod datagrams;
mod dial;
mod gate;
mod reset;
mod stream;

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::Arc;

use model::NodeId;
use model::node::NodeRole;
use tokio::sync::mpsc;

pub use connection::Connection;
pub use datagrams::Datagrams;
pub use stream::{FrameReceiver, FrameSender, Stream};

pub(crate) use dial::{dial, dialing_socket};

use crate::error::NetError;
use crate::limits;
use crate::tls::{Expect, Identity};
use gate::Gate;

/// What a connection is for; agreed in the handshake.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Channel {
    /// Heads about the log; needs a head's certificate on both sides.
    Raft,
    /// Any node's agent with a head.
    Agent,
    /// A machine that is not a node yet.
    Join,
}

impl Channel {
    /// Every channel.
    pub const ALL: [Channel; 3] = [Channel::Raft, Channel::Agent, Channel::Join];

    /// The name in the handshake.
    pub(crate) fn alpn(self) -> &'static [u8] {
        match self {
            Channel::Raft => b"godocker-raft/1",
            Channel::Agent => b"godocker-agent/1",
            Channel::Join => b"godocker-join/1",
        }
    }

    fn of_alpn(name: &[u8]) -> Option<Channel> {
        Channel::ALL.into_iter().find(|c| c.alpn() == name)
    }

    fn frame_max(self) -> usize {
        match self {
            Channel::Raft => limits::RAFT_FRAME_MAX,
            Channel::Agent => limits::FRAME_MAX,
            Channel::Join => limits::JOIN_FRAME_MAX,
        }
    }
}

/// Who is on the other side, by its certificate.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Peer {
    /// The node.
    pub node: NodeId,
    /// What it may be.
    pub role: NodeRole,
}

/// A UDP socket that speaks QUIC.
///
/// Dropping it ends the accepting of connections; those that are open live on until they are
/// closed or dropped themselves.
pub struct Endpoint {
    quic: quinn::Endpoint,
    identity: Identity,
    gate: Arc<Gate>,
    accepted: tokio::sync::Mutex<mpsc::Receiver<Connection>>,
    admission: tokio::task::JoinHandle<()>,
}

impl Endpoint {
    /// Listens, and can dial. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// [`NetError::Listen`], [`NetError::Certificate`].
    pub fn bind(addr: SocketAddr, identity: &Identity) -> Result<Endpoint, NetError> {
        let server = dial::server_settings(identity)?;
        let listening = |error| not_listening(addr.to_string(), &error);
        let socket = std::net::UdpSocket::bind(addr).map_err(listening)?;
        let (settings, runtime) = (reset::settings(identity), Arc::new(quinn::TokioRuntime));
        let quic = quinn::Endpoint::new(settings, Some(server), socket, runtime);
        let quic = quic.map_err(|error| not_listening(addr.to_string(), &error))?;
        Ok(Endpoint::over(quic, identity))
    }

    /// Only dials, from any port.
    ///
    /// # Errors
    /// [`NetError::Listen`] if no port can be had.
    pub fn dialer(identity: &Identity) -> Result<Endpoint, NetError> {
        Ok(Endpoint::over(dialing_socket()?, identity))
    }

    /// Speaks over something else than the system's UDP: the simulation's network. The same `seed`
    /// makes the same choices of connection ids.
    ///
    /// # Errors
    /// [`NetError::Certificate`], [`NetError::Listen`].
    pub fn over_datagrams(
        datagrams: Arc<dyn Datagrams>,
        seed: Option<[u8; 32]>,
        identity: &Identity,
    ) -> Result<Endpoint, NetError> {
        let mut settings = quinn::EndpointConfig::default();
        settings.rng_seed(seed);
        let server = Some(dial::server_settings(identity)?);
        let runtime = Arc::new(quinn::TokioRuntime);
        let socket = Arc::new(datagrams::Socket(datagrams));
        let quic = quinn::Endpoint::new_with_abstract_socket(settings, server, socket, runtime);
        let quic = quic.map_err(|error| not_listening("a network of its own".into(), &error))?;
        Ok(Endpoint::over(quic, identity))
    }

    fn over(quic: quinn::Endpoint, identity: &Identity) -> Endpoint {
        let gate = Arc::new(Gate::new(identity.cluster));
        let (sender, accepted) = mpsc::channel(limits::ACCEPTED_MAX);
        let admission = tokio::spawn(gate::admit_all(gate.clone(), quic.clone(), sender));
        Endpoint {
            quic,
            identity: identity.clone(),
            gate,
            accepted: tokio::sync::Mutex::new(accepted),
            admission,
        }
    }

    /// Where it listens.
    ///
    /// # Errors
    /// [`NetError::Listen`] if the system does not say.
    pub fn local_addr(&self) -> Result<SocketAddr, NetError> {
        let addr = self.quic.local_addr();
        addr.map_err(|error| not_listening("its own address".into(), &error))
    }

    /// Calls a head, `host:port`. `None` expects any head of the cluster.
    ///
    /// The peer checks our certificate after we have checked its: if it refuses us, the first use
    /// of the connection says so, with [`NetError::Forbidden`], [`NetError::Untrusted`] or
    /// [`NetError::OwnExpired`].
    ///
    /// # Errors
    /// [`NetError::Unreachable`], [`NetError::Untrusted`], [`NetError::WrongNode`],
    /// [`NetError::PeerExpired`]; [`NetError::Forbidden`] if the head was removed.
    pub async fn connect(
        &self,
        addr: &str,
        expect: Option<NodeId>,
        channel: Channel,
    ) -> Result<Connection, NetError> {
        let expect = expect.map_or(Expect::AnyHead, Expect::Node);
        let verified = crate::tls::client_config(&self.identity, expect, channel)?;
        let connection = dial(&self.quic, addr, verified, channel).await?;
        self.gate.enter(&connection)?;
        Ok(connection)
    }

    /// The next connection that a peer has opened; `None` once the endpoint is closed. May be
    /// dropped while it waits.
    pub async fn accept(&self) -> Option<Connection> {
        self.accepted.lock().await.recv().await
    }

    /// Replaces the list of nodes that are let in no more, and cuts theirs off.
    pub fn deny(&self, nodes: HashSet<NodeId>) {
        self.gate.deny(nodes);
    }

    /// Ends every connection and accepts no more.
    pub fn close(&self) {
        self.quic.close(0_u32.into(), b"the node ends");
    }

    /// Returns when no connection is left and the peers have been told.
    pub async fn drained(&self) {
        self.quic.wait_idle().await;
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.admission.abort();
    }
}

fn not_listening(addr: String, error: &std::io::Error) -> NetError {
    let why = error.to_string();
    NetError::Listen { addr, why }
}
