//! What nodes report, and what silence means.
//!
//! A report counts only if job, attempt number, fence and node are those of the live attempt;
//! every other one is late or double and changes nothing. So reports may be lost, repeated and
//! reordered at will.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::{Writer, clip, limit};
use crate::assignment::{Ending, News, Report};
use crate::change::{EventKind, RecordKey};
use crate::command::{MarkNodes, RecordStatus, Reply};
use crate::id::{JobId, NodeId};
use crate::job::{Attempt, AttemptEnd, Exit, Job, Outcome, Phase, Started, TaskState, Usage};
use crate::ledger::LedgerLine;
use crate::limits;
use crate::node::NodeHealth;
use crate::port::{Ports, Published};
use crate::quota::{self, Holder};
use crate::resource::Effort;
use crate::spec::OnLost;
use crate::unit::Millis;

impl Writer<'_> {
    pub(super) fn record_status(&mut self, status: RecordStatus) -> Reply {
        if status.reports.len() > limits::REPORTS_MAX {
            return limit("reports in one entry", limits::REPORTS_MAX);
        }
        for (node, report) in status.reports {
            self.record_report(node, report);
        }
        Reply::Done
    }

    fn record_report(&mut self, node: NodeId, report: Report) {
        let Some((job, attempt)) = self.current(node, &report) else {
            return;
        };
        match report.news {
            News::Running(started) => self.record_running(job, &attempt, started),
            News::Serving(started, ports) => {
                self.record_ports(&job, ports);
                self.record_running(job, &attempt, started);
            }
            News::Ended(ending) => self.record_ending(job, &attempt, ending),
        }
    }

    /// The live attempt that a report is about, if it is about one.
    fn current(&self, node: NodeId, report: &Report) -> Option<(Job, Attempt)> {
        let job = self.job(report.attempt.task.job)?;
        let attempt = job.attempt()?.clone();
        let same = job.attempt_id() == Some(report.attempt)
            && attempt.fence == report.fence
            && attempt.node == node;
        same.then_some((job, attempt))
    }

    /// Ports that the job did not ask for are nobody's.
    fn record_ports(&mut self, job: &Job, mut ports: Vec<Published>) {
        ports.retain(|port| job.spec.ports.contains(&port.container));
        ports.truncate(limits::JOB_PORTS_MAX);
        let ports = Ports(ports);
        if !ports.0.is_empty() && self.state.ports.get(&job.id) != Some(&ports) {
            self.touch(RecordKey::Ports(job.id));
            self.state.ports.insert_mut(job.id, ports);
        }
    }

    fn record_running(&mut self, mut job: Job, attempt: &Attempt, started: Started) {
        if attempt.started().is_some() {
            return;
        }
        let (id, owner, node) = (
            job.task_id().attempt(attempt.number),
            job.owner.clone(),
            attempt.node,
        );
        job.task = TaskState::Live(Box::new(Attempt {
            phase: Phase::Running(started),
            ..attempt.clone()
        }));
        self.put_job(job);
        self.tell(EventKind::AttemptStarted {
            attempt: id,
            owner,
            node,
        });
    }

    fn record_ending(&mut self, job: Job, attempt: &Attempt, ending: Ending) {
        let known = attempt.started().cloned();
        // A short attempt's end may arrive before, or instead of, the news of its start.
        if known.is_none() && ending.started.is_some() {
            self.tell(EventKind::AttemptStarted {
                attempt: job.task_id().attempt(attempt.number),
                owner: job.owner.clone(),
                node: attempt.node,
            });
        }
        let started = ending.started.or(known);
        let end = AttemptEnd {
            number: attempt.number,
            node: attempt.node,
            node_name: self.node_name(attempt.node),
            fence: attempt.fence,
            placed_at: attempt.placed_at,
            started,
            ended_at: ending.at,
            outcome: ending.outcome,
            exit: ending.exit,
            usage: ending.usage,
            message: clip(ending.message),
        };
        self.settle(job, end);
    }

    fn node_name(&self, id: NodeId) -> String {
        self.state
            .nodes
            .get(&id)
            .map(|node| node.name.clone())
            .unwrap_or_default()
    }

    /// Ends the live attempt: the node gets its room back, the ledger its line, and the task is
    /// over or waits for another try.
    fn settle(&mut self, mut job: Job, end: AttemptEnd) {
        let (id, owner, outcome) = (job.id, job.owner.clone(), end.outcome);
        let of_the_job = match outcome {
            Outcome::NotBegun => Outcome::Infrastructure,
            Outcome::Succeeded
            | Outcome::Failed
            | Outcome::Cancelled
            | Outcome::TimedOut
            | Outcome::OutOfMemory
            | Outcome::ImageUnavailable
            | Outcome::CannotStart
            | Outcome::Infrastructure
            | Outcome::NodeLost
            | Outcome::OverQuota
            | Outcome::OutputLimit
            | Outcome::DiskLimit => outcome,
        };
        let again = may_requeue(&job, &end);
        if self.state.ports.remove_mut(&id) {
            self.touch(RecordKey::Ports(id));
        }
        self.tell(EventKind::AttemptEnded {
            attempt: job.task_id().attempt(end.number),
            owner: owner.clone(),
            node: end.node,
            outcome,
            code: end.exit.code,
            requeued: again,
        });
        self.charge(&job, &end);
        let number = end.number;
        job.past.push(end);
        if again {
            let now = self.now();
            job.task = TaskState::Pending {
                since: now,
                not_before: now.plus(wait_after(number)),
            };
            self.put_job(job);
        } else {
            self.end_job(job, of_the_job);
        }
    }

    /// Writes the accounting line of an attempt, and adds what it cost to what its owner and its
    /// project have spent.
    fn charge(&mut self, job: &Job, end: &AttemptEnd) {
        let since = end.started.as_ref().map(|started| started.at);
        let ran = since.map_or(Millis(0), |since| end.ended_at.since(since));
        let charged = quota::cost(&job.spec, ran);
        let waited_since = match job.past.last() {
            None => job.submitted_at,
            Some(before) => before.ended_at,
        };
        self.changes.ledger.push(LedgerLine {
            attempt: job.task_id().attempt(end.number),
            owner: job.owner.clone(),
            project: job.spec.project.clone(),
            queue: job.spec.queue.clone(),
            name: job.spec.name.clone(),
            asked: job.spec.resources,
            image: job.spec.image.clone(),
            submitted_at: job.submitted_at,
            waited_since,
            charged,
            end: end.clone(),
        });
        if charged == Effort::default() {
            return;
        }
        let (now, days) = (self.now(), self.state.policy.rules.window_days);
        let user = Holder::User(job.owner.clone());
        for holder in [user, Holder::Project(job.spec.project.clone())] {
            let known = self.state.spent.get(&holder).cloned();
            let mut spent = known.unwrap_or_default();
            spent.add(now, days, &charged);
            self.touch(RecordKey::Spent(holder.clone()));
            self.state.spent.insert_mut(holder, spent);
        }
    }

    pub(super) fn mark_nodes(&mut self, mark: &MarkNodes) -> Reply {
        if mark.nodes.len() > limits::NODES_MAX {
            return limit("nodes", limits::NODES_MAX);
        }
        for (id, health) in &mark.nodes {
            self.mark_node(*id, *health);
        }
        Reply::Done
    }

    /// A node that was removed meanwhile needs no mark.
    fn mark_node(&mut self, id: NodeId, health: NodeHealth) {
        let Ok(mut node) = self.node(id) else {
            return;
        };
        let forward = match (node.health, health) {
            (NodeHealth::Up | NodeHealth::Unwell, NodeHealth::Suspect | NodeHealth::Lost) => true,
            (NodeHealth::Suspect, NodeHealth::Lost) => true,
            // Only an agent's own word makes a node up, or unwell.
            (_, NodeHealth::Joined | NodeHealth::Up | NodeHealth::Unwell) => false,
            (NodeHealth::Joined | NodeHealth::Suspect | NodeHealth::Lost, _) => false,
        };
        if !forward {
            return;
        }
        node.health = health;
        node.health_since = self.now();
        let name = node.name.clone();
        self.put_node(node);
        self.tell(EventKind::NodeHealth { node: id, health });
        if health == NodeHealth::Lost {
            self.lose_attempts_of(id, &name);
        }
    }

    /// Attempts that may be requeued are over: their agent has stopped them when its lease ran
    /// out. The others stay with the node, unknown.
    fn lose_attempts_of(&mut self, node: NodeId, name: &str) {
        let requeue = |job: &&Job| job.spec.on_lost == OnLost::Requeue;
        let ids: Vec<JobId> = self
            .state
            .jobs_on(node)
            .filter(requeue)
            .map(|job| job.id)
            .collect();
        for id in ids {
            self.lose_attempt(id, &format!("node {name} was lost"));
        }
    }

    /// Ends a live attempt without its node's word.
    pub(super) fn lose_attempt(&mut self, id: JobId, message: &str) {
        let Some(job) = self.job(id) else { return };
        let Some(attempt) = job.attempt().cloned() else {
            return;
        };
        let outcome = if job.cancel.is_some() {
            Outcome::Cancelled
        } else {
            Outcome::NodeLost
        };
        let ending = Ending {
            started: None,
            at: self.now(),
            outcome,
            exit: Exit::default(),
            usage: Usage::default(),
            message: message.into(),
        };
        self.record_ending(job, &attempt, ending);
    }
}

