//! Clients: they submit and cancel through any head, repeat under the same key what was not
//! answered, and read; whatever they are told goes to the oracle.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use model::log::{Applied, LogError};
use model::{Command, JobId, Reply};
use tokio::task::JoinSet;

use super::chance::Chance;
use super::host::Ask;
use super::world::World;
use crate::tests::stores;

/// Clients.
const CLIENTS: u64 = 6;
/// How long a client waits for an answer before it asks another head, in ms.
const PATIENCE_MS: std::ops::Range<u64> = 200..1_500;
/// How long a client thinks, in ms.
const THINKS_MS: std::ops::Range<u64> = 5..60;
/// Bytes of a script.
const SCRIPT_BYTES: usize = 300;

/// What the clients have done, and until when they go on.
#[derive(Default)]
pub(super) struct Ledger {
    rest: AtomicBool,
    /// Clients that have not come to rest.
    busy: AtomicU64,
    /// Each key's job, as first told.
    jobs: Mutex<BTreeMap<String, JobId>>,
    cancelled: Mutex<Vec<JobId>>,
}

impl Ledger {
    /// Every client finishes what it has begun.
    pub(super) fn rest(&self) {
        self.rest.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_at_rest(&self) -> bool {
        self.busy.load(Ordering::Relaxed) == 0
    }

    /// Jobs that were acknowledged.
    pub(super) fn count(&self) -> usize {
        self.jobs.lock().unwrap().len()
    }

    /// Jobs whose end was acknowledged.
    pub(super) fn cancelled(&self) -> Vec<JobId> {
        self.cancelled.lock().unwrap().clone()
    }
}

/// All clients, until told to rest.
pub(super) async fn work(world: Arc<World>, ledger: Arc<Ledger>) {
    let mut clients = JoinSet::new();
    ledger.busy.store(CLIENTS, Ordering::Relaxed);
    for number in 0..CLIENTS {
        let client = Client {
            number,
            chance: Chance::new(world.seed, &format!("client {number}")),
            world: world.clone(),
            ledger: ledger.clone(),
        };
        clients.spawn(client.work());
    }
    while let Some(ended) = clients.join_next().await {
        ended.unwrap();
    }
}

struct Client {
    number: u64,
    chance: Chance,
    world: Arc<World>,
    ledger: Arc<Ledger>,
}

impl Client {
    async fn work(mut self) {
        let mut live: Vec<JobId> = Vec::new();
        for turn in 0.. {
            if self.ledger.rest.load(Ordering::Relaxed) {
                break;
            }
            tokio::time::sleep(self.chance.millis(THINKS_MS)).await;
            match self.chance.of(0..10) {
                0 => self.read().await,
                1 if !live.is_empty() => {
                    let at = self.chance.of(0..live.len() as u64);
                    let job = live.swap_remove(usize::try_from(at).unwrap());
                    self.command(stores::cancel(job.0)).await;
                    self.ledger.cancelled.lock().unwrap().push(job);
                }
                _ => {
                    let key = format!("client-{}-{turn}", self.number);
                    let reply = self.command(stores::submit(&key, SCRIPT_BYTES)).await;
                    let Reply::Submitted { first, .. } = reply else {
                        self.world.violated(format!("{key}: {reply:?}"));
                        continue;
                    };
                    self.ledger.jobs.lock().unwrap().insert(key, first);
                    live.push(first);
                }
            }
        }
        self.ledger.busy.fetch_sub(1, Ordering::Relaxed);
    }

    /// Gives a command until it is answered.
    async fn command(&mut self, command: Command) -> Reply {
        for attempt in 0.. {
            let floor = self.world.oracle.lock().unwrap().last_told();
            let asked = command.clone();
            let answer = self.ask(|to| Ask::Propose(Box::new(asked), to)).await;
            match answer {
                Some((head, Ok(Applied { index, reply }))) => {
                    let (client, index) = (self.number, index.0);
                    self.world.log(&format!(
                        "client {client} hears of {index} from head {head}"
                    ));
                    if attempt > 0 {
                        self.world.met("a command was given again");
                    }
                    if matches!(reply, Reply::Submitted { replayed: true, .. }) {
                        self.world
                            .met("a command that was given again had been applied");
                    }
                    let mut oracle = self.world.oracle.lock().unwrap();
                    oracle.told(index, command, reply.clone(), floor);
                    return reply;
                }
                Some((_, Err(LogError::Unknown))) => {
                    self.world.met("an outcome was unknown");
                }
                Some((_, Err(_))) | None => {}
            }
            tokio::time::sleep(self.chance.millis(5..50)).await;
        }
        unreachable!("there is always another attempt")
    }

