//! The engine, or what it stands on, answers no more for a while: nothing is inferred from that,
//! and everything goes on where it was.

use std::time::Duration;

use anyhow::ensure;
use nix::sys::signal::Signal;
use tests::bench::Bench;
use tests::cluster::until;
use tests::dockerd::{Dockerd, Setup};

use crate::desk::{COUNTS, copies, counted, ended_once, leave, left, node, number, submit};

const AGENT: &str = "agent-1";
/// How long it hangs, unless `HANG_SECONDS` says otherwise.
const HANG_SECONDS: u64 = 3;
/// An agent has seen for sure by then that a call is not answered.
const SEEN_AFTER: u64 = 45;
/// Leaves a mark as it starts, so that a second start is seen.
const STARTS: &str = "echo started >>starts; while [ ! -e go ]; do sleep 0.02; done; cat starts";

/// The whole of it on one engine: it takes long enough to come up.
#[test]
fn nothing_is_inferred_from_silence() -> anyhow::Result<()> {
    let engine = Dockerd::start(Setup {
        live_restore: true,
        own_containerd: true,
    })?;
    let mut bench = Bench::on(&engine.socket(), 1)?;
    let counts = submit(&bench, &[], COUNTS)?;
    bench.running(counts)?;
    copies(&bench, AGENT, counts, 1)?;
    engine_hangs(&engine, &bench)?;
    socket_is_gone(&engine, &bench)?;
    containerd_hangs(&engine, &mut bench)?;
    copies(&bench, AGENT, counts, 1)?;
    leave(&bench, AGENT, counts, "stop")?;
    ended_once(&bench, counts, "succeeded", 0)?;
    println!("{} lines, each once", counted(&bench, counts)?);
    let all = bench.cluster.goctl_json(&["ps", "--all"])?;
    let text = all.to_string();
    ensure!(!text.contains("infrastructure"), "{all:#}");
    Ok(())
}

/// The length of the fault itself, not a wait for anything.
fn let_it_last() -> anyhow::Result<u64> {
    let seconds = number("HANG_SECONDS", HANG_SECONDS)?;
    std::thread::sleep(Duration::from_secs(seconds));
    Ok(seconds)
}

/// A long hang is seen by the agent, and the node gets nothing new until it is over.
fn is_unwell_after_long(bench: &Bench, seconds: u64) -> anyhow::Result<()> {
    if seconds < SEEN_AFTER {
        return Ok(());
    }
    let node = node(bench, AGENT)?;
    ensure!(node["health"] == "unwell", "{node:#}");
    let trouble = node["trouble"].as_str().unwrap_or_default();
    ensure!(trouble.contains("no answer from the engine"), "{node:#}");
    Ok(())
}

fn is_well(bench: &Bench) -> anyhow::Result<()> {
    until("the node is well", || {
        Ok((node(bench, AGENT)?["health"] == "up").then_some(()))
    })
}

fn engine_hangs(engine: &Dockerd, bench: &Bench) -> anyhow::Result<()> {
    let running = submit(bench, &[], STARTS)?;
    bench.running(running)?;
    let ends = submit(
        bench,
        &["-e", "CODE=4"],
        "while [ ! -e go ]; do sleep 0.02; done; exit 4",
    )?;
    bench.running(ends)?;
    engine.signal(Signal::SIGSTOP)?;
    leave(bench, AGENT, ends, "go")?;
    let new = submit(bench, &[], STARTS)?;
    let seconds = let_it_last()?;
    is_unwell_after_long(bench, seconds)?;
    for job in [running, ends, new] {
        let job = bench.show(job)?;
        ensure!(!job["ended_at"].is_string(), "believed to be over: {job:#}");
    }
    engine.signal(Signal::SIGCONT)?;
    ended_once(bench, ends, "failed", 4)?;
    for job in [running, new] {
        bench.running(job)?;
        leave(bench, AGENT, job, "go")?;
        ended_once(bench, job, "succeeded", 0)?;
        ensure!(
            bench.logs(job, &[])? == b"started\n",
            "job {job} started twice"
        );
    }
    is_well(bench)
}

fn socket_is_gone(engine: &Dockerd, bench: &Bench) -> anyhow::Result<()> {
    let ends = submit(bench, &[], "while [ ! -e go ]; do sleep 0.02; done; exit 4")?;
    bench.running(ends)?;
    engine.hide_socket(true)?;
    leave(bench, AGENT, ends, "go")?;
    let new = submit(bench, &[], "echo new")?;
    let seconds = let_it_last()?;
    ensure!(seconds > 0 && !bench.show(new)?["ended_at"].is_string());
    engine.hide_socket(false)?;
    ended_once(bench, ends, "failed", 4)?;
    ended_once(bench, new, "succeeded", 0)?;
    is_well(bench)
}

/// An engine whose containerd hangs answers most questions, and does nothing. The agent dies as
/// well, between the start that it asked for and its answer.
fn containerd_hangs(engine: &Dockerd, bench: &mut Bench) -> anyhow::Result<()> {
    let killed = submit(
        bench,
        &[],
        "trap '' TERM; touch up; while :; do sleep 0.1; done",
    )?;
    bench.running(killed)?;
    left(bench, AGENT, killed, "up")?;
    engine.signal_containerd(Signal::SIGSTOP)?;
    let log = bench.cluster.log_of(AGENT).len();
    bench
        .cluster
        .goctl(&["cancel", &killed.to_string(), "--grace", "0s"])?;
    let new = submit(bench, &[], STARTS)?;
    until("a kill was not answered", || {
        let said = bench.cluster.log_of(AGENT);
        Ok(said[log..].contains("KILL failed").then_some(()))
    })?;
    let name = format!("-{new}-0-1");
    let made = engine.docker(&["ps", "--all", "--format", "{{.Names}} {{.Status}}"])?;
    let made = made.lines().find(|line| line.contains(&name));
    ensure!(
        made.is_some_and(|line| line.ends_with("Created")),
        "job {new} waits for its start: {made:?}"
    );
    let seconds = let_it_last()?;
    is_unwell_after_long(bench, seconds)?;
    for job in [killed, new] {
        let job = bench.show(job)?;
        ensure!(!job["ended_at"].is_string(), "believed to be over: {job:#}");
    }
    bench.cluster.kill(AGENT)?;
    bench.cluster.restart(AGENT)?;
    engine.signal_containerd(Signal::SIGCONT)?;
    ended_once(bench, killed, "cancelled", 137)?;
    bench.running(new)?;
    leave(bench, AGENT, new, "go")?;
    ended_once(bench, new, "succeeded", 0)?;
    ensure!(
        bench.logs(new, &[])? == b"started\n",
        "job {new} started twice"
    );
    is_well(bench)
}
