//! The series of the cluster, pushed to an InfluxDB by the head that leads.
//!
//! Ended attempts are read off the accounting lines on disk, a page at a time: a server that does
//! not answer costs one page of memory and no attempt. A point has the attempt's end as its time,
//! so pushing it again changes nothing; a new leader begins some time before it led and leaves no
//! gap. What describes a moment is pushed for that moment or not at all. None of this is waited for
//! by what leads.

mod client;
mod gauges;
mod line;

use std::sync::Arc;
use std::time::Duration;

use model::Timestamp;
use model::log::Log;
use model::unit::Millis;
use raft::LedgerPlace;
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::Duty;
use super::planning::Planned;
use crate::clock;
use crate::config::influx::InfluxConfig;
use client::{Client, Failure};

/// Accounting lines in one push.
const LINES_MAX: usize = 1_000;
/// How far back a new leader begins: what the one before may have left.
const BACK: Millis = Millis(3_600_000);
/// The first wait after a push that failed; doubled up to the longest.
const AGAIN_FIRST: Duration = Duration::from_secs(1);
/// The longest.
const AGAIN_LONGEST: Duration = Duration::from_secs(60);

/// Pushes for ever.
pub(super) async fn run(duty: Duty, config: Arc<InfluxConfig>) {
    let mut every = interval(Duration::from_secs(config.every_seconds));
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let planned = duty.planning.read();
    let mut pusher = Pusher {
        duty,
        config,
        client: None,
        place: LedgerPlace::from(Timestamp(clock::wall().0.saturating_sub(BACK.0))),
        planned,
        failed: None,
    };
    loop {
        every.tick().await;
        pusher.push().await;
    }
}

struct Pusher {
    duty: Duty,
    config: Arc<InfluxConfig>,
    client: Option<Client>,
    /// The accounting lines before it are pushed.
    place: LedgerPlace,
    /// The plans that were told of already.
    planned: Planned,
    /// How long was waited after the last failure; `None`: the last push went well.
    failed: Option<Duration>,
}

impl Pusher {
    /// Everything that is new, then the present moment.
    async fn push(&mut self) {
        let cluster = self.duty.raft.read().meta().name.clone();
        loop {
            let page = self.duty.raft.ledger(self.place.clone(), LINES_MAX).await;
            let (lines, next) = match page {
                Ok(page) => page,
                Err(error) => return tracing::debug!(%error, "accounting lines cannot be read"),
            };
            let count = lines.len();
            let points = lines.iter().map(|line| gauges::attempt(&cluster, line));
            let points: String = points.collect();
            if count > 0 && !self.deliver(points).await {
                return;
            }
            self.place = next;
            if count < LINES_MAX {
                break;
            }
        }
        let (state, now) = (self.duty.raft.read(), self.duty.planning.read());
        let before = std::mem::replace(&mut self.planned, now);
        let at = clock::wall();
        // With many jobs on many nodes this is a walk that heartbeats should not wait for.
        let told = tokio::task::spawn_blocking(move || gauges::moment(&state, &before, &now, at));
        match told.await {
            Ok(points) => {
                self.deliver(points).await;
            }
            Err(error) => tracing::warn!(%error, "the cluster's figures cannot be gathered"),
        }
    }

    /// Pushes some lines; if that has to be tried again, waits before it says so.
    async fn deliver(&mut self, points: String) -> bool {
        let pushed = match self.client() {
            Ok(client) => client.write(points).await,
            Err(failure) => Err(failure),
        };
        match pushed {
            Ok(()) => {
                if self.failed.take().is_some() {
                    tracing::info!("InfluxDB takes points again");
                }
                true
            }
            Err(Failure::Dropped(why)) => {
                tracing::warn!(
                    why,
                    "InfluxDB refuses some points; they are not pushed again"
                );
                true
            }
            Err(Failure::Again(why)) => {
                let wait = match self.failed {
                    None => {
                        tracing::warn!(why, "cannot push to InfluxDB; tried again until it works");
                        AGAIN_FIRST
                    }
                    Some(wait) => (wait * 2).min(AGAIN_LONGEST),
                };
                self.failed = Some(wait);
                sleep(wait).await;
                false
            }
        }
    }

    fn client(&mut self) -> Result<&Client, Failure> {
        let client = match self.client.take() {
            Some(client) => client,
            None => Client::new(&self.config)?,
        };
        Ok(self.client.insert(client))
    }
}
