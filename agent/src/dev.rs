//! `goagent dev`: a whole cluster on loopback, each node a process of its own, in a directory
//! that goes away with it.
//!
//! Everything is made the way an administrator would make it, only faster: `init`, join tokens,
//! `join`, `run`. The nodes end with the command, whichever way it ends.

mod cluster;
mod leftovers;
mod node;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

/// How to lay out the cluster.
#[derive(Args, Clone, Debug)]
pub struct DevArgs {
    /// How many heads
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=7))]
    pub heads: u32,
    /// How many agents; with 0 the heads run jobs themselves
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(0..=32))]
    pub agents: u32,
    /// What runs jobs
    #[arg(long, value_enum, default_value_t = DevRuntime::Auto)]
    pub runtime: DevRuntime,
    /// Keep everything in this directory instead of a temporary one
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Cpus that each agent offers; 0: all of the machine
    #[arg(long, default_value_t = 0.0)]
    pub cpus: f64,
    /// Mebibytes that each agent offers; 0: an even share of the machine
    #[arg(long, default_value_t = 0)]
    pub memory_mib: u64,
    /// The Docker engine's socket
    #[arg(
        long,
        value_name = "URL",
        env = "DOCKER_HOST",
        default_value = "unix:///var/run/docker.sock"
    )]
    pub docker_socket: String,
    /// What the nodes write about themselves, into DIR/NAME.log
    #[arg(long, default_value = "info")]
    pub log: String,
    /// How often agents say that they are there, in milliseconds; the other silences follow
    #[arg(long, value_name = "MS", default_value_t = 250)]
    pub heartbeat_ms: u64,
    /// How long a cut-off agent keeps attempts that may be requeued, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 10_000)]
    pub lease_ms: u64,
    /// The fake runtime's ledger
    #[arg(long, value_name = "FILE", default_value = "")]
    pub fake_ledger: String,
}

/// What runs jobs in a development cluster.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum DevRuntime {
    /// Docker if it answers, else `process`
    Auto,
    /// A Docker engine
    Docker,
    /// Namespaces and cgroups, no image
    Process,
    /// Nothing runs
    Fake,
}

/// How long a node may take until it serves.
const SERVE_WITHIN: Duration = Duration::from_secs(30);

/// Runs the cluster until SIGINT or SIGTERM, or until one of its nodes cannot start.
///
/// # Errors
/// What kept it from starting.
pub async fn run(args: DevArgs) -> anyhow::Result<()> {
    let mut cluster = cluster::Cluster::make(args).await?;
    let outcome = tokio::select! {
        stopped = cluster.serve() => stopped,
        signal = stop() => signal,
    };
    cluster.end().await;
    outcome
}

async fn stop() -> anyhow::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut term = signal(SignalKind::terminate())?;
    let mut int = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
    }
    Ok(())
}
