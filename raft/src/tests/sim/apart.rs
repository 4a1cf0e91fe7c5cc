//! Heads that are a long way from each other: no fault at all, only late datagrams.

use std::time::Duration;

use tokio::sync::oneshot;

use super::cluster::{self, Cluster};
use super::host::Ask;
use super::network::ip;
use crate::tests::stores;

/// How long every datagram takes: an answer comes more than two heartbeats after its question.
const FAR: Duration = Duration::from_millis(55);
/// How long nobody may be elected, first while clients work and then while they rest.
const CALM: Duration = Duration::from_secs(5);
/// A seed like any other, with three heads.
const SEED: u64 = 2;

#[test]
fn heads_far_apart_keep_their_leader_and_are_served() {
    let ran = super::sown(SEED, || cluster::run_through(SEED, run).map(drop));
    assert_eq!(ran, Ok(()));
}

fn run(cluster: &mut Cluster<'_>) -> Result<(), String> {
    cluster.found()?;
    for (a, b) in [(1, 2), (1, 3), (2, 3)] {
        cluster.sim.set_link_latency(ip(a), ip(b), FAR);
    }
    cluster.until_clients_are_answered()?;
    let leaders = cluster.world.oracle.lock().unwrap().leaders();
    wait(cluster, CALM)?;
    cluster.until_clients_rest()?;
    // Now only heartbeats tell the leader that it is heard.
    wait(cluster, CALM)?;
    let leader = cluster.world.leader().ok_or("nobody leads")?;
    let (to, mut answer) = oneshot::channel();
    let command = Box::new(stores::submit("after a rest", 1));
    cluster.world.tell(leader, Ask::Propose(command, to));
    wait(cluster, FAR * 10)?;
    let answer = answer.try_recv().map_err(|_| "no answer after a rest")?;
    answer.map_err(|error| format!("after a rest: {error}"))?;
    let elected = cluster.world.oracle.lock().unwrap().leaders() - leaders;
    if elected > 0 {
        return Err(format!("{elected} elections for nothing"));
    }
    Ok(())
}

fn wait(cluster: &mut Cluster<'_>, length: Duration) -> Result<(), String> {
    let end = cluster.world.now() + length;
    while cluster.world.now() < end {
        cluster.step()?;
    }
    Ok(())
}
