//! Calling a peer, and how QUIC is set up on both sides.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::{ConnectionError, TransportConfig};

use super::Channel;
use super::connection::{self, Connection};
use crate::error::NetError;
use crate::limits;
use crate::tls::{self, Identity, Verified};

/// A socket on any port, for both families where the system has them.
pub(crate) fn dialing_socket() -> Result<quinn::Endpoint, NetError> {
    let both = SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0));
    let one = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
    let bound = quinn::Endpoint::client(both).or_else(|_| quinn::Endpoint::client(one));
    bound.map_err(|error| super::not_listening(one.to_string(), &error))
}

/// Calls an address with these TLS settings. Of a name's addresses the first that answers is it.
pub(crate) async fn dial(
    quic: &quinn::Endpoint,
    addr: &str,
    verified: Verified,
    channel: Channel,
) -> Result<Connection, NetError> {
    let unreachable = |why: String| NetError::Unreachable {
        addr: addr.into(),
        why,
    };
    let crypto = QuicClientConfig::try_from(verified.config)
        .map_err(|error| NetError::Certificate(error.to_string()))?;
    let mut settings = quinn::ClientConfig::new(Arc::new(crypto));
    settings.transport_config(transport(limits::STREAMS_MAX, limits::CONNECTION_WINDOW));
    let called = async {
        let targets = targets(quic, addr).await.map_err(&unreachable)?;
        let patience = limits::HANDSHAKE_MAX / u32::try_from(targets.len()).unwrap_or(u32::MAX);
        let mut last = unreachable("no address".into());
        for target in targets {
            match shake(quic, settings.clone(), target, patience).await {
                Ok(connection) => return Ok(connection),
                Err(Refused::Silent(why)) => last = unreachable(why),
                Err(Refused::Handshake(error)) => {
                    return Err(verified.refusal.take(addr).unwrap_or_else(|| {
                        connection::refused_by_tls(&error, addr)
                            .unwrap_or_else(|| unreachable(error.to_string()))
                    }));
                }
            }
        }
        Err(last)
    };
    let called = tokio::time::timeout(limits::HANDSHAKE_MAX, called).await;
    let quic = called.map_err(|_| unreachable("no answer".into()))??;
    let peer = connection::certificate(&quic).and_then(|shown| tls::peer_of(&shown));
    Ok(Connection::new(quic, channel, peer.map(|(peer, _)| peer)))
}

/// Why one address did not do.
enum Refused {
    /// Nobody is there; another address may answer.
    Silent(String),
    /// Somebody is, and one of the two does not want.
    Handshake(ConnectionError),
}

async fn shake(
    quic: &quinn::Endpoint,
    settings: quinn::ClientConfig,
    target: SocketAddr,
    patience: Duration,
) -> Result<quinn::Connection, Refused> {
    // The name is not looked at: the verifier asks for the node, not for a host.
    let connecting = quic.connect_with(settings, target, "node.godocker.internal");
    let connecting = connecting.map_err(|error| Refused::Silent(error.to_string()))?;
    match tokio::time::timeout(patience, connecting).await {
        Ok(Ok(connection)) => Ok(connection),
        Ok(Err(ConnectionError::TimedOut)) | Err(_) => Err(Refused::Silent("no answer".into())),
        Ok(Err(error)) => Err(Refused::Handshake(error)),
    }
}

/// The addresses of a name that this socket can reach; at least one.
async fn targets(quic: &quinn::Endpoint, addr: &str) -> Result<Vec<SocketAddr>, String> {
    let own_v6 = quic.local_addr().is_ok_and(|own| own.is_ipv6());
    // A written address needs no system: the simulation has none.
    let found = match addr.parse::<SocketAddr>() {
        Ok(written) => vec![written],
        Err(_) => {
            let found = tokio::net::lookup_host(addr).await;
            found.map_err(|error| error.to_string())?.collect()
        }
    };
    let usable = |to: &SocketAddr| to.is_ipv4() || own_v6;
    let usable: Vec<_> = found
        .into_iter()
        .filter(usable)
        .take(limits::ADDRESSES_MAX)
        .collect();
    if usable.is_empty() {
        return Err("it has no address that can be reached from here".into());
    }
    Ok(usable)
}

/// The listening side. A caller begins with a stranger's bounds; see [`connection::widen`].
pub(super) fn server_settings(identity: &Identity) -> Result<quinn::ServerConfig, NetError> {
    let crypto = QuicServerConfig::try_from(tls::server_config(identity)?)
        .map_err(|error| NetError::Certificate(error.to_string()))?;
    let mut settings = quinn::ServerConfig::with_crypto(Arc::new(crypto));
    settings.transport_config(transport(limits::JOIN_STREAMS_MAX, limits::JOIN_WINDOW));
    Ok(settings)
}

fn transport(streams: u32, window: u32) -> Arc<TransportConfig> {
    let mut transport = TransportConfig::default();
    transport.keep_alive_interval(Some(limits::KEEP_ALIVE));
    transport.max_idle_timeout(limits::IDLE_MAX.try_into().ok());
    transport.max_concurrent_bidi_streams(streams.into());
    transport.max_concurrent_uni_streams(0_u32.into());
    transport.datagram_receive_buffer_size(None);
    transport.stream_receive_window(limits::STREAM_WINDOW.into());
    transport.receive_window(window.into());
    transport.send_window(u64::from(window));
    transport.initial_rtt(limits::FIRST_ROUND_TRIP);
    Arc::new(transport)
}
