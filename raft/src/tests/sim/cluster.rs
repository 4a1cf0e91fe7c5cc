//! The simulation itself: hosts that begin, die and come back, and the phases of one run.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::chance::Chance;
use super::disk::{Death, Disk};
use super::host::{self, Ask};
use super::network::ip;
use super::trace::Met;
use super::users::{self, Ledger};
use super::weather::Weather;
use super::world::{Members, World};

/// How much time passes on each host before the next one has its turn.
const TICK: Duration = Duration::from_millis(1);
/// How long the weather lasts.
const STORM: Duration = Duration::from_secs(7);
/// How long anything may take when the weather is fine: then every promise of liveness is due.
const PATIENCE: Duration = Duration::from_secs(20);
/// Answers that clients must get once the weather is fine.
const LIVELY: usize = 40;

/// What one run has shown.
pub(super) struct Report {
    pub(super) met: Met,
    pub(super) digest: String,
    pub(super) summary: String,
}

/// A cluster under simulation.
pub(super) struct Cluster<'a> {
    pub(super) sim: turmoil::Sim<'a>,
    pub(super) world: Arc<World>,
    pub(super) chance: Chance,
    /// Heads that are dead, and when they are started again.
    pub(super) down: BTreeMap<u64, Duration>,
    /// Heads that were removed for good.
    pub(super) retired: BTreeSet<u64>,
    /// The newest head.
    pub(super) newest: u64,
    ledger: Arc<Ledger>,
    phase: Arc<Phase>,
    /// Answers that the oracle has judged.
    answers: usize,
}

/// What the users' host is told, and tells.
#[derive(Default)]
struct Phase {
    founded: AtomicBool,
    inspect: AtomicBool,
    inspected: AtomicBool,
}

/// Runs one seed; an error says what was violated, with the end of the trace.
pub(super) fn run(seed: u64) -> Result<Report, String> {
    run_through(seed, |cluster| cluster.run())
}

