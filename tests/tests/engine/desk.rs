//! What these tests look at: lines with numbers, a job's own directory, its attempts.

use std::path::PathBuf;

use anyhow::{Context, bail, ensure};
use serde_json::Value;
use tests::bench::{Bench, Case, Program};
use tests::cluster::until;

/// Writes a numbered line to both streams again and again, until it finds `stop` beside it; then
/// its last lines, and it ends with the code in `$CODE`.
pub(crate) const COUNTS: &str = "i=0; while [ ! -e stop ]; do echo line $i; echo line $i >&2; \
    i=$((i+1)); sleep 0.01; done; echo end $i; echo end $i >&2; exit ${CODE:-0}";

/// A number from the environment.
pub(crate) fn number(name: &str, default: u64) -> anyhow::Result<u64> {
    match std::env::var(name) {
        Ok(text) => text.parse().with_context(|| format!("{name}={text}")),
        Err(_) => Ok(default),
    }
}

/// Submits a script.
pub(crate) fn submit(bench: &Bench, args: &[&str], script: &str) -> anyhow::Result<u64> {
    let program = Program::Script(script);
    bench.submit(&Case { args, program })
}

/// The directory that an attempt of a job sees as its own.
pub(crate) fn work(bench: &Bench, agent: &str, job: u64, attempt: u32) -> anyhow::Result<PathBuf> {
    let attempts = bench.cluster.node(agent)?.data_dir.join("attempts");
    Ok(attempts.join(format!("{job}-0-{attempt}")).join("work"))
}

/// Bytes of a job's standard output that its agent has copied.
pub(crate) fn copied(bench: &Bench, agent: &str, job: u64) -> anyhow::Result<u64> {
    let log = work(bench, agent, job, 1)?.with_file_name("god.log");
    Ok(std::fs::metadata(log).map_or(0, |file| file.len()))
}

/// Waits until the agent has copied at least so much more.
pub(crate) fn copies(bench: &Bench, agent: &str, job: u64, more: u64) -> anyhow::Result<()> {
    let before = copied(bench, agent, job)?;
    until(&format!("more output of job {job} is copied"), || {
        Ok((copied(bench, agent, job)? >= before + more).then_some(()))
    })
}

/// Leaves a file where the job finds it.
pub(crate) fn leave(bench: &Bench, agent: &str, job: u64, name: &str) -> anyhow::Result<()> {
    let path = work(bench, agent, job, 1)?.join(name);
    std::fs::write(&path, "").with_context(|| path.display().to_string())
}

/// Waits until the job has left that file.
pub(crate) fn left(bench: &Bench, agent: &str, job: u64, name: &str) -> anyhow::Result<()> {
    let path = work(bench, agent, job, 1)?.join(name);
    until(&format!("job {job} has left {name}"), || {
        Ok(path.exists().then_some(()))
    })
}

/// The only attempt of a job that ended in this state, with this code.
pub(crate) fn ended_once(bench: &Bench, job: u64, state: &str, code: i64) -> anyhow::Result<Value> {
    let shown = bench.ended(job)?;
    ensure!(
        shown["state"] == state && shown["exit_code"] == code,
        "job {job}: not {state} with {code}: {shown:#}"
    );
    let [only] = attempts(&shown)? else {
        bail!("job {job} was tried more than once: {shown:#}");
    };
    Ok(only.clone())
}

/// The attempts of a job.
pub(crate) fn attempts(job: &Value) -> anyhow::Result<&[Value]> {
    let attempts = job["attempts"].as_array().map(Vec::as_slice);
    attempts.context("attempts")
}

/// Checks that a job that counts has written each line once, on both streams; how many lines.
pub(crate) fn counted(bench: &Bench, job: u64) -> anyhow::Result<u64> {
    let out = bench.logs(job, &["--out"])?;
    let err = bench.logs(job, &["--err"])?;
    let count = each_line_once(&out).with_context(|| format!("stdout of job {job}"))?;
    let other = each_line_once(&err).with_context(|| format!("stderr of job {job}"))?;
    ensure!(
        count == other,
        "job {job}: {count} lines and {other} on stderr"
    );
    Ok(count)
}

/// Checks that these are `line 0`, `line 1` … `end N`, and says N.
pub(crate) fn each_line_once(written: &[u8]) -> anyhow::Result<u64> {
    let text = std::str::from_utf8(written)?;
    let mut next = 0;
    for line in text.split_inclusive('\n') {
        if line == format!("end {next}\n") {
            ensure!(text.ends_with(line), "it went on behind its end");
            return Ok(next);
        }
        ensure!(
            line == format!("line {next}\n"),
            "line {next} reads {line:?}"
        );
        next += 1;
    }
    bail!("it breaks off behind line {next}")
}

/// A node as the heads know it.
pub(crate) fn node(bench: &Bench, name: &str) -> anyhow::Result<Value> {
    bench.cluster.goctl_json(&["nodes", name])
}
