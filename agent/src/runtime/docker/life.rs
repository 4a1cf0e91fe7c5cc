//! The life of one container: made, started, signalled, waited for, taken away.
//!
//! Every step may be repeated and may be cut short anywhere. A container is never started a second
//! time: one that has run counts as started, and where a start may have been sent before, by us or
//! by an agent that died since, the engine gets time to carry it out before it is asked again.

use std::path::PathBuf;
use std::time::Duration;

use model::Fence;
use model::assignment::{Assignment, Held};
use model::job::{Exit, Started};
use tokio::time::{Instant, sleep, timeout};

use super::engine::Trouble;
use super::look::{Found, Phase};
use super::{DockerRuntime, container, fate, script};
use crate::runtime::{Place, RuntimeError, Signal};

/// Rounds of looking and creating before a name counts as contested.
const CREATE_ROUNDS: usize = 4;
/// What a start without an answer gets before it is sent again, counted from a look that was
/// answered: an engine that hung carries out late what it was asked while it did.
const START_SETTLES: Duration = Duration::from_secs(5);
/// A wait is cut short after this and the container looked at: an engine may lose a wait.
const WAIT_ROUND: Duration = Duration::from_secs(15);
/// The pause before an engine that failed is asked again.
const RETRY: Duration = Duration::from_millis(250);
/// How often a container that is on its way is looked at.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// How long the init process is watched until it has become the program.
const INIT_WATCHED: Duration = Duration::from_millis(500);
/// What docker's init writes when it cannot become the program.
const INIT_FAILED: &str = "[FATAL tini (";

/// Bears an engine that does not answer, for so long after its last answer.
pub(super) struct Patience {
    limit: Duration,
    since: Instant,
}

impl Patience {
    pub(super) fn new(limit: Duration) -> Patience {
        Patience {
            limit,
            since: Instant::now(),
        }
    }

    /// The engine has answered.
    pub(super) fn renew(&mut self) {
        self.since = Instant::now();
    }

    /// Waits a moment after a failure, or gives it back when it has lasted too long.
    pub(super) async fn bear(&self, error: RuntimeError) -> Result<(), RuntimeError> {
        let passing = matches!(
            error,
            RuntimeError::Engine { .. } | RuntimeError::TimedOut { .. }
        );
        if !passing || self.since.elapsed() >= self.limit {
            return Err(error);
        }
        sleep(RETRY).await;
        Ok(())
    }
}

impl DockerRuntime {
    /// Makes the container exist with this fence and no other.
    pub(super) async fn prepare_container(
        &self,
        assignment: &Assignment,
        place: &Place,
    ) -> Result<(), RuntimeError> {
        let name = self.container_name(place);
        for _ in 0..CREATE_ROUNDS {
            match self.find(place).await? {
                Some(found) if found.fence == Some(place.fence) => return Ok(()),
                Some(found) => self.displace(&name, found.fence, place.fence).await?,
                None => {
                    if self.create(assignment, place, &name).await? {
                        return Ok(());
                    }
                }
            }
        }
        Err(RuntimeError::Refused {
            why: format!("another container keeps the name {name}"),
        })
    }

    /// Removes a container of the same name and an older fence.
    async fn displace(
        &self,
        name: &str,
        theirs: Option<Fence>,
        ours: Fence,
    ) -> Result<(), RuntimeError> {
        match theirs {
            Some(theirs) if theirs < ours => {
                tracing::info!(name, %theirs, %ours, "an older container gives way");
                self.remove_by_name(name).await
            }
            Some(theirs) => Err(RuntimeError::Refused {
                why: format!("container {name} was made for fence {theirs}, newer than {ours}"),
            }),
            None => Err(RuntimeError::Refused {
                why: format!("container {name} exists and is not of this cluster"),
            }),
        }
    }

