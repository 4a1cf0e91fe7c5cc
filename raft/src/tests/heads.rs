//! Several heads in one process, over real connections on loopback.
//!
//! [`Heads`] starts, crashes, restarts and separates them; [`load`] keeps commands coming and
//! remembers what was acknowledged.

mod disks;
mod failover;
mod load;
mod members;
mod quorum;
mod strangers;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use model::log::{Applied, Log, LogError};
use model::node::NodeRole;
use model::{ClusterId, Command, NodeId};
use net::tls::{Ca, NodeKey};
use net::{Endpoint, Identity};
use tempfile::TempDir;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;

use super::stores;
use crate::config::Config;
use crate::disk::{DiskPoint, Faults};
use crate::error::RaftError;
use crate::handle::{Handle, Role};

pub(crate) use load::Load;

/// Longer than anything here may take; reached only when a test fails.
pub(super) const PATIENCE: Duration = Duration::from_secs(120);

/// One head.
pub(super) struct Head {
    pub(super) handle: Handle,
    endpoint: Arc<Endpoint>,
    serving: JoinHandle<()>,
    /// Its disks take nothing any more.
    frozen: Arc<AtomicBool>,
}

/// Heads of one cluster, whether they run or not.
pub(super) struct Heads {
    ca: Ca,
    cluster: ClusterId,
    dir: TempDir,
    identities: BTreeMap<u64, Identity>,
    addrs: BTreeMap<u64, SocketAddr>,
    running: BTreeMap<u64, Head>,
    /// What every head is started with; node, directory and faults are each head's own.
    config: Config,
    faults: BTreeMap<u64, Faults>,
}

impl Heads {
    /// Nobody yet.
    pub(super) fn none() -> Heads {
        let cluster = ClusterId([3; 16]);
        Heads {
            ca: Ca::create(cluster).unwrap(),
            cluster,
            dir: tempfile::tempdir().unwrap(),
            identities: BTreeMap::new(),
            addrs: BTreeMap::new(),
            running: BTreeMap::new(),
            config: Config {
                heartbeat: Duration::from_millis(100),
                election_min: Duration::from_millis(500),
                election_max: Duration::from_millis(1_000),
                ..Config::default()
            },
            faults: BTreeMap::new(),
        }
    }

    pub(super) fn with_config(mut self, change: impl FnOnce(&mut Config)) -> Heads {
        change(&mut self.config);
        self
    }

    pub(super) fn with_faults(mut self, node: u64, faults: Faults) -> Heads {
        self.faults.insert(node, faults);
        self
    }

    /// Starts heads 1 to `count`, makes all of them vote, and the cluster.
    pub(super) async fn started(mut self, count: u64) -> Heads {
        for node in 1..=count {
            self.start(node).await.unwrap();
        }
        let first = self.handle(1).clone();
        first.initialise(self.addr(1)).await.unwrap();
        first
            .set_members(self.all(1..=count), BTreeMap::new())
            .await
            .unwrap();
        self.propose(1, stores::init()).await.unwrap();
        self.converged().await;
        self
    }

    /// Starts a head on its directory, as it was or anew.
    pub(super) async fn start(&mut self, node: u64) -> Result<(), RaftError> {
        let endpoint = self.endpoint(node).await;
        self.addrs.insert(node, endpoint.local_addr().unwrap());
        let frozen = Arc::new(AtomicBool::new(false));
        let config = Config {
            node: NodeId(node),
            dir: self.dir(node),
            faults: freezing(&frozen, self.faults.get(&node)),
            ..self.config.clone()
        };
        let handle = Handle::start(config, endpoint.clone()).await?;
        let serving = tokio::spawn(serve(endpoint.clone(), handle.clone()));
        let head = Head {
            handle,
            endpoint,
            serving,
            frozen,
        };
        assert!(self.running.insert(node, head).is_none());
        Ok(())
    }

