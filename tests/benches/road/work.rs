//! The whole road without containers: submitted, placed, run by the `fake` runtime, ended, in the
//! ledger of every head.

use std::time::{Duration, Instant};

use anyhow::ensure;
use tests::cluster::Cluster;

use crate::Bench;
use crate::report::{Better, rate, say};
use crate::rest::{BATCH_MAX, Rest, job};

const ROUNDS: usize = 3;
const TASKS: usize = 2 * BATCH_MAX;
/// How long all the jobs may take to come to their ends.
const DRAIN_WITHIN: Duration = Duration::from_secs(120);
const LOOK_EVERY: Duration = Duration::from_millis(20);

pub(crate) fn measure(bench: &mut Bench, cluster: &Cluster) -> anyhow::Result<()> {
    let rest = Rest::of_leader(cluster)?;
    let mut rates = Vec::new();
    for round in 1..=ROUNDS {
        let began = Instant::now();
        bench.runtime.block_on(async {
            for _ in 0..TASKS / BATCH_MAX {
                rest.submit_batch(&job(), BATCH_MAX).await?;
            }
            anyhow::Ok(())
        })?;
        let submitted = began.elapsed();
        bench.runtime.block_on(drained(&rest))?;
        let took = began.elapsed();
        let per_s = rate(TASKS, took);
        say(&format!(
            "round {round}: {TASKS} tasks in {took:.2?}, {per_s:.0}/s"
        ));
        say(&format!(
            "         (all were submitted after {submitted:.2?})"
        ));
        rates.push(per_s);
    }
    rates.sort_unstable_by(f64::total_cmp);
    let median = rates[ROUNDS / 2];
    let metric = "tasks_end_to_end_fake_per_s";
    bench.report.add(metric, median, "1/s", Better::Higher);
    Ok(())
}

/// Nothing is placed any more.
pub(crate) fn drain_nodes(cluster: &Cluster) -> anyhow::Result<()> {
    for node in cluster.nodes_up()? {
        cluster.goctl(&["admin", "node", "drain", &node, "--reason", "measuring"])?;
    }
    Ok(())
}

/// Returns once no job is live.
pub(crate) async fn drained(rest: &Rest) -> anyhow::Result<()> {
    let began = Instant::now();
    while rest.has_live_jobs().await? {
        ensure!(
            began.elapsed() < DRAIN_WITHIN,
            "jobs are left after {DRAIN_WITHIN:?}"
        );
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(())
}
