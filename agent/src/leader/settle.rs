//! Settling: what agents report is proposed in batches, and acknowledged after commit only.

use std::collections::BTreeMap;

use model::assignment::{Held, News, Report};
use model::command::RecordStatus;
use model::{Command, NodeId, limits};
use tokio::sync::mpsc;

use super::Duty;
use crate::sessions::known::Committed;

/// Runs until no report can arrive any more.
pub(super) async fn run(duty: &Duty, arriving: &mut mpsc::Receiver<(NodeId, Vec<Report>)>) {
    let mut waiting: Option<(NodeId, Vec<Report>)> = None;
    loop {
        let mut batch: Vec<(NodeId, Report)> = Vec::new();
        let first = match waiting.take() {
            Some(first) => Some(first),
            None => arriving.recv().await,
        };
        let Some((node, reports)) = first else { return };
        take(&mut batch, node, reports);
        while let Ok((node, reports)) = arriving.try_recv() {
            if batch.len() + reports.len() > limits::REPORTS_MAX {
                waiting = Some((node, reports));
                break;
            }
            take(&mut batch, node, reports);
        }
        let told = acknowledgements(&batch);
        let command = Command::RecordStatus(RecordStatus { reports: batch });
        // Without an answer the agents report again.
        if duty.propose(command).await != Some(model::Reply::Done) {
            continue;
        }
        for (node, committed) in told {
            if let Some(session) = duty.sessions.get(node) {
                session.acknowledge(duty.term, committed);
            }
        }
    }
}

fn take(batch: &mut Vec<(NodeId, Report)>, node: NodeId, mut reports: Vec<Report>) {
    reports.truncate(limits::REPORTS_MAX);
    batch.extend(reports.into_iter().map(|report| (node, report)));
}

/// What each node is to be told once these reports are committed.
pub fn acknowledgements(reports: &[(NodeId, Report)]) -> BTreeMap<NodeId, Committed> {
    let mut told: BTreeMap<NodeId, Committed> = BTreeMap::new();
    for (node, report) in reports {
        let held = Held {
            attempt: report.attempt,
            fence: report.fence,
        };
        let committed = told.entry(*node).or_default();
        match report.news {
            News::Running(_) | News::Serving(..) => committed.running.push(held),
            News::Ended(_) => committed.over.push(held),
        }
    }
    told
}
