//! A second opinion: the life of every job and node, told from commands and events alone.
//!
//! It never asks the state how it came to a decision. It follows the news that `apply` gives and
//! insists that they make sense in their order; then it compares its own sums with the state's.
//! Claims: ids are never reused; a task has one live attempt; attempts are numbered in order;
//! what a node holds is the sum of what its live attempts asked for, and was within its capacity
//! when they were placed; a job that is over holds nothing; each attempt that ended has one line
//! in the ledger.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail, ensure};
use model::assignment::News;
use model::job::Outcome;
use model::limits;
use model::node::{NodeFacts, NodeHealth};
use model::spec::OnLost;
use model::{
    AttemptId, Changes, Command, EventKind, Fence, JobId, NodeId, Reply, Resources, Stamp, State,
};

/// What the news have told so far.
#[derive(Clone, Default)]
pub struct Oracle {
    jobs: BTreeMap<JobId, Life>,
    /// Jobs that are over; their ids are gone for ever.
    over: BTreeSet<JobId>,
    nodes: BTreeMap<NodeId, Machine>,
    removed: BTreeSet<NodeId>,
    lines: BTreeSet<AttemptId>,
}

#[derive(Clone)]
struct Life {
    asked: Resources,
    may_run_twice: bool,
    cancelled: bool,
    ended_attempts: u32,
    live: Option<(NodeId, Fence)>,
    started: bool,
}

#[derive(Clone, Default)]
struct Machine {
    capacity: Resources,
    up: bool,
    drained: bool,
}

impl Oracle {
    /// Takes in one entry.
    ///
    /// # Errors
    /// News that cannot be true after what was told before.
    pub fn observe(
        &mut self,
        at: Stamp,
        command: &Command,
        reply: &Reply,
        changes: &Changes,
    ) -> Result<()> {
        self.learn_facts(command, reply);
        for event in &changes.events {
            self.event(at, command, event, changes)
                .with_context(|| format!("{event:?}"))?;
        }
        for line in &changes.ledger {
            ensure!(
                self.lines.insert(line.attempt),
                "{} has two lines",
                line.attempt
            );
        }
        let ends = |event: &&EventKind| matches!(event, EventKind::AttemptEnded { .. });
        let count = changes.events.iter().filter(ends).count();
        ensure!(
            count == changes.ledger.len(),
            "attempts ended without a line, or a line too many"
        );
        let ends = |event: &&EventKind| matches!(event, EventKind::JobEnded { .. });
        let count = changes.events.iter().filter(ends).count();
        ensure!(
            count == changes.ended.len(),
            "jobs ended without leaving, or left without ending"
        );
        Ok(())
    }

    /// What only the command says: the capacity that a node registers with.
    fn learn_facts(&mut self, command: &Command, reply: &Reply) {
        if let Reply::Rejected(_) = reply {
            return;
        }
        if let Command::RegisterNode(register) = command {
            let machine = self.nodes.entry(register.node).or_default();
            machine.capacity = capacity(&register.facts);
        }
    }

    fn event(
        &mut self,
        at: Stamp,
        command: &Command,
        event: &EventKind,
        changes: &Changes,
    ) -> Result<()> {
        match event {
            EventKind::JobsSubmitted { first, count, .. } => {
                self.submitted(command, *first, *count)
            }
            EventKind::CancelRequested { job, .. } => {
                self.life(*job)?.cancelled = true;
                Ok(())
            }
            EventKind::AttemptPlaced { attempt, node, .. } => self.placed(at, *attempt, *node),
            EventKind::AttemptStarted { attempt, node, .. } => {
                self.started(command, *attempt, *node)
            }
            EventKind::AttemptEnded {
                attempt,
                node,
                requeued,
                ..
            } => {
                self.ended_by(command, *attempt, *node)?;
                self.attempt_ended(*attempt, *node, *requeued, changes)
            }
            EventKind::JobEnded { job, outcome, .. } => self.job_ended(*job, *outcome, changes),
            EventKind::NodeJoined { node, .. } => self.joined(command, *node),
            EventKind::NodeHealth { node, health } => {
                self.machine(*node)?.up = *health == NodeHealth::Up;
                Ok(())
            }
            EventKind::NodeDrain { node, reason } => {
                self.machine(*node)?.drained = reason.is_some();
                Ok(())
            }
            EventKind::NodeRemoved { node, .. } => {
                let holds = self.held(*node) != Resources::default();
                ensure!(!holds, "a node that held something was removed");
                ensure!(self.nodes.remove(node).is_some(), "removed twice");
                self.removed.insert(*node);
                Ok(())
            }
        }
    }

