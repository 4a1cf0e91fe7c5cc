//! The world of one script: a replica, two clocks, and a leader's ear.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use anyhow::{Context, Result, ensure};
use model::command::{InitCluster, PutUser, RedeemJoinToken};
use model::node::{NodeFacts, NodeRole};
use model::policy::Timings;
use model::{
    Changes, ClusterId, Command, JobId, LogIndex, Millis, NodeId, Reply, Stamp, Timestamp,
};
use scheduler::liveness::Liveness;
use scheduler::retries::Retries;
use simulation::invariants::Replica;

use super::words::{Words, length};
use super::{commands, print, view};

/// When scripts begin: 2026-01-01T00:00:00Z.
const BEGIN: Timestamp = Timestamp(1_767_225_600_000);
/// From this many records on, the disk is compared only when the script says `reload`.
const COMPARED_RECORDS_MAX: usize = 200;
/// When a new leader takes over on its own clock.
const BOOT: Millis = Millis(5_000_000);

/// See the module.
#[derive(Default)]
pub(super) struct World {
    pub(super) replica: Replica,
    index: u64,
    passed: Millis,
    /// How far the clock of the head that proposes is ahead (or behind).
    skew: i64,
    pub(super) liveness: Option<Liveness>,
    retries: Retries,
}

impl World {
    /// Runs one line; what it prints.
    pub(super) fn run(&mut self, line: &str) -> Result<String> {
        let mut words = Words::parse(line)?;
        let name = words.next("a command")?;
        match name.as_str() {
            "repeat" => return self.repeat(line),
            "cluster" => return finish(words, self.cluster()),
            "node" => return self.join_and_register(words),
            "clock" => return self.clock(words),
            "skew" => {
                self.skew = words.next("milliseconds")?.parse()?;
                return finish(words, Ok(String::new()));
            }
            _ => {}
        }
        if let Some(shown) = view::run(self, &name, &mut words)? {
            return finish(words, Ok(shown));
        }
        let command = commands::parse(self, &name, &mut words)?;
        let command = command.with_context(|| format!("there is no command `{name}`"))?;
        words.finish()?;
        self.propose(&command)
    }

    /// `repeat 100 token t% user=ada`: prints only the last trace.
    fn repeat(&mut self, line: &str) -> Result<String> {
        let mut parts = line.splitn(3, ' ').skip(1);
        let count: u64 = parts.next().context("how often")?.parse()?;
        let pattern = parts.next().context("what")?;
        let mut last = String::new();
        for number in 1..=count {
            last = self.run(&pattern.replace('%', &number.to_string()))?;
        }
        Ok(last)
    }

    fn clock(&mut self, mut words: Words) -> Result<String> {
        self.passed = self.passed.plus(length(&words.next("a length of time")?)?);
        finish(
            words,
            Ok(format!("{}\n", print::moment(BEGIN.plus(self.passed)))),
        )
    }

    /// The wall clock of the head that proposes.
    pub(super) fn now(&self) -> Timestamp {
        Timestamp(BEGIN.plus(self.passed).0.saturating_add_signed(self.skew))
    }

    /// The monotonic clock of the leader.
    pub(super) fn monotonic(&self) -> Millis {
        BOOT.plus(self.passed)
    }

    /// The leader looks at the state, as it does whenever it moves on.
    pub(super) fn look(&mut self) {
        let (now, state) = (self.monotonic(), &self.replica.state);
        self.retries.waiting(state, now);
        if let Some(liveness) = &mut self.liveness {
            liveness.due(state, now);
        }
    }

    /// The jobs that wait before another try.
    pub(super) fn waiting(&self) -> BTreeSet<JobId> {
        let mut retries = self.retries.clone();
        retries.waiting(&self.replica.state, self.monotonic())
    }

    /// Another head leads, and has seen nothing.
    pub(super) fn lead(&mut self) {
        self.liveness = Some(Liveness::new(self.monotonic()));
        self.retries = Retries::default();
        self.look();
    }

