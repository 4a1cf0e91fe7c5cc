//! Bad lines between all machines: datagrams are lost, late, doubled and overtake each other, while
//! users reach every head. `SEED` is the wind's, `GUST_MS` how long each gust lasts.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use tests::weather::verdict::Allowed;
use tests::weather::{Times, count};
use tests::wind::{Did, Force, Wind};

use crate::site::{Setting, say, say_times};

const SEED: usize = 1;
const GUST_MS: usize = 2_500;
/// In a gust something is acknowledged within so long, elections included.
const SERVED_WITHIN: u64 = 10_000;

/// Every gust: lost and doubled of a hundred, least and further delay in milliseconds.
const GUSTS: [(u64, u64, u64, u64); 8] = [
    (1, 0, 0, 0),
    (0, 0, 20, 30),
    (5, 5, 5, 20),
    (10, 10, 0, 10),
    (0, 20, 0, 100),
    (20, 0, 0, 0),
    (2, 2, 50, 50),
    (5, 5, 0, 200),
];

#[test]
fn bad_lines_lose_nothing() -> anyhow::Result<()> {
    let seed = count("SEED", SEED)?;
    say(&format!("SEED={seed}"));
    let setting = Setting {
        wind: Some(seed as u64),
        ..Setting::default()
    };
    let gust = Duration::from_millis(count("GUST_MS", GUST_MS)? as u64);
    let mut site = setting.open()?;
    let mut back = Times::default();
    for (lost, doubled, delay, spread) in GUSTS {
        site.before_fault()?;
        let (before, force) = (
            wind(&site.cluster.wind)?.did(),
            Force {
                lost,
                doubled,
                delay: Duration::from_millis(delay),
                spread: Duration::from_millis(spread),
            },
        );
        let began = Instant::now();
        wind(&site.cluster.wind)?.blow(force);
        let served = site.back_after(began);
        // The length of the gust is the fault itself.
        std::thread::sleep(gust.saturating_sub(began.elapsed()));
        let (last, standing) = (Instant::now(), site.standing());
        let also = site.load.next_told(last).context(standing);
        wind(&site.cluster.wind)?.blow(Force::default());
        back.push(served.with_context(|| format!("in {force:?}"))?);
        back.push(
            also.with_context(|| format!("in {force:?}"))?
                .duration_since(last),
        );
        blew(force, before, wind(&site.cluster.wind)?.did())?;
    }
    say_times("bad lines -> next acknowledged submission", &back);
    site.within("service on bad lines", back.percentile(99), SERVED_WITHIN)?;
    site.judge(Allowed::default())
}

fn wind(wind: &Option<Wind>) -> anyhow::Result<&Wind> {
    wind.as_ref().context("a wind")
}

/// A fault that did not happen proves nothing.
fn blew(force: Force, before: Did, after: Did) -> anyhow::Result<()> {
    say(&format!(
        "{force:?}: of {} datagrams {} lost, {} doubled, {} late",
        after.came - before.came,
        after.lost - before.lost,
        after.doubled - before.doubled,
        after.delayed - before.delayed
    ));
    let late = !force.delay.is_zero() || !force.spread.is_zero();
    ensure!(
        force.lost == 0 || after.lost > before.lost,
        "nothing was lost"
    );
    ensure!(
        force.doubled == 0 || after.doubled > before.doubled,
        "nothing was doubled"
    );
    ensure!(!late || after.delayed > before.delayed, "nothing was late");
    Ok(())
}
