//! The agents: what production decides, carried out step by step on a disk that keeps what was
//! written and an engine that fails.

use std::collections::BTreeMap;

use agent::health::Judge;
use agent::journal::{LeaseMark, Standing};
use agent::lease::span::Span;
use agent::runner::book::{Book, Taken};
use agent::step::{Progress, Tries};
use agent::uplink::talk::{Term, weigh};
use model::assignment::Assignment;
use model::node::NodeFacts;
use model::{AttemptId, Millis, NodeId};
use net::message::{Alive, Order, ToAgent, ToHead};

use super::engine::Engine;
use super::{Clock, Event, World};
use crate::chance::Chance;

mod attempts;

/// Which boot of the machine; it does not change here.
const BOOT: u128 = 7;

/// A node that runs jobs.
pub(super) struct Agent {
    pub(super) node: NodeId,
    pub(super) facts: NodeFacts,
    pub(super) clock: Clock,
    pub(super) engine: Engine,
    /// Until when nothing gets from it to each head.
    pub(super) up_cut: Vec<u64>,
    /// Until when nothing gets to it from each head.
    pub(super) down_cut: Vec<u64>,
    disk: Disk,
    /// Counts its starts.
    life: u64,
    /// What it has in memory, while it is up.
    pub(super) live: Option<Live>,
    /// When it or its engine could not do what it should.
    impaired_at: u64,
    /// When it saw its lease run out; never, while it holds.
    lease_lost_at: u64,
}

/// What survives a crash of the agent: everything that was written.
#[derive(Default)]
struct Disk {
    attempts: BTreeMap<AttemptId, (Assignment, Standing)>,
    term: u64,
    lease: LeaseMark,
}

/// What does not.
pub(super) struct Live {
    /// Its session with each head.
    pub(super) talks: BTreeMap<usize, u64>,
    pub(super) book: Book,
    runs: BTreeMap<AttemptId, Run>,
    span: Span,
    lease_ended: bool,
    heartbeat: Millis,
    judge: Judge,
    doubted: bool,
}

/// One attempt in progress.
struct Run {
    taken: Taken,
    tries: Tries,
    /// A start was asked for, and perhaps it happened.
    start_asked: bool,
    /// Not looked at before.
    not_before: u64,
    failures: u32,
    ending_since: Option<u64>,
    termed: bool,
    killed_at: Option<u64>,
    removed: bool,
}

impl Run {
    fn new(taken: Taken) -> (AttemptId, Run) {
        let run = Run {
            tries: Tries::default(),
            start_asked: false,
            not_before: 0,
            failures: 0,
            ending_since: None,
            termed: false,
            killed_at: None,
            removed: false,
            taken,
        };
        (run.taken.assignment.attempt, run)
    }
}

impl Agent {
    pub(super) fn new(node: NodeId, facts: NodeFacts, clock: Clock, heads: usize) -> Agent {
        Agent {
            node,
            facts,
            clock,
            engine: Engine::default(),
            up_cut: vec![0; heads],
            down_cut: vec![0; heads],
            disk: Disk::default(),
            life: 0,
            live: None,
            impaired_at: 0,
            lease_lost_at: u64::MAX,
        }
    }

    /// Whether it kept its side of the lease: it is up, and nothing failed it since the lease ran
    /// out.
    pub(super) fn could_obey(&self, now: u64) -> bool {
        let hung = self.engine.hung_until > now;
        self.live.is_some() && !hung && self.impaired_at < self.lease_lost_at
    }

    /// Whether nothing is left to do or to tell.
    pub(super) fn is_idle(&self) -> bool {
        self.disk.attempts.is_empty() && self.live.is_some() && self.engine.is_empty()
    }

    /// Whether the attempt neither runs here nor will.
    pub(super) fn has_nothing_of(&self, attempt: AttemptId) -> bool {
        let over = |(_, standing): &(Assignment, Standing)| match standing.progress {
            Progress::Accepted | Progress::Running(_) => false,
            Progress::Ended(_) => true,
        };
        self.disk.attempts.get(&attempt).is_none_or(over) && !self.engine.has(attempt)
    }

    /// Somebody else removes a container, if the agent knows that it was to start or it never did.
    /// What was started and removed while the agent was down before it could note it, nobody can
    /// tell from what never started.
    pub(super) fn lose_container(&mut self, chance: &mut Chance, now: u64) -> bool {
        let runs = self.live.as_ref().map(|live| &live.runs);
        let asked = |attempt: &AttemptId| {
            runs.and_then(|runs| runs.get(attempt))
                .is_some_and(|run| run.start_asked)
        };
        let known = |attempt: &AttemptId| match self.disk.attempts.get(attempt) {
            Some((_, standing)) => match standing.progress {
                Progress::Accepted => asked(attempt),
                Progress::Running(_) | Progress::Ended(_) => true,
            },
            None => false,
        };
        let held = self.engine.attempts(now).into_iter();
        let held: Vec<AttemptId> = held
            .filter(|(attempt, begun)| !*begun || known(attempt))
            .map(|(attempt, _)| attempt)
            .collect();
        let Some(attempt) = chance.of(&held) else {
            return false;
        };
        self.engine.lose(attempt);
        true
    }