/// The same with other phases.
pub(super) fn run_through(
    seed: u64,
    phases: impl FnOnce(&mut Cluster<'_>) -> Result<(), String>,
) -> Result<Report, String> {
    let dir = tempfile::tempdir_in(super::fast_dir()).unwrap();
    let mut cluster = Cluster::new(seed, Arc::new(World::new(seed, dir.path())));
    let world = cluster.world.clone();
    let ran = phases(&mut cluster);
    // Every part is dropped while its host's directory is still there.
    let summary = cluster.summary();
    drop(cluster);
    let trace = world.trace.lock().unwrap();
    match ran {
        Ok(()) => Ok(Report {
            met: trace.all_met().clone(),
            digest: trace.digest(),
            summary,
        }),
        Err(why) => Err(format!("{}\n{why}\n{summary}", trace.end())),
    }
}

impl Cluster<'_> {
    fn new(seed: u64, world: Arc<World>) -> Self {
        let sim = turmoil::Builder::new()
            .rng_seed(seed)
            .tick_duration(TICK)
            .simulation_duration(Duration::from_secs(3_600))
            .min_message_latency(Duration::from_millis(1))
            .max_message_latency(Duration::from_millis(6))
            .udp_capacity(4_096)
            .build();
        let mut cluster = Cluster {
            sim,
            world,
            chance: Chance::new(seed, "weather"),
            down: BTreeMap::new(),
            retired: BTreeSet::new(),
            newest: 0,
            ledger: Arc::default(),
            phase: Arc::default(),
            answers: 0,
        };
        let heads = if seed.is_multiple_of(2) { 3 } else { 5 };
        let first: Members = (1..=heads).collect();
        *cluster.world.wanted.lock().unwrap() = first;
        for _ in 0..heads {
            cluster.add_head();
        }
        cluster.add_users();
        cluster
    }

    /// Starts a head that never was there before, and says which.
    pub(super) fn add_head(&mut self) -> u64 {
        self.newest += 1;
        let node = self.newest;
        self.world.add_head(node);
        let world = self.world.clone();
        self.sim
            .host(ip(node), move || host::run(world.clone(), node));
        node
    }

    fn add_users(&mut self) {
        let (world, ledger, phase) = (self.world.clone(), self.ledger.clone(), self.phase.clone());
        self.sim.host("users", move || {
            let (world, ledger, phase) = (world.clone(), ledger.clone(), phase.clone());
            async move {
                users::found(world.clone()).await;
                tokio::spawn(users::operate(world.clone()));
                phase.founded.store(true, Ordering::Relaxed);
                users::work(world.clone(), ledger.clone()).await;
                while !phase.inspect.load(Ordering::Relaxed) {
                    tokio::time::sleep(TICK).await;
                }
                users::inspect(world, ledger).await;
                phase.inspected.store(true, Ordering::Relaxed);
                std::future::pending().await
            }
        });
    }

    /// Until there is a cluster in which all heads vote.
    pub(super) fn found(&mut self) -> Result<(), String> {
        let phase = self.phase.clone();
        self.until("the cluster is made", |_| {
            phase.founded.load(Ordering::Relaxed)
        })?;
        self.until("all vote", Self::has_settled)
    }

    fn run(&mut self) -> Result<(), String> {
        self.found()?;
        self.world.log("the weather begins");
        let (mut weather, end) = (Weather::new(), self.world.now() + STORM);
        while self.world.now() < end {
            weather.turn(self);
            self.step()?;
        }
        self.world.log("the weather ends");
        weather.end(self);
        let all_there = |cluster: &Self| cluster.has_settled() && cluster.is_complete();
        self.until("every head is back and votes", all_there)?;
        self.until_clients_are_answered()?;
        self.until_clients_rest()?;
        self.until("every head has everything", Self::has_converged)?;
        self.phase.inspect.store(true, Ordering::Relaxed);
        let phase = self.phase.clone();
        self.until("all was inspected", |_| {
            phase.inspected.load(Ordering::Relaxed)
        })?;
        self.answers = self.world.oracle.lock().unwrap().answers();
        self.world.oracle.lock().unwrap().end();
        self.judge()
    }

    pub(super) fn until_clients_are_answered(&mut self) -> Result<(), String> {
        let answered = self.world.oracle.lock().unwrap().answers();
        self.until("clients are answered", |cluster| {
            cluster.world.oracle.lock().unwrap().answers() >= answered + LIVELY
        })
    }

    pub(super) fn until_clients_rest(&mut self) -> Result<(), String> {
        self.ledger.rest();
        self.until("every client is answered", |cluster| {
            cluster.ledger.is_at_rest()
        })
    }

    /// Goes on until something is so.
    pub(super) fn until(&mut self, what: &str, so: impl Fn(&Self) -> bool) -> Result<(), String> {
        let end = self.world.now() + PATIENCE;
        while !so(self) {
            if self.world.now() > end {
                return Err(format!("in vain: {what}"));
            }
            self.step()?;
        }
        self.world.log(&format!("{what}: so it is"));
        Ok(())
    }

    /// One tick everywhere; whoever's disk stopped dies, whoever was dead for long enough comes
    /// back, whoever is no member any more is switched off.
    pub(super) fn step(&mut self) -> Result<(), String> {
        self.sim.step().map_err(|error| error.to_string())?;
        self.world.set_now(self.sim.elapsed());
        for node in 1..=self.newest {
            let there = self.sim.is_host_running(ip(node)) || !self.down.contains_key(&node);
            let there = there && !self.retired.contains(&node);
            if there && self.world.disk(node).is_frozen() {
                self.world.met("a head died at a point of its disk");
                let length = self.chance.millis(100..1_500);
                self.kill(node, Death::Kill, length);
            }
        }
        let now = self.world.now();
        let mut due: Vec<u64> = self.down.keys().copied().collect();
        // Whoever was told to stop may still be about to.
        due.retain(|node| self.down[node] <= now && !self.sim.is_host_running(ip(*node)));
        for node in due {
            self.down.remove(&node);
            self.world.log(&format!("head {node} is started again"));
            self.world.disk(node).thaw();
            self.sim.bounce(ip(node));
        }
        self.retire();
        self.judge()
    }

    fn judge(&self) -> Result<(), String> {
        let violations = self.world.oracle.lock().unwrap().violations();
        if violations.is_empty() {
            Ok(())
        } else {
            Err(violations.join("\n"))
        }
    }

    /// A head dies, for so long.
    pub(super) fn kill(&mut self, node: u64, death: Death, length: Duration) {
        self.world.log(&format!("head {node} dies: {death:?}"));
        let dir = self.world.dir(node);
        let left = self.world.disk(node).remains(&dir, death);
        self.world.closed(node);
        self.sim.crash(ip(node));
        Disk::leave(&dir, left);
        self.down.insert(node, self.world.now() + length);
    }

    /// A head is stopped as an operator does it; it comes back after so long.
    pub(super) fn stop(&mut self, node: u64, length: Duration) {
        self.world.log(&format!("head {node} is stopped"));
        self.world.tell(node, Ask::Stop);
        self.down.insert(node, self.world.now() + length);
    }

    /// Heads that run and take questions.
    pub(super) fn running(&self) -> Vec<u64> {
        let mut doors = self.world.doors();
        doors.retain(|node| !self.down.contains_key(node));
        doors
    }

    /// Switches off whoever is no member any more.
    fn retire(&mut self) {
        if !self.has_settled() {
            return;
        }
        let wanted = self.world.wanted.lock().unwrap().clone();
        for node in 1..=self.newest {
            if wanted.contains(&node) || self.retired.contains(&node) {
                continue;
            }
            self.world
                .log(&format!("head {node} is switched off for good"));
            self.world.met("a head was removed");
            self.retired.insert(node);
            self.down.remove(&node);
            self.world.closed(node);
            self.sim.crash(ip(node));
        }
    }

    /// Whether the wanted heads are those that vote, as the leader has committed it.
    pub(super) fn has_settled(&self) -> bool {
        let Some(leader) = self.world.leader() else {
            return false;
        };
        let wanted = self.world.wanted.lock().unwrap().clone();
        self.world.vote_committed(leader, &wanted)
    }

    fn is_complete(&self) -> bool {
        let wanted = self.world.wanted.lock().unwrap().clone();
        let running = self.running();
        wanted.iter().all(|node| running.contains(node))
    }

    fn has_converged(&self) -> bool {
        let next = self.world.oracle.lock().unwrap().next();
        let wanted = self.world.wanted.lock().unwrap().clone();
        wanted
            .iter()
            .all(|node| self.world.status(*node).applied.0 + 1 == next)
    }

    fn summary(&self) -> String {
        let oracle = self.world.oracle.lock().unwrap();
        format!(
            "{} entries, {} answers, {} jobs, {} terms with a leader, {:.1} s of simulated time",
            oracle.next(),
            self.answers,
            self.ledger.count(),
            oracle.leaders(),
            self.sim.elapsed().as_secs_f64()
        )
    }
}