    async fn endpoint(&mut self, node: u64) -> Arc<Endpoint> {
        let (ca, cluster) = (&self.ca, self.cluster);
        let identity = self.identities.entry(node).or_insert_with(|| {
            let key = NodeKey::generate().unwrap();
            let request = key.csr_pem().unwrap();
            let names = ["127.0.0.1".to_owned()];
            let cert = ca.sign(&request, NodeId(node), NodeRole::Head, &names, 30);
            Identity {
                cluster,
                node: NodeId(node),
                role: NodeRole::Head,
                cert_pem: cert.unwrap(),
                key_pem: key.pem(),
                ca_pem: ca.cert_pem(),
            }
        });
        let anywhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let addr = self.addrs.get(&node).copied().unwrap_or(anywhere);
        // The port of a head that has just ended is free again a moment later.
        let until = Instant::now() + PATIENCE;
        loop {
            match Endpoint::bind(addr, identity) {
                Ok(endpoint) => return Arc::new(endpoint),
                Err(error) => assert!(Instant::now() < until, "{error}"),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Ends a head as a crash does: nobody is told, and its directory is what was on disk at one
    /// moment while it ran. It acknowledges nothing behind that moment.
    pub(super) async fn crash(&mut self, node: u64) {
        let dir = self.dir(node);
        self.running[&node].frozen.store(true, Ordering::Release);
        let left = tokio::task::spawn_blocking(move || stores::image(&dir))
            .await
            .unwrap();
        self.end(node).await;
        std::fs::remove_dir_all(self.dir(node)).unwrap();
        std::fs::rename(left.keep(), self.dir(node)).unwrap();
    }

    /// Ends a head at once; its directory stays.
    pub(super) async fn end(&mut self, node: u64) {
        let head = self.running.remove(&node).unwrap();
        // One that failed before says so; that is looked at elsewhere.
        let _ = soon(head.handle.abandon()).await;
        close(head).await;
    }

    /// Ends a head as an operator does.
    pub(super) async fn stop(&mut self, node: u64) -> Result<(), RaftError> {
        let head = self.running.remove(&node).unwrap();
        let stopped = soon(head.handle.shutdown()).await;
        close(head).await;
        stopped
    }

    pub(super) fn dir(&self, node: u64) -> PathBuf {
        self.dir.path().join(node.to_string())
    }

    pub(super) fn addr(&self, node: u64) -> String {
        self.addrs[&node].to_string()
    }

    pub(super) fn identity(&self, node: u64) -> &Identity {
        &self.identities[&node]
    }

    pub(super) fn handle(&self, node: u64) -> &Handle {
        &self.running[&node].handle
    }

    /// The heads that run.
    pub(super) fn nodes(&self) -> Vec<u64> {
        self.running.keys().copied().collect()
    }

    /// Where these heads are, as `set_members` takes it.
    pub(super) fn all(&self, nodes: impl IntoIterator<Item = u64>) -> BTreeMap<NodeId, String> {
        let member = |node| (NodeId(node), self.addr(node));
        nodes.into_iter().map(member).collect()
    }

    pub(super) async fn propose(&self, node: u64, command: Command) -> Result<Applied, LogError> {
        soon(self.handle(node).propose(command)).await
    }

    /// Cuts a head off from all others; `None` ends it.
    pub(super) fn cut_off(&self, node: Option<u64>) {
        for (&at, head) in &self.running {
            let denied: HashSet<NodeId> = match node {
                None => HashSet::new(),
                Some(cut) if cut == at => self.identities.keys().copied().map(NodeId).collect(),
                Some(cut) => HashSet::from([NodeId(cut)]),
            };
            head.endpoint.deny(denied);
        }
    }

    /// Waits until a head leads that a quorum of these follows, and says which.
    pub(super) async fn leader_of(&self, nodes: &[u64]) -> u64 {
        let mut found = 0;
        self.until("a leader", |heads| {
            let mut leading = nodes
                .iter()
                .filter(|node| heads.handle(**node).is_leading());
            let Some(&leader) = leading.next() else {
                return false;
            };
            found = leader;
            let follows = |node: &&u64| {
                let status = heads.handle(**node).status();
                status.leader == Some(NodeId(leader)) && status.role != Role::Candidate
            };
            nodes.iter().filter(follows).count() > nodes.len() / 2
        })
        .await;
        found
    }

    pub(super) async fn leader(&self) -> u64 {
        self.leader_of(&self.nodes()).await
    }

    /// Waits until all heads that run have the same state at the same entry.
    pub(super) async fn converged(&self) {
        self.converged_of(&self.nodes()).await;
    }

    /// Waits until these heads have applied the same last entry, and compares their states.
    pub(super) async fn converged_of(&self, nodes: &[u64]) {
        let applied = |heads: &Heads| -> BTreeSet<_> {
            let applied = |node: &u64| heads.handle(*node).status();
            let of = nodes.iter().map(applied);
            of.flat_map(|status| [status.applied, status.last_log])
                .collect()
        };
        self.until("the same applied entry", |heads| applied(heads).len() == 1)
            .await;
        let states: BTreeSet<_> = nodes
            .iter()
            .map(|node| self.handle(*node).state_hash())
            .collect();
        assert_eq!(states.len(), 1, "heads differ: {states:x?}");
    }

    /// Waits until something is so.
    pub(super) async fn until(&self, what: &str, mut so: impl FnMut(&Heads) -> bool) {
        let until = Instant::now() + PATIENCE;
        while !so(self) {
            if Instant::now() >= until {
                let of = |node: &u64| self.handle(*node).status();
                let now: Vec<_> = self.nodes().iter().map(of).collect();
                panic!("waited in vain for {what}: {now:#?}");
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// What a head's disks do: as told, until they are frozen.
fn freezing(frozen: &Arc<AtomicBool>, told: Option<&Faults>) -> Faults {
    let (frozen, told) = (frozen.clone(), told.cloned().unwrap_or_default());
    Faults::new(move |point| {
        let writes = matches!(
            point,
            DiskPoint::LogWrite | DiskPoint::LogSynced | DiskPoint::TablesWrite
        );
        if writes && frozen.load(Ordering::Acquire) {
            return Err(io::Error::other("crashed"));
        }
        told.at(point)
    })
}

async fn close(head: Head) {
    head.endpoint.close();
    soon(head.endpoint.drained()).await;
    head.serving.abort();
    // Aborted, as it should be.
    let _ = head.serving.await;
}

/// Serves what comes, until the endpoint is closed.
async fn serve(endpoint: Arc<Endpoint>, handle: Handle) {
    let mut serving = JoinSet::new();
    while let Some(connection) = endpoint.accept().await {
        let handle = handle.clone();
        serving.spawn(async move { handle.serve(connection).await });
    }
}

/// The future's result; a test that hangs fails.
pub(super) async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.unwrap()
}
