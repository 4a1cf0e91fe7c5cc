//! An engine that answers and starts nothing. Its node is empty, so the scheduler likes it; it must
//! not draw one job after the other and fail them.

use anyhow::{Context, ensure};
use serde_json::Value;
use tests::bench::{Bench, shared_engine};
use tests::cluster::until;
use tests::dockerd::{Dockerd, Setup};

use crate::desk::{attempts, ended_once, node, submit};

/// The node on the engine that breaks. It joined first, so among equals it is chosen.
const FRAIL: &str = "agent-1";
const SOUND: &str = "agent-2";
/// What its engine says then.
const WHY: &str = "/runtime: no such file or directory";
/// Jobs that come while it is broken.
const JOBS: usize = 4;

#[test]
fn a_node_whose_engine_starts_nothing_draws_no_jobs() -> anyhow::Result<()> {
    let engine = Dockerd::start(Setup::default())?;
    let mut bench = Bench::on(&shared_engine()?, 2)?;
    move_to(&mut bench, &engine.socket())?;
    let first = submit(&bench, &[], "true")?;
    let first = ended_once(&bench, first, "succeeded", 0)?;
    ensure!(
        first["node"] == FRAIL,
        "another node is liked better: {first:#}"
    );

    // What fails by its own fault is not the node's.
    let unlucky = submit(&bench, &["-e", "UNLUCKY=1"], "true")?;
    let unlucky = until("the unlucky job is tried elsewhere", || {
        let job = bench.show(unlucky)?;
        let tried = attempts(&job)?
            .iter()
            .any(|one| one["state"] == "infrastructure");
        Ok(tried.then_some(unlucky))
    })?;
    ensure!(node(&bench, FRAIL)?["health"] == "up");
    bench.cluster.goctl(&["cancel", &unlucky.to_string()])?;

    engine.hide_runtime(true)?;
    let mut failed_there = 0;
    for _ in 0..JOBS {
        // It may not run twice; but it has not run at all.
        let job = submit(&bench, &["--on-lost", "hold"], "echo done")?;
        let job = bench.ended(job)?;
        ensure!(job["state"] == "succeeded", "{job:#}");
        let tried = attempts(&job)?;
        failed_there += tried.iter().filter(|one| one["node"] == FRAIL).count();
        ensure!(tried.last().context("a try")?["node"] == SOUND, "{job:#}");
    }
    ensure!(failed_there == 1, "{failed_there} tries on the broken node");
    let unwell = node(&bench, FRAIL)?;
    ensure!(unwell["health"] == "unwell", "{unwell:#}");
    let trouble = unwell["trouble"].as_str().unwrap_or_default();
    ensure!(trouble.contains(WHY), "{trouble}");
    let table = bench.cluster.goctl(&["nodes"])?;
    ensure!(table.contains("UNWELL") && table.contains(WHY), "{table}");

    engine.hide_runtime(false)?;
    until("the node is well again", || {
        Ok((node(&bench, FRAIL)?["health"] == "up").then_some(()))
    })?;
    let last = submit(&bench, &[], "true")?;
    let last = ended_once(&bench, last, "succeeded", 0)?;
    ensure!(last["node"] == FRAIL, "{last:#}");
    told_once(&bench)
}

/// Gives the frail node an engine of its own.
fn move_to(bench: &mut Bench, socket: &str) -> anyhow::Result<()> {
    let shared = shared_engine()?;
    let config = bench.cluster.node(FRAIL)?.config.clone();
    let text = std::fs::read_to_string(&config)?;
    ensure!(text.contains(&shared), "{text}");
    bench.cluster.kill(FRAIL)?;
    std::fs::write(&config, text.replace(&shared, socket))?;
    bench.cluster.restart(FRAIL)?;
    until("it is on its own engine", || {
        let log = bench.cluster.log_of(FRAIL);
        Ok((log.matches("starting").count() == 2).then_some(()))
    })?;
    until("it is up", || {
        let up = bench.cluster.nodes_up()?;
        Ok(up.iter().any(|name| name == FRAIL).then_some(()))
    })
}

/// The events tell of one illness, and of its end.
fn told_once(bench: &Bench) -> anyhow::Result<()> {
    let events = bench
        .cluster
        .goctl(&["events", "--after", "0", "-o", "jsonl"])?;
    let mut unwell = 0;
    for line in events.lines() {
        let event: Value = serde_json::from_str(line)?;
        unwell += usize::from(event.to_string().contains("\"unwell\""));
    }
    ensure!(unwell == 1, "{unwell} times unwell:\n{events}");
    Ok(())
}
