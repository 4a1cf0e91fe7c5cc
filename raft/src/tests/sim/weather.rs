//! What befalls the heads: the same seed brings the same weather.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::cluster::Cluster;
use super::disk::{Death, USUAL_MS};
use super::host::Ask;
use super::network::{Loss, ip};
use crate::disk::DiskPoint;

/// Time between two events, in ms.
const PAUSE_MS: std::ops::Range<u64> = 80..600;
/// How long something lasts, in ms.
const LASTS_MS: std::ops::Range<u64> = 150..1_500;
/// How long a dead head stays so, in ms.
const DEAD_MS: std::ops::Range<u64> = 50..1_200;
/// The longest that a datagram takes, in ms.
const LATENCY_MS: u64 = 6;
/// The most heads that vote at the same time.
const VOTERS_MAX: usize = 6;

/// Where a disk may stop.
const POINTS: [DiskPoint; 7] = [
    DiskPoint::LogWrite,
    DiskPoint::LogSynced,
    DiskPoint::TablesWrite,
    DiskPoint::SnapshotBuilt,
    DiskPoint::SnapshotReceived,
    DiskPoint::InstallBeforeMarker,
    DiskPoint::InstallAfterMarker,
];

/// What ends again by itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Heal {
    Links,
    Loss,
    Latency,
    Disk(u64),
}

#[derive(Default)]
pub(super) struct Weather {
    next: Duration,
    healing: Vec<(Duration, Heal)>,
}

impl Weather {
    pub(super) fn new() -> Weather {
        Weather::default()
    }

    /// Lets happen what is due.
    pub(super) fn turn(&mut self, cluster: &mut Cluster<'_>) {
        let now = cluster.world.now();
        let (due, later) = self.healing.drain(..).partition(|(at, _)| *at <= now);
        self.healing = later;
        let due: Vec<(Duration, Heal)> = due;
        for (_, heal) in due {
            self.heal(cluster, heal);
        }
        if now < self.next {
            return;
        }
        self.next = now + cluster.chance.millis(PAUSE_MS);
        let running = cluster.running();
        if running.is_empty() {
            return;
        }
        let one = cluster.chance.one(&running);
        match cluster.chance.of(0..100) {
            0..12 => self.death(cluster, one),
            12..22 => self.death_at_a_point(cluster, one),
            22..25 => self.death_of_all(cluster),
            25..31 => self.planned_stop(cluster, one),
            31..41 => self.isolated_leader(cluster),
            41..50 => self.split(cluster),
            50..60 => self.one_way(cluster, one),
            60..67 => self.loss(cluster),
            67..73 => self.delay(cluster),
            73..79 => self.slow_disk(cluster, one),
            79..84 => self.wrong_clock(cluster, one),
            84..95 => self.members(cluster),
            95..98 => self.hand_over(cluster),
            _ => self.snapshot(cluster, one),
        }
    }

    /// Fine weather: everything is as it should be, and everybody is started.
    pub(super) fn end(&mut self, cluster: &mut Cluster<'_>) {
        self.healing.clear();
        for heal in [Heal::Links, Heal::Loss, Heal::Latency] {
            self.heal(cluster, heal);
        }
        let now = cluster.world.now();
        for until in cluster.down.values_mut() {
            *until = now.min(*until);
        }
        for node in 1..=cluster.newest {
            self.heal(cluster, Heal::Disk(node));
            cluster.world.disk(node).disarm();
        }
    }

    fn heal(&mut self, cluster: &mut Cluster<'_>, heal: Heal) {
        cluster.world.log(&format!("healed: {heal:?}"));
        match heal {
            Heal::Links => {
                for a in 1..=cluster.newest {
                    for b in (1..=cluster.newest).filter(|b| *b != a) {
                        cluster.sim.repair_oneway(ip(a), ip(b));
                    }
                }
            }
            Heal::Loss => cluster.world.set_loss(Loss::default()),
            Heal::Latency => cluster
                .sim
                .set_max_message_latency(Duration::from_millis(LATENCY_MS)),
            Heal::Disk(node) => cluster.world.disk(node).slow_down(USUAL_MS),
        }
    }

    fn later(&mut self, cluster: &mut Cluster<'_>, heal: Heal) {
        let at = cluster.world.now() + cluster.chance.millis(LASTS_MS);
        self.healing.push((at, heal));
    }

    fn death(&mut self, cluster: &mut Cluster<'_>, one: u64) {
        let led = cluster.world.leader() == Some(one);
        let death = cluster.chance.one(&[Death::Kill, Death::Power]);
        let length = cluster.chance.millis(DEAD_MS);
        cluster.kill(one, death, length);
        cluster.world.met(match death {
            Death::Kill => "a head was killed",
            Death::Power => "a head lost its power",
        });
        if led {
            cluster.world.met("a leader died");
        }
    }

    fn death_at_a_point(&mut self, cluster: &mut Cluster<'_>, one: u64) {
        let (point, times) = (cluster.chance.one(&POINTS), cluster.chance.of(1..4));
        cluster.world.log(&format!(
            "the disk of head {one} will stop at {point:?}, {times}"
        ));
        cluster.world.disk(one).arm(point, times);
    }

    fn death_of_all(&mut self, cluster: &mut Cluster<'_>) {
        for node in cluster.running() {
            let length = cluster.chance.millis(DEAD_MS);
            cluster.kill(node, Death::Power, length);
        }
        cluster.world.met("all heads lost their power");
    }

    fn planned_stop(&mut self, cluster: &mut Cluster<'_>, one: u64) {
        let node = match cluster.world.leader() {
            Some(leader) if cluster.chance.happens(500) => leader,
            Some(_) | None => one,
        };
        if cluster.down.contains_key(&node) {
            return;
        }
        let length = cluster.chance.millis(DEAD_MS);
        cluster.stop(node, length);
        cluster.world.met("a head was stopped as planned");
    }

