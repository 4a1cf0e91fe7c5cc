//! Which cuts there are, and how a head is brought to the moment of one.
//!
//! Half of the cuts come at any moment; the others at a point of what a head asks its disk for, at
//! which the head stops by itself (`GODOCKER_FAILPOINT`) and waits for the cut.

use std::time::Duration;

use anyhow::Context;
use api_types::raft::RaftStatus;
use raft::DiskPoint;
use serde_json::{Value, json};
use simulation::chance::Chance;

use super::grid::Grid;
use crate::cluster::until;
use crate::weather::site::Site;

/// The longest time from a brisk load to a cut at any moment, in milliseconds.
const ANY_MS: u64 = 400;
/// Points that a head under load passes many times a second are cut at one of the first so many.
const OFTEN: u64 = 150;
/// How many entries behind a head gets a snapshot instead of them; see [`super::grid`].
const FAR_BEHIND: u64 = 400;
/// Entries that a head without the others writes; the first of them is on its disk by then.
const ALONE: u64 = 8;

/// When the power fails.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Moment {
    /// So long after the load is brisk.
    Any(Duration),
    /// When a head comes to this point for the so-many-th time.
    At(DiskPoint, u64),
}

/// One cut.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cut {
    /// When.
    pub moment: Moment,
    /// Of all heads, not of one.
    pub everyone: bool,
    /// The position of the head.
    pub head: usize,
}

/// So many cuts, the same for the same seed: of any five, one takes one head at any moment, one
/// takes all, and three come at points, each point once before any comes again.
pub fn deal(seed: u64, count: usize) -> Vec<Cut> {
    let mut chance = Chance::new(seed);
    let mut points = Vec::new();
    let mut cuts = Vec::new();
    for number in 0..count {
        let head = chance.at(3);
        let any = Moment::Any(Duration::from_millis(chance.below(ANY_MS)));
        let (moment, everyone) = match number % 5 {
            0 => (any, false),
            2 => (any, true),
            _ => (at(&mut chance, &mut points), chance.percent(25)),
        };
        cuts.push(Cut {
            moment,
            everyone,
            head,
        });
    }
    cuts
}

fn at(chance: &mut Chance, points: &mut Vec<DiskPoint>) -> Moment {
    if points.is_empty() {
        *points = DiskPoint::ALL.to_vec();
        chance.shuffle(points);
    }
    let point = points.pop().unwrap_or(DiskPoint::LogWrite);
    let crossings = match point {
        DiskPoint::LogWrite
        | DiskPoint::LogSynced
        | DiskPoint::AppendWrite
        | DiskPoint::AppendSynced
        | DiskPoint::TablesWrite => OFTEN,
        DiskPoint::VoteWrite
        | DiskPoint::VoteSynced
        | DiskPoint::TruncateWrite
        | DiskPoint::TruncateSynced
        | DiskPoint::PurgeWrite
        | DiskPoint::PurgeSynced
        | DiskPoint::SnapshotBuilt
        | DiskPoint::SnapshotKept
        | DiskPoint::SnapshotReceived
        | DiskPoint::InstallBeforeMarker
        | DiskPoint::InstallAfterMarker => 1,
    };
    Moment::At(point, 1 + chance.below(crossings))
}

impl Cut {
    /// `append-synced:40 of head-2`.
    pub fn say(&self, head: &str) -> String {
        let whom = if self.everyone { "of all heads" } else { "" };
        match self.moment {
            Moment::Any(after) => format!("{after:?} after, {head} {whom}"),
            Moment::At(point, crossing) => {
                format!("{}:{crossing} of {head} {whom}", point.name())
            }
        }
    }
}

