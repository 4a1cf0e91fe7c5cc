//! One node of a development cluster: its configuration, its process, its end.

use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::process::{Child, Command};

use crate::config::{Config, RuntimeChoice};

/// How long a node may take to end by itself.
const END_WITHIN: Duration = Duration::from_secs(10);
/// How often it is looked at whether a node serves.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Nodes listen below the ports that Linux gives to outgoing connections (32768 and up): one of
/// those could take a node's port while it restarts.
const FIRST_PORT: u16 = 15_000;
/// How many ports there are to choose from.
const PORTS: u16 = 17_000;
/// How many ports are tried before we say that none is free.
const TRIES: usize = 100;

/// A node and its process.
pub(super) struct Node {
    pub(super) name: String,
    pub(super) head: bool,
    pub(super) config: Config,
    pub(super) dir: PathBuf,
    process: Option<Child>,
}

impl Node {
    /// A node below `dir`, with ports of its own, not running yet.
    pub(super) fn new(dir: &Path, name: &str, head: bool) -> anyhow::Result<Node> {
        let mut config = Config::default();
        config.node.name = name.into();
        config.node.data_dir = dir.join(name);
        config.node.advertise = "127.0.0.1".into();
        config.runtime.kind = RuntimeChoice::None;
        if head {
            (config.node.peer_listen, config.node.api_listen) = free_addresses()?;
        }
        let dir = dir.to_path_buf();
        Ok(Node {
            name: name.into(),
            head,
            config,
            dir,
            process: None,
        })
    }

    /// Where the node's configuration is written.
    pub(super) fn config_path(&self) -> PathBuf {
        self.dir.join(format!("{}.toml", self.name))
    }

    /// Where the node writes about itself.
    pub(super) fn log_path(&self) -> PathBuf {
        self.dir.join(format!("{}.log", self.name))
    }

    fn ready_path(&self) -> PathBuf {
        self.dir.join(format!("{}.ready", self.name))
    }

    /// The process id, while it runs.
    pub(super) fn pid(&self) -> Option<u32> {
        self.process.as_ref().and_then(Child::id)
    }

    /// Writes the configuration and starts the process; returns once it serves.
    pub(super) async fn start(&mut self, within: Duration) -> anyhow::Result<()> {
        std::fs::write(self.config_path(), toml::to_string(&self.config)?)?;
        let _ = std::fs::remove_file(self.ready_path());
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.log_path())?;
        let own = std::env::current_exe().context("where is goagent?")?;
        let mut child = Command::new(own)
            .arg("--config")
            .arg(self.config_path())
            .args(["run", "--ready-file"])
            .arg(self.ready_path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("start {}", self.name))?;
        let waited = tokio::time::timeout(within, async {
            while !self.ready_path().exists() {
                if let Some(status) = child.try_wait()? {
                    bail!("{} ended with {status}", self.name);
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
            Ok(())
        });
        let waited = waited
            .await
            .unwrap_or_else(|_| bail!("{} does not serve", self.name));
        waited.with_context(|| format!("see {}", self.log_path().display()))?;
        self.process = Some(child);
        Ok(())
    }

    /// Returns when the process has ended; never, if there is none.
    pub(super) async fn ended(&mut self) -> String {
        match &mut self.process {
            Some(child) => match child.wait().await {
                Ok(status) => {
                    self.process = None;
                    format!("{} ended with {status}", self.name)
                }
                Err(error) => format!("{}: {error}", self.name),
            },
            None => std::future::pending().await,
        }
    }

    /// Asks the process to end, and ends it when it does not.
    pub(super) async fn end(&mut self) {
        let Some(mut child) = self.process.take() else {
            return;
        };
        let pid = child.id().and_then(|pid| i32::try_from(pid).ok());
        if let Some(pid) = pid {
            let pid = nix::unistd::Pid::from_raw(pid);
            // It may have ended meanwhile; then there is nobody to ask.
            let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM);
        }
        if tokio::time::timeout(END_WITHIN, child.wait())
            .await
            .is_err()
        {
            let _ = child.kill().await;
        }
    }
}

/// Two addresses on loopback that are free now: for QUIC and for HTTPS.
fn free_addresses() -> anyhow::Result<(SocketAddr, SocketAddr)> {
    let quic = free_address(|address| UdpSocket::bind(address).map(drop))?;
    let https = free_address(|address| TcpListener::bind(address).map(drop))?;
    Ok((quic, https))
}

fn free_address(bind: impl Fn(SocketAddr) -> io::Result<()>) -> anyhow::Result<SocketAddr> {
    let mut last = None;
    for _ in 0..TRIES {
        let drawn = u16::try_from(getrandom::u32()? % u32::from(PORTS))?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, FIRST_PORT + drawn));
        match bind(address) {
            Ok(()) => return Ok(address),
            Err(error) => last = Some(error),
        }
    }
    Err(last.context("no port was tried")?).context("find a free port")
}
