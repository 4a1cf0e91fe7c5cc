//! What is seen of containers: the engine's inspection, reduced to what matters.

use futures_util::{StreamExt, TryStreamExt};
use model::job::{Exit, Started};
use model::port::Published;
use model::{AttemptId, Fence, Timestamp};

use bollard::models::{ContainerInspectResponse, ContainerState, ContainerStateStatusEnum};

use super::{DockerRuntime, container, fate, ports};
use crate::runtime::{Place, RuntimeError, Seen, Stage};

/// Inspections at the same time while everything is listed.
const LOOKS_AT_ONCE: usize = 8;

/// One container, as the engine describes it.
#[derive(Clone, Debug)]
pub(super) struct Found {
    /// The engine's id.
    pub(super) id: String,
    /// The attempt in its labels; `None` if it is not a container of this cluster.
    pub(super) attempt: Option<AttemptId>,
    /// The fence in its labels; `None` if it is not a container of this cluster.
    pub(super) fence: Option<Fence>,
    /// What its start looks like; without meaning before it.
    pub(super) started: Started,
    /// Where its published ports are reached; nowhere before it runs.
    pub(super) ports: Vec<Published>,
    /// How far it is.
    pub(super) phase: Phase,
}

/// How far a container is.
#[derive(Clone, Debug)]
pub(super) enum Phase {
    /// It was never started.
    Created,
    /// It runs, or is paused.
    Running {
        /// Its first process, in the engine's process namespace.
        pid: u32,
    },
    /// It has ended.
    Exited {
        /// How.
        exit: Exit,
        /// When, by the engine's clock.
        at: Timestamp,
    },
}

impl DockerRuntime {
    /// The container under the attempt's name, whosever it is.
    pub(super) async fn find(&self, place: &Place) -> Result<Option<Found>, RuntimeError> {
        let name = self.container_name(place);
        let Some(found) = self.engine.inspect(&name).await? else {
            return Ok(None);
        };
        Ok(Some(self.reduce(found).await))
    }

    /// The attempt's own container.
    pub(super) async fn must_find(&self, place: &Place) -> Result<Found, RuntimeError> {
        let found = self.find(place).await?;
        found
            .filter(|found| found.fence == Some(place.fence))
            .ok_or(RuntimeError::Gone)
    }

    /// What is seen of one attempt; a container with another fence is another placement's.
    pub(super) async fn seen(&self, place: &Place) -> Result<Option<Seen>, RuntimeError> {
        match self.find(place).await? {
            Some(found) if found.fence == Some(place.fence) => {
                let name = self.container_name(place);
                self.judge(&name, found).await
            }
            Some(_) | None => Ok(None),
        }
    }

    /// Everything of this node and cluster.
    pub(super) async fn seen_all(&self) -> Result<Vec<Seen>, RuntimeError> {
        let names = self
            .engine
            .labelled(container::own_labels(&self.config))
            .await?;
        let looks = futures_util::stream::iter(names).map(|name| async move {
            let Some(found) = self.engine.inspect(&name).await? else {
                return Ok(None);
            };
            self.judge(&name, self.reduce(found).await).await
        });
        looks
            .buffered(LOOKS_AT_ONCE)
            .try_filter_map(|seen| async { Ok(seen) })
            .try_collect()
            .await
    }

    async fn judge(&self, name: &str, found: Found) -> Result<Option<Seen>, RuntimeError> {
        let Some((attempt, fence)) = found.attempt.zip(found.fence) else {
            return Ok(None);
        };
        let stage = match found.phase {
            Phase::Created => Stage::Created,
            Phase::Running { .. } => Stage::Running(found.started),
            Phase::Exited { exit, at } => {
                let engine_failed = self.engine_took_it(name, &found.started, exit, at).await?;
                Stage::Exited {
                    started: found.started,
                    exit,
                    engine_failed,
                }
            }
        };
        Ok(Some(Seen {
            attempt,
            fence,
            stage,
        }))
    }

    /// Whether the engine's own restart ended the container. Where that has to be asked and there
    /// is no answer, nothing is known.
    async fn engine_took_it(
        &self,
        name: &str,
        started: &Started,
        exit: Exit,
        at: Timestamp,
    ) -> Result<bool, RuntimeError> {
        if self.memory().signalled.contains(name) {
            return Ok(false);
        }
        let end = fate::End {
            started: started.at,
            ended: at,
            exit,
            live_restore: false,
        };
        if !fate::engine_may_have(&end) {
            return Ok(false);
        }
        let engine = fate::engine_started(&self.config.socket).await?;
        let Some(engine) = engine.filter(|engine| fate::engine_ended(&end, *engine)) else {
            return Ok(false);
        };
        // The engine that is there now may be set up in another way than the one before.
        let live_restore = self.facts.live_restore && self.engine.facts().await?.live_restore;
        let end = fate::End {
            live_restore,
            ..end
        };
        Ok(fate::engine_ended(&end, engine))
    }

    async fn reduce(&self, found: ContainerInspectResponse) -> Found {
        let labels = found
            .config
            .and_then(|config| config.labels)
            .unwrap_or_default();
        let identity = container::identity(self.config.cluster, &labels);
        let bound = found.network_settings.and_then(|network| network.ports);
        let ports = ports::published(&bound.unwrap_or_default());
        let state = found.state.unwrap_or_default();
        let id = found.id.unwrap_or_default();
        let attempt = identity.map(|(attempt, _)| attempt);
        let mut phase = phase(&state);
        if let (Phase::Exited { exit, .. }, Some(attempt)) = (&mut phase, attempt)
            && !exit.oom_killed
        {
            exit.oom_killed = self.meter.oom_killed(attempt).await;
        }
        let started = Started {
            at: moment(state.started_at.as_deref()),
            container: id.clone(),
            image_digest: found.image.unwrap_or_default(),
        };
        Found {
            id,
            attempt,
            fence: identity.map(|(_, fence)| fence),
            started,
            ports,
            phase,
        }
    }
}

fn phase(state: &ContainerState) -> Phase {
    use ContainerStateStatusEnum as Status;
    let ended = Phase::Exited {
        exit: Exit {
            code: state.exit_code.and_then(|code| i32::try_from(code).ok()),
            signal: None,
            oom_killed: state.oom_killed.unwrap_or(false),
        },
        at: moment(state.finished_at.as_deref()),
    };
    let has_run = moment(state.started_at.as_deref()) != Timestamp(0);
    match state.status {
        Some(Status::RUNNING | Status::PAUSED | Status::RESTARTING | Status::STOPPING) => {
            let pid = state
                .pid
                .and_then(|pid| u32::try_from(pid).ok())
                .unwrap_or(0);
            Phase::Running { pid }
        }
        Some(Status::EXITED | Status::DEAD | Status::REMOVING) if has_run => ended,
        Some(
            Status::EXITED | Status::DEAD | Status::REMOVING | Status::CREATED | Status::EMPTY,
        )
        | None => Phase::Created,
    }
}

fn moment(text: Option<&str>) -> Timestamp {
    text.and_then(fate::parse_time).unwrap_or_default()
}