    fn joined(&mut self, command: &Command, node: NodeId) -> Result<()> {
        let fresh = !self.nodes.contains_key(&node) && !self.removed.contains(&node);
        ensure!(fresh, "the id of a node was used before");
        let facts = if let Command::InitCluster(init) = command {
            &init.head_facts
        } else if let Command::RedeemJoinToken(redeem) = command {
            &redeem.facts
        } else {
            bail!("a node out of nothing")
        };
        let machine = Machine {
            capacity: capacity(facts),
            ..Machine::default()
        };
        self.nodes.insert(node, machine);
        Ok(())
    }

    fn submitted(&mut self, command: &Command, first: JobId, count: u32) -> Result<()> {
        let Command::SubmitJobs(submit) = command else {
            bail!("jobs out of nothing")
        };
        ensure!(
            submit.specs.len() == count as usize,
            "another number of jobs than was asked for"
        );
        for (id, spec) in (first.0..).map(JobId).zip(&submit.specs) {
            let fresh = !self.over.contains(&id) && !self.jobs.contains_key(&id);
            ensure!(fresh && id.0 > 0, "the id {id} was used before");
            let life = Life {
                asked: spec.resources,
                may_run_twice: spec.on_lost == OnLost::Requeue,
                cancelled: false,
                ended_attempts: 0,
                live: None,
                started: false,
            };
            self.jobs.insert(id, life);
        }
        Ok(())
    }

    fn placed(&mut self, at: Stamp, attempt: AttemptId, node: NodeId) -> Result<()> {
        let life = self.life(attempt.task.job)?;
        ensure!(life.live.is_none(), "the task runs already");
        ensure!(
            attempt.number == life.ended_attempts + 1,
            "numbered out of order"
        );
        life.live = Some((node, Fence(at.index.0)));
        life.started = false;
        let held = self.held(node);
        let machine = self.machine(node)?;
        ensure!(
            machine.up && !machine.drained,
            "placed on a node that takes nothing"
        );
        let capacity = machine.capacity;
        ensure!(
            capacity.fits(&held),
            "the node has {capacity} and now holds {held}"
        );
        Ok(())
    }

    fn started(&mut self, command: &Command, attempt: AttemptId, node: NodeId) -> Result<()> {
        let life = self.life(attempt.task.job)?;
        let (on, fence) = life.live.context("it was not placed")?;
        ensure!(on == node, "started where it was not placed");
        let runs = |news: &News| match news {
            News::Running(_) | News::Serving(..) => true,
            News::Ended(ending) => ending.started.is_some(),
        };
        let told = reported(command, node, attempt, fence, runs);
        ensure!(told, "its node did not say so");
        ensure!(
            attempt.number == life.ended_attempts + 1,
            "an older attempt started"
        );
        ensure!(!life.started, "started twice");
        life.started = true;
        Ok(())
    }

    /// An attempt ends by its node's word; by silence only if it may run twice; or by that of an
    /// operator.
    fn ended_by(&mut self, command: &Command, attempt: AttemptId, node: NodeId) -> Result<()> {
        let life = self.life(attempt.task.job)?;
        let (_, fence) = life.live.context("it was not placed")?;
        let ends = |news: &News| matches!(news, News::Ended(_));
        let silent = matches!(command, Command::MarkNodes(_));
        let given_up = matches!(command, Command::ConfirmLost(confirm)
            if confirm.job == attempt.task.job);
        let told = reported(command, node, attempt, fence, ends);
        ensure!(
            told || given_up || (silent && life.may_run_twice),
            "nobody who may say so said so"
        );
        Ok(())
    }

