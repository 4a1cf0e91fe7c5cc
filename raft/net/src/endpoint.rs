//! Connections and streams between peers. Only authenticated connections come out of here, and
//! only with what the peer's certificate allows.

mod connection;

use std::collections::HashSet;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use model::NodeId;
use model::node::NodeRole;
use tokio::sync::{Semaphore, mpsc};

pub use connection::{Connection, FrameReceiver, FrameSender, Stream};

use crate::error::NetError;
use crate::limits;
use crate::tls::{self, Expect, Identity};

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
    /// The name in the handshake.
    pub(crate) fn alpn(self) -> &'static [u8] {
        match self {
            Channel::Raft => b"godocker-raft/1",
            Channel::Agent => b"godocker-agent/1",
            Channel::Join => b"godocker-join/1",
        }
    }

    fn of_alpn(name: &[u8]) -> Option<Channel> {
        [Channel::Raft, Channel::Agent, Channel::Join]
            .into_iter()
            .find(|c| c.alpn() == name)
    }

    pub(crate) fn frame_max(self) -> usize {
        match self {
            Channel::Raft => limits::RAFT_FRAME_MAX,
            Channel::Agent | Channel::Join => limits::FRAME_MAX,
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
pub struct Endpoint {
    quic: quinn::Endpoint,
    identity: Identity,
    gate: Arc<Gate>,
    accepted: tokio::sync::Mutex<mpsc::Receiver<Connection>>,
}

/// Who is let in.
struct Gate {
    identity: Identity,
    denied: RwLock<HashSet<NodeId>>,
    open: Mutex<Vec<Connection>>,
}

impl Endpoint {
    /// Listens, and can dial.
    ///
    /// # Errors
    /// [`NetError::Listen`], [`NetError::Certificate`].
    pub fn bind(addr: SocketAddr, identity: &Identity) -> Result<Endpoint, NetError> {
        let server = server_settings(identity)?;
        let listen = |error: std::io::Error| NetError::Listen {
            addr: addr.to_string(),
            why: error.to_string(),
        };
        let quic = quinn::Endpoint::server(server, addr).map_err(listen)?;
        Ok(Endpoint::over(quic, identity))
    }

    /// Only dials.
    ///
    /// # Errors
    /// [`NetError::Listen`] if no port can be had.
    pub fn dialer(identity: &Identity) -> Result<Endpoint, NetError> {
        Ok(Endpoint::over(dialing_socket()?, identity))
    }

    /// Speaks over another socket than the system's: the simulation's.
    ///
    /// # Errors
    /// [`NetError::Certificate`].
    pub fn with_socket(
        socket: Arc<dyn quinn::AsyncUdpSocket>,
        seed: Option<[u8; 32]>,
        identity: &Identity,
    ) -> Result<Endpoint, NetError> {
        let mut settings = quinn::EndpointConfig::default();
        settings.rng_seed(seed);
        let server = Some(server_settings(identity)?);
        let runtime = Arc::new(quinn::TokioRuntime);
        let quic = quinn::Endpoint::new_with_abstract_socket(settings, server, socket, runtime);
        let quic = quic.map_err(|error| NetError::Listen {
            addr: "an abstract socket".into(),
            why: error.to_string(),
        })?;
        Ok(Endpoint::over(quic, identity))
    }

    fn over(quic: quinn::Endpoint, identity: &Identity) -> Endpoint {
        let gate = Arc::new(Gate {
            identity: identity.clone(),
            denied: RwLock::default(),
            open: Mutex::default(),
        });
        let (sender, accepted) = mpsc::channel(limits::ACCEPTED_MAX);
        tokio::spawn(gate.clone().admit(quic.clone(), sender));
        let accepted = tokio::sync::Mutex::new(accepted);
        Endpoint {
            quic,
            identity: identity.clone(),
            gate,
            accepted,
        }
    }

    /// Where it listens.
    ///
    /// # Errors
    /// [`NetError::Listen`] once it is closed.
    pub fn local_addr(&self) -> Result<SocketAddr, NetError> {
        self.quic.local_addr().map_err(|error| NetError::Listen {
            addr: String::new(),
            why: error.to_string(),
        })
    }

    /// Calls a head, `host:port`. `None` expects any head of the cluster.
    ///
    /// # Errors
    /// [`NetError::Unreachable`], [`NetError::Untrusted`].
    pub async fn connect(
        &self,
        addr: &str,
        expect: Option<NodeId>,
        channel: Channel,
    ) -> Result<Connection, NetError> {
        let expect = expect.map_or(Expect::AnyHead, Expect::Node);
        let config = tls::client_config(&self.identity, expect, channel)?;
        let connection = dial(&self.quic, addr, config, channel).await?;
        self.gate.remember(&connection);
        Ok(connection)
    }

    /// The next connection that a peer has opened; `None` once the endpoint is closed.
    pub async fn accept(&self) -> Option<Connection> {
        self.accepted.lock().await.recv().await
    }

    /// Replaces the list of nodes that are let in no more, and cuts theirs off.
    pub fn deny(&self, nodes: HashSet<NodeId>) {
        let mut open = self
            .gate
            .open
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        for connection in open.iter() {
            if connection
                .peer()
                .is_some_and(|peer| nodes.contains(&peer.node))
            {
                connection.close("this node was removed from the cluster");
            }
        }
        open.retain(Connection::is_open);
        drop(open);
        *self
            .gate
            .denied
            .write()
            .unwrap_or_else(PoisonError::into_inner) = nodes;
    }

    /// Ends every connection.
    pub fn close(&self) {
        self.quic.close(0_u32.into(), b"the node ends");
    }
}

impl Gate {
    /// Handshakes with everyone who calls, a bounded number at the same time.
    async fn admit(self: Arc<Self>, quic: quinn::Endpoint, sender: mpsc::Sender<Connection>) {
        let handshakes = Arc::new(Semaphore::new(limits::HANDSHAKES_MAX));
        while let Some(incoming) = quic.accept().await {
            let Ok(permit) = handshakes.clone().try_acquire_owned() else {
                incoming.refuse();
                continue;
            };
            // Under load callers prove first that their address is theirs.
            let crowded = handshakes.available_permits() < limits::HANDSHAKES_MAX / 2;
            if crowded && !incoming.remote_address_validated() {
                // An error gives the call back; it is refused by being dropped.
                let _ = incoming.retry();
                continue;
            }
            let (gate, sender) = (self.clone(), sender.clone());
            tokio::spawn(async move {
                let _permit = permit;
                let shaken = tokio::time::timeout(limits::HANDSHAKE_MAX, incoming).await;
                let Ok(Ok(connection)) = shaken else { return };
                match gate.check(connection.clone()) {
                    Ok(connection) => {
                        gate.remember(&connection);
                        // The endpoint's owner is gone: so is the connection.
                        let _ = sender.send(connection).await;
                    }
                    Err(error) => {
                        tracing::warn!(from = %connection.remote_address(), %error, "refused");
                        connection.close(1_u32.into(), error.to_string().as_bytes());
                    }
                }
            });
        }
    }

    /// What the peer's certificate allows on the channel it asked for.
    fn check(&self, connection: quinn::Connection) -> Result<Connection, NetError> {
        let channel = channel_of(&connection)?;
        let peer = connection::certificate(&connection).map(|certificate| {
            tls::peer_of(&certificate)
                .filter(|(_, cluster)| *cluster == self.identity.cluster)
                .map(|(peer, _)| peer)
                .ok_or_else(|| NetError::Forbidden("no node's certificate of this cluster".into()))
        });
        let peer = peer.transpose()?;
        let denied = self.denied.read().unwrap_or_else(PoisonError::into_inner);
        match (channel, peer) {
            (_, Some(peer)) if denied.contains(&peer.node) => Err(NetError::Forbidden(
                "this node was removed from the cluster".into(),
            )),
            (
                Channel::Raft,
                Some(Peer {
                    role: NodeRole::Agent,
                    ..
                }),
            ) => Err(NetError::Forbidden(
                "an agent's certificate does not speak Raft".into(),
            )),
            (Channel::Raft | Channel::Agent, None) => {
                Err(NetError::Forbidden("show a node's certificate".into()))
            }
            (Channel::Raft | Channel::Agent, Some(_)) | (Channel::Join, _) => {
                Ok(Connection::new(connection, channel, peer))
            }
        }
    }

    fn remember(&self, connection: &Connection) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(Connection::is_open);
        open.push(connection.clone());
    }
}

fn channel_of(connection: &quinn::Connection) -> Result<Channel, NetError> {
    let data = connection.handshake_data();
    let data = data.and_then(|d| d.downcast::<quinn::crypto::rustls::HandshakeData>().ok());
    let channel = data.and_then(|data| Channel::of_alpn(data.protocol.as_deref()?));
    channel.ok_or_else(|| NetError::Forbidden("no channel was named".into()))
}

/// A socket on any port, for both families where the system has them.
pub(crate) fn dialing_socket() -> Result<quinn::Endpoint, NetError> {
    let both = SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0));
    let one = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
    let bound = quinn::Endpoint::client(both).or_else(|_| quinn::Endpoint::client(one));
    bound.map_err(|error| NetError::Listen {
        addr: one.to_string(),
        why: error.to_string(),
    })
}

