//! The files of jobs, on real nodes that run real processes: asked of every head, with names that
//! want out, while the files change, while their reader is slow, and when their node dies.
#![allow(clippy::unwrap_used, reason = "tests")]

mod changing;
mod cut_off;
mod raw;
mod reach;
mod slow;

use anyhow::Context;
use serde_json::Value;
use tests::cluster::{Cluster, Layout, until};

pub(crate) fn process() -> Layout {
    Layout {
        heads: 3,
        agents: 2,
        runtime: "process",
        further: vec!["--cpus".into(), "8".into()],
    }
}

/// One head and one agent.
pub(crate) fn one_node() -> Layout {
    Layout {
        heads: 1,
        agents: 1,
        ..process()
    }
}

/// Runs a script to its end; gives the job.
pub(crate) fn run(cluster: &Cluster, script: &str) -> anyhow::Result<u64> {
    let id = submit(cluster, script)?;
    until(&format!("job {id} has ended"), || {
        let job = cluster.goctl_json(&["show", &id.to_string()])?;
        Ok((job["state"] == "succeeded").then_some(()))
    })?;
    Ok(id)
}

pub(crate) fn submit(cluster: &Cluster, script: &str) -> anyhow::Result<u64> {
    let args = [
        "submit", "-q", "--cpu", "0.1", "--mem", "64M", "--", "/bin/sh", "-c", script,
    ];
    Ok(cluster.goctl(&args)?.trim().parse()?)
}

pub(crate) fn names(list: &Value) -> anyhow::Result<Vec<String>> {
    let files = list.as_array().context("a list")?;
    let name = |file: &Value| file["name"].as_str().map(str::to_owned);
    files
        .iter()
        .map(|file| name(file).context("a name"))
        .collect()
}
