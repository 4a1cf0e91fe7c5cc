//! What a job has of its node besides memory and processors: ports that others reach, and room for
//! its files.

use std::io::Read;
use std::net::TcpStream;

use anyhow::{Context, ensure};
use serde_json::Value;
use tests::bench::{Bench, Case, Program};
use tests::cluster::until;

fn rules(bench: &Bench, args: &[&str]) -> anyhow::Result<()> {
    let all: Vec<&str> = ["admin", "rules", "set"]
        .iter()
        .chain(args)
        .copied()
        .collect();
    bench.cluster.goctl(&all).map(drop)
}

/// The node's port that leads to one of a job's.
fn reached(job: &Value, port: u64) -> Option<u16> {
    let ports = job["attempts"].as_array()?.last()?["ports"].as_array()?;
    let found = ports.iter().find(|known| known["container"] == port)?;
    u16::try_from(found["host"].as_u64()?).ok()
}

#[test]
fn a_published_port_is_reached_from_outside_and_gone_with_the_job() -> anyhow::Result<()> {
    let bench = Bench::docker()?;
    let program = Program::Script("while :; do echo from inside | nc -l -p 8080; done");
    let args = &["--publish", "8080", "-p", "9090"];
    let refused = bench.submit(&Case { args, program });
    let why = format!("{:#}", refused.err().context("published for everybody")?);
    ensure!(why.contains("published ports"), "{why}");

    rules(&bench, &["--publish-everybody"])?;
    let id = bench.submit(&Case { args, program })?;
    let port = until("its port is told", || Ok(reached(&bench.show(id)?, 8080)))?;
    ensure!(reached(&bench.show(id)?, 9090).is_some_and(|other| other != port));
    let words = until("it answers", || {
        let mut words = String::new();
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        // The proxy takes calls before the job does.
        let heard = stream.read_to_string(&mut words).is_ok() && !words.is_empty();
        Ok(heard.then_some(words))
    })?;
    ensure!(words == "from inside\n", "{words}");
    let page = bench.cluster.goctl(&["show", &id.to_string()])?;
    ensure!(page.contains(&format!("8080 at agent-1:{port}")), "{page}");

    bench.cluster.goctl(&["cancel", &id.to_string()])?;
    let job = bench.ended(id)?;
    ensure!(reached(&job, 8080).is_none(), "{job:#}");
    Ok(())
}

/// Stops at the bound, is kept and counted, and holds up the next job until it is removed.
fn full(bench: &Bench) -> anyhow::Result<()> {
    // All of it at once: a writer would be stopped on the way, nobody knows where.
    let program = Program::Script("fallocate -l 70M big; sleep 600");
    let id = bench.submit(&Case {
        args: &["--disk-max", "32M"],
        program,
    })?;
    let job = bench.ended(id)?;
    ensure!(job["state"] == "disk_limit", "{job:#}");
    let why = job["message"].as_str().unwrap_or_default();
    ensure!(why.contains("directory held more than it may"), "{job:#}");

    let kept = until("what is kept is told", || {
        let quota = bench.cluster.goctl_json(&["quota"])?;
        Ok(quota["taken"]["disk_bytes"]
            .as_u64()
            .filter(|bytes| *bytes > 0))
    })?;
    ensure!((70 << 20..80 << 20).contains(&kept), "{kept}");
    rules(bench, &["--user-disk", "64M"])?;
    let next = bench.submit(&Case {
        args: &["--disk-max", "1M"],
        program: Program::Script("true"),
    })?;
    until("it waits and says why", || {
        let job = bench.show(next)?;
        let why = job["reason"].as_str().unwrap_or_default();
        Ok(why.contains("64M of job directories").then_some(()))
    })?;
    let id = id.to_string();
    bench.cluster.goctl(&["files", "rm", &id, "work/big"])?;
    let job = bench.ended(next)?;
    ensure!(job["state"] == "succeeded", "{job:#}");
    Ok(())
}

#[test]
fn docker_job_directories_are_bounded_and_counted() -> anyhow::Result<()> {
    full(&Bench::docker()?)
}

#[test]
fn process_job_directories_are_bounded_and_counted() -> anyhow::Result<()> {
    full(&Bench::process()?)
}