/// Brings a head to the moment, under load.
///
/// # Errors
/// If it does not come there.
pub fn bring(site: &mut Site<Grid>, head: &str, moment: Moment) -> anyhow::Result<()> {
    site.before_fault()?;
    let (point, crossing) = match moment {
        Moment::Any(after) => {
            std::thread::sleep(after);
            return Ok(());
        }
        Moment::At(point, crossing) => (point, crossing),
    };
    match point {
        DiskPoint::TruncateWrite | DiskPoint::TruncateSynced => write_what_nobody_has(site, head)?,
        DiskPoint::SnapshotReceived
        | DiskPoint::InstallBeforeMarker
        | DiskPoint::InstallAfterMarker => stay_away(site, head)?,
        DiskPoint::LogWrite
        | DiskPoint::LogSynced
        | DiskPoint::VoteWrite
        | DiskPoint::VoteSynced
        | DiskPoint::AppendWrite
        | DiskPoint::AppendSynced
        | DiskPoint::PurgeWrite
        | DiskPoint::PurgeSynced
        | DiskPoint::TablesWrite
        | DiskPoint::SnapshotBuilt
        | DiskPoint::SnapshotKept => site.cluster.cluster.kill(head)?,
    }
    let failpoint = format!("{}:{crossing}", point.name());
    let env = [("GODOCKER_FAILPOINT", failpoint.as_str())];
    site.cluster.cluster.restart_with(head, &env)?;
    until("the head comes to its failpoint", || {
        let stands = site.cluster.stands_still(head)?;
        if !stands && matches!(point, DiskPoint::VoteWrite | DiskPoint::VoteSynced) {
            // A head that is to lead votes for itself. It may not be up yet, or lead already.
            let _ = lead(site, head);
        }
        Ok(stands.then_some(()))
    })
    .with_context(|| failpoint.clone())
}

/// Asks for a head to lead.
///
/// # Errors
/// If the others do not let it.
pub fn lead(site: &Site<Grid>, head: &str) -> anyhow::Result<()> {
    let client = site.client().clone();
    let body = json!({ "to": head });
    site.ask(async move {
        let leader = client.leader().await?;
        client.post::<Value>(leader, "/raft/transfer", &body).await
    })?;
    Ok(())
}

/// The head leads, loses the others, writes entries that nobody else has, and is gone; the others
/// are back and have agreed on something else. Back, it has to take back what it wrote.
fn write_what_nobody_has(site: &mut Site<Grid>, head: &str) -> anyhow::Result<()> {
    until("the head leads", || {
        if site.leader()? == head {
            return Ok(Some(()));
        }
        lead(site, head).map(|()| None)
    })?;
    site.before_fault()?;
    let mut others = site.cluster.heads();
    others.retain(|other| other != head);
    for other in &others {
        site.cluster
            .cluster
            .signal(other, nix::sys::signal::Signal::SIGKILL)?;
    }
    for other in &others {
        site.cluster.cluster.ended(other)?;
    }
    let at = site.client().head(head)?;
    let had = status(site, at)?.last_log;
    until("it writes what nobody else has", || {
        let now = status(site, at)?;
        // All of them may have come at once, so that the first sync is still under way.
        let own = now.members.iter().find(|member| member.name == head);
        let synced = own.and_then(|own| own.matched).is_some_and(|at| at > had);
        Ok((synced && now.last_log >= had + ALONE).then_some(()))
    })?;
    site.cluster.cluster.kill(head)?;
    let away = std::time::Instant::now();
    for other in &others {
        site.cluster.cluster.restart(other)?;
    }
    site.load.next_told(away)?;
    Ok(())
}

/// The head is away until it is too far behind for the log.
fn stay_away(site: &mut Site<Grid>, head: &str) -> anyhow::Result<()> {
    let had = status(site, site.client().head(head)?)?.applied;
    site.cluster.cluster.kill(head)?;
    until("the others are far ahead", || {
        let leader = status(site, site.client().head(&site.leader()?)?)?;
        let copied = leader.snapshot.unwrap_or(0);
        let far = leader.applied >= had + FAR_BEHIND && copied > had + FAR_BEHIND / 2;
        Ok(far.then_some(()))
    })
}

fn status(site: &Site<Grid>, head: usize) -> anyhow::Result<RaftStatus> {
    let client = site.client().clone();
    site.ask(async move { client.raft(head).await })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_point_comes_and_the_same_seed_deals_the_same() {
        let cuts = deal(7, 100);
        assert_eq!(cuts, deal(7, 100));
        assert_ne!(cuts, deal(8, 100));
        for point in DiskPoint::ALL {
            let has = |cut: &&Cut| matches!(cut.moment, Moment::At(at, _) if at == point);
            assert!(cuts.iter().filter(has).count() >= 3, "{point:?}");
        }
        let all = cuts.iter().filter(|cut| cut.everyone).count();
        assert!((20..80).contains(&all), "{all}");
    }
}