    /// For people.
    pub(super) fn rest(&self) -> String {
        format!(
            "{:?}",
            self.disk
                .attempts
                .values()
                .map(|(a, s)| (a.attempt, s))
                .collect::<Vec<_>>()
        )
    }
}

impl World {
    pub(super) fn start_agent(&mut self, agent: usize) {
        let now = self.now;
        let started = &mut self.agents[agent];
        if started.live.is_some() {
            return;
        }
        let span = Span::resume(started.disk.lease, BOOT);
        let holds = span.left(started.clock.monotonic(now)) > Millis(0);
        let found = started.disk.attempts.values().cloned().collect();
        let (book, taken) = Book::resume(found, holds);
        started.live = Some(Live {
            talks: BTreeMap::new(),
            book,
            runs: taken.into_iter().map(Run::new).collect(),
            span,
            lease_ended: false,
            heartbeat: Millis(1_000),
            judge: Judge::new(started.clock.monotonic(now)),
            doubted: false,
        });
        started.life += 1;
        started.impaired_at = now;
        started.lease_lost_at = if holds { u64::MAX } else { now };
        let life = started.life;
        self.soon(1, 80, Event::Tick(agent, life));
        for head in 0..self.heads.len() {
            self.soon(1, 200, Event::Dial(agent, head));
        }
    }

    pub(super) fn crash_agent(&mut self, agent: usize) {
        if self.agents[agent].live.take().is_none() {
            return;
        }
        self.meet("an agent crashed");
        self.note(|| format!("  agent {agent} crashes"));
        for link in self.links_of_agent(agent) {
            self.break_link(link);
        }
        self.soon(100, 12_000, Event::AgentUp(agent));
    }

    pub(super) fn connected_to(&mut self, agent: usize, head: usize, link: u64) {
        let Some(live) = &mut self.agents[agent].live else {
            return;
        };
        live.talks.insert(head, link);
        if let Some(trouble) = live.judge.trouble() {
            let words = Some(trouble.to_owned());
            self.say(link, ToHead::Trouble(words));
        }
    }

    /// Tries the node if there is a reason to, and tells every head what is new.
    fn mind_health(&mut self, agent: usize) {
        let now = self.now;
        let minding = &mut self.agents[agent];
        let clock = minding.clock.monotonic(now);
        let Some(live) = minding.live.as_mut() else {
            return;
        };
        if live.judge.try_at(live.doubted).is_none_or(|at| at > clock) {
            return;
        }
        live.doubted = false;
        let before = live.judge.trouble().map(str::to_owned);
        let outcome = minding.engine.probe(now);
        let outcome = outcome.map_err(|error| error.to_string());
        live.judge.tried(clock, outcome);
        let words = live.judge.trouble().map(str::to_owned);
        let links: Vec<u64> = live.talks.values().copied().collect();
        if words == before {
            return;
        }
        self.meet(match words {
            Some(_) => "a node said that it is unwell",
            None => "a node said that it is well again",
        });
        for link in links {
            self.say(link, ToHead::Trouble(words.clone()));
        }
    }

    pub(super) fn beat(&mut self, link: u64) {
        let Some(open) = self.links.get_mut(&link).filter(|open| open.agent_end) else {
            return;
        };
        let agent = &self.agents[open.agent];
        let every = agent.live.as_ref().map_or(1_000, |live| live.heartbeat.0);
        let Some(number) = open.talk.beat(agent.clock.monotonic(self.now)) else {
            self.meet("an agent gave a session up");
            self.break_link(link);
            return;
        };
        self.say(link, ToHead::Heartbeat(number));
        self.soon(every, every + 50, Event::Beat(link));
    }

    pub(super) fn repeat(&mut self, link: u64) {
        let Some(open) = self.links.get_mut(&link).filter(|open| open.agent_end) else {
            return;
        };
        open.talk.repeat();
        let agent = open.agent;
        self.report(agent);
        self.soon(4_000, 5_000, Event::Repeat(link));
    }

    pub(super) fn hear(&mut self, agent: usize, link: u64, word: ToAgent) -> anyhow::Result<()> {
        match word {
            ToAgent::Alive(alive) => self.hear_alive(agent, link, &alive),
            ToAgent::Order { term, order } => {
                if self.accepts(agent, term) {
                    self.obey(agent, order);
                } else {
                    self.meet("an order of a deposed leader was refused");
                }
            }
        }
        Ok(())
    }

