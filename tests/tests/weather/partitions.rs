//! Machines that do not hear each other for a while, though users reach them all: the leader hears
//! nobody, is heard by nobody, both; alone, with agents on its side, and with only one follower
//! gone. `CUTS_ROUNDS` says how often each.

use std::time::{Duration, Instant};

use anyhow::Context;
use tests::netns::Cut;
use tests::weather::verdict::Allowed;
use tests::weather::{Times, count};

use crate::site::{Site, open, say_times};
use crate::town::{AGENTS, HEADS};

/// How long each cut lasts at least: several elections, less than a lease.
const CUT: Duration = Duration::from_millis(1_500);

/// Who is on the other side of a cut around the leader.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Side {
    /// Everybody.
    All,
    /// Both other heads and two agents; two agents stay with the leader.
    Split,
    /// The other heads; all agents hear both sides.
    Heads,
}

const CUTS: [(Cut, Side); 7] = [
    (Cut::Apart, Side::All),
    (Cut::Deaf, Side::All),
    (Cut::Mute, Side::All),
    (Cut::Apart, Side::Split),
    (Cut::Mute, Side::Split),
    (Cut::Deaf, Side::Heads),
    (Cut::Apart, Side::Heads),
];

#[test]
fn leaders_cut_off_lose_nothing() -> anyhow::Result<()> {
    let mut site = open()?;
    let mut back = Times::default();
    for _ in 0..count("CUTS_ROUNDS", 1)? {
        for (cut, side) in CUTS {
            site.before_fault()?;
            let took = cut_off_leader(&site, cut, side);
            back.push(took.with_context(|| format!("{cut:?}, {side:?}"))?);
        }
    }
    say_times("the leader cut off -> next acknowledged submission", &back);
    // A leader that hears nobody is believed until it lets the others go.
    site.within("service after a cut", back.percentile(99), 2_500)?;
    site.judge(Allowed::default())
}

/// Cuts the leader off; how long nothing was acknowledged.
fn cut_off_leader(site: &Site, cut: Cut, side: Side) -> anyhow::Result<Duration> {
    let (net, leader) = (&site.cluster.net, site.leader()?);
    let heads: Vec<u8> = HEADS.into_iter().filter(|head| *head != leader).collect();
    let (near, far) = match side {
        Side::All => (&AGENTS[..0], &AGENTS[..]),
        Side::Split => AGENTS.split_at(2),
        Side::Heads => (&AGENTS[..], &AGENTS[..0]),
    };
    net.cut(leader, &[&heads[..], far].concat(), cut)?;
    if side == Side::Split {
        for agent in near {
            net.cut(*agent, &heads, cut)?;
        }
    }
    let struck = Instant::now();
    let back = site.back_after(struck);
    // The length of the cut is the fault itself; service came back while it lasted.
    std::thread::sleep(CUT.saturating_sub(struck.elapsed()));
    net.heal(leader)?;
    for agent in near {
        net.heal(*agent)?;
    }
    let back = back?;
    site.caught_up(leader)?;
    Ok(back)
}
