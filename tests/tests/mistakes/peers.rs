//! Peers that say too much, or nothing that can be understood: they are cut off, and the head
//! serves on.

use std::net::UdpSocket;

use agent::identity::DataDir;
use anyhow::{Context, ensure};
use model::NodeId;
use net::{Channel, Endpoint, NetError};
use tests::cluster::{Cluster, Layout};

struct Bench {
    cluster: Cluster,
    peer: String,
    agent: net::Identity,
}

impl Bench {
    fn new() -> anyhow::Result<Bench> {
        net::tls::install_crypto();
        let layout = Layout {
            heads: 1,
            agents: 1,
            runtime: "fake",
            further: Vec::new(),
        };
        let cluster = Cluster::start(&layout)?;
        let peer = cluster
            .node("head-1")?
            .peer
            .clone()
            .context("a head's address")?;
        let dir = DataDir(cluster.node("agent-1")?.data_dir.clone());
        let agent = dir.identity(&dir.load()?)?;
        Ok(Bench {
            cluster,
            peer,
            agent,
        })
    }

    /// The head is the same process as before, takes work, and has not panicked.
    fn serves_on(&self) -> anyhow::Result<()> {
        self.cluster.goctl(&["submit", "-q", "--", "true"])?;
        let log = self.cluster.log_of("head-1");
        ensure!(!log.contains("panicked"), "{log}");
        ensure!(
            log.matches("starting").count() == 1,
            "it was started again: {log}"
        );
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agents_certificate_does_not_speak_raft_nor_join() -> anyhow::Result<()> {
    let bench = Bench::new()?;
    let endpoint = Endpoint::dialer(&bench.agent)?;
    for channel in [Channel::Raft, Channel::Join] {
        let why = match endpoint
            .connect(&bench.peer, Some(NodeId(1)), channel)
            .await
        {
            Err(error) => error,
            Ok(connection) => connection.closed().await,
        };
        ensure!(matches!(why, NetError::Forbidden(_)), "{channel:?}: {why}");
    }
    bench.serves_on()
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_that_are_no_message_end_the_stream_and_nothing_else() -> anyhow::Result<()> {
    let bench = Bench::new()?;
    let endpoint = Endpoint::dialer(&bench.agent)?;
    for garbage in [
        &[] as &[u8],
        &[0xff; 1],
        &[0xff; 64],
        &[0; 4096],
        b"GET / HTTP/1.1\r\n\r\n",
    ] {
        let connection = endpoint
            .connect(&bench.peer, Some(NodeId(1)), Channel::Agent)
            .await?;
        let mut stream = connection.open().await?;
        stream.sender.send_bytes(garbage).await?;
        // The head gives up on who does not open a session; nothing is expected back.
        connection.closed().await;
    }
    bench.serves_on()
}

#[test]
fn datagrams_that_are_no_quic_are_passed_over() -> anyhow::Result<()> {
    let bench = Bench::new()?;
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    for length in [0, 1, 20, 600, 1_200, 1_400] {
        for byte in [0x00, 0x40, 0xc0, 0xff] {
            socket.send_to(&vec![byte; length], &bench.peer)?;
        }
    }
    bench.serves_on()
}
