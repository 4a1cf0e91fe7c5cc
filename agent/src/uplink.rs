//! The agent's side of its sessions: one connection to every head, heartbeats on each, orders
//! from the one that leads, reports to it, and answers to what heads ask about attempts.

mod answers;
mod files;
mod session;
pub mod talk;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use model::node::NodeFacts;
use model::{NodeId, unit::Millis};
use net::message::HeadAddr;
use talk::Term;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;

use crate::journal::{Journal, JournalError};
use crate::lease::Lease;
use crate::runner::Runner;
use crate::secrets::Asking;

/// Heartbeats until the first head has said how often it wants them.
const HEARTBEAT_FIRST: Millis = Millis(1_000);
/// Questions about attempts that are answered at the same time.
const ANSWERS_MAX: usize = 256;
/// The first wait before a head is called again.
const REDIAL_FIRST: Duration = Duration::from_millis(50);
/// The longest wait before a head is called again.
const REDIAL_LONGEST: Duration = Duration::from_secs(2);

/// Writes down where the heads listen.
pub type SaveHeads = Box<dyn Fn(&[HeadAddr]) + Send + Sync>;

/// What all sessions of an agent share.
pub struct Uplink {
    endpoint: Arc<net::Endpoint>,
    facts: NodeFacts,
    runner: Arc<Runner>,
    journal: Journal,
    lease: Lease,
    term: tokio::sync::Mutex<u64>,
    heartbeat: watch::Sender<Millis>,
    heads: watch::Sender<BTreeMap<NodeId, String>>,
    save_heads: SaveHeads,
    answers: Arc<Semaphore>,
    asking: Arc<Asking>,
    files: files::Places,
    failed: mpsc::Sender<JournalError>,
}

/// What an uplink is made of.
pub struct Parts {
    /// Dials the heads.
    pub endpoint: Arc<net::Endpoint>,
    /// What the node says of itself.
    pub facts: NodeFacts,
    /// The node's attempts.
    pub runner: Arc<Runner>,
    /// Where the term and the lease are kept.
    pub journal: Journal,
    /// The lease as the journal knows it.
    pub lease: Lease,
    /// The highest term heard so far.
    pub term: u64,
    /// Where the heads listen, as known so far.
    pub heads: Vec<HeadAddr>,
    /// Keeps the addresses for the next start.
    pub save_heads: SaveHeads,
    /// Told which heads can be asked for secrets.
    pub asking: Arc<Asking>,
    /// Told when the journal fails: the agent then ends.
    pub failed: mpsc::Sender<JournalError>,
}

impl Uplink {
    /// An uplink that does not talk yet.
    pub fn new(parts: Parts) -> Arc<Uplink> {
        let heads = parts
            .heads
            .into_iter()
            .map(|head| (head.node, head.addr))
            .collect();
        Arc::new(Uplink {
            endpoint: parts.endpoint,
            facts: parts.facts,
            runner: parts.runner,
            journal: parts.journal,
            lease: parts.lease,
            term: tokio::sync::Mutex::new(parts.term),
            heartbeat: watch::Sender::new(HEARTBEAT_FIRST),
            heads: watch::Sender::new(heads),
            save_heads: parts.save_heads,
            answers: Arc::new(Semaphore::new(ANSWERS_MAX)),
            asking: parts.asking,
            files: files::Places::default(),
            failed: parts.failed,
        })
    }

    /// Talks to every head there is until it is dropped.
    pub async fn run(self: Arc<Self>) {
        let mut talks = JoinSet::new();
        talks.spawn(self.clone().keep_lease());
        talks.spawn(self.runner.clone().mind_health());
        talks.spawn(self.runner.clone().mind_kept());
        let mut known: BTreeMap<NodeId, (String, tokio::task::AbortHandle)> = BTreeMap::new();
        let mut changes = self.heads.subscribe();
        loop {
            let heads = changes.borrow_and_update().clone();
            known.retain(|node, (addr, talk)| {
                let stays = heads.get(node) == Some(addr);
                if !stays {
                    talk.abort();
                }
                stays
            });
            for (node, addr) in heads {
                known.entry(node).or_insert_with(|| {
                    let talk = talks.spawn(self.clone().talk(node, addr.clone()));
                    (addr, talk)
                });
            }
            if changes.changed().await.is_err() {
                return;
            }
        }
    }

    /// One session after the other with one head.
    async fn talk(self: Arc<Self>, node: NodeId, addr: String) {
        let mut wait = REDIAL_FIRST;
        loop {
            let began = tokio::time::Instant::now();
            match session::run(&self, node, &addr).await {
                Ok(()) => {}
                Err(session::Ended::Journal(error)) => {
                    let _ = self.failed.try_send(error);
                    return;
                }
                Err(session::Ended::Net(error)) => {
                    tracing::debug!(head = %node, addr, %error, "session ended");
                }
            }
            let lasted = began.elapsed() > REDIAL_LONGEST;
            wait = if lasted {
                REDIAL_FIRST
            } else {
                (wait * 2).min(REDIAL_LONGEST)
            };
            tokio::time::sleep(wait).await;
        }
    }

    /// Ends what may be tried elsewhere whenever the lease has run out.
    async fn keep_lease(self: Arc<Self>) {
        loop {
            self.lease.lost().await;
            let ended = self.runner.lease_lost();
            if ended > 0 {
                tracing::warn!(
                    ended,
                    "the lease has run out: stopping attempts that may requeue"
                );
            }
            self.lease.held().await;
        }
    }

    /// Learns of heads that came or went.
    fn learn_heads(&self, heads: &[HeadAddr]) {
        if heads.is_empty() {
            return;
        }
        let new: BTreeMap<NodeId, String> = heads
            .iter()
            .map(|head| (head.node, head.addr.clone()))
            .collect();
        let changed = self.heads.send_if_modified(|known| {
            let differs = *known != new;
            if differs {
                *known = new;
            }
            differs
        });
        if changed {
            (self.save_heads)(heads);
        }
    }

    /// Whether an order of this term may be carried out; a higher term is written down first.
    async fn accepts_term(&self, term: u64) -> Result<bool, JournalError> {
        let mut highest = self.term.lock().await;
        match talk::weigh(term, *highest) {
            Term::Deposed => return Ok(false),
            Term::Known => {}
            Term::New => {
                self.journal.term(term).await?;
                *highest = term;
            }
        }
        Ok(true)
    }
}
