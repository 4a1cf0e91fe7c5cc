//! Heads that stop for a while and go on as if nothing had been, and agents that die at work.

use std::time::Duration;

use anyhow::Context;
use nix::sys::signal::Signal;
use tests::chance::Chance;
use tests::weather::verdict::Allowed;

use crate::site::open;

const SEED: u64 = 3;
/// Milliseconds for which a head stands still, and whether it is the leader.
const PAUSES: [(u64, bool); 8] = [
    (100, true),
    (300, false),
    (600, true),
    (1_000, true),
    (150, true),
    (2_000, false),
    (5_000, true),
    (400, true),
];
const AGENT_KILLS: usize = 10;
/// Begins and ends between two kills.
const WORK: usize = 60;

#[test]
fn heads_that_stand_still_and_go_on_lose_nothing() -> anyhow::Result<()> {
    let mut site = open()?;
    let mut chance = Chance::new(SEED);
    for (millis, leads) in PAUSES {
        site.before_fault()?;
        let leader = site.leader()?;
        let mut others = site.cluster.heads();
        others.retain(|head| *head != leader);
        let other = chance.of(&others).context("another head")?;
        let head = if leads { leader } else { other };
        site.cluster.signal(&head, Signal::SIGSTOP)?;
        // The length of the pause is the fault itself.
        std::thread::sleep(Duration::from_millis(millis));
        site.cluster.signal(&head, Signal::SIGCONT)?;
        site.caught_up(&head)?;
    }
    site.close(Allowed::default())
}

#[test]
fn agents_killed_at_work_run_nothing_twice() -> anyhow::Result<()> {
    let mut site = open()?;
    let agents = ["agent-1", "agent-2"];
    for number in 0..AGENT_KILLS {
        site.before_fault()?;
        let agent = agents[number % agents.len()];
        site.cluster.kill(agent)?;
        site.cluster.restart(agent)?;
        site.worked(WORK)?;
    }
    site.close(Allowed {
        unnoted: AGENT_KILLS,
    })
}
