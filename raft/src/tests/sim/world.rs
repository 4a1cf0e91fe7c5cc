//! What everybody in the simulation shares: who is where, what is known of the heads, the trace,
//! the oracle. The heads themselves share nothing but the network.
//!
//! One thread uses it; no lock is held while another is taken.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use model::node::NodeRole;
use model::{ClusterId, NodeId, Timestamp};
use net::Identity;
use net::tls::{Ca, NodeKey};
use tokio::sync::{mpsc, oneshot};

use super::chance::Chance;
use super::disk::Disk;
use super::host::Ask;
use super::network::Loss;
use super::oracle::Oracle;
use super::trace::Trace;
use crate::config::Config;
use crate::disk::Faults;
use crate::error::RaftError;
use crate::handle::RaftStatus;
use crate::outside::Outside;
use crate::types::{Entry, LogId};

/// Who votes.
pub(super) type Members = BTreeSet<u64>;

/// The wall clock when the simulation begins, in ms since 1970.
const EPOCH_MS: i64 = 1_800_000_000_000;

/// What is known of one head.
pub(super) struct Head {
    pub(super) identity: Identity,
    pub(super) disk: Arc<Disk>,
    /// How far its clock is off, in ms.
    pub(super) skew_ms: Arc<AtomicI64>,
    /// How many times it was started.
    pub(super) lives: u64,
    /// Open while it takes questions.
    pub(super) door: Option<mpsc::UnboundedSender<Ask>>,
    pub(super) status: RaftStatus,
    /// Whether the members that it knows are committed.
    pub(super) settled: bool,
}

pub(super) struct World {
    pub(super) seed: u64,
    dir: PathBuf,
    ca: Ca,
    now_us: AtomicU64,
    pub(super) trace: Mutex<Trace>,
    pub(super) oracle: Mutex<Oracle>,
    pub(super) heads: Mutex<BTreeMap<u64, Head>>,
    /// Who shall vote.
    pub(super) wanted: Mutex<Members>,
    network: Mutex<(Loss, Chance)>,
}

impl World {
    pub(super) fn new(seed: u64, dir: &Path) -> World {
        World {
            seed,
            dir: dir.to_owned(),
            ca: Ca::create(ClusterId([9; 16])).unwrap(),
            now_us: AtomicU64::new(0),
            trace: Mutex::default(),
            oracle: Mutex::default(),
            heads: Mutex::default(),
            wanted: Mutex::default(),
            network: Mutex::new((Loss::default(), Chance::new(seed, "network"))),
        }
    }

    /// A head that never was there before.
    pub(super) fn add_head(&self, node: u64) {
        let key = NodeKey::generate().unwrap();
        let (request, head) = (key.csr_pem().unwrap(), NodeRole::Head);
        let cert = self.ca.sign(&request, NodeId(node), head, &[], 30);
        let identity = Identity {
            cluster: ClusterId([9; 16]),
            node: NodeId(node),
            role: head,
            cert_pem: cert.unwrap(),
            key_pem: key.pem(),
            ca_pem: self.ca.cert_pem(),
        };
        let head = Head {
            identity,
            disk: Arc::new(Disk::new(self.seed, node)),
            skew_ms: Arc::new(AtomicI64::new(0)),
            lives: 0,
            door: None,
            status: RaftStatus::default(),
            settled: false,
        };
        assert!(self.heads.lock().unwrap().insert(node, head).is_none());
    }

    pub(super) fn dir(&self, node: u64) -> PathBuf {
        self.dir.join(node.to_string())
    }

    pub(super) fn identity(&self, node: u64) -> Identity {
        self.heads.lock().unwrap()[&node].identity.clone()
    }

    pub(super) fn disk(&self, node: u64) -> Arc<Disk> {
        self.heads.lock().unwrap()[&node].disk.clone()
    }

    /// A head's connections choose their ids by this; in each life by another.
    pub(super) fn connection_seed(&self, node: u64) -> [u8; 32] {
        let mut heads = self.heads.lock().unwrap();
        let head = heads.get_mut(&node).unwrap();
        head.lives += 1;
        let name = format!("connections {node} {}", head.lives);
        let mut chance = Chance::new(self.seed, &name);
        let mut seed = [0; 32];
        for bytes in seed.chunks_mut(8) {
            bytes.copy_from_slice(&chance.next().to_le_bytes());
        }
        seed
    }

    pub(super) fn config(self: &Arc<World>, node: u64) -> Config {
        let (disk, told) = (self.disk(node), self.disk(node));
        let (world, skew) = (
            self.clone(),
            self.heads.lock().unwrap()[&node].skew_ms.clone(),
        );
        let now = move || {
            let since = i64::try_from(world.now().as_millis()).unwrap();
            let now = EPOCH_MS + since + skew.load(Ordering::Relaxed);
            Timestamp(now.cast_unsigned())
        };
        Config {
            node: NodeId(node),
            dir: self.dir(node),
            snapshot_every: 100,
            keep_logs: 30,
            faults: Faults::new(move |point| told.at(point)),
            outside: Outside::simulated(now, move || disk.latency()),
            ..Config::default()
        }
    }

    /// Time since the simulation began.
    pub(super) fn now(&self) -> Duration {
        turmoil::sim_elapsed()
            .unwrap_or_else(|| Duration::from_micros(self.now_us.load(Ordering::Relaxed)))
    }

