//! Sessions between agents and heads: each direction keeps its order, lags, and may be cut off;
//! both ends learn at another moment that a session is over. What is on its way then is lost, or
//! comes late from a session that has been replaced.

use std::collections::VecDeque;

use model::node::NodeFacts;
use model::{Millis, NodeId};
use net::message::{Alive, Lead, Order, ToAgent, ToHead};

use agent::sessions::known::Known;
use agent::uplink::talk::Talk;

use super::{Event, World};

/// One session.
pub(super) struct Link {
    pub(super) agent: usize,
    pub(super) head: usize,
    pub(super) node: NodeId,
    pub(super) facts: NodeFacts,
    /// What the head knows of the agent.
    pub(super) known: Known,
    /// What the agent remembers.
    pub(super) talk: Talk,
    /// When the head heard the agent last, on its own clock.
    pub(super) heard: Millis,
    /// What the agent said that keeps its node from running attempts.
    pub(super) trouble: Option<String>,
    to_head: Way<ToHead>,
    to_agent: Way<ToAgent>,
    pub(super) agent_end: bool,
    pub(super) head_end: bool,
}

/// One direction.
struct Way<T> {
    words: VecDeque<T>,
    last: u64,
}

impl<T> Default for Way<T> {
    fn default() -> Self {
        Way {
            words: VecDeque::new(),
            last: 0,
        }
    }
}

impl Link {
    pub(super) fn new(agent: usize, head: usize, node: NodeId, facts: NodeFacts) -> Link {
        Link {
            agent,
            head,
            node,
            facts,
            known: Known::default(),
            talk: Talk::default(),
            heard: Millis(0),
            trouble: None,
            to_head: Way::default(),
            to_agent: Way::default(),
            agent_end: true,
            head_end: true,
        }
    }
}

impl World {
    /// An agent says something.
    pub(super) fn say(&mut self, link: u64, word: ToHead) {
        let delay = self.delay();
        let Some(open) = self.links.get_mut(&link).filter(|open| open.agent_end) else {
            return;
        };
        open.to_head.words.push_back(word);
        open.to_head.last = open.to_head.last.max(self.now + delay) + 1;
        let at = open.to_head.last;
        self.at(at, Event::ToHead(link));
    }

    /// A head says something.
    fn tell(&mut self, link: u64, word: ToAgent) {
        let delay = self.delay();
        let Some(open) = self.links.get_mut(&link).filter(|open| open.head_end) else {
            return;
        };
        open.to_agent.words.push_back(word);
        open.to_agent.last = open.to_agent.last.max(self.now + delay) + 1;
        let at = open.to_agent.last;
        self.at(at, Event::ToAgent(link));
    }

    pub(super) fn order(&mut self, link: u64, term: u64, order: Order) {
        self.tell(link, ToAgent::Order { term, order });
    }

    /// Mostly short; a lost packet is sent again after a while.
    fn delay(&mut self) -> u64 {
        if self.goes_wrong(50) {
            100 + self.chance.below(600)
        } else {
            1 + self.chance.below(20)
        }
    }

    pub(super) fn arrive_at_head(&mut self, link: u64) {
        let Some(open) = self.links.get_mut(&link) else {
            return;
        };
        let (agent, head) = (open.agent, open.head);
        if self.agents[agent].up_cut[head] > self.now {
            self.soon(100, 500, Event::ToHead(link));
            return;
        }
        let now = self.heads[head].clock.monotonic(self.now);
        let Some(word) = open.to_head.words.pop_front() else {
            return;
        };
        if !open.head_end || !self.heads[head].up {
            return;
        }
        open.heard = now;
        let node = open.node;
        match word {
            ToHead::Heartbeat(number) => self.answer_beat(link, head, node, number),
            ToHead::Held { term, held } => open.known.said(term, held),
            ToHead::Trouble(words) => open.trouble = words,
            ToHead::Reports(reports) if self.heads[head].leads.is_some() => {
                self.heads[head].reports.push_back((node, reports));
            }
            // Nothing of the simulation has directories.
            ToHead::Reports(_) | ToHead::Stored(_) => {}
        }
    }

