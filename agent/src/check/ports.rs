//! The addresses that a head listens on.

use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};

use super::Finding;
use crate::config::NodeConfig;

pub(super) fn look(node: &NodeConfig) -> Vec<Finding> {
    let udp = UdpSocket::bind(node.peer_listen).map(drop);
    let tcp = TcpListener::bind(node.api_listen).map(drop);
    vec![
        judge(
            "peer port",
            "udp",
            "node.peer_listen",
            node.peer_listen,
            udp,
        ),
        judge("api port", "tcp", "node.api_listen", node.api_listen, tcp),
    ]
}

/// Agents listen nowhere, so what is taken may be taken by the node that already serves here.
fn judge(
    about: &'static str,
    protocol: &str,
    key: &str,
    addr: SocketAddr,
    bound: io::Result<()>,
) -> Finding {
    match bound {
        Ok(()) => Finding::fine(about, format!("{addr}/{protocol} is free")),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            let seen = format!("{addr}/{protocol} is in use");
            let remedy = format!("fine if goagent serves here already; else choose another {key}");
            Finding::doubtful(about, seen, remedy)
        }
        Err(error) => {
            let seen = format!("{addr}/{protocol}: {error}");
            Finding::missing(
                about,
                seen,
                format!("name an address of this host in {key}"),
            )
        }
    }
}
