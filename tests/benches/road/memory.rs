//! What a head needs while very many jobs wait.

use std::time::Duration;

use tests::cluster::{Cluster, Layout};

use crate::Bench;
use crate::report::{Better, say};
use crate::rest::{Rest, job};
use crate::work::drain_nodes;

const PENDING: usize = 100_000;
/// Jobs in one request.
const BATCH: usize = 1_000;
/// What was needed for the requests themselves is given back in this time.
const SETTLE: Duration = Duration::from_secs(5);

/// On a young cluster whose nodes are drained.
pub(crate) fn measure(bench: &mut Bench) -> anyhow::Result<()> {
    let cluster = Cluster::start(&Layout {
        heads: 3,
        agents: 2,
        runtime: "fake",
        further: ["--log", "warn"].map(str::to_owned).to_vec(),
    })?;
    drain_nodes(&cluster)?;
    let rest = Rest::of_leader(&cluster)?;
    bench.runtime.block_on(async {
        for _ in 0..PENDING / BATCH {
            rest.submit_batch(&job(), BATCH).await?;
        }
        anyhow::Ok(())
    })?;
    std::thread::sleep(SETTLE);
    let mut largest = 0.0_f64;
    for head in cluster.heads() {
        let mib = resident_mib(cluster.node(&head)?.pid)?;
        say(&format!(
            "{head}: {mib:.0} MiB resident with {PENDING} jobs pending"
        ));
        largest = largest.max(mib);
    }
    let metric = "head_rss_mb_100k_pending";
    bench.report.add(metric, largest, "MB", Better::Lower);
    Ok(())
}

/// Resident memory of a process.
fn resident_mib(pid: i32) -> anyhow::Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let kib = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .and_then(|rest| rest.split_whitespace().next());
    let kib: f64 = kib.unwrap_or_default().parse()?;
    Ok(kib / 1024.0)
}