    fn attempt_ended(
        &mut self,
        attempt: AttemptId,
        node: NodeId,
        requeued: bool,
        changes: &Changes,
    ) -> Result<()> {
        let life = self.life(attempt.task.job)?;
        let (on, fence) = life.live.take().context("it was not live")?;
        ensure!(on == node, "it was placed on {on}");
        let started = std::mem::take(&mut life.started);
        life.ended_attempts += 1;
        ensure!(
            attempt.number == life.ended_attempts,
            "numbered out of order"
        );
        let line = changes.ledger.iter().find(|line| line.attempt == attempt);
        let line = line.context("it has no line in the ledger")?;
        ensure!(
            line.end.fence == fence && line.end.node == node,
            "the line is of another attempt"
        );
        let ends = changes
            .ended
            .iter()
            .any(|ended| ended.id == attempt.task.job);
        ensure!(
            ends != requeued,
            "a task is over or waits again, and not both"
        );
        let not_begun = line.end.outcome == Outcome::NotBegun;
        let unborn = not_begun && line.end.started.is_none() && !started;
        let again = (life.may_run_twice || unborn) && !life.cancelled;
        let left = life.ended_attempts < limits::ATTEMPTS_MAX;
        ensure!(!requeued || (again && left), "it may not be tried again");
        Ok(())
    }

    fn job_ended(&mut self, job: JobId, outcome: Outcome, changes: &Changes) -> Result<()> {
        let life = self.jobs.remove(&job).context("it was over before")?;
        self.over.insert(job);
        ensure!(life.live.is_none(), "it is over and still runs");
        let record = changes
            .ended
            .iter()
            .find(|ended| ended.id == job)
            .context("no record")?;
        ensure!(
            record.outcome == outcome,
            "its record says {:?}",
            record.outcome
        );
        ensure!(
            record.attempts.len() == life.ended_attempts as usize,
            "its record has {} attempts of {}",
            record.attempts.len(),
            life.ended_attempts
        );
        Ok(())
    }

    fn life(&mut self, job: JobId) -> Result<&mut Life> {
        self.jobs
            .get_mut(&job)
            .with_context(|| format!("job {job} does not live"))
    }

    fn machine(&mut self, node: NodeId) -> Result<&mut Machine> {
        self.nodes
            .get_mut(&node)
            .with_context(|| format!("node {node} is not in the cluster"))
    }

    fn held(&self, node: NodeId) -> Resources {
        let on = |life: &&Life| life.live.is_some_and(|(on, _)| on == node);
        let lives = self.jobs.values().filter(on);
        lives.fold(Resources::default(), |sum, life| sum.plus(&life.asked))
    }

    /// Compares this picture with the state's.
    ///
    /// # Errors
    /// The first difference.
    pub fn compare(&self, state: &State) -> Result<()> {
        ensure!(
            state.jobs().map(|job| &job.id).eq(self.jobs.keys()),
            "other jobs live"
        );
        ensure!(
            state.nodes().map(|node| &node.id).eq(self.nodes.keys()),
            "other nodes exist"
        );
        for job in state.jobs() {
            let life = self.jobs.get(&job.id).context("a job")?;
            let live = job.attempt().map(|attempt| (attempt.node, attempt.fence));
            ensure!(
                live == life.live,
                "job {} is {live:?}, told {:?}",
                job.id,
                life.live
            );
            let started = job
                .attempt()
                .is_some_and(|attempt| attempt.started().is_some());
            ensure!(
                started == (life.live.is_some() && life.started),
                "job {} starts",
                job.id
            );
        }
        let waiting = self.jobs.iter().filter(|(_, life)| life.live.is_none());
        ensure!(
            state
                .pending()
                .map(|job| &job.id)
                .eq(waiting.map(|(id, _)| id)),
            "others wait"
        );
        for node in self.nodes.keys() {
            let (told, held) = (self.held(*node), state.held(*node));
            ensure!(told == held, "node {node} holds {held}, told {told}");
        }
        Ok(())
    }
}

fn capacity(facts: &NodeFacts) -> Resources {
    facts.capacity.unwrap_or_default()
}

/// Whether the command carries this node's report about exactly this attempt.
fn reported(
    command: &Command,
    node: NodeId,
    attempt: AttemptId,
    fence: Fence,
    is_meant: impl Fn(&News) -> bool,
) -> bool {
    let Command::RecordStatus(status) = command else {
        return false;
    };
    status.reports.iter().any(|(from, report)| {
        let same = report.attempt == attempt && report.fence == fence;
        *from == node && same && is_meant(&report.news)
    })
}
