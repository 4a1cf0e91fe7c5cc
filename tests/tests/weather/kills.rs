//! The leader ends, by `kill -9` and as asked, again and again under load.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use tests::weather::Times;
use tests::weather::verdict::Allowed;

use crate::site::{back_after, open, say_times, within};

const KILLS: usize = 20;
const HAND_OVERS: usize = 6;
/// After a head was told to end, the silence is looked for so long.
const AFTERWARDS: Duration = Duration::from_millis(300);

#[test]
fn twenty_leaders_killed_under_load_lose_nothing() -> anyhow::Result<()> {
    let mut site = open()?;
    let mut back = Times::default();
    for _ in 0..KILLS {
        site.before_fault()?;
        let leader = site.leader()?;
        let struck = Instant::now();
        site.cluster.kill(&leader)?;
        back.push(back_after(&site.load, struck)?);
        site.cluster.restart(&leader)?;
        site.caught_up(&leader)?;
    }
    say_times(
        "kill -9 of the leader -> next acknowledged submission",
        &back,
    );
    for (percent, calm) in [(50, 800), (99, 1_500)] {
        let took = back.percentile(percent);
        within("failover", took, Duration::from_millis(calm), &site.stalls)?;
    }
    site.close(Allowed::default())
}

#[test]
fn leaders_told_to_end_hand_over() -> anyhow::Result<()> {
    let mut site = open()?;
    let mut silences = Times::default();
    for _ in 0..HAND_OVERS {
        site.before_fault()?;
        let leader = site.leader()?;
        let told = Instant::now();
        site.cluster.end(&leader, Signal::SIGTERM)?;
        site.load.next_told(Instant::now() + AFTERWARDS)?;
        silences.push(site.load.longest_silence(told, Instant::now()));
        site.cluster.restart(&leader)?;
        site.caught_up(&leader)?;
    }
    say_times("SIGTERM to the leader -> longest silence", &silences);
    let (took, calm) = (silences.percentile(99), Duration::from_millis(250));
    within("hand-over", took, calm, &site.stalls)?;
    site.close(Allowed::default())
}
