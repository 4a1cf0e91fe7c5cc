//! An idle cluster: from before a submission to the call that starts the job, by the boot clock
//! that the runtime writes into its ledger with every begin.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use nix::time::{ClockId, clock_gettime};
use tests::cluster::Cluster;

use crate::Bench;
use crate::report::{Better, millis, say_times, share};
use crate::rest::{Rest, job};
use crate::work::drained;

const STARTS: usize = 300;
/// How long one job may take until it runs.
const START_WITHIN: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(2);

pub(crate) fn measure(bench: &mut Bench, cluster: &Cluster, ledger: &Path) -> anyhow::Result<()> {
    let rest = Rest::of_leader(cluster)?;
    let mut times = Vec::with_capacity(STARTS);
    for _ in 0..STARTS {
        let before = Duration::from(clock_gettime(ClockId::CLOCK_BOOTTIME)?);
        let id = bench.runtime.block_on(rest.submit(&job()))?;
        let at = begin_of(ledger, id)?;
        times.push(at.saturating_sub(before));
        bench.runtime.block_on(drained(&rest))?;
    }
    say_times("submit until the call that starts it, idle", &mut times);
    for (metric, percent) in [
        ("submit_to_start_call_ms_p50", 50),
        ("submit_to_start_call_ms_p99", 99),
    ] {
        let took = millis(share(&times, percent));
        bench.report.add(metric, took, "ms", Better::Lower);
    }
    Ok(())
}

/// When the job's first attempt began, since boot.
fn begin_of(ledger: &Path, job: u64) -> anyhow::Result<Duration> {
    let began = Instant::now();
    let word = format!("begin {job}_0#1 ");
    loop {
        let text = std::fs::read_to_string(ledger).unwrap_or_default();
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        if let Some(line) = whole.lines().rev().find(|line| line.starts_with(&word)) {
            let micros = line.rsplit(' ').next().context("a time")?;
            return Ok(Duration::from_micros(micros.parse()?));
        }
        ensure!(began.elapsed() < START_WITHIN, "job {job} does not begin");
        std::thread::sleep(LOOK_EVERY);
    }
}
