//! A client that only looks: at one young job a few times in a row, each time at another head.

use std::sync::Arc;
use std::time::{Duration, Instant};

use simulation::chance::Chance;
use tokio::sync::watch;

use super::Shared;
use crate::client::Tried;
use crate::weather::history::{Operation, Saw};

/// How many of the youngest jobs are looked at.
const YOUNG: usize = 30;
/// How often one is looked at in a row.
const LOOKS: usize = 6;
const PAUSE: Duration = Duration::from_millis(30);

/// Looks until told to stop.
pub(super) async fn look(shared: Arc<Shared>, number: usize, stop: watch::Receiver<bool>) {
    let mut chance = Chance::new(number as u64);
    while !*stop.borrow() {
        let young = shared.note(|account| {
            let all = &account.submissions;
            let young = &all[all.len().saturating_sub(YOUNG)..];
            chance.of(young).and_then(|submission| submission.told)
        });
        let Some(told) = young else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        for _ in 0..LOOKS {
            let head = chance.at(shared.client.heads().len());
            once(&shared, head, told.id).await;
            tokio::time::sleep(PAUSE).await;
        }
    }
}

async fn once(shared: &Shared, head: usize, job: u64) {
    let invoked = Instant::now();
    match shared.client.show(head, job).await {
        Tried::Answered(shown) if shown.stale => {
            shared.note(|account| account.stale_reads += 1);
        }
        Tried::Answered(shown) => {
            let operation = Operation {
                invoked,
                returned: Instant::now(),
                saw: Saw::read(shown.job.as_ref()),
            };
            shared.note(|account| {
                account.reads += 1;
                account.operations.push((job, operation));
            });
        }
        // Nothing was seen.
        Tried::Again(_) => {}
        Tried::Refused(why) => shared.fail(format!("read job {job}: {why}")),
    }
}
