//! Submissions: how many a second, and how long one takes. The nodes are drained: nothing but
//! submissions happens.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use tests::cluster::Cluster;
use tokio::task::JoinSet;

use crate::Bench;
use crate::report::{Better, rate, say_times};
use crate::rest::{Rest, job};

const GOCTL_SUBMITS: usize = 30;
const SUBMITS: usize = 300;
const CLIENTS: usize = 64;
const PARALLEL_FOR: Duration = Duration::from_secs(6);
const BATCHES: usize = 40;
const BATCH_JOBS: usize = 1_000;
/// Clients that submit batches at the same time.
const BATCH_CLIENTS: usize = 4;

pub(crate) fn measure(bench: &mut Bench, cluster: &Cluster) -> anyhow::Result<()> {
    say_times(
        "goctl submit, its own start included",
        &mut by_goctl(cluster)?,
    );
    let leader = cluster.leader()?;
    let heads = cluster.heads();
    let follower = heads.iter().find(|head| **head != leader);
    let follower = follower.context("a follower")?;
    let at_leader = Arc::new(Rest::new(cluster, &leader)?);
    let at_follower = Arc::new(Rest::new(cluster, follower)?);
    for (name, rest) in [("the leader", &at_leader), ("a follower", &at_follower)] {
        let mut times = bench.runtime.block_on(one_by_one(rest, SUBMITS))?;
        say_times(
            &format!("submit at {name}, one after the other"),
            &mut times,
        );
    }
    let (count, elapsed, mut times) = bench.runtime.block_on(in_parallel(&at_leader))?;
    say_times(&format!("submit, {CLIENTS} clients"), &mut times);
    let per_s = rate(count, elapsed);
    let metric = "submit_single_64_clients_per_s";
    bench.report.add(metric, per_s, "1/s", Better::Higher);
    let elapsed = bench.runtime.block_on(in_batches(&at_leader))?;
    let per_s = rate(BATCHES * BATCH_JOBS, elapsed);
    let metric = "submit_batch_1000_per_s";
    bench.report.add(metric, per_s, "1/s", Better::Higher);
    Ok(())
}

fn by_goctl(cluster: &Cluster) -> anyhow::Result<Vec<Duration>> {
    let args = [
        "submit", "-q", "--image", "none:1", "--cpu", "0.1", "--mem", "8M", "--", "true",
    ];
    let mut times = Vec::with_capacity(GOCTL_SUBMITS);
    for _ in 0..GOCTL_SUBMITS {
        let began = Instant::now();
        cluster.goctl(&args)?;
        times.push(began.elapsed());
    }
    Ok(times)
}

async fn one_by_one(rest: &Rest, count: usize) -> anyhow::Result<Vec<Duration>> {
    let mut times = Vec::with_capacity(count);
    for _ in 0..count {
        let began = Instant::now();
        rest.submit(&job()).await?;
        times.push(began.elapsed());
    }
    Ok(times)
}

/// Many clients, each with one submission under way.
async fn in_parallel(rest: &Arc<Rest>) -> anyhow::Result<(usize, Duration, Vec<Duration>)> {
    let began = Instant::now();
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        let rest = Arc::clone(rest);
        clients.spawn(async move {
            let mut times = Vec::new();
            while began.elapsed() < PARALLEL_FOR {
                times.extend(one_by_one(&rest, 1).await?);
            }
            anyhow::Ok(times)
        });
    }
    let mut times = Vec::new();
    while let Some(client) = clients.join_next().await {
        times.extend(client??);
    }
    Ok((times.len(), began.elapsed(), times))
}

/// A few clients, each with one batch under way.
async fn in_batches(rest: &Arc<Rest>) -> anyhow::Result<Duration> {
    let began = Instant::now();
    let mut clients = JoinSet::new();
    for _ in 0..BATCH_CLIENTS {
        let rest = Arc::clone(rest);
        clients.spawn(async move {
            for _ in 0..BATCHES / BATCH_CLIENTS {
                rest.submit_batch(&job(), BATCH_JOBS).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(client) = clients.join_next().await {
        client??;
    }
    Ok(began.elapsed())
}