    fn accepts(&mut self, agent: usize, term: u64) -> bool {
        let disk = &mut self.agents[agent].disk;
        match weigh(term, disk.term) {
            Term::Deposed => return false,
            Term::Known => {}
            Term::New => disk.term = term,
        }
        true
    }

    fn hear_alive(&mut self, agent: usize, link: u64, alive: &Alive) {
        let Some(open) = self.links.get_mut(&link) else {
            return;
        };
        let sent = open.talk.answered(alive.number);
        let Some(lead) = alive.lead else {
            open.talk.follows();
            return;
        };
        if !self.accepts(agent, lead.term) {
            return;
        }
        if let Some(sent) = sent {
            self.renew(agent, sent, Millis(lead.lease_ms));
        }
        let new = self
            .links
            .get_mut(&link)
            .is_some_and(|open| open.talk.begins(lead.term));
        let Some(live) = self.agents[agent].live.as_mut().filter(|_| new) else {
            return;
        };
        let held = live.book.held();
        let term = lead.term;
        self.say(link, ToHead::Held { term, held });
        self.report(agent);
    }

    fn renew(&mut self, agent: usize, sent: Millis, length: Millis) {
        let now = self.now;
        let renewed = &mut self.agents[agent];
        let Some(live) = renewed.live.as_mut() else {
            return;
        };
        if let Some(until) = live.span.renew(sent, length) {
            renewed.disk.lease = LeaseMark {
                until_boot_ms: until.0,
                boot_id: BOOT,
            };
        }
        if live.span.left(renewed.clock.monotonic(now)) > Millis(0) {
            renewed.lease_lost_at = u64::MAX;
        }
    }

    fn obey(&mut self, agent: usize, order: Order) {
        let now = self.now;
        let obeying = &mut self.agents[agent];
        let Some(live) = obeying.live.as_mut() else {
            return;
        };
        match order {
            // Heads of today do not say it.
            Order::Assign(_) | Order::Run(_) | Order::Start(_) => {}
            Order::Launch(assignments) => {
                let holds = live.span.left(obeying.clock.monotonic(now)) > Millis(0);
                for new in assignments {
                    if !live.book.is_new(new.attempt) {
                        continue;
                    }
                    let standing = Standing {
                        progress: agent::step::Progress::Accepted,
                        stop: None,
                    };
                    let written = (new.clone(), standing.clone());
                    obeying.disk.attempts.insert(new.attempt, written);
                    let taken = live.book.take_up(new.into(), standing, holds);
                    live.runs.extend(taken.map(Run::new));
                }
                if !holds {
                    self.meet("an assignment came without a lease");
                }
            }
            Order::Stop(stops) => live.book.stop(&stops),
            Order::NotedRunning(held) => live.book.noted_running(&held),
            Order::Forget(held) => live.book.forget(&held),
        }
    }

    /// Sends what is in the outbox to the head that leads.
    fn report(&mut self, agent: usize) {
        let Some(live) = &self.agents[agent].live else {
            return;
        };
        let links: Vec<u64> = live.talks.values().copied().collect();
        for link in links {
            let Some(open) = self.links.get_mut(&link).filter(|open| open.talk.leads()) else {
                continue;
            };
            let Some(live) = &self.agents[agent].live else {
                return;
            };
            let untold = open.talk.untold(&live.book);
            if !untold.is_empty() {
                self.say(link, ToHead::Reports(untold));
            }
        }
    }

    pub(super) fn tick(&mut self, agent: usize, life: u64) -> anyhow::Result<()> {
        let now = self.now;
        let ticking = &mut self.agents[agent];
        let Some(live) = ticking.live.as_mut().filter(|_| ticking.life == life) else {
            return Ok(());
        };
        let holds = live.span.left(ticking.clock.monotonic(now)) > Millis(0);
        if !holds && !live.lease_ended {
            let ended = live.book.lease_lost();
            ticking.lease_lost_at = ticking.lease_lost_at.min(now);
            if ended > 0 {
                self.meet("a lease ran out");
            }
        }
        let Some(live) = self.agents[agent].live.as_mut() else {
            return Ok(());
        };
        live.lease_ended = !holds;
        let attempts: Vec<AttemptId> = live.runs.keys().copied().collect();
        for attempt in attempts {
            self.attend(agent, attempt)?;
            if self.agents[agent].live.is_none() {
                return Ok(());
            }
        }
        self.mind_health(agent);
        self.soon(20, 80, Event::Tick(agent, life));
        Ok(())
    }
}
