//! The weather: what goes wrong by itself, and the end of it.

use anyhow::Result;
use model::account::UserName;
use model::command::{ConfirmLost, DrainNode};
use model::job::Job;
use model::node::NodeHealth;
use model::policy::Timings;
use model::{Command, JobId, Millis};

use super::agents::Agent;
use super::heads::Asker;
use super::{Event, World};

impl World {
    pub(super) fn change_weather(&mut self) -> Result<()> {
        if self.calm {
            return Ok(());
        }
        self.soon(100, 1_200, Event::Weather);
        let (agent, head) = (
            self.chance.at(self.agents.len()),
            self.chance.at(self.heads.len()),
        );
        match self.chance.below(26) {
            0..2 => self.fell_head(head),
            2..4 => self.isolate(head),
            4..6 => self.crash_agent(agent),
            6..9 => self.cut_off(agent),
            9..12 => self.cut_from(agent, head),
            12..14 => {
                if let Some(link) = self.chance.of(&self.links_of_agent(agent)) {
                    self.meet("a session broke");
                    self.break_link(link);
                }
            }
            14..16 => {
                self.meet("an engine hung");
                self.agents[agent].engine.hung_until = self.now + 300 + self.chance.below(9_000);
            }
            16 => self.kill_engine(agent),
            17 => self.drain(agent, true),
            18 => self.drain(agent, false),
            19 => self.set_timings(),
            20..22 => self.jump(agent, head),
            22 => self.change_members()?,
            23 => {
                self.meet("an engine started nothing");
                self.agents[agent].engine.broken_until =
                    self.now + 1_000 + self.chance.below(15_000);
            }
            _ => self.remove_a_container(agent),
        }
        Ok(())
    }

    /// A wall clock jumps, by an hour mostly: back, ahead, or to where it should be.
    fn jump(&mut self, agent: usize, head: usize) {
        let skew = self.chance.one([-3_600_000, 0, 3_600_000, 4_000, -4_000]);
        if self.chance.percent(70) {
            self.meet(if self.log.leader == Some(head) {
                "the clock of a leader jumped"
            } else {
                "the clock of a follower jumped"
            });
            self.heads[head].clock.skew = skew;
        } else {
            self.meet("the clock of a node jumped");
            self.agents[agent].clock.skew = skew;
        }
    }

    /// Somebody else removes a container of ours.
    fn remove_a_container(&mut self, agent: usize) {
        let now = self.now;
        if self.agents[agent].lose_container(&mut self.chance, now) {
            self.meet("a container was removed by somebody else");
        }
    }

    fn fell_head(&mut self, head: usize) {
        let down = self.heads.iter().filter(|head| !head.up).count();
        if self.heads[head].up && (down == 0 || self.chance.percent(10)) {
            self.crash_head(head);
            self.soon(200, 5_000, Event::HeadUp(head));
        }
    }

    fn isolate(&mut self, head: usize) {
        self.meet(if self.log.leader == Some(head) {
            "a leader was cut off"
        } else {
            "a follower was cut off"
        });
        self.heads[head].alone_until = self.now + 200 + self.chance.below(6_000);
    }

    /// A node hears no head, is heard by none, or both.
    fn cut_off(&mut self, agent: usize) {
        self.meet("a node was cut off");
        let until = self.now + 500 + self.chance.below(16_000);
        let (up, down) =
            self.chance
                .one([(true, true), (true, true), (true, false), (false, true)]);
        for head in 0..self.heads.len() {
            self.cut(agent, head, up, down, until);
        }
    }

    fn cut_from(&mut self, agent: usize, head: usize) {
        self.meet("a node was cut off from one head");
        let until = self.now + 500 + self.chance.below(10_000);
        let (up, down) = self
            .chance
            .one([(true, true), (true, false), (false, true)]);
        self.cut(agent, head, up, down, until);
    }

    fn cut(&mut self, agent: usize, head: usize, up: bool, down: bool, until: u64) {
        let agent = &mut self.agents[agent];
        if up {
            agent.up_cut[head] = until;
        }
        if down {
            agent.down_cut[head] = until;
        }
    }

    fn kill_engine(&mut self, agent: usize) {
        let now = self.now;
        let engine = &mut self.agents[agent].engine;
        engine.hung_until = now + 200;
        if engine.die(now) > 0 {
            self.meet("an engine died with what it ran");
        }
    }

    fn drain(&mut self, agent: usize, stop: bool) {
        let node = self.agents[agent].node;
        let reason = stop.then(|| "weather".into());
        let command = Command::DrainNode(DrainNode { node, reason });
        self.call(&command, Asker::Nobody);
    }

    /// Leases that were given before they were made shorter still hold.
    fn set_timings(&mut self) {
        let timings = timings(self.chance.one([4_000, 5_000, 7_000]));
        self.meet("the timings were changed");
        self.call(&Command::SetTimings(timings), Asker::Nobody);
    }

    /// The weather stops, and whatever is down is started.
    pub(super) fn clear_up(&mut self) {
        self.calm = true;
        for head in 0..self.heads.len() {
            self.heads[head].alone_until = 0;
            self.soon(0, 500, Event::HeadUp(head));
        }
        for agent in 0..self.agents.len() {
            self.agents[agent].engine.hung_until = 0;
            self.agents[agent].engine.broken_until = 0;
            for head in 0..self.heads.len() {
                self.cut(agent, head, true, true, 0);
            }
            self.soon(0, 500, Event::AgentUp(agent));
        }
        self.soon(2_000, 2_000, Event::Resume);
    }

    /// Operators give jobs up whose node is lost: they have seen that nothing of them is left.
    pub(super) fn give_up(&mut self) {
        self.soon(500, 4_000, Event::GiveUp);
        let state = self.log.state();
        let lost = |agent: &&Agent| {
            let known = state.node(agent.node);
            known.is_some_and(|node| node.health == NodeHealth::Lost)
        };
        let lost = self.agents.iter().filter(lost);
        let jobs = lost.flat_map(|agent| state.jobs_on(agent.node).map(move |job| (agent, job)));
        let over = |(agent, job): &(&Agent, &Job)| {
            let attempt = job.attempt_id();
            attempt.is_some_and(|attempt| agent.has_nothing_of(attempt))
        };
        let jobs: Vec<JobId> = jobs.filter(over).map(|(_, job)| job.id).collect();
        let Some(job) = self.chance.of(&jobs) else {
            return;
        };
        self.meet("an operator gave a job up");
        let by = UserName::from("root");
        self.call(
            &Command::ConfirmLost(ConfirmLost { job, by }),
            Asker::Nobody,
        );
    }

    /// Administrators let every node work again, until it does.
    pub(super) fn resume(&mut self) {
        self.soon(500, 1_000, Event::Resume);
        for agent in 0..self.agents.len() {
            let known = self.log.state().node(self.agents[agent].node);
            if known.is_some_and(|node| node.drain.is_some()) {
                self.drain(agent, false);
            }
        }
    }
}

/// The timings of the simulated clusters: an eighth of the usual ones.
pub(super) fn timings(lease: u64) -> Timings {
    Timings {
        heartbeat: Millis(700),
        suspect_after: Millis(2_500),
        lease: Millis(lease),
        lease_margin: Millis(2_500),
    }
}
