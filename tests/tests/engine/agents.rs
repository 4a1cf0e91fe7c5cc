//! The agent is killed, again and again, while its containers run.

use std::fs::File;
use std::process::Stdio;

use anyhow::{Context, ensure};
use simulation::chance::Chance;
use tests::bench::{Bench, shared_engine};
use tests::cluster::until;
use tests::dockerd::docker;

use crate::desk::{
    COUNTS, copied, copies, counted, each_line_once, ended_once, leave, left, number, submit,
};

const AGENT: &str = "agent-1";
/// Kills, unless `KILLS` says otherwise.
const KILLS: u64 = 10;
/// Bytes of output between two kills at the most.
const BYTES_BETWEEN: u64 = 500;

#[test]
fn a_killed_agent_keeps_its_containers_and_each_line_is_there_once() -> anyhow::Result<()> {
    let (kills, seed) = (number("KILLS", KILLS)?, number("SEED", 1)?);
    println!("again with: SEED={seed} KILLS={kills}");
    let mut chance = Chance::new(seed);
    let mut bench = Bench::docker()?;
    let calm = submit(&bench, &[], COUNTS)?;
    let other = submit(&bench, &["-e", "CODE=5"], COUNTS)?;
    let brief = "while [ ! -e go ]; do sleep 0.02; done; echo bye; touch gone; exit 9";
    let brief = submit(&bench, &[], brief)?;
    for job in [calm, other, brief] {
        bench.running(job)?;
    }
    let before = [container(&bench, calm)?, container(&bench, other)?];
    let followed = bench.cluster.path().join("followed");
    let mut follower = bench
        .cluster
        .goctl_command(&["logs", "-f", "--out", &calm.to_string()])?
        .stdout(File::create(&followed)?)
        .stderr(Stdio::null())
        .spawn()?;
    for kill in 1..=kills {
        copies(&bench, AGENT, calm, 1 + chance.below(BYTES_BETWEEN))?;
        bench.cluster.kill(AGENT)?;
        if kill == kills {
            leave(&bench, AGENT, brief, "go")?;
            left(&bench, AGENT, brief, "gone")?;
        }
        let dead = [copied(&bench, AGENT, calm)?, copied(&bench, AGENT, other)?];
        bench.cluster.restart(AGENT)?;
        until("it copies on", || {
            let now = [copied(&bench, AGENT, calm)?, copied(&bench, AGENT, other)?];
            Ok((now[0] > dead[0] && now[1] > dead[1]).then_some(()))
        })?;
    }
    ensure!(
        [container(&bench, calm)?, container(&bench, other)?] == before,
        "not the same containers"
    );
    leave(&bench, AGENT, calm, "stop")?;
    leave(&bench, AGENT, other, "stop")?;
    let ends = [
        ended_once(&bench, calm, "succeeded", 0)?,
        ended_once(&bench, other, "failed", 5)?,
    ];
    for (end, (id, _)) in ends.iter().zip(&before) {
        ensure!(end["container"] == id.as_str(), "not container {id}: {end}");
    }
    ended_once(&bench, brief, "failed", 9)?;
    ensure!(bench.logs(brief, &[])? == b"bye\n");
    let lines = [counted(&bench, calm)?, counted(&bench, other)?];
    ensure!(follower.wait()?.success(), "the follower failed");
    let seen = each_line_once(&std::fs::read(&followed)?).context("what was followed")?;
    ensure!(seen == lines[0], "{seen} lines followed of {}", lines[0]);
    println!("{kills} kills of the agent, {lines:?} lines");
    Ok(())
}

/// A running job's container, and when it was started.
fn container(bench: &Bench, job: u64) -> anyhow::Result<(String, String)> {
    let shown = bench.show(job)?;
    let id = shown["attempts"][0]["container"].as_str();
    let id = id.context("a container")?.to_owned();
    let format = "{{.State.Status}} {{.State.StartedAt}}";
    let seen = docker(&shared_engine()?, &["inspect", "--format", format, &id])?;
    ensure!(seen.starts_with("running "), "container {id}: {seen}");
    Ok((id, seen))
}
