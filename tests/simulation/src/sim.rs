//! A whole cluster in one thread, under weather that comes from a seed.
//!
//! What decides is production code: `State::apply` (on every head, and once more under the eyes
//! of [`crate::oracle`]), `scheduler::plan`, `assignment::diff` and `liveness`, what a leader
//! knows of an agent, what it acknowledges and registers, and on the agent the lease, the terms,
//! the book of attempts and `step`. What only carries is made here: a log that commits, loses,
//! doubles and adopts proposals as Raft may; sessions that break, lag and are cut off in one or
//! both directions; an engine that fails, hangs, loses answers and dies; users who repeat
//! themselves; operators; wall clocks that jump; somebody who removes containers. A session keeps
//! its order, as a QUIC stream does; what is doubled and reordered comes from two sessions of one
//! node and from proposals.
//!
//! Nothing here knows the time of day: a seed and a number of steps name a run for ever. After
//! the steps the weather stops, and then every job must end.

mod agents;
mod duties;
mod engine;
mod heads;
mod links;
mod members;
mod setup;
mod truth;
mod users;
mod weather;

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use model::{Millis, Timestamp};

use crate::chance::Chance;
use agents::Agent;
use duties::What;
use heads::{Head, Log};
use links::Link;
use truth::Truth;
use users::Users;

/// The wall clock at the beginning.
const BEGIN: Timestamp = Timestamp(1_700_000_000_000);
/// How long everything may take once the weather has stopped, in simulated milliseconds.
const CALM_MAX: u64 = 240_000;
/// Lines of the trace that are kept.
const TRACE_MAX: usize = 120;

/// What was met, by name: a fault that never happened was not tested.
pub type Met = BTreeMap<&'static str, u64>;

/// Something that happens at a moment.
#[derive(Clone, Debug)]
enum Event {
    /// The first open proposal of a head in a term is through, or lost.
    Commit(usize, u64),
    /// A head that follows applies more of the log.
    Follow(usize),
    /// The heads look whether they have a leader.
    Elect,
    /// An elected head has applied everything and begins.
    Lead(usize, u64),
    /// A deposed head notices.
    Depose(usize, u64),
    /// A leader looks after one of its duties.
    Duty(usize, u64, What),
    /// The next word of an agent arrives.
    ToHead(u64),
    /// The next word of a head arrives.
    ToAgent(u64),
    /// An agent says that it is there.
    Beat(u64),
    /// An agent repeats what is not acknowledged.
    Repeat(u64),
    /// An agent calls a head it has no session with.
    Dial(usize, usize),
    /// An agent notices that a session is over.
    Break(u64),
    /// A head notices that a session is over.
    Hangup(u64),
    /// An agent looks after its lease and its attempts.
    Tick(usize, u64),
    /// A user does something.
    User,
    /// The weather changes.
    Weather,
    /// Administrators look for drained nodes.
    Resume,
    /// Operators look for lost nodes.
    GiveUp,
    /// A head comes back.
    HeadUp(usize),
    /// An agent comes back.
    AgentUp(usize),
}

struct World {
    chance: Chance,
    now: u64,
    sequence: u64,
    queue: BTreeMap<(u64, u64), Event>,
    calm: bool,
    log: Log,
    heads: Vec<Head>,
    agents: Vec<Agent>,
    links: BTreeMap<u64, Link>,
    users: Users,
    truth: Truth,
    met: Met,
    trace: Option<Vec<String>>,
}

/// Runs one seed; says what was met.
///
/// # Errors
/// The invariant that did not hold, with the end of the trace.
pub fn run(seed: u64, steps: u64) -> Result<Met> {
    let mut world = World::new(seed, None)?;
    let Err(error) = world.play(steps) else {
        return Ok(world.met);
    };
    let mut again = World::new(seed, Some(Vec::new()))?;
    let told = format!("{error:#}");
    let same = again
        .play(steps)
        .is_err_and(|error| format!("{error:#}") == told);
    let twice = if same {
        ""
    } else {
        "; another time it ends otherwise"
    };
    let trace = again.trace.unwrap_or_default().join("\n");
    Err(error.context(format!("{trace}\nafter {} ms{twice}", world.now)))
}

