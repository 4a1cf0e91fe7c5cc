//! Machines that do not hear each other for a while, though users reach them all.

use std::time::Duration;

use anyhow::Context;
use tests::netns::Cut;
use tests::weather::verdict::Allowed;

use crate::site::Site;
use crate::town::{AGENTS, HEADS, Town, open};

/// How long each cut lasts: several elections, less than a lease.
const CUT: Duration = Duration::from_millis(2_500);
/// The leader hears nobody, is heard by nobody, both; with an agent on its side, and without.
const CUTS: [(Cut, bool); 5] = [
    (Cut::Apart, false),
    (Cut::Deaf, false),
    (Cut::Mute, false),
    (Cut::Apart, true),
    (Cut::Mute, true),
];

#[test]
fn leaders_cut_off_lose_nothing() -> anyhow::Result<()> {
    let mut site = open()?;
    for (cut, with_agent) in CUTS {
        site.before_fault()?;
        cut_off_leader(&site, cut, with_agent)?;
    }
    site.close(Allowed::default())
}

/// Cuts the leader off, perhaps together with the first agent, for a while.
fn cut_off_leader(site: &Site<Town>, cut: Cut, with_agent: bool) -> anyhow::Result<()> {
    let (net, leader) = (&site.cluster.net, site.leader()?);
    let machine = site.cluster.machine_of(&leader)?;
    let kept = if with_agent {
        &AGENTS[1..]
    } else {
        &AGENTS[..]
    };
    let mut others: Vec<u8> = HEADS.into_iter().filter(|head| *head != machine).collect();
    let heads = others.clone();
    others.extend(kept);
    net.cut(machine, &others, cut)?;
    if with_agent {
        net.cut(AGENTS[0], &heads, cut)?;
    }
    // The length of the cut is the fault itself; service must come back while it lasts.
    std::thread::sleep(CUT);
    let served = site.load.next_told(std::time::Instant::now());
    let standing = site.standing();
    net.heal(machine)?;
    net.heal(AGENTS[0])?;
    served.with_context(|| {
        format!("{leader}, {cut:?}, an agent with it: {with_agent}: {standing}")
    })?;
    site.caught_up(&leader)
}
