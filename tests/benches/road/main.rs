//! How fast the road is: from a submission to the disks of a quorum, from there to the call to an
//! engine, and to the end of the work.
//!
//! Clients, heads, agents and engine share this one machine; each part says what else runs. Every
//! figure is of this run; a request that is refused or fails ends the run, it is not left out.
//!
//!     make bench                              optimised build, everything
//!     make bench PROFILE=dev                  the build that tests use
//!     BENCH=submit,failover make bench        these parts only, and no report
//!
//! The figures are printed, and all of them together are written to `target/bench/report.json`.

mod engine;
mod failover;
mod machine;
mod memory;
mod report;
mod rest;
mod starts;
mod submissions;
mod work;

use report::Report;
use tests::cluster::{Cluster, Layout};
use tokio::runtime::Runtime;

/// What can be measured, in this order.
const PARTS: [&str; 6] = ["starts", "work", "submit", "memory", "failover", "engine"];

/// What every part is given.
pub(crate) struct Bench {
    pub(crate) runtime: Runtime,
    pub(crate) report: Report,
}

fn main() -> anyhow::Result<()> {
    net::tls::install_crypto();
    let wanted = std::env::var("BENCH").unwrap_or_default();
    let chosen: Vec<&str> = wanted.split(',').filter(|name| !name.is_empty()).collect();
    for name in &chosen {
        anyhow::ensure!(PARTS.contains(name), "BENCH={name}: one of {PARTS:?}");
    }
    let wants = |part: &str| chosen.is_empty() || chosen.contains(&part);
    let mut bench = Bench {
        runtime: Runtime::new()?,
        report: Report::default(),
    };
    machine::say_facts()?;
    if ["starts", "work", "submit"].into_iter().any(wants) {
        on_three_heads(&mut bench, wants)?;
    }
    if wants("memory") {
        memory::measure(&mut bench)?;
    }
    if wants("failover") {
        failover::measure(&mut bench)?;
    }
    if wants("engine") {
        engine::measure(&mut bench)?;
    }
    if chosen.is_empty() {
        bench.report.write()?;
    }
    Ok(())
}

/// The parts that need no faults and no containers: three heads, two agents, the `fake` runtime.
fn on_three_heads(bench: &mut Bench, wants: impl Fn(&str) -> bool) -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let ledger = dir.path().join("ledger");
    // Room for all the work at once: what waits for room is no measure of the road.
    let room = ["--cpus", "2000", "--memory-mib", "1000000"];
    let words = ["--log", "warn", "--fake-ledger"];
    let mut further: Vec<String> = room.into_iter().chain(words).map(str::to_owned).collect();
    further.push(ledger.display().to_string());
    let cluster = Cluster::start(&Layout {
        heads: 3,
        agents: 2,
        runtime: "fake",
        further,
    })?;
    machine::measure_syncs(&cluster.path())?;
    if wants("starts") {
        starts::measure(bench, &cluster, &ledger)?;
    }
    if wants("work") {
        work::measure(bench, &cluster)?;
    }
    if wants("submit") {
        work::drain_nodes(&cluster)?;
        submissions::measure(bench, &cluster)?;
    }
    Ok(())
}
