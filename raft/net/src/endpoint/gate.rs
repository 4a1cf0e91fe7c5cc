//! Who is let in: handshakes with callers, and what a certificate allows.
//!
//! One lock covers the list of removed nodes and the list of open connections, so that no
//! connection of a removed node slips in between the two.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use model::node::NodeRole;
use model::{ClusterId, NodeId};
use quinn::crypto::rustls::HandshakeData;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::connection::{self, Connection, FORBIDDEN, WeakConnection};
use super::{Channel, Peer};
use crate::error::NetError;
use crate::{limits, tls};

const REMOVED: &str = "this node was removed from the cluster";

/// Who is let in, and who is in.
pub(super) struct Gate {
    cluster: ClusterId,
    within: Mutex<Within>,
}

#[derive(Default)]
struct Within {
    denied: HashSet<NodeId>,
    open: Vec<WeakConnection>,
}

impl Gate {
    pub(super) fn new(cluster: ClusterId) -> Gate {
        Gate {
            cluster,
            within: Mutex::default(),
        }
    }

    /// Notes a connection; one of a removed node, or one stranger too many, is closed instead.
    pub(super) fn enter(&self, connection: &Connection) -> Result<(), NetError> {
        let mut within = self.within.lock().unwrap_or_else(PoisonError::into_inner);
        within.open.retain(WeakConnection::is_open);
        let removed = connection
            .peer()
            .is_some_and(|peer| within.denied.contains(&peer.node));
        if removed {
            connection.forbid(REMOVED);
            return Err(NetError::Forbidden(REMOVED.into()));
        }
        let stranger = connection.peer().is_none();
        let strangers = within.open.iter().filter(|open| open.is_stranger()).count();
        if stranger && strangers >= limits::JOINS_MAX {
            let why = "too many machines join at the same time";
            connection.close(why);
            return Err(NetError::Closed(why.into()));
        }
        within.open.push(connection.downgrade());
        Ok(())
    }

    pub(super) fn deny(&self, nodes: HashSet<NodeId>) {
        let mut within = self.within.lock().unwrap_or_else(PoisonError::into_inner);
        within.denied = nodes;
        within.open.retain(WeakConnection::is_open);
        for connection in within.open.iter().filter_map(WeakConnection::upgrade) {
            let node = connection.peer().map(|peer| peer.node);
            if node.is_some_and(|node| within.denied.contains(&node)) {
                connection.forbid(REMOVED);
            }
        }
    }

    /// Shakes hands with one caller.
    async fn admit(&self, incoming: quinn::Incoming) -> Option<Connection> {
        let from = incoming.remote_address();
        let shaken = tokio::time::timeout(limits::HANDSHAKE_MAX, incoming).await;
        let quic = match shaken {
            Ok(Ok(quic)) => quic,
            Ok(Err(error)) => {
                tracing::debug!(%from, %error, "handshake failed");
                return None;
            }
            Err(_) => {
                tracing::debug!(%from, "handshake took too long");
                return None;
            }
        };
        let entered = self.check(&quic).and_then(|(channel, peer)| {
            if peer.is_some() {
                connection::widen(&quic);
            }
            let connection = Connection::new(quic.clone(), channel, peer);
            self.enter(&connection).map(|()| connection)
        });
        match entered {
            Ok(connection) => Some(connection),
            Err(error) => {
                tracing::warn!(%from, %error, "refused");
                // A connection that is closed already keeps its first reason.
                quic.close(FORBIDDEN.into(), reason(&error).as_bytes());
                None
            }
        }
    }

    /// What the caller asked for, and who it is; or why it may not.
    fn check(&self, quic: &quinn::Connection) -> Result<(Channel, Option<Peer>), NetError> {
        let forbidden = |why: &str| Err(NetError::Forbidden(why.into()));
        let Some(channel) = channel_of(quic) else {
            return forbidden("no channel was named");
        };
        let peer = match connection::certificate(quic) {
            None => None,
            Some(certificate) => match tls::peer_of(&certificate) {
                Some((peer, cluster)) if cluster == self.cluster => Some(peer),
                Some(_) | None => return forbidden("not a node's certificate of this cluster"),
            },
        };
        match (channel, peer.map(|peer| peer.role)) {
            (Channel::Raft, Some(NodeRole::Agent)) => {
                forbidden("an agent's certificate does not speak Raft")
            }
            (Channel::Raft | Channel::Agent, None) => forbidden("show a node's certificate"),
            (Channel::Raft, Some(NodeRole::Head))
            | (Channel::Agent, Some(NodeRole::Head | NodeRole::Agent)) => Ok((channel, peer)),
            // Whoever joins is a stranger, whatever it was before.
            (Channel::Join, None) => Ok((channel, None)),
            (Channel::Join, Some(NodeRole::Head | NodeRole::Agent)) => {
                forbidden("a node of the cluster does not join it")
            }
        }
    }
}

/// Handshakes with everyone who calls, a bounded number at the same time.
pub(super) async fn admit_all(
    gate: Arc<Gate>,
    quic: quinn::Endpoint,
    sender: mpsc::Sender<Connection>,
) {
    let mut handshakes = JoinSet::new();
    while let Some(incoming) = quic.accept().await {
        while handshakes.try_join_next().is_some() {}
        if handshakes.len() >= limits::HANDSHAKES_MAX {
            incoming.refuse();
            continue;
        }
        let crowded = handshakes.len() >= limits::HANDSHAKES_CROWDED;
        if crowded && incoming.may_retry() {
            // An error gives the call back; it is refused by being dropped.
            let _ = incoming.retry();
            continue;
        }
        let (gate, sender) = (gate.clone(), sender.clone());
        handshakes.spawn(async move {
            if let Some(connection) = gate.admit(incoming).await {
                // If the endpoint's owner is gone, so is the connection.
                let _ = sender.send(connection).await;
            }
        });
    }
}

fn channel_of(quic: &quinn::Connection) -> Option<Channel> {
    let data = quic.handshake_data()?.downcast::<HandshakeData>().ok()?;
    Channel::of_alpn(data.protocol.as_deref()?)
}

fn reason(error: &NetError) -> String {
    match error {
        NetError::Forbidden(why) => why.clone(),
        other => other.to_string(),
    }
}