    async fn read(&mut self) {
        let floor = self.world.oracle.lock().unwrap().last_told();
        let Some((head, Ok(read))) = self.ask(Ask::Read).await else {
            return;
        };
        let client = self.number;
        self.world.log(&format!(
            "client {client} reads {} from head {head}",
            read.at
        ));
        self.world.met("a read was linearizable");
        let mut oracle = self.world.oracle.lock().unwrap();
        oracle.read(read.promised, &read.state, read.at, floor);
    }

    /// Asks some head.
    async fn ask<T>(
        &mut self,
        ask: impl FnOnce(tokio::sync::oneshot::Sender<T>) -> Ask,
    ) -> Option<(u64, T)> {
        let doors = self.world.doors();
        if doors.is_empty() {
            return None;
        }
        let (head, patience) = (self.chance.one(&doors), self.chance.millis(PATIENCE_MS));
        let answer = self.world.ask(head, patience, ask).await?;
        Some((head, answer))
    }
}

/// Keeps asking until the wanted heads are the ones that vote.
pub(super) async fn operate(world: Arc<World>) {
    let pause = Duration::from_millis(50);
    loop {
        tokio::time::sleep(pause).await;
        let Some(leader) = world.leader() else {
            continue;
        };
        let wanted = world.wanted.lock().unwrap().clone();
        if world.vote_committed(leader, &wanted) {
            continue;
        }
        let patience = Duration::from_secs(3);
        let asked = wanted.clone();
        let changed = world
            .ask(leader, patience, |to| Ask::SetMembers(asked, to))
            .await;
        world.log(&format!(
            "{wanted:?} shall vote, asked of {leader}: {changed:?}"
        ));
    }
}

/// Makes the cluster: the first head, then the others, then the first command.
pub(super) async fn found(world: Arc<World>) {
    let patience = Duration::from_secs(5);
    while !world.has_door(1) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let made = world.ask(1, patience, Ask::Initialise).await;
    assert_eq!(made, Some(Ok(())));
    let init = stores::init();
    let asked = init.clone();
    let done = world
        .ask(1, patience, |to| Ask::Propose(Box::new(asked), to))
        .await;
    let Some(Ok(Applied { index, reply })) = done else {
        panic!("the cluster is not made: {done:?}");
    };
    let mut oracle = world.oracle.lock().unwrap();
    oracle.told(index.0, init, reply, 0);
}

/// Looks into every head when all is quiet: each has everything, and the same.
pub(super) async fn inspect(world: Arc<World>, ledger: Arc<Ledger>) {
    let (patience, cancelled) = (Duration::from_secs(3), ledger.cancelled());
    let wanted = world.wanted.lock().unwrap().clone();
    for node in wanted {
        let floor = world.oracle.lock().unwrap().last_told();
        match world.ask(node, patience, Ask::Read).await {
            Some(Ok(read)) => {
                let mut oracle = world.oracle.lock().unwrap();
                oracle.read(read.promised, &read.state, read.at, floor);
                if read.at + 1 != oracle.next() {
                    oracle.violated(format!("head {node} has only {} in its state", read.at));
                }
            }
            Some(Err(error)) => world.violated(format!("head {node} cannot be read: {error}")),
            None => world.violated(format!("head {node} does not answer")),
        }
        let asked = cancelled.clone();
        let found = world.ask(node, patience, |to| Ask::Ended(asked, to)).await;
        if found != Some(Ok(vec![true; cancelled.len()])) {
            world.violated(format!(
                "ended jobs are not all found at head {node}: {found:?}"
            ));
        }
    }
}
