//! The head's side of its sessions with agents: who is connected, when each was heard last, and
//! what each is known to have.
//!
//! A session lives as long as its connection. A node that connects again replaces its session.
//! Nothing here decides; the leader's duties read and speak through it.

pub mod known;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use known::{Committed, Known};
use model::assignment::Report;
use model::node::NodeFacts;
use model::stored::Stored;
use model::{NodeId, State, unit::Millis};
use net::message::{
    Alive, HeadAddr, Hello, Lead, Opening, Order, SecretAnswer, SecretCall, ToAgent, ToHead,
};
use net::{Connection, FrameReceiver, FrameSender, NetError, Stream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use crate::clock;

/// Orders and answers that may wait for one slow agent; past that its session is closed.
const OUTGOING_MAX: usize = 1_024;
/// Messages with reports that may wait to be proposed; past that agents wait to be read.
const REPORTS_MAX: usize = 1_024;
/// Questions of one agent that are answered at the same time.
const ANSWERS_MAX: usize = 64;
/// How long a connected node may take to open its session, and to ask.
const OPEN_WITHIN: Duration = Duration::from_secs(5);

/// What a head tells agents about itself in answer to a heartbeat.
pub trait Standing: Send + Sync {
    /// Set if this head leads, reached a quorum a moment ago, and is ready to give orders.
    fn lead(&self) -> Option<Lead>;
    /// How often agents shall say that they are there.
    fn heartbeat(&self) -> Millis;
    /// Where the heads listen.
    fn heads(&self) -> Vec<HeadAddr>;
    /// The secrets of an attempt, for the node that it was given to.
    fn secrets(&self, node: NodeId, call: SecretCall) -> SecretAnswer;
}

/// All sessions of this head.
pub struct Sessions {
    open: Mutex<BTreeMap<NodeId, Arc<Session>>>,
    changed: watch::Sender<u64>,
    reports: mpsc::Sender<(NodeId, Vec<Report>)>,
    opened: AtomicU64,
    /// Nodes that are about to be called lost: they get no lease and no orders.
    barred: Mutex<BTreeSet<NodeId>>,
}

/// One agent's session.
pub struct Session {
    /// Which node.
    pub node: NodeId,
    /// What it said of itself.
    pub facts: NodeFacts,
    /// For questions about attempts.
    pub connection: Connection,
    number: u64,
    outgoing: mpsc::Sender<ToAgent>,
    heard: AtomicU64,
    known: Mutex<Known>,
    trouble: Mutex<Option<String>>,
    stored: Mutex<Option<Arc<Stored>>>,
}

impl Sessions {
    /// No sessions, and the queue in which reports arrive.
    pub fn new() -> (Arc<Sessions>, mpsc::Receiver<(NodeId, Vec<Report>)>) {
        let (reports, arriving) = mpsc::channel(REPORTS_MAX);
        let sessions = Sessions {
            open: Mutex::default(),
            changed: watch::Sender::new(0),
            reports,
            opened: AtomicU64::new(0),
            barred: Mutex::default(),
        };
        (Arc::new(sessions), arriving)
    }

    /// Serves one agent's connection to its end.
    pub async fn serve(self: Arc<Self>, connection: Connection, standing: Arc<dyn Standing>) {
        let Some(peer) = connection.peer() else {
            return;
        };
        let opened = tokio::time::timeout(OPEN_WITHIN, open(&connection)).await;
        let Ok(Ok((hello, sender, receiver))) = opened else {
            connection.close("open a session first");
            return;
        };
        let (outgoing, queue) = mpsc::channel(OUTGOING_MAX);
        let session = Arc::new(Session {
            node: peer.node,
            facts: hello.facts,
            connection: connection.clone(),
            number: self.opened.fetch_add(1, Ordering::Relaxed),
            outgoing,
            heard: AtomicU64::new(clock::monotonic().0),
            known: Mutex::default(),
            trouble: Mutex::default(),
            stored: Mutex::default(),
        });
        self.insert(session.clone());
        let ended = tokio::select! {
            ended = write(sender, queue) => ended,
            ended = self.read(&session, receiver, standing.clone()) => ended,
            ended = answer(&session, standing) => ended,
        };
        if let Err(error) = ended {
            tracing::debug!(node = %session.node, %error, "session ended");
        }
        self.remove(&session);
        connection.close("session over");
    }

    fn insert(&self, session: Arc<Session>) {
        let before = self.sessions().insert(session.node, session);
        if let Some(before) = before {
            before.connection.close("the node opened another session");
        }
        self.tell();
    }

    fn remove(&self, session: &Session) {
        let mut sessions = self.sessions();
        let same = sessions
            .get(&session.node)
            .is_some_and(|now| now.number == session.number);
        if same {
            sessions.remove(&session.node);
        }
        drop(sessions);
        self.tell();
    }

    fn tell(&self) {
        self.changed
            .send_modify(|count| *count = count.wrapping_add(1));
    }

    fn sessions(&self) -> MutexGuard<'_, BTreeMap<NodeId, Arc<Session>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Every open session.
    pub fn all(&self) -> Vec<Arc<Session>> {
        self.sessions().values().cloned().collect()
    }

    /// One node's session.
    pub fn get(&self, node: NodeId) -> Option<Arc<Session>> {
        self.sessions().get(&node).cloned()
    }

    /// From now on these nodes, and no others, get no lease and no orders. A word that was heard
    /// of them before may have been answered with a lease.
    pub fn bar(&self, nodes: Vec<NodeId>) {
        let mut barred = self.barred.lock().unwrap_or_else(PoisonError::into_inner);
        *barred = nodes.into_iter().collect();
        drop(barred);
        self.tell();
    }

    /// Whether a node is barred.
    pub fn is_barred(&self, node: NodeId) -> bool {
        let barred = self.barred.lock().unwrap_or_else(PoisonError::into_inner);
        barred.contains(&node)
    }

    /// Tells when a session comes, goes, or says what it has.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    async fn read(
        &self,
        session: &Session,
        mut receiver: FrameReceiver,
        standing: Arc<dyn Standing>,
    ) -> Result<(), NetError> {
        while let Some(word) = receiver.hear::<ToHead>().await? {
            session.heard.store(clock::monotonic().0, Ordering::Relaxed);
            match word {
                ToHead::Heartbeat(number) => {
                    session.send(ToAgent::Alive(Alive {
                        number,
                        // Looked at behind the note that it was heard, see `bar`.
                        lead: standing.lead().filter(|_| !self.is_barred(session.node)),
                        heartbeat_ms: standing.heartbeat().0,
                        heads: standing.heads(),
                    }));
                }
                ToHead::Held { term, held } => {
                    session.known().said(term, held);
                    self.tell();
                }
                ToHead::Trouble(words) => {
                    *session.trouble_now() = words.map(cut);
                    self.tell();
                }
                ToHead::Stored(stored) => {
                    *session.stored_now() = Some(Arc::new(stored.bounded()));
                    self.tell();
                }
                ToHead::Reports(reports) => {
                    let room = self.reports.send((session.node, reports)).await;
                    if room.is_err() {
                        return Ok(());
                    }
                }
            }
        }
        Ok(())
    }
}

