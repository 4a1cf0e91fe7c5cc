//! The name of an attempt's container is taken.

use anyhow::{Context, ensure};
use serde_json::Value;
use tests::bench::{Bench, IMAGE, shared_engine};
use tests::dockerd::docker;

use crate::desk::{ended_once, node, submit};

const AGENT: &str = "agent-1";

#[test]
fn a_strangers_container_of_the_same_name_is_left_alone_and_named() -> anyhow::Result<()> {
    let bench = Bench::docker()?;
    let before = submit(&bench, &[], "true")?;
    ended_once(&bench, before, "succeeded", 0)?;
    let file = bench.cluster.node(AGENT)?.data_dir.join("node.json");
    let file: Value = serde_json::from_str(&std::fs::read_to_string(file)?)?;
    let cluster = file["cluster"].as_str().context("cluster")?;
    let name = format!("gd-{}-{}-0-1", &cluster[..8], before + 1);
    let engine = shared_engine()?;
    let stranger = docker(&engine, &["create", "--name", &name, IMAGE, "true"])?;

    let refused = submit(&bench, &[], "echo never")?;
    let ended = bench.ended(refused);
    let still = docker(&engine, &["inspect", "--format", "{{.Id}}", &name]);
    docker(&engine, &["rm", "--force", stranger.trim()])?;
    let ended = ended?;
    ensure!(refused == before + 1, "job {refused} has another name");
    ensure!(still? == stranger, "it is not the same container any more");
    ensure!(ended["state"] == "cannot_start", "{ended:#}");
    let message = ended["message"].as_str().unwrap_or_default();
    for word in [name.as_str(), "exists and is not of this cluster"] {
        ensure!(message.contains(word), "{message}");
    }
    ensure!(bench.logs(refused, &[])?.is_empty());
    // That was no fault of the node.
    ensure!(node(&bench, AGENT)?["health"] == "up");
    let after = submit(&bench, &[], "true")?;
    ended_once(&bench, after, "succeeded", 0)?;
    Ok(())
}