/// Whether the task gets another try: only when the node, not the job, failed, and only if the
/// job allows it or has not begun. That no start was seen is not enough for this: the node has to
/// say so, and has made sure of it.
fn may_requeue(job: &Job, end: &AttemptEnd) -> bool {
    let never_began = end.outcome == Outcome::NotBegun && end.started.is_none();
    let not_its_fault = match end.outcome {
        Outcome::Infrastructure | Outcome::NodeLost | Outcome::NotBegun => true,
        Outcome::Succeeded
        | Outcome::Failed
        | Outcome::Cancelled
        | Outcome::TimedOut
        | Outcome::OutOfMemory
        | Outcome::ImageUnavailable
        | Outcome::CannotStart
        | Outcome::OverQuota
        | Outcome::OutputLimit
        | Outcome::DiskLimit => false,
    };
    not_its_fault
        && (job.spec.on_lost == OnLost::Requeue || never_began)
        && job.cancel.is_none()
        && job.next_attempt() <= limits::ATTEMPTS_MAX
}

/// 1 s after the first attempt, 2 s after the second, 4 s after the third …
fn wait_after(number: u32) -> Millis {
    let doublings = number.saturating_sub(1).min(limits::ATTEMPTS_MAX);
    Millis(limits::REQUEUE_WAIT.0 << doublings)
}
