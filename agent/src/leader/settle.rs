//! Settling: what agents report is proposed in batches, and acknowledged after commit only.

use std::collections::BTreeMap;

use model::assignment::{Held, News, Report};
use model::command::RecordStatus;
use model::{Command, NodeId, limits};
use net::message::Order;
use tokio::sync::mpsc;

use super::Duty;

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
        let told: Vec<(NodeId, Held, bool)> = batch.iter().map(acknowledgement).collect();
        let command = Command::RecordStatus(RecordStatus { reports: batch });
        // Without an answer the agents report again.
        if duty.propose(command).await == Some(model::Reply::Done) {
            acknowledge(duty, told);
        }
    }
}

fn take(batch: &mut Vec<(NodeId, Report)>, node: NodeId, mut reports: Vec<Report>) {
    reports.truncate(limits::REPORTS_MAX);
    batch.extend(reports.into_iter().map(|report| (node, report)));
}

fn acknowledgement((node, report): &(NodeId, Report)) -> (NodeId, Held, bool) {
    let held = Held {
        attempt: report.attempt,
        fence: report.fence,
    };
    (*node, held, matches!(report.news, News::Ended(_)))
}

/// An end is final whether it counted or came too late: either way the agent may forget it.
fn acknowledge(duty: &Duty, told: Vec<(NodeId, Held, bool)>) {
    let mut orders: BTreeMap<NodeId, (Vec<Held>, Vec<Held>)> = BTreeMap::new();
    for (node, held, ended) in told {
        let (running, over) = orders.entry(node).or_default();
        if ended {
            over.push(held)
        } else {
            running.push(held)
        }
    }
    for (node, (running, over)) in orders {
        let Some(session) = duty.sessions.get(node) else {
            continue;
        };
        if !running.is_empty() {
            session.order(duty.term, Order::NotedRunning(running));
        }
        if !over.is_empty() {
            session.order(duty.term, Order::Forget(over));
        }
    }
}
