//! Settling: what agents report is proposed in batches, and acknowledged after commit only.

use std::collections::{BTreeMap, HashSet};

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
        let batch = newest(batch);
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

/// What has to be settled of what has arrived: an end says all that the news of the attempt's start
/// does, which is passed over beside it.
pub fn newest(mut reports: Vec<(NodeId, Report)>) -> Vec<(NodeId, Report)> {
    let ended = |(_, report): &(NodeId, Report)| matches!(report.news, News::Ended(_));
    let name = |(node, report): &(NodeId, Report)| (*node, report.attempt, report.fence);
    let over: HashSet<_> = reports.iter().filter(|one| ended(one)).map(name).collect();
    reports.retain(|one| ended(one) || !over.contains(&name(one)));
    reports
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

#[cfg(test)]
mod tests {
    use super::*;
    use model::assignment::Ending;
    use model::job::{Exit, Outcome, Started, Usage};
    use model::unit::Timestamp;
    use model::{Fence, JobId};

    fn report(fence: u64, news: News) -> Report {
        Report {
            attempt: JobId(7).task().attempt(1),
            fence: Fence(fence),
            news,
        }
    }

    #[test]
    fn an_end_stands_for_the_news_of_its_own_start_only() {
        let running = || News::Running(Started::default());
        let ended = || {
            News::Ended(Ending {
                started: Some(Started::default()),
                at: Timestamp(1),
                outcome: Outcome::Succeeded,
                exit: Exit::default(),
                usage: Usage::default(),
                message: String::new(),
            })
        };
        let serving = || News::Serving(Started::default(), Vec::new());
        let (here, there) = (NodeId(1), NodeId(2));
        let arrived = vec![
            (here, report(3, running())),
            (here, report(3, serving())),
            (there, report(3, running())),
            (here, report(4, running())),
            (here, report(3, ended())),
            (here, report(3, ended())),
            (here, report(3, running())),
        ];
        let left = vec![
            (there, report(3, running())),
            (here, report(4, running())),
            (here, report(3, ended())),
            (here, report(3, ended())),
        ];
        assert_eq!(newest(arrived), left);
    }
}
