//! A trial of the engine in which no job has a part: a container is made, started, seen to end and
//! taken away.
//!
//! An engine may answer every question and start nothing (its containerd stopped, its disk full,
//! its runtime gone), so only doing the whole of it tells. The container's image is empty and made
//! on the spot: nothing has to be fetched. Its only process is docker's init, which finds no
//! program and ends, and that is all that is wanted of it.

use std::future::Future;
use std::time::Duration;

use bollard::models::{ContainerCreateBody, HostConfig, HostConfigLogConfig};
use model::{ClusterId, NodeId};
use tokio::time::{Instant, sleep, timeout_at};

use super::engine::Trouble;
use super::{DockerConfig, DockerRuntime, container};
use crate::runtime::RuntimeError;

/// The empty image.
const IMAGE: &str = "godocker/nothing:1";
/// A program that is not in it.
const PROGRAM: &str = "/nothing";
/// What the trial may use, in bytes: the least that the engine grants with room to spare.
const MEMORY: i64 = 32 << 20;
/// How often the container is looked at.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

impl DockerRuntime {
    /// Whether the engine does what attempts need of it.
    pub(super) async fn try_engine(&self) -> Result<(), RuntimeError> {
        let (config, engine) = (&self.config, &self.engine);
        let name = name(config.cluster, config.node);
        let limit = config.timeouts.trial;
        let clock = Clock {
            until: Instant::now() + limit,
            seconds: limit.as_secs(),
        };
        clock.allow("remove", self.remove_by_name(&name)).await?;
        let known = engine.has_image(IMAGE);
        if !clock.allow("inspect image", known).await? {
            let made = engine.import_empty(IMAGE);
            clock.allow("import", named("import", made)).await?;
        }
        let made = engine.create(&name, body(config));
        Box::pin(clock.allow("create", named("create", made))).await?;
        let started = engine.start(&name);
        clock.allow("start", named("start", started)).await?;
        clock.allow("wait", self.until_over(&name)).await?;
        clock.allow("remove", self.remove_by_name(&name)).await
    }

    /// Looks until the container does not run any more; the engine takes it away by itself.
    async fn until_over(&self, name: &str) -> Result<(), RuntimeError> {
        loop {
            let found = self.engine.inspect(name).await?;
            let state = found.and_then(|found| found.state);
            if !state.is_some_and(|state| state.running.unwrap_or(false)) {
                return Ok(());
            }
            sleep(LOOK_AGAIN).await;
        }
    }
}

/// How long the whole trial may take.
struct Clock {
    until: Instant,
    seconds: u64,
}

impl Clock {
    /// One step of it.
    async fn allow<T>(
        &self,
        call: &'static str,
        step: impl Future<Output = Result<T, RuntimeError>>,
    ) -> Result<T, RuntimeError> {
        let seconds = self.seconds;
        let taken = timeout_at(self.until, step).await;
        taken.unwrap_or(Err(RuntimeError::TimedOut { call, seconds }))
    }
}

async fn named<T>(
    call: &'static str,
    asked: impl Future<Output = Result<T, Trouble>>,
) -> Result<T, RuntimeError> {
    asked.await.map_err(|trouble| trouble.or_engine(call))
}

/// Agents that share an engine do not share the trial.
fn name(cluster: ClusterId, node: NodeId) -> String {
    format!("gd-{}-trial-{node}", container::cluster_prefix(cluster))
}

fn body(config: &DockerConfig) -> ContainerCreateBody {
    let none = HostConfigLogConfig {
        typ: Some("none".into()),
        config: None,
    };
    ContainerCreateBody {
        image: Some(IMAGE.into()),
        cmd: Some(vec![PROGRAM.into()]),
        host_config: Some(HostConfig {
            init: Some(true),
            auto_remove: Some(true),
            memory: Some(MEMORY),
            network_mode: Some(config.network.clone()),
            cap_drop: Some(vec!["ALL".into()]),
            security_opt: Some(vec!["no-new-privileges".into()]),
            log_config: Some(none),
            ..HostConfig::default()
        }),
        ..ContainerCreateBody::default()
    }
}