    /// Applies a command and tells everything that came of it.
    pub(super) fn propose(&mut self, command: &Command) -> Result<String> {
        let (reply, changes) = self.step(command)?;
        let mut out = String::new();
        writeln!(out, "{} {}", self.index, print::reply(&reply))?;
        print::changes(&mut out, &self.replica.state, &changes)?;
        Ok(out)
    }

    fn step(&mut self, command: &Command) -> Result<(Reply, Changes)> {
        self.index = self.index.max(1) + 1;
        let at = Stamp {
            index: LogIndex(self.index),
            time: self.now(),
        };
        let done = self.replica.step(at, command)?;
        self.look();
        if self.replica.disk.len() <= COMPARED_RECORDS_MAX {
            self.replica.check_disk()?;
        }
        Ok(done)
    }

    fn silently(&mut self, command: &Command) -> Result<Reply> {
        let (reply, _) = self.step(command)?;
        ensure!(
            !matches!(reply, Reply::Rejected(_)),
            "{}",
            print::reply(&reply)
        );
        Ok(reply)
    }

    /// The usual beginning, without its trace.
    fn cluster(&mut self) -> Result<String> {
        self.silently(&first_entry(Timings::default()))?;
        for (name, role) in [
            ("ops", model::account::Role::Operator),
            ("ada", model::account::Role::User),
            ("bob", model::account::Role::User),
        ] {
            let name = name.into();
            let put = PutUser {
                name,
                role,
                ..PutUser::default()
            };
            self.silently(&Command::PutUser(put))?;
        }
        Ok("root, ops, ada and bob; node 1 is h1\n".into())
    }

    /// `node n1 cpu=4 mem=8G`: joins and registers, without the trace.
    fn join_and_register(&mut self, mut words: Words) -> Result<String> {
        let name = words.next("a name")?;
        let token = format!("for-{name}-{}", self.index);
        let role = words.option_or("role", "agent");
        let facts = commands::facts(&mut words)?;
        words.finish()?;
        let line = format!("join-token {token} role={role}");
        let mut line = Words::parse(&line)?;
        let _ = line.next("the command")?;
        let create = commands::parse(self, "join-token", &mut line)?.context("a command")?;
        self.silently(&create)?;
        let redeem = RedeemJoinToken {
            id: model::account::TokenId(token),
            hash: commands::digest("secret"),
            key_hash: commands::digest(&name),
            name: name.clone(),
            facts: NodeFacts::default(),
        };
        self.silently(&Command::RedeemJoinToken(redeem))?;
        let node = self.node(&name)?;
        let register = model::command::RegisterNode { node, facts };
        self.silently(&Command::RegisterNode(register))?;
        Ok(format!("node {node} is {name}\n"))
    }

    /// A node by name, or by number when it has none (any more).
    pub(super) fn node(&self, name: &str) -> Result<NodeId> {
        let known = self.replica.state.node_named(name).map(|node| node.id);
        let by_number = || {
            name.parse()
                .map(NodeId)
                .with_context(|| format!("no node {name}"))
        };
        known.map_or_else(by_number, Ok)
    }

    /// The live attempts' fences by job.
    pub(super) fn fences(&self) -> BTreeMap<JobId, u64> {
        let jobs = self.replica.state.jobs();
        jobs.filter_map(|job| Some((job.id, job.attempt()?.fence.0)))
            .collect()
    }
}

/// The entry that makes a cluster, as `goagent init` would.
pub(super) fn first_entry(timings: Timings) -> Command {
    Command::InitCluster(InitCluster {
        cluster: ClusterId([7; 16]),
        name: "test".into(),
        head_name: "h1".into(),
        head_key: commands::digest("h1"),
        head_facts: NodeFacts::default(),
        admin: "root".into(),
        admin_password: "once".into(),
        timings,
    })
}

/// What a role is called in scripts.
pub(super) fn node_role(text: &str) -> Result<NodeRole> {
    match text {
        "head" => Ok(NodeRole::Head),
        "agent" => Ok(NodeRole::Agent),
        other => anyhow::bail!("`{other}` is neither head nor agent"),
    }
}

fn finish(words: Words, shown: Result<String>) -> Result<String> {
    words.finish()?;
    shown
}
