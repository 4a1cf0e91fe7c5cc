//! What a leader does in its term: the production decisions, asked one after the other.

use agent::leader::{settle, watch};
use model::assignment::Report;
use model::command::{MarkNodes, RecordStatus};
use model::{Command, NodeId, Reply, limits};

use super::heads::Asker;
use super::{Event, World};

/// A duty.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum What {
    Place,
    Dispatch,
    Settle,
    Register,
    Mark,
    Forget,
}

impl What {
    pub(super) const ALL: [What; 6] = [
        What::Place,
        What::Dispatch,
        What::Settle,
        What::Register,
        What::Mark,
        What::Forget,
    ];
}

impl World {
    pub(super) fn duty(&mut self, head: usize, term: u64, what: What) -> anyhow::Result<()> {
        if !self.heads[head].up || self.heads[head].leads != Some(term) {
            return Ok(());
        }
        self.soon(20, 200, Event::Duty(head, term, what));
        if self.heads[head].waits.contains(&what) {
            return Ok(());
        }
        match what {
            What::Place => self.place(head, term),
            What::Dispatch => self.dispatch(head, term)?,
            What::Settle => self.settle(head, term),
            What::Register => self.register(head, term),
            What::Mark => self.mark(head, term),
            What::Forget => self.forget(head, term),
        }
        Ok(())
    }

    fn ask(&mut self, head: usize, term: u64, what: What, command: &Command) {
        self.heads[head].waits.push(what);
        self.propose(head, term, command, Asker::Duty(head, term, what));
    }

    pub(super) fn duty_answered(
        &mut self,
        head: usize,
        term: u64,
        what: What,
        reply: Option<&Reply>,
    ) {
        if self.heads[head].leads != Some(term) {
            return;
        }
        self.heads[head].waits.retain(|waits| *waits != what);
        if what == What::Mark && reply.is_some() {
            self.heads[head].marking.clear();
        }
        let settled = std::mem::take(&mut self.heads[head].settling);
        if what != What::Settle {
            self.heads[head].settling = settled;
        } else if reply == Some(&Reply::Done) {
            self.acknowledge(head, term, &settled);
        }
    }

    fn place(&mut self, head: usize, term: u64) {
        let leader = &mut self.heads[head];
        let now = leader.clock.monotonic(self.now);
        let waiting = leader.retries.waiting(&leader.state, now);
        let plan = scheduler::plan(&leader.state, &waiting, leader.state.now());
        if !plan.placements.is_empty() {
            self.ask(head, term, What::Place, &Command::CommitPlan(plan));
        }
    }

    fn dispatch(&mut self, head: usize, term: u64) -> anyhow::Result<()> {
        let sessions: Vec<(NodeId, u64)> = self.sessions(head);
        for (node, link) in sessions {
            if self.heads[head].bars(node) {
                continue;
            }
            let state = self.heads[head].state.clone();
            let Some(link_now) = self.links.get_mut(&link) else {
                continue;
            };
            let orders = link_now.known.orders(term, node, &state);
            for order in orders {
                self.is_committed(node, &order)?;
                self.order(link, term, order);
            }
        }
        Ok(())
    }

    pub(super) fn sessions(&self, head: usize) -> Vec<(NodeId, u64)> {
        let sessions = self.heads[head].sessions.iter();
        sessions.map(|(node, link)| (*node, *link)).collect()
    }

    fn settle(&mut self, head: usize, term: u64) {
        let mut batch: Vec<(NodeId, Report)> = Vec::new();
        while let Some((node, reports)) = self.heads[head].reports.pop_front() {
            batch.extend(reports.into_iter().map(|report| (node, report)));
            if batch.len() >= limits::REPORTS_MAX || self.chance.percent(30) {
                break;
            }
        }
        if batch.is_empty() {
            return;
        }
        let batch = settle::newest(batch);
        self.heads[head].settling.clone_from(&batch);
        let command = Command::RecordStatus(RecordStatus { reports: batch });
        self.ask(head, term, What::Settle, &command);
    }

    fn acknowledge(&mut self, head: usize, term: u64, settled: &[(NodeId, Report)]) {
        for (node, committed) in settle::acknowledgements(settled) {
            let Some(link) = self.heads[head].sessions.get(&node).copied() else {
                continue;
            };
            let Some(link_now) = self.links.get_mut(&link) else {
                continue;
            };
            for order in link_now.known.acknowledge(term, committed) {
                self.order(link, term, order);
            }
        }
    }

    fn register(&mut self, head: usize, term: u64) {
        let now = self.heads[head].clock.monotonic(self.now);
        let suspect_after = self.heads[head].state.policy().timings.suspect_after;
        for (node, link) in self.sessions(head) {
            let Some(link) = self.links.get(&link) else {
                continue;
            };
            let fresh = now.0.saturating_sub(link.heard.0) < suspect_after.0;
            let state = &self.heads[head].state;
            let Some(known) = state.node(node) else {
                continue;
            };
            let news = watch::news(state, known, &link.facts, link.trouble.as_deref()).next();
            if fresh
                && link.known.has_said(term)
                && let Some(command) = news
            {
                self.ask(head, term, What::Register, &command);
                return;
            }
        }
    }

    fn mark(&mut self, head: usize, term: u64) {
        if !self.heads[head].marking.is_empty() {
            // Nobody knows what became of them: the same once more.
            let nodes = self.heads[head].marking.clone();
            let command = Command::MarkNodes(MarkNodes { nodes });
            self.ask(head, term, What::Mark, &command);
            return;
        }
        for (node, link) in self.sessions(head) {
            if let Some(link) = self.links.get(&link) {
                self.heads[head].liveness.heard(node, link.heard);
            }
        }
        let leader = &mut self.heads[head];
        let now = leader.clock.monotonic(self.now);
        let due = leader.liveness.due(&leader.state, now);
        if !due.is_empty() {
            // Nothing happens in between here, so what is due stays due behind the bar.
            self.heads[head].marking.clone_from(&due);
            let command = Command::MarkNodes(MarkNodes { nodes: due });
            self.ask(head, term, What::Mark, &command);
        }
    }

    /// Leases from before the timings were changed, once they have run out.
    fn forget(&mut self, head: usize, term: u64) {
        let leader = &mut self.heads[head];
        let now = leader.clock.monotonic(self.now);
        if let Some(outlived) = leader.liveness.outlived(&leader.state, now) {
            self.meet("earlier leases were waited out");
            let command = Command::ForgetEarlierLeases(outlived);
            self.ask(head, term, What::Forget, &command);
        }
    }
}