/// Calls an address with these TLS settings.
pub(crate) async fn dial(
    quic: &quinn::Endpoint,
    addr: &str,
    config: rustls::ClientConfig,
    channel: Channel,
) -> Result<Connection, NetError> {
    let unreachable = |why: String| NetError::Unreachable {
        addr: addr.into(),
        why,
    };
    let crypto = quinn::crypto::rustls::QuicClientConfig::try_from(config)
        .map_err(|error| NetError::Certificate(error.to_string()))?;
    let mut settings = quinn::ClientConfig::new(Arc::new(crypto));
    settings.transport_config(transport());
    let resolved = tokio::net::lookup_host(addr).await;
    let resolved = resolved.map_err(|error| unreachable(error.to_string()))?;
    let own_v6 = quic.local_addr().is_ok_and(|own| own.is_ipv6());
    let usable = |to: &SocketAddr| to.is_ipv4() || own_v6;
    let target = resolved.into_iter().find(usable);
    let target = target.ok_or_else(|| unreachable("no address".into()))?;
    // The name is not looked at: the verifier asks for the node, not for a host.
    let connecting = quic.connect_with(settings, target, "node.godocker.internal");
    let connecting = connecting.map_err(|error| unreachable(error.to_string()))?;
    let shaken = tokio::time::timeout(limits::HANDSHAKE_MAX, connecting).await;
    let shaken = shaken.map_err(|_| unreachable("no answer".into()))?;
    let connection = shaken.map_err(|error| match error {
        quinn::ConnectionError::TransportError(error) => NetError::Untrusted {
            addr: addr.into(),
            why: error.to_string(),
        },
        other => unreachable(other.to_string()),
    })?;
    let peer = connection::certificate(&connection).and_then(|c| tls::peer_of(&c));
    Ok(Connection::new(
        connection,
        channel,
        peer.map(|(peer, _)| peer),
    ))
}

fn server_settings(identity: &Identity) -> Result<quinn::ServerConfig, NetError> {
    let crypto = quinn::crypto::rustls::QuicServerConfig::try_from(tls::server_config(identity)?)
        .map_err(|error| NetError::Certificate(error.to_string()))?;
    let mut settings = quinn::ServerConfig::with_crypto(Arc::new(crypto));
    settings.transport_config(transport());
    Ok(settings)
}

fn transport() -> Arc<quinn::TransportConfig> {
    let mut transport = quinn::TransportConfig::default();
    transport.keep_alive_interval(Some(limits::KEEP_ALIVE));
    transport.max_idle_timeout(limits::IDLE_MAX.try_into().ok());
    transport.max_concurrent_bidi_streams(limits::STREAMS_MAX.into());
    transport.max_concurrent_uni_streams(0_u32.into());
    transport.stream_receive_window(limits::STREAM_WINDOW.into());
    transport.receive_window(limits::CONNECTION_WINDOW.into());
    transport.send_window(u64::from(limits::CONNECTION_WINDOW));
    transport.initial_rtt(std::time::Duration::from_millis(5));
    Arc::new(transport)
}
