//! Attempts as containers of a Docker engine, spoken to over its unix socket.
//!
//! The engine is the only memory of what runs: a container's name and labels say which attempt it
//! is, so an agent that starts anew finds its own. What is kept in memory here (pulls under way,
//! containers not yet started, last readings) only saves work or makes a call more careful; losing
//! it loses nothing that was promised.

mod container;
mod engine;
mod fate;
mod guarded;
mod image;
mod life;
mod local_log;
mod look;
mod mender;
mod meter;
mod output;
mod ports;
pub(in crate::runtime) mod script;
mod trial;

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use model::assignment::Assignment;
use model::job::{Exit, Started, Usage};
use model::log::Later;
use model::node::RuntimeKind;
use model::port::Published;
use model::{Bytes, ClusterId, MilliCpus, NodeId};

use super::{Place, Runtime, RuntimeError, Seen, Signal};
use crate::secrets::Logins;
use engine::Engine;

/// Where the job finds its directory, and where it starts.
pub const JOB_DIR: &str = "/mnt/go-docker";

/// How to reach an engine, and what containers of this node look like.
#[derive(Clone, Debug)]
pub struct DockerConfig {
    /// The engine's socket, `unix:///path`.
    pub socket: String,
    /// The cluster; its first eight digits are part of every container's name.
    pub cluster: ClusterId,
    /// This node; other agents of the cluster may share the engine.
    pub node: NodeId,
    /// User and group of jobs whose owner has none.
    pub default_ids: (u32, u32),
    /// The engine's network for jobs that may have one.
    pub network: String,
    /// The node's ports by which published ones are reached, `first-last`; empty: the engine
    /// chooses.
    pub ports: String,
    /// Where volumes are pinned; what lies elsewhere is made read-only by the engine if need be.
    pub pins: PathBuf,
    /// Where it is written down which images were fetched with a login.
    pub guarded: PathBuf,
    /// The most processes and threads of a job.
    pub processes_max: u32,
    /// The engine's own copy of an attempt's output may grow to this; what is written beyond
    /// pushes out what is not yet copied.
    pub log_max: Bytes,
    /// Pulls at the same time.
    pub pulls_at_once: usize,
    /// How long calls may take.
    pub timeouts: Timeouts,
}

/// How long an answer of the engine is waited for.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// Calls that only look, or signal.
    pub call: Duration,
    /// Creating and removing a container.
    pub create: Duration,
    /// Starting a container.
    pub start: Duration,
    /// Fetching one image, all tries together.
    pub pull: Duration,
    /// How long waiting for an end and copying output bear an engine that does not answer.
    pub patience: Duration,
    /// A whole trial of the engine.
    pub trial: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Timeouts {
            call: Duration::from_secs(10),
            create: Duration::from_secs(60),
            start: Duration::from_secs(60),
            pull: Duration::from_secs(30 * 60),
            patience: Duration::from_secs(60),
            trial: Duration::from_secs(15),
        }
    }
}

impl DockerConfig {
    /// A configuration with the safe defaults.
    pub fn new(socket: String, cluster: ClusterId, node: NodeId) -> DockerConfig {
        DockerConfig {
            socket,
            cluster,
            node,
            default_ids: (65534, 65534),
            network: "bridge".into(),
            ports: String::new(),
            pins: PathBuf::from("/var/lib/godocker/pins"),
            guarded: PathBuf::from("/var/lib/godocker/guarded-images"),
            processes_max: 4096,
            log_max: Bytes::mebi(1 << 20),
            pulls_at_once: 2,
            timeouts: Timeouts::default(),
        }
    }
}

/// What an engine says of itself and its machine.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Facts {
    /// Its version.
    pub version: String,
    /// The API version agreed on.
    pub api: String,
    /// Processors of the machine.
    pub cpus: MilliCpus,
    /// Memory of the machine.
    pub memory: Bytes,
    /// `1` or `2`.
    pub cgroup_version: String,
    /// `cgroupfs` or `systemd`.
    pub cgroup_driver: String,
    /// Containers outlive the engine's restart.
    pub live_restore: bool,
    /// Where the engine keeps its data.
    pub root_dir: String,
}

