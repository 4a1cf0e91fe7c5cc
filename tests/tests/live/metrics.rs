//! What a head tells Prometheus is what it tells people.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::Stdio;

use anyhow::{Context, ensure};
use tests::client::Client;
use tests::cluster::{Cluster, Layout, until};

fn submit(cluster: &Cluster, args: &[&str]) -> anyhow::Result<u64> {
    let all = [&["submit", "-q"], args].concat();
    Ok(cluster.goctl(&all)?.trim().parse()?)
}

fn wait_state(cluster: &Cluster, id: u64, state: &str) -> anyhow::Result<()> {
    until(&format!("job {id} is {state}"), || {
        let job = cluster.goctl_json(&["show", &id.to_string()])?;
        Ok((job["state"] == state).then_some(()))
    })
}

/// The figures of one head, by name and labels as written.
async fn metrics(client: &Client, head: usize) -> anyhow::Result<BTreeMap<String, f64>> {
    let text = client.begin(head, "/metrics").await?.text().await?;
    promtool(&text)?;
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let sample = |line: &str| {
        let (key, value) = line.rsplit_once(' ').context("a sample")?;
        Ok((key.to_owned(), value.parse()?))
    };
    lines.map(sample).collect()
}

/// Where Prometheus is installed, its own tool has a look.
fn promtool(text: &str) -> anyhow::Result<()> {
    let mut check = std::process::Command::new("promtool");
    check.args(["check", "metrics"]).stdin(Stdio::piped());
    let mut check = match check.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn() {
        Ok(check) => check,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    check
        .stdin
        .take()
        .context("a pipe")?
        .write_all(text.as_bytes())?;
    let said = check.wait_with_output()?;
    let words = String::from_utf8_lossy(&said.stderr).into_owned();
    ensure!(
        said.status.success() && words.is_empty(),
        "promtool: {words}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_of_each_head_agree_with_what_goctl_shows() -> anyhow::Result<()> {
    let cluster = Cluster::start(&Layout {
        heads: 3,
        agents: 2,
        runtime: "process",
        further: vec!["--cpus".into(), "8".into()],
    })?;
    let head = cluster.leader()?;
    let small = ["--cpu", "0.1", "--mem", "16M", "--"];
    let runs = submit(
        &cluster,
        &[&small[..], &["/bin/sh", "-c", "sleep 600"]].concat(),
    )?;
    let fails = submit(
        &cluster,
        &[&small[..], &["/bin/sh", "-c", "exit 3"]].concat(),
    )?;
    let waits = submit(&cluster, &["--cpu", "999", "--", "/bin/true"])?;
    wait_state(&cluster, runs, "running")?;
    wait_state(&cluster, fails, "failed")?;
    wait_state(&cluster, waits, "pending")?;
    let nodes = cluster.goctl_json(&["nodes"])?;
    let nodes = nodes.as_array().context("nodes")?;
    let cores: f64 = nodes
        .iter()
        .filter_map(|node| node["capacity"]["cpu"].as_f64())
        .sum();
    let client = Client::of(&cluster)?;
    for at in 0..client.heads().len() {
        let found = metrics(&client, at).await?;
        let is = |key: &str, wanted: f64| {
            let value = found.get(key).copied();
            ensure!(
                value == Some(wanted),
                "{key} is {value:?}, not {wanted}: {found:#?}"
            );
            Ok(())
        };
        is("godocker_jobs{state=\"running\"}", 1.0)?;
        is("godocker_jobs{state=\"pending\"}", 1.0)?;
        is(
            "godocker_queue_jobs{queue=\"default\",state=\"placed\"}",
            1.0,
        )?;
        is("godocker_jobs_submitted_total", 3.0)?;
        is("godocker_jobs_ended_total{state=\"failed\"}", 1.0)?;
        is("godocker_nodes{state=\"up\"}", nodes.len() as f64)?;
        is("godocker_cpu_cores", cores)?;
        is("godocker_cpu_held_cores", 0.1)?;
        is("godocker_raft_voters", 3.0)?;
        let leads = client.heads()[at].name == head;
        is("godocker_raft_leads", f64::from(u8::from(leads)))?;
        let commits = found["godocker_raft_commit_seconds_count"];
        let plans = found["godocker_scheduler_plan_seconds_count"];
        ensure!(
            leads == (commits > 0.0 && plans > 0.0),
            "{commits} commits, {plans} plans"
        );
    }
    Ok(())
}