impl World {
    /// The steps, and then the calm.
    fn play(&mut self, steps: u64) -> Result<()> {
        for _ in 0..steps {
            self.step()?;
        }
        self.clear_up();
        let end = self.now + CALM_MAX;
        while !self.is_over() {
            if self.now > end {
                bail!(
                    "I20: not over {CALM_MAX} ms after the weather: {}",
                    self.rest()
                );
            }
            self.step()?;
        }
        self.check_ledger()?;
        self.compare_heads()
    }

    fn step(&mut self) -> Result<()> {
        let Some(((at, _), event)) = self.queue.pop_first() else {
            bail!("nothing happens any more");
        };
        self.now = at;
        self.note(|| format!("{event:?}"));
        match event {
            Event::Commit(head, term) => self.commit(head, term),
            Event::Follow(head) => self.follow_some(head),
            Event::Elect => self.look_for_leader(),
            Event::Lead(head, term) => self.lead(head, term),
            Event::Depose(head, term) => {
                self.depose(head, term);
                Ok(())
            }
            Event::Duty(head, term, what) => self.duty(head, term, what),
            Event::ToHead(link) => {
                self.arrive_at_head(link);
                Ok(())
            }
            Event::ToAgent(link) => self.arrive_at_agent(link),
            Event::Beat(link) => {
                self.beat(link);
                Ok(())
            }
            Event::Repeat(link) => {
                self.repeat(link);
                Ok(())
            }
            Event::Dial(agent, head) => {
                self.dial(agent, head);
                Ok(())
            }
            Event::Break(link) => {
                self.break_link(link);
                Ok(())
            }
            Event::Hangup(link) => {
                self.hang_up(link);
                Ok(())
            }
            Event::Tick(agent, life) => self.tick(agent, life),
            Event::User => self.user(),
            Event::Weather => self.change_weather(),
            Event::Resume => {
                self.resume();
                Ok(())
            }
            Event::GiveUp => {
                self.give_up();
                Ok(())
            }
            Event::HeadUp(head) => self.start_head(head),
            Event::AgentUp(agent) => {
                self.start_agent(agent);
                Ok(())
            }
        }
    }

    /// Something happens in `least` to `most` milliseconds.
    fn soon(&mut self, least: u64, most: u64, event: Event) {
        let at = self.now + least + self.chance.below(most - least + 1);
        self.at(at, event);
    }

    fn at(&mut self, at: u64, event: Event) {
        self.sequence += 1;
        self.queue.insert((at, self.sequence), event);
    }

    /// Whether something of that likelihood in a thousand goes wrong now; nothing does in the calm.
    fn goes_wrong(&mut self, thousandths: u64) -> bool {
        self.chance.below(1_000) < thousandths && !self.calm
    }

    fn meet(&mut self, what: &'static str) {
        *self.met.entry(what).or_default() += 1;
    }

    fn note(&mut self, line: impl FnOnce() -> String) {
        let now = self.now;
        if let Some(trace) = &mut self.trace {
            if trace.len() >= TRACE_MAX {
                trace.remove(0);
            }
            trace.push(format!("{now:>7} {}", line()));
        }
    }
}

/// The clock of one machine: it drifts, and its wall time is off.
#[derive(Clone, Copy, Debug)]
struct Clock {
    /// Parts in a million by which it runs too fast or too slow, at most 1 %.
    drift: i64,
    /// Milliseconds by which its wall time is off; it jumps.
    skew: i64,
}

impl Clock {
    fn new(chance: &mut Chance) -> Clock {
        let around = |chance: &mut Chance, most: u64| {
            chance.below(2 * most + 1).cast_signed() - most.cast_signed()
        };
        Clock {
            drift: around(chance, 10_000),
            skew: around(chance, 500),
        }
    }

    /// Never jumps.
    fn monotonic(self, now: u64) -> Millis {
        let passed = now.cast_signed();
        Millis((passed + passed * self.drift / 1_000_000).cast_unsigned())
    }

    fn wall(self, now: u64) -> Timestamp {
        Timestamp(
            BEGIN
                .plus(self.monotonic(now))
                .0
                .saturating_add_signed(self.skew),
        )
    }
}