    fn answer_beat(&mut self, link: u64, head: usize, node: NodeId, number: u64) {
        let timings = self.heads[head].state.policy().timings;
        let leads = self.heads[head]
            .leads
            .filter(|_| !self.heads[head].bars(node));
        let lead = leads.map(|term| Lead {
            term,
            lease_ms: timings.lease.0,
        });
        let alive = Alive {
            number,
            lead,
            heartbeat_ms: timings.heartbeat.0,
            heads: Vec::new(),
        };
        self.tell(link, ToAgent::Alive(alive));
    }

    pub(super) fn arrive_at_agent(&mut self, link: u64) -> anyhow::Result<()> {
        let Some(open) = self.links.get_mut(&link) else {
            return Ok(());
        };
        let (agent, head) = (open.agent, open.head);
        if self.agents[agent].down_cut[head] > self.now {
            self.soon(100, 500, Event::ToAgent(link));
            return Ok(());
        }
        let Some(word) = open.to_agent.words.pop_front() else {
            return Ok(());
        };
        if open.agent_end {
            self.note(|| format!("  agent {agent} hears {word:?}"));
            self.hear(agent, link, word)?;
        }
        Ok(())
    }

    pub(super) fn dial(&mut self, agent: usize, head: usize) {
        let caller = &self.agents[agent];
        let Some(live) = caller.live.as_ref() else {
            return;
        };
        if live.talks.contains_key(&head) {
            return;
        }
        let cut = caller.up_cut[head].max(caller.down_cut[head]) > self.now;
        if cut || !self.heads[head].up {
            self.soon(100, 900, Event::Dial(agent, head));
            return;
        }
        let node = caller.node;
        self.sequence += 1;
        let (number, facts) = (self.sequence, caller.facts.clone());
        let mut link = Link::new(agent, head, node, facts);
        link.heard = self.heads[head].clock.monotonic(self.now);
        self.links.insert(number, link);
        self.connected_to(agent, head, number);
        if let Some(before) = self.heads[head].sessions.insert(node, number) {
            // What it has already said may still be read.
            self.soon(0, 400, Event::Hangup(before));
        }
        self.meet("a session opened");
        self.soon(1, 50, Event::Beat(number));
        self.soon(4_000, 5_000, Event::Repeat(number));
    }

    /// The agent's end is over.
    pub(super) fn break_link(&mut self, link: u64) {
        let Some(open) = self.links.get_mut(&link).filter(|open| open.agent_end) else {
            return;
        };
        open.agent_end = false;
        let (agent, head) = (open.agent, open.head);
        if let Some(live) = &mut self.agents[agent].live
            && live.talks.get(&head) == Some(&link)
        {
            live.talks.remove(&head);
        }
        self.soon(20, 800, Event::Dial(agent, head));
        self.soon(0, 2_000, Event::Hangup(link));
        self.drop_dead(link);
    }

    /// The head's end is over.
    pub(super) fn hang_up(&mut self, link: u64) {
        let Some(open) = self.links.get_mut(&link).filter(|open| open.head_end) else {
            return;
        };
        open.head_end = false;
        let (head, node) = (open.head, open.node);
        if self.heads[head].sessions.get(&node) == Some(&link) {
            self.heads[head].sessions.remove(&node);
        }
        self.soon(0, 1_000, Event::Break(link));
        self.drop_dead(link);
    }

    fn drop_dead(&mut self, link: u64) {
        let ended = |open: &Link| !open.agent_end && !open.head_end;
        if self.links.get(&link).is_some_and(ended) {
            self.links.remove(&link);
        }
    }

    pub(super) fn links_of_head(&self, head: usize) -> Vec<u64> {
        let of = self.links.iter().filter(|(_, link)| link.head == head);
        of.map(|(number, _)| *number).collect()
    }

    pub(super) fn links_of_agent(&self, agent: usize) -> Vec<u64> {
        let of = self.links.iter().filter(|(_, link)| link.agent == agent);
        of.map(|(number, _)| *number).collect()
    }
}