    /// Creates the container; false if the name was taken meanwhile.
    async fn create(
        &self,
        assignment: &Assignment,
        place: &Place,
        name: &str,
    ) -> Result<bool, RuntimeError> {
        let spec = &assignment.spec;
        let held = Held {
            attempt: place.attempt,
            fence: place.fence,
        };
        self.ensure_image(&spec.image, spec.pull, held).await?;
        let ids = assignment.runs_as(self.config.default_ids);
        script::lay_out(place, &spec.program, (ids.uid, ids.gid)).await?;
        let machine = container::Machine {
            cgroup_root: self.meter.root(),
            cpus: self.facts.cpus,
        };
        let body = container::body(&self.config, machine, assignment, place);
        match self.engine.create(name, body).await {
            Ok(()) => {
                self.memory().fresh.insert(name.to_owned());
                Ok(true)
            }
            Err(Trouble::Answer { status: 409, .. }) => Ok(false),
            Err(Trouble::Answer { status: 404, why }) => Err(RuntimeError::Image {
                image: spec.image.clone(),
                why,
            }),
            Err(Trouble::Answer { status, why }) if status < 500 => {
                Err(RuntimeError::Refused { why })
            }
            Err(trouble) => Err(trouble.or_engine("create")),
        }
    }

    /// Starts the container unless it runs or has run.
    pub(super) async fn start_container(&self, place: &Place) -> Result<Started, RuntimeError> {
        let name = self.container_name(place);
        let found = self.must_find(place).await?;
        if let Phase::Running { .. } | Phase::Exited { .. } = found.phase {
            return Ok(found.started);
        }
        let found = self.settled(place, &name).await?;
        if let Phase::Running { .. } | Phase::Exited { .. } = found.phase {
            return Ok(found.started);
        }
        self.memory().fresh.remove(&name);
        self.meter.watch_from_start(place.attempt, &found.id);
        match self.engine.start(&name).await {
            Ok(()) => self.see_started(place, &name).await,
            Err(Trouble::Answer { status: 404, why }) if why.contains("No such container") => {
                Err(RuntimeError::Gone)
            }
            Err(Trouble::Answer { status, why }) => {
                // It was refused, so none is under way.
                self.memory().fresh.insert(name);
                Err(fate::start_refused(status, why))
            }
            Err(trouble @ Trouble::Silence(_)) => Err(trouble.or_engine("start")),
        }
    }

    /// The container once no start that was sent can be carried out any more. The engine must have
    /// answered just before.
    async fn settled(&self, place: &Place, name: &str) -> Result<Found, RuntimeError> {
        if !self.memory().fresh.contains(name) {
            sleep(START_SETTLES).await;
        }
        self.must_find(place).await
    }

    /// Takes the container away if it is there and was never started, and so never will be.
    pub(super) async fn discard_container(&self, place: &Place) -> Result<bool, RuntimeError> {
        let name = self.container_name(place);
        let ours = |found: &Found| found.fence == Some(place.fence);
        if !self.find(place).await?.is_some_and(|found| ours(&found)) {
            return Ok(false);
        }
        match self.settled(place, &name).await {
            Ok(Found {
                phase: Phase::Running { .. } | Phase::Exited { .. },
                ..
            })
            | Err(RuntimeError::Gone) => return Ok(false),
            Ok(_) => {}
            Err(error) => return Err(error),
        }
        match self.engine.remove(&name, false).await {
            Ok(()) => {
                self.memory().fresh.remove(&name);
                self.meter.forget(place).await;
                Ok(true)
            }
            // It runs after all, or somebody else takes it away.
            Err(Trouble::Answer {
                status: 404 | 409, ..
            }) => Ok(false),
            Err(trouble) => Err(trouble.or_engine("remove")),
        }
    }

    /// What the start looks like, once the container's init has become the program or has failed
    /// to: only then is it known that the program could be started.
    async fn see_started(&self, place: &Place, name: &str) -> Result<Started, RuntimeError> {
        let mut found = self.must_find(place).await?;
        if let Phase::Running { pid } = found.phase
            && timeout(INIT_WATCHED, fate::init_has_gone_on(pid))
                .await
                .is_ok_and(|on| !on)
        {
            found = self.until_exited(place).await?;
        }
        if let Phase::Exited {
            exit:
                Exit {
                    code: Some(code @ (126 | 127)),
                    ..
                },
            ..
        } = found.phase
        {
            let written = self.engine.error_tail(name, 2).await?;
            if let Some(why) = written.lines().find(|line| line.starts_with(INIT_FAILED)) {
                return Err(RuntimeError::CannotStart {
                    why: why.to_owned(),
                    code,
                });
            }
        }
        Ok(found.started)
    }