impl Session {
    /// When the agent was heard last, on this process's monotonic clock.
    pub fn heard(&self) -> Millis {
        Millis(self.heard.load(Ordering::Relaxed))
    }

    /// What keeps the node from running attempts, as its agent said last.
    pub fn trouble(&self) -> Option<String> {
        self.trouble_now().clone()
    }

    /// What the node keeps of ended attempts, as its agent said last.
    pub fn stored(&self) -> Option<Arc<Stored>> {
        self.stored_now().clone()
    }

    fn stored_now(&self) -> MutexGuard<'_, Option<Arc<Stored>>> {
        self.stored.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn trouble_now(&self) -> MutexGuard<'_, Option<String>> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the agent has said in this term what it has.
    pub fn has_said(&self, term: u64) -> bool {
        self.known().has_said(term)
    }

    /// Tells the agent what it does not know yet of the state that is read now.
    pub fn dispatch(&self, term: u64, read: impl FnOnce() -> Arc<State>) {
        let mut known = self.known();
        let orders = known.orders(term, self.node, &read());
        self.order(term, orders);
    }

    /// Tells the agent which of its reports are committed.
    pub fn acknowledge(&self, term: u64, committed: Committed) {
        let mut known = self.known();
        let orders = known.acknowledge(term, committed);
        self.order(term, orders);
    }

    /// Called with `known` locked: orders leave in the sequence in which they were decided. An
    /// agent that does not keep up loses its session, and says anew what it has.
    fn order(&self, term: u64, orders: Vec<Order>) {
        for order in orders {
            if !self.send(ToAgent::Order { term, order }) {
                return;
            }
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn send(&self, word: ToAgent) -> bool {
        let sent = self.outgoing.try_send(word).is_ok();
        if !sent {
            self.connection.close("the agent does not keep up");
        }
        sent
    }
}

/// Words of an agent that are longer than the log takes would never be found there.
fn cut(mut words: String) -> String {
    words.truncate(words.floor_char_boundary(model::limits::TEXT_BYTES_MAX));
    words
}

async fn open(connection: &Connection) -> Result<(Hello, FrameSender, FrameReceiver), NetError> {
    let mut stream = connection.accept().await?;
    match stream.receiver.hear::<Opening>().await? {
        Some(Opening::Session(hello)) => Ok((hello, stream.sender, stream.receiver)),
        Some(
            Opening::Output(_)
            | Opening::Usage(_)
            | Opening::Secrets(_)
            | Opening::Files(_)
            | Opening::OutputOf { .. }
            | Opening::UsageOf { .. },
        )
        | None => Err(NetError::Closed("a session was expected".into())),
    }
}

/// Answers what the agent asks beside its session.
async fn answer(session: &Session, standing: Arc<dyn Standing>) -> Result<(), NetError> {
    let mut answering = JoinSet::new();
    loop {
        tokio::select! {
            asked = session.connection.accept(), if answering.len() < ANSWERS_MAX => {
                let question = answer_one(session.node, asked?, standing.clone());
                answering.spawn(tokio::time::timeout(OPEN_WITHIN, question));
            }
            Some(_) = answering.join_next() => {}
        }
    }
}

async fn answer_one(
    node: NodeId,
    mut stream: Stream,
    standing: Arc<dyn Standing>,
) -> Result<(), NetError> {
    match stream.receiver.hear::<Opening>().await? {
        Some(Opening::Secrets(call)) => {
            stream.sender.send(&standing.secrets(node, call)).await?;
        }
        Some(
            Opening::Session(_)
            | Opening::Output(_)
            | Opening::Usage(_)
            | Opening::Files(_)
            | Opening::OutputOf { .. }
            | Opening::UsageOf { .. },
        )
        | None => {}
    }
    stream.sender.finish()
}

async fn write(
    mut sender: FrameSender,
    mut queue: mpsc::Receiver<ToAgent>,
) -> Result<(), NetError> {
    while let Some(word) = queue.recv().await {
        sender.send(&word).await?;
    }
    Ok(())
}
