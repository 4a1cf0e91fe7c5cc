//! The leader is killed with `kill -9` under load, again and again: how long until the next
//! submission is acknowledged.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::ensure;
use tests::client::Client;
use tests::cluster::{Cluster, Layout, until};
use tests::weather::load::Load;
use tokio::runtime::Runtime;

use crate::Bench;
use crate::report::{Better, millis, say_times, share};

const KILLS: usize = 20;
/// What the old leader had received when it was struck does not count.
const UNDER_WAY: Duration = Duration::from_millis(5);
/// Between a head's return and the next kill.
const CALM: Duration = Duration::from_secs(1);

pub(crate) fn measure(bench: &mut Bench) -> anyhow::Result<()> {
    let further = ["--cpus", "64", "--log", "warn"]
        .map(str::to_owned)
        .to_vec();
    let mut cluster = Cluster::start(&Layout {
        heads: 3,
        agents: 2,
        runtime: "fake",
        further,
    })?;
    let client = Client::of(&cluster)?;
    let mut load = Load::start(Arc::new(Runtime::new()?), client.clone());
    let mut times = Vec::with_capacity(KILLS);
    for _ in 0..KILLS {
        ensure!(
            load.brisk(),
            "fewer than 50 submissions a second before a kill"
        );
        let leader = cluster.leader()?;
        let struck = Instant::now();
        cluster.kill(&leader)?;
        let told = load.next_told(struck + UNDER_WAY)?;
        times.push(told.duration_since(struck));
        cluster.restart(&leader)?;
        let leads = cluster.leader()?;
        caught_up(bench, &client, &leader, &leads)?;
        std::thread::sleep(CALM);
    }
    load.stop()?;
    say_times(
        "kill -9 of the leader until the next acknowledgement",
        &mut times,
    );
    for (metric, percent) in [("failover_ms_p50", 50), ("failover_ms_p99", 99)] {
        let took = millis(share(&times, percent));
        bench.report.add(metric, took, "ms", Better::Lower);
    }
    Ok(())
}

/// Waits until a head that was away has applied what the leader had applied by now.
fn caught_up(bench: &Bench, client: &Client, head: &str, leader: &str) -> anyhow::Result<()> {
    let applied = |name: &str| {
        let status = client.raft(client.head(name)?);
        anyhow::Ok(bench.runtime.block_on(status)?.applied)
    };
    let goal = applied(leader)?;
    until("the head has caught up", || {
        Ok((applied(head)? >= goal).then_some(()))
    })
}