/// A Docker engine that runs attempts.
pub struct DockerRuntime {
    config: DockerConfig,
    engine: Engine,
    facts: Facts,
    pulls: image::Pulls,
    guarded: guarded::Guarded,
    logins: Option<Arc<dyn Logins>>,
    meter: meter::Meter,
    memory: Mutex<Memory>,
}

/// What makes calls more careful, by container name.
#[derive(Default)]
struct Memory {
    /// Containers that were made on our word and not yet told to start.
    fresh: HashSet<String>,
    /// Containers that were signalled by us.
    signalled: HashSet<String>,
}

impl DockerRuntime {
    /// Reaches the engine, agrees on an API version and asks what it is.
    ///
    /// # Errors
    /// [`RuntimeError::Engine`] or [`RuntimeError::TimedOut`] if it does not answer.
    pub async fn connect(config: DockerConfig) -> Result<DockerRuntime, RuntimeError> {
        let engine = Engine::connect(&config.socket, config.timeouts).await?;
        let facts = engine.facts().await?;
        Ok(DockerRuntime {
            pulls: image::Pulls::new(config.pulls_at_once),
            guarded: guarded::Guarded::new(config.guarded.clone()),
            logins: None,
            meter: meter::Meter::new(container::cgroup_root(&config, &facts)),
            memory: Mutex::default(),
            config,
            engine,
            facts,
        })
    }

    /// Fetches images with the logins that this knows of.
    #[must_use]
    pub fn with_logins(self, logins: Arc<dyn Logins>) -> DockerRuntime {
        DockerRuntime {
            logins: Some(logins),
            ..self
        }
    }

    /// What the engine said of itself when it was reached.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// The container's name: cluster, job, task and attempt.
    pub fn container_name(&self, place: &Place) -> String {
        container::name(self.config.cluster, place)
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Runtime for DockerRuntime {
    fn kind(&self) -> RuntimeKind {
        RuntimeKind::Docker
    }

    fn prepare<'a>(
        &'a self,
        assignment: &'a Assignment,
        place: &'a Place,
    ) -> Later<'a, Result<(), RuntimeError>> {
        Box::pin(self.prepare_container(assignment, place))
    }

    fn start<'a>(&'a self, place: &'a Place) -> Later<'a, Result<Started, RuntimeError>> {
        Box::pin(self.start_container(place))
    }

    fn ports<'a>(&'a self, place: &'a Place) -> Later<'a, Result<Vec<Published>, RuntimeError>> {
        Box::pin(async move { Ok(self.must_find(place).await?.ports) })
    }

    fn wait<'a>(&'a self, place: &'a Place) -> Later<'a, Result<Exit, RuntimeError>> {
        Box::pin(self.wait_container(place))
    }

    fn capture<'a>(&'a self, place: &'a Place) -> Later<'a, Result<(), RuntimeError>> {
        Box::pin(self.copy_output(place))
    }

    fn signal<'a>(
        &'a self,
        place: &'a Place,
        signal: Signal,
    ) -> Later<'a, Result<(), RuntimeError>> {
        Box::pin(self.signal_container(place, signal))
    }

    fn inspect<'a>(&'a self, place: &'a Place) -> Later<'a, Result<Option<Seen>, RuntimeError>> {
        Box::pin(self.seen(place))
    }

    fn list(&self) -> Later<'_, Result<Vec<Seen>, RuntimeError>> {
        Box::pin(self.seen_all())
    }

    fn usage<'a>(&'a self, place: &'a Place) -> Later<'a, Result<Usage, RuntimeError>> {
        Box::pin(self.read_usage(place))
    }

    fn remove<'a>(&'a self, place: &'a Place) -> Later<'a, Result<(), RuntimeError>> {
        Box::pin(self.remove_container(place))
    }

    fn discard<'a>(&'a self, place: &'a Place) -> Later<'a, Result<bool, RuntimeError>> {
        Box::pin(self.discard_container(place))
    }

    fn probe(&self) -> Later<'_, Result<(), RuntimeError>> {
        Box::pin(self.try_engine())
    }
}
