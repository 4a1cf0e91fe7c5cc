//! What must hold, asked of what really happened: the containers, not what is said of them.
//!
//! The invariants by name:
//! * I1: what a user was told is accepted is in the log, and ends.
//! * I2: one idempotency key, one job.
//! * I3: an attempt begins once, and only after its placement is committed; a task that may not
//!   run twice begins once; the others never run twice on one node, and do not run on two nodes
//!   at a time, unless an agent or its engine could not keep its side of the lease.
//! * I4: late and double messages change nothing; I6: what is held is what runs, and fits. Both
//!   are checked at every entry by [`crate::invariants`] and [`crate::oracle`].
//! * I5: an end is recorded when it is one, with the code of the program.
//! * I10: all heads hold the same.
//! * I20: once the weather has stopped, everything ends.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use model::job::Outcome;
use model::ledger::LedgerLine;
use model::spec::OnLost;
use model::{AttemptId, Changes, Command, EventKind, Fence, JobId, NodeId, Stamp, TaskId};
use net::message::Order;

use super::World;

/// What really happened.
#[derive(Default)]
pub(super) struct Truth {
    /// Where the log placed attempts.
    placed: BTreeMap<AttemptId, (NodeId, Fence)>,
    /// What each program that began will exit with.
    begun: BTreeMap<AttemptId, i32>,
    /// Jobs that may run more than once.
    again: BTreeMap<JobId, bool>,
}

impl World {
    /// Nothing is sent to a node before it is committed.
    pub(super) fn is_committed(&self, node: NodeId, order: &Order) -> Result<()> {
        let Order::Launch(assignments) = order else {
            return Ok(());
        };
        for sent in assignments {
            let placed = self.truth.placed.get(&sent.attempt);
            ensure!(
                placed == Some(&(node, sent.fence)),
                "I3: {} with fence {} is sent to node {node} before it is committed",
                sent.attempt,
                sent.fence
            );
        }
        Ok(())
    }

    /// A program begins.
    pub(super) fn begins(&mut self, agent: usize, attempt: AttemptId, code: i32) -> Result<()> {
        self.note(|| format!("  {attempt} begins on agent {agent}"));
        let earlier = self.truth.begun.insert(attempt, code);
        ensure!(
            earlier.is_none(),
            "I3: attempt {attempt} begins a second time"
        );
        let of = |number| TaskId::attempt(attempt.task, number);
        let others = self.truth.begun.range(of(0)..of(u32::MAX));
        let others: Vec<AttemptId> = others.map(|(other, _)| *other).collect();
        let again = self.truth.again.get(&attempt.task.job).copied();
        ensure!(
            others.len() == 1 || again == Some(true),
            "I3: {attempt} begins, and its job may not run twice"
        );
        for other in 0..self.agents.len() {
            let running = self.agents[other].engine.all_running(self.now);
            let twin = |one: &AttemptId| one.task == attempt.task && *one != attempt;
            let Some(twin) = running.into_iter().find(twin) else {
                continue;
            };
            ensure!(
                other != agent,
                "I3: {attempt} begins on agent {agent}, which still runs {twin}"
            );
            ensure!(
                !self.agents[other].could_obey(self.now),
                "I3: {attempt} begins on agent {agent} while {twin} runs on agent {other}"
            );
            self.meet("two attempts ran because an agent could not keep its lease");
        }
        if attempt.number > 1 {
            self.meet("a task was tried again");
        }
        Ok(())
    }

    pub(super) fn after_entry(
        &mut self,
        at: Stamp,
        command: &Command,
        changes: &Changes,
    ) -> Result<()> {
        for event in &changes.events {
            if let EventKind::AttemptPlaced { attempt, node, .. } = event {
                let placed = (*node, Fence(at.index.0));
                self.truth.placed.insert(*attempt, placed);
            }
        }
        if let Command::SubmitJobs(submit) = command {
            let first = self.log.state().meta().next_job - submit.specs.len() as u64;
            for (id, spec) in (first..).zip(&submit.specs) {
                let again = spec.on_lost == OnLost::Requeue;
                self.truth.again.entry(JobId(id)).or_insert(again);
            }
        }
        for line in &changes.ledger {
            self.attempt_ended(command, line)
                .with_context(|| format!("{:?}", line.end))?;
        }
        Ok(())
    }

    /// An attempt is over in the log: is it?
    fn attempt_ended(&mut self, command: &Command, line: &LedgerLine) -> Result<()> {
        let (attempt, now) = (line.attempt, self.now);
        let on = self
            .agents
            .iter_mut()
            .find(|agent| agent.node == line.end.node);
        let on = on.context("a node")?;
        let runs = on.engine.runs(now, attempt);
        if !matches!(command, Command::RecordStatus(_)) {
            ensure!(
                !runs || !on.could_obey(now),
                "I3: {attempt} is given up while its agent may run it"
            );
            self.meet("an attempt was lost with its node");
            return Ok(());
        }
        ensure!(!runs, "I5: {attempt} is over in the log, and runs");
        let code = self.truth.begun.get(&attempt).copied();
        ensure!(
            line.end.outcome != Outcome::NotBegun || code.is_none(),
            "I5: {attempt} is said not to have begun, and has"
        );
        let by_itself = match line.end.outcome {
            Outcome::Succeeded | Outcome::Failed => true,
            Outcome::Cancelled
            | Outcome::TimedOut
            | Outcome::OutOfMemory
            | Outcome::ImageUnavailable
            | Outcome::CannotStart
            | Outcome::Infrastructure
            | Outcome::NodeLost
            | Outcome::NotBegun
            | Outcome::OverQuota
            | Outcome::OutputLimit
            | Outcome::DiskLimit => false,
        };
        ensure!(
            !by_itself || code == line.end.exit.code,
            "I5: {attempt} exits with {code:?}"
        );
        Ok(())
    }
}
