//! A young cluster: four heads of which three vote, three or four nodes, two users.

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use model::account::{Role, TokenId, UserName};
use model::command::{CreateJoinToken, InitCluster, PutUser, RedeemJoinToken};
use model::node::{NodeFacts, NodeRole, RuntimeKind};
use model::{
    Bytes, ClusterId, Command, MilliCpus, Millis, NodeId, Reply, Resources, Stamp, Timestamp,
};

use super::agents::Agent;
use super::heads::{Head, Log};
use super::truth::Truth;
use super::users::Users;
use super::weather::timings;
use super::{BEGIN, Clock, Event, World};
use crate::chance::Chance;

/// How many heads there are; three of them vote.
const HEADS: usize = 4;

impl World {
    /// The cluster of one seed, before anything happens.
    pub(super) fn new(seed: u64, trace: Option<Vec<String>>) -> Result<World> {
        let mut chance = Chance::new(seed);
        let clocks = [(); HEADS].map(|()| Clock::new(&mut chance));
        let mut world = World {
            chance,
            now: 0,
            sequence: 0,
            queue: BTreeMap::new(),
            calm: false,
            log: Log::new(),
            heads: clocks.map(Head::new).into(),
            agents: Vec::new(),
            links: BTreeMap::new(),
            users: Users::default(),
            truth: Truth::default(),
            met: BTreeMap::new(),
            trace,
        };
        world.found()?;
        for number in 0..3 + world.chance.below(2) {
            let facts = NodeFacts {
                capacity: Some(Resources {
                    cpu: MilliCpus(4_000),
                    memory: Bytes::mebi(4_096),
                }),
                runtime: RuntimeKind::Fake,
                ..NodeFacts::default()
            };
            let node = world.join(&format!("n{number}"), NodeRole::Agent, &facts)?;
            let clock = Clock::new(&mut world.chance);
            world.agents.push(Agent::new(node, facts, clock, HEADS));
        }
        for head in 0..HEADS {
            world.soon(1, 50, Event::Follow(head));
        }
        for agent in 0..world.agents.len() {
            world.soon(1, 500, Event::AgentUp(agent));
        }
        world.soon(1, 10, Event::Elect);
        world.soon(500, 1_000, Event::User);
        world.soon(1_000, 3_000, Event::Weather);
        world.soon(3_000, 8_000, Event::GiveUp);
        Ok(world)
    }

    fn entry(&mut self, command: Command) -> Result<Reply> {
        let at = Stamp {
            index: self.next_index(),
            time: BEGIN,
        };
        self.append_at(at, command)
    }

    fn found(&mut self) -> Result<()> {
        self.entry(Command::InitCluster(InitCluster {
            cluster: ClusterId([7; 16]),
            name: "weather".into(),
            head_name: "h0".into(),
            head_key: [1; 32],
            head_facts: NodeFacts::default(),
            admin: UserName::from("root"),
            admin_password: "once".into(),
            timings: timings(5_000),
        }))?;
        for name in ["ada", "bob"] {
            self.entry(Command::PutUser(PutUser {
                name: UserName::from(name),
                role: Role::User,
                ..PutUser::default()
            }))?;
        }
        for name in ["h1", "h2", "h3"] {
            self.join(name, NodeRole::Head, &NodeFacts::default())?;
        }
        Ok(())
    }

    fn join(&mut self, name: &str, role: NodeRole, facts: &NodeFacts) -> Result<NodeId> {
        let id = TokenId(format!("token-{name}"));
        let expires_at = Timestamp(BEGIN.plus(Millis::seconds(3_600)).0);
        self.entry(Command::CreateJoinToken(CreateJoinToken {
            id: id.clone(),
            hash: [2; 32],
            role,
            by: UserName::from("root"),
            expires_at,
        }))?;
        let joined = self.entry(Command::RedeemJoinToken(RedeemJoinToken {
            id,
            hash: [2; 32],
            key_hash: [3; 32],
            name: name.into(),
            facts: facts.clone(),
        }))?;
        let Reply::Joined(node) = joined else {
            bail!("{name} could not join: {joined:?}");
        };
        Ok(node)
    }
}
