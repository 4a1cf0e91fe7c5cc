//! What only an engine with images can do: pull policies, the image's own user and entry point.

use anyhow::ensure;
use tests::bench::{Bench, Case, Program};

#[test]
fn an_image_that_cannot_be_had_ends_the_job_with_the_reason() -> anyhow::Result<()> {
    let bench = Bench::docker()?;
    let program = Program::Script("true");
    for args in [
        &["--image", "godocker/absent:1", "--pull", "never"] as &[&str],
        &["--image", "127.0.0.1:1/absent:1"],
        &["--pull", "always"],
    ] {
        let id = bench.submit(&Case { args, program })?;
        let job = bench.ended(id)?;
        ensure!(job["state"] == "image_unavailable", "{args:?}: {job:#}");
        let message = job["message"].as_str().unwrap_or_default();
        ensure!(message.contains("image"), "{args:?}: {job:#}");
        ensure!(job["exit_code"].is_null(), "{args:?}: {job:#}");
        ensure!(bench.logs(id, &[])?.is_empty());
    }
    let id = bench.submit(&Case {
        args: &["--pull", "never"],
        program,
    })?;
    ensure!(bench.ended(id)?["state"] == "succeeded");
    Ok(())
}

#[test]
fn a_container_runs_as_nobody_with_its_limits_and_its_usage_is_told() -> anyhow::Result<()> {
    let bench = Bench::docker()?;
    let script = "id -u; pwd; grep CapEff /proc/self/status; i=0; while [ $i -lt 200000 ]; do \
                  i=$((i+1)); done";
    let id = bench.submit(&Case {
        args: &[],
        program: Program::Script(script),
    })?;
    let job = bench.ended(id)?;
    let expected = "65534\n/mnt/go-docker\nCapEff:\t0000000000000000\n";
    let found = String::from_utf8(bench.logs(id, &[])?)?;
    ensure!(found == expected, "{found}");
    let usage = &job["usage"];
    ensure!(
        usage["cpu_seconds"]
            .as_f64()
            .is_some_and(|seconds| seconds > 0.05),
        "{job:#}"
    );
    ensure!(
        usage["memory_peak_bytes"]
            .as_u64()
            .is_some_and(|peak| peak > 0),
        "{job:#}"
    );
    let attempt = &job["attempts"][0];
    ensure!(
        attempt["container"]
            .as_str()
            .is_some_and(|id| id.len() == 64),
        "{job:#}"
    );
    ensure!(
        attempt["image_digest"]
            .as_str()
            .is_some_and(|d| d.starts_with("sha256:")),
        "{job:#}"
    );
    Ok(())
}
