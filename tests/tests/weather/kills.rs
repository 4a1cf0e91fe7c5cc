//! The leader ends, by `kill -9` and as asked, again and again under load.
//!
//! `KILLS` and `HAND_OVERS` say how often.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use tests::weather::verdict::Allowed;
use tests::weather::{Times, count};

use crate::site::{Site, open, say_times};

const KILLS: usize = 20;
const HAND_OVERS: usize = 10;
/// After a head was told to end, the silence is looked for so long.
const AFTERWARDS: Duration = Duration::from_millis(300);

#[test]
fn leaders_killed_and_leaders_told_to_end_lose_nothing() -> anyhow::Result<()> {
    let mut site = open()?;
    let mut back = Times::default();
    for _ in 0..count("KILLS", KILLS)? {
        back.push(kill_leader(&mut site)?);
    }
    let mut silences = Times::default();
    for _ in 0..count("HAND_OVERS", HAND_OVERS)? {
        silences.push(end_leader(&mut site)?);
    }
    say_times(
        "kill -9 of the leader -> next acknowledged submission",
        &back,
    );
    say_times("SIGTERM to the leader -> longest silence", &silences);
    for (percent, calm) in [(50, 800), (99, 1_500)] {
        site.within("failover", back.percentile(percent), calm)?;
    }
    site.within("hand-over", silences.percentile(99), 250)?;
    site.judge(Allowed::default())
}

/// How long nothing was acknowledged.
fn kill_leader(site: &mut Site) -> anyhow::Result<Duration> {
    site.before_fault()?;
    let leader = site.leader()?;
    let struck = Instant::now();
    site.end(leader, Signal::SIGKILL)?;
    let back = site.back_after(struck)?;
    site.cluster.start(leader)?;
    site.caught_up(leader)?;
    Ok(back)
}

/// The longest silence around its end.
fn end_leader(site: &mut Site) -> anyhow::Result<Duration> {
    site.before_fault()?;
    let leader = site.leader()?;
    let told = Instant::now();
    site.end(leader, Signal::SIGTERM)?;
    site.load.next_told(Instant::now() + AFTERWARDS)?;
    let silence = site.load.longest_silence(told, Instant::now());
    site.cluster.start(leader)?;
    site.caught_up(leader)?;
    Ok(silence)
}
