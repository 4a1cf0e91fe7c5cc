//! Heads that stop for a while and go on as if nothing had been, and agents that die at work.
//!
//! `PAUSES` and `AGENT_KILLS` say how often, `PAUSE_MS` for how long at most.

use std::time::Duration;

use anyhow::Context;
use nix::sys::signal::Signal;
use simulation::chance::Chance;
use tests::weather::count;
use tests::weather::verdict::Allowed;

use crate::site::{Site, open, say};
use crate::town::{AGENTS, HEADS};

const SEED: usize = 3;
const PAUSES: usize = 8;
const PAUSE_MS: usize = 3_000;
/// The shortest pause, in milliseconds.
const PAUSE_LEAST: u64 = 100;
const AGENT_KILLS: usize = 10;
/// Begins and ends between two kills.
const WORK: usize = 40;

#[test]
fn heads_that_stand_still_and_agents_that_die_lose_nothing() -> anyhow::Result<()> {
    let mut site = open()?;
    let seed = count("SEED", SEED)?;
    say(&format!("SEED={seed}"));
    let mut chance = Chance::new(seed as u64);
    let (pauses, longest) = (count("PAUSES", PAUSES)?, count("PAUSE_MS", PAUSE_MS)?);
    for number in 0..pauses {
        let length = length(&mut chance, number, pauses, longest as u64);
        pause(&mut site, &mut chance, length, number % 4 != 3)?;
    }
    let kills = count("AGENT_KILLS", AGENT_KILLS)?;
    for number in 0..kills {
        site.before_fault()?;
        let agent = AGENTS[number % AGENTS.len()];
        site.end(agent, Signal::SIGKILL)?;
        site.cluster.start(agent)?;
        site.worked(WORK)?;
    }
    site.judge(Allowed { unnoted: kills })
}

/// From the shortest to the longest, each a multiple of the one before, a little by chance; so
/// that short ones, which nobody notices, are as frequent as long ones.
fn length(chance: &mut Chance, number: usize, pauses: usize, longest: u64) -> Duration {
    #[allow(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a few seconds, to the millisecond"
    )]
    let millis = {
        let part = (number as f64 + 1.0) / pauses as f64;
        let times = longest as f64 / PAUSE_LEAST as f64;
        (PAUSE_LEAST as f64 * times.powf(part)) as u64
    };
    Duration::from_millis(millis - chance.below(millis / 10))
}

/// Stops a head, the leader or another one, and lets it go on.
fn pause(
    site: &mut Site,
    chance: &mut Chance,
    length: Duration,
    leads: bool,
) -> anyhow::Result<()> {
    site.before_fault()?;
    let leader = site.leader()?;
    let others = HEADS.into_iter().filter(|head| *head != leader);
    let other = chance.of(&others.collect::<Vec<_>>());
    let head = if leads {
        leader
    } else {
        other.context("another head")?
    };
    site.cluster.signal(head, Signal::SIGSTOP)?;
    // The length of the pause is the fault itself.
    std::thread::sleep(length);
    site.cluster.signal(head, Signal::SIGCONT)?;
    site.caught_up(head)
}