    /// The time for whoever is on no host.
    pub(super) fn set_now(&self, now: Duration) {
        let now = u64::try_from(now.as_micros()).unwrap();
        self.now_us.store(now, Ordering::Relaxed);
    }

    pub(super) fn log(&self, text: &str) {
        let now = self.now();
        self.trace.lock().unwrap().line(now, text);
    }

    pub(super) fn met(&self, what: &str) {
        self.trace.lock().unwrap().met(what);
    }

    pub(super) fn violated(&self, what: String) {
        self.log(&format!("VIOLATED: {what}"));
        self.oracle.lock().unwrap().violated(what);
    }

    pub(super) fn set_loss(&self, loss: Loss) {
        self.network.lock().unwrap().0 = loss;
    }

    /// How often a datagram arrives.
    pub(super) fn copies(&self, from: u8, to: u8, bytes: usize) -> usize {
        let now = self.now();
        self.trace.lock().unwrap().datagram(now, from, to, bytes);
        let mut network = self.network.lock().unwrap();
        let (loss, chance) = &mut *network;
        if chance.happens(loss.lost) {
            0
        } else if chance.happens(loss.doubled) {
            2
        } else {
            1
        }
    }

    /// A head takes questions from now on.
    pub(super) fn opened(&self, node: u64, door: mpsc::UnboundedSender<Ask>) {
        self.log(&format!("head {node} is there"));
        self.heads.lock().unwrap().get_mut(&node).unwrap().door = Some(door);
    }

    /// A head takes no more questions.
    pub(super) fn closed(&self, node: u64) {
        let mut heads = self.heads.lock().unwrap();
        let head = heads.get_mut(&node).unwrap();
        head.door = None;
        head.status = RaftStatus::default();
    }

    pub(super) fn has_door(&self, node: u64) -> bool {
        self.heads.lock().unwrap()[&node].door.is_some()
    }

    /// The heads that take questions.
    pub(super) fn doors(&self) -> Vec<u64> {
        let heads = self.heads.lock().unwrap();
        let open = heads.iter().filter(|(_, head)| head.door.is_some());
        open.map(|(node, _)| *node).collect()
    }

    /// Who says that it leads; of several the one with the latest term.
    pub(super) fn leader(&self) -> Option<u64> {
        let heads = self.heads.lock().unwrap();
        let leading = heads.iter().filter(|(_, head)| {
            head.door.is_some() && head.status.role == crate::handle::Role::Leader
        });
        let latest = leading.max_by_key(|(_, head)| head.status.term);
        latest.map(|(node, _)| *node)
    }

    pub(super) fn status(&self, node: u64) -> RaftStatus {
        self.heads.lock().unwrap()[&node].status.clone()
    }

    /// Whether a head knows exactly these as members, all of them voters, and committed.
    pub(super) fn vote_committed(&self, node: u64, wanted: &Members) -> bool {
        let heads = self.heads.lock().unwrap();
        let head = &heads[&node];
        let members = head.status.members.iter();
        let members = members.map(|member| (member.node.0, member.voter));
        head.settled && members.eq(wanted.iter().map(|node| (*node, true)))
    }

    pub(super) fn tell(&self, node: u64, ask: Ask) {
        if let Some(door) = &self.heads.lock().unwrap()[&node].door {
            // A head that has just died hears nothing.
            let _ = door.send(ask);
        }
    }

    /// Asks a head, for so long at most; `None` when it does not answer.
    pub(super) async fn ask<T>(
        &self,
        node: u64,
        patience: Duration,
        ask: impl FnOnce(oneshot::Sender<T>) -> Ask,
    ) -> Option<T> {
        let (to, answer) = oneshot::channel();
        self.tell(node, ask(to));
        tokio::time::timeout(patience, answer).await.ok()?.ok()
    }

    /// A head cannot go on: a violation, unless its disk was stopped.
    pub(super) fn head_failed(&self, node: u64, error: &RaftError) {
        if self.disk(node).is_frozen() {
            self.log(&format!("head {node} notices that its disk stopped"));
        } else {
            self.violated(format!("head {node} fails: {error}"));
        }
    }

    pub(super) fn saw_status(&self, node: u64, status: RaftStatus, settled: bool) {
        let text = format!(
            "head {node}: {} of term {} under {:?}, log {}, committed {}, applied {}",
            status.role.word(),
            status.term,
            status.leader.map(|leader| leader.0),
            status.last_log.0,
            status.committed.0,
            status.applied.0
        );
        self.log(&text);
        let mut oracle = self.oracle.lock().unwrap();
        oracle.role(node, status.term, status.role);
        drop(oracle);
        let mut heads = self.heads.lock().unwrap();
        let head = heads.get_mut(&node).unwrap();
        (head.status, head.settled) = (status, settled);
    }

    pub(super) fn saw_applied(
        &self,
        node: u64,
        seen: Option<u64>,
        last: LogId,
        entries: Vec<Entry>,
        digest: Option<[u8; 32]>,
    ) {
        let from = seen.map_or(0, |seen| seen + 1);
        let first = entries
            .first()
            .map_or(last.index + 1, |entry| entry.log_id.index);
        if first > from && seen.is_some() {
            self.log(&format!("head {node} installed a snapshot, up to {last}"));
            self.met("a snapshot was installed");
        }
        let mut oracle = self.oracle.lock().unwrap();
        oracle.applied(node, entries);
        if let Some(digest) = digest {
            oracle.state_at(node, last.index, digest);
        }
    }
}