    fn isolated_leader(&mut self, cluster: &mut Cluster<'_>) {
        let Some(leader) = cluster.world.leader() else {
            return;
        };
        cluster.world.log(&format!("leader {leader} is isolated"));
        cluster.world.met("a leader was isolated");
        self.cut(cluster, &BTreeSet::from([leader]));
        self.later(cluster, Heal::Links);
    }

    fn split(&mut self, cluster: &mut Cluster<'_>) {
        let mut side = BTreeSet::new();
        for node in 1..=cluster.newest {
            if cluster.chance.happens(500) {
                side.insert(node);
            }
        }
        cluster
            .world
            .log(&format!("{side:?} are split from the others"));
        cluster.world.met("the heads were split");
        self.cut(cluster, &side);
        self.later(cluster, Heal::Links);
    }

    /// Cuts these off from all others, both ways.
    fn cut(&mut self, cluster: &mut Cluster<'_>, side: &BTreeSet<u64>) {
        for a in side {
            for b in (1..=cluster.newest).filter(|b| !side.contains(b)) {
                cluster.sim.partition(ip(*a), ip(b));
            }
        }
    }

    fn one_way(&mut self, cluster: &mut Cluster<'_>, one: u64) {
        let (hears, whole) = (cluster.chance.happens(500), cluster.chance.happens(500));
        let others: Vec<u64> = (1..=cluster.newest).filter(|node| *node != one).collect();
        let others = if whole {
            others
        } else {
            vec![cluster.chance.one(&others)]
        };
        cluster.world.log(&format!(
            "head {one} and {others:?}: one way only, it hears: {hears}"
        ));
        cluster.world.met("a link carried one way only");
        for other in others {
            if hears {
                cluster.sim.partition_oneway(ip(one), ip(other));
            } else {
                cluster.sim.partition_oneway(ip(other), ip(one));
            }
        }
        self.later(cluster, Heal::Links);
    }

    fn loss(&mut self, cluster: &mut Cluster<'_>) {
        let (lost, doubled) = (cluster.chance.of(5..250), cluster.chance.of(0..200));
        cluster.world.log(&format!(
            "of 1000 datagrams {lost} are lost, {doubled} doubled"
        ));
        cluster.world.met("datagrams were lost and doubled");
        cluster.world.set_loss(Loss { lost, doubled });
        self.later(cluster, Heal::Loss);
    }

    fn delay(&mut self, cluster: &mut Cluster<'_>) {
        let most = cluster.chance.millis(20..300);
        cluster.world.log(&format!("datagrams take up to {most:?}"));
        cluster.world.met("datagrams were late and out of order");
        cluster.sim.set_max_message_latency(most);
        self.later(cluster, Heal::Latency);
    }

    fn slow_disk(&mut self, cluster: &mut Cluster<'_>, one: u64) {
        let most = cluster.chance.of(20..500);
        cluster
            .world
            .log(&format!("the disk of head {one} takes up to {most} ms"));
        cluster.world.met("a disk was slow");
        cluster.world.disk(one).slow_down(most);
        self.later(cluster, Heal::Disk(one));
    }

    fn wrong_clock(&mut self, cluster: &mut Cluster<'_>, one: u64) {
        let skew = cluster.chance.of(0..120_000).cast_signed() - 60_000;
        cluster
            .world
            .log(&format!("the clock of head {one} is off by {skew} ms"));
        cluster.world.met("a clock was wrong");
        let heads = cluster.world.heads.lock().unwrap();
        heads[&one].skew_ms.store(skew, Ordering::Relaxed);
    }

    /// A head is added, removed, or replaced by a new one.
    fn members(&mut self, cluster: &mut Cluster<'_>) {
        if !cluster.has_settled() {
            return;
        }
        let mut wanted = cluster.world.wanted.lock().unwrap().clone();
        let voters: Vec<u64> = wanted.iter().copied().collect();
        let leaves = cluster.chance.one(&voters);
        let kind = cluster.chance.of(0..10);
        if kind < 2 && wanted.len() < VOTERS_MAX {
            wanted.insert(self.newcomer(cluster));
            cluster.world.met("a head was added");
        } else if kind < 4 && wanted.len() > 2 {
            wanted.remove(&leaves);
        } else {
            wanted.remove(&leaves);
            wanted.insert(self.newcomer(cluster));
            cluster.world.met("a head was replaced");
        }
        cluster.world.log(&format!("{wanted:?} shall vote"));
        *cluster.world.wanted.lock().unwrap() = wanted;
    }

    /// A new head; it may die at its first snapshot.
    fn newcomer(&mut self, cluster: &mut Cluster<'_>) -> u64 {
        let node = cluster.add_head();
        if cluster.chance.happens(400) {
            let point = cluster.chance.one(&POINTS[4..]);
            cluster
                .world
                .log(&format!("the disk of head {node} will stop at {point:?}"));
            cluster.world.disk(node).arm(point, 1);
        }
        node
    }

    fn hand_over(&mut self, cluster: &mut Cluster<'_>) {
        if let Some(leader) = cluster.world.leader() {
            cluster
                .world
                .log(&format!("leader {leader} shall hand over"));
            cluster.world.met("a leader handed over");
            let (to, _) = tokio::sync::oneshot::channel();
            cluster.world.tell(leader, Ask::HandOver(to));
        }
    }

    fn snapshot(&mut self, cluster: &mut Cluster<'_>, one: u64) {
        cluster
            .world
            .log(&format!("head {one} shall copy its state"));
        let (to, _) = tokio::sync::oneshot::channel();
        cluster.world.tell(one, Ask::Snapshot(to));
    }
}