    /// Looks until a container whose init has no child any more is seen to have ended.
    async fn until_exited(&self, place: &Place) -> Result<Found, RuntimeError> {
        let until = Instant::now() + INIT_WATCHED;
        loop {
            let found = self.must_find(place).await?;
            if matches!(found.phase, Phase::Exited { .. }) || Instant::now() >= until {
                return Ok(found);
            }
            sleep(LOOK_AGAIN).await;
        }
    }

    /// Waits for the end. What the engine answers to a wait is only a hint; the exit is what an
    /// inspection shows.
    pub(super) async fn wait_container(&self, place: &Place) -> Result<Exit, RuntimeError> {
        let name = self.container_name(place);
        let mut patience = Patience::new(self.config.timeouts.patience);
        loop {
            let answered = match self.must_find(place).await {
                Ok(Found {
                    phase: Phase::Exited { exit, .. },
                    ..
                }) => return Ok(exit),
                Ok(Found {
                    phase: Phase::Created,
                    ..
                }) => {
                    sleep(LOOK_AGAIN).await;
                    Ok(())
                }
                Ok(Found {
                    phase: Phase::Running { pid },
                    ..
                }) => {
                    self.meter.watch_from_now(place.attempt, pid);
                    self.engine.until_not_running(&name, WAIT_ROUND).await
                }
                Err(error) => Err(error),
            };
            match answered {
                Ok(()) => patience.renew(),
                Err(error) => patience.bear(error).await?,
            }
        }
    }

    /// Sends a signal; to a container that does not run, none is needed.
    pub(super) async fn signal_container(
        &self,
        place: &Place,
        signal: Signal,
    ) -> Result<(), RuntimeError> {
        let name = self.container_name(place);
        let word = match signal {
            Signal::Term => "SIGTERM",
            Signal::Kill => "SIGKILL",
        };
        self.memory().signalled.insert(name.clone());
        match self.engine.kill(&name, word).await {
            Ok(())
            | Err(Trouble::Answer {
                status: 404 | 409, ..
            }) => Ok(()),
            Err(trouble) => Err(trouble.or_engine("kill")),
        }
    }

    /// Takes the container away, and what was kept of it.
    pub(super) async fn remove_container(&self, place: &Place) -> Result<(), RuntimeError> {
        let name = self.container_name(place);
        if let Some(found) = self.find(place).await? {
            match found.fence {
                Some(fence) if fence <= place.fence => self.remove_by_name(&name).await?,
                // The name belongs to a later placement, or to somebody else: nothing of ours.
                Some(_) | None => return Ok(()),
            }
        }
        {
            let mut memory = self.memory();
            memory.fresh.remove(&name);
            memory.signalled.remove(&name);
        }
        self.meter.forget(place).await;
        Ok(())
    }

    /// Removes by force and looks until nothing is there.
    pub(super) async fn remove_by_name(&self, name: &str) -> Result<(), RuntimeError> {
        let until = Instant::now() + self.config.timeouts.create;
        loop {
            match self.engine.remove(name, true).await {
                // 409: its removal is under way.
                Ok(())
                | Err(Trouble::Answer {
                    status: 404 | 409, ..
                }) => {}
                Err(trouble) => return Err(trouble.or_engine("remove")),
            }
            if self.engine.inspect(name).await?.is_none() {
                return Ok(());
            }
            if Instant::now() >= until {
                let seconds = self.config.timeouts.create.as_secs();
                return Err(RuntimeError::TimedOut {
                    call: "remove",
                    seconds,
                });
            }
            sleep(LOOK_AGAIN).await;
        }
    }

    /// Where the engine keeps its own copy of a container's output.
    pub(super) fn engine_log(&self, container_id: &str) -> PathBuf {
        let containers = PathBuf::from(&self.facts.root_dir).join("containers");
        containers
            .join(container_id)
            .join("local-logs")
            .join("container.log")
    }
}
