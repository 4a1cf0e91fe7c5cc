//! One attempt from its assignment to its being forgotten: carries out what `step` decides.
//!
//! Nothing is concluded from an engine's silence: a call without an answer is asked again. Only
//! what could never be started gives up, after a bounded number of tries.

mod end;

use std::sync::Arc;
use std::time::Duration;

use model::assignment::{Assignment, Held, News, StopCause};
use model::job::{Started, Usage};
use model::port::Published;
use model::unit::Millis;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, sleep_until, timeout};

use super::Shared;
use super::book::{Taken, remain};
use super::capture::Capture;
use super::ready::{blocking, lay, make, pin};
use crate::journal::{JournalError, Standing, StopWish};
use crate::runtime::{Place, RuntimeError, Signal, Stage};
use crate::step::{
    Action, Progress, Running, Tries, or_give_up, or_vanished, or_wait, refused, step,
};
use crate::{clock, files};

/// The first wait after a failed call; doubled up to the longest.
const RETRY_FIRST: Duration = Duration::from_millis(200);
/// The longest wait after a failed call.
const RETRY_LONGEST: Duration = Duration::from_secs(5);
/// How often a kill is repeated until the attempt is seen gone.
const KILL_AGAIN: Duration = Duration::from_secs(2);
/// A start that takes longer is a reason to try the node.
const START_SLOW: Duration = Duration::from_secs(10);
/// Tries to complete the output of an ended attempt.
const CAPTURE_TRIES: u32 = 12;
/// What has failed when a copy of the output breaks off.
const COPYING: &str = "copying the output";

/// One attempt in progress.
pub(super) struct Run {
    shared: Arc<Shared>,
    assignment: Arc<Assignment>,
    standing: Standing,
    stops: watch::Receiver<Option<StopWish>>,
    forgets: watch::Receiver<bool>,
    /// See [`Taken::earlier`].
    earlier: Vec<watch::Receiver<bool>>,
    place: Place,
    held: Held,
    failures: u32,
    tries: Tries,
    /// Its secrets lie ready.
    laid: bool,
    /// A start was asked for, and perhaps it happened.
    start_asked: bool,
    usage: Usage,
    /// Heads are told where its ports are, or need not be.
    ports_told: bool,
    capture: Capture,
    /// When the wish to end was first acted on; the grace runs from there.
    ending_since: Option<Instant>,
}

impl Run {
    pub(super) fn new(shared: Arc<Shared>, taken: Taken) -> Run {
        let Taken {
            assignment,
            standing,
            stops,
            forgets,
            earlier,
        } = taken;
        let held = Held {
            attempt: assignment.attempt,
            fence: assignment.fence,
        };
        let storage = &shared.options.storage;
        let place = if shared.runtime.needs_directory() {
            storage.place(held.attempt, held.fence)
        } else {
            storage.without_directory(held.attempt, held.fence)
        };
        let ports_told = assignment.spec.ports.is_empty();
        Run {
            shared,
            assignment,
            standing,
            stops,
            forgets,
            earlier,
            place,
            held,
            failures: 0,
            tries: Tries::default(),
            laid: false,
            start_asked: false,
            usage: Usage::default(),
            ports_told,
            capture: Capture::default(),
            ending_since: None,
        }
    }

    /// Takes steps until the attempt is forgotten.
    pub(super) async fn run(mut self) -> Result<(), JournalError> {
        loop {
            let stop = self.adopt_wish().await?;
            let seen = match &self.standing.progress {
                Progress::Ended(_) => None,
                Progress::Accepted | Progress::Running(_) => self.inspect().await,
            };
            let cause = stop.map(|wish| wish.cause);
            let next = step(&self.standing.progress, seen.as_ref(), cause);
            let next = or_vanished(next, self.start_asked, cause);
            let next = or_wait(next, remain(&self.earlier));
            match or_give_up(next, &self.tries) {
                Action::Prepare => self.prepare().await?,
                Action::Start => self.start().await?,
                Action::Wait => self.wait_for_earlier().await,
                Action::NoteRunning(started) => self.note_running(started).await?,
                Action::Watch => self.watch().await,
                Action::Conclude(conclusion) => self.conclude(conclusion).await?,
                Action::Discard(conclusion) => self.discard(conclusion).await?,
                Action::CleanUp => return self.clean_up().await,
            }
        }
    }

    /// Writes a new wish to end down before it is acted on.
    async fn adopt_wish(&mut self) -> Result<Option<StopWish>, JournalError> {
        let wish = *self.stops.borrow_and_update();
        if wish != self.standing.stop {
            self.standing.stop = wish;
            self.save().await?;
        }
        Ok(self.standing.stop)
    }

    async fn save(&self) -> Result<(), JournalError> {
        self.shared
            .journal
            .stand(self.held.attempt, self.standing.clone())
            .await
    }

    /// What is seen; asked again until there is an answer.
    async fn inspect(&mut self) -> Option<Stage> {
        loop {
            match self.shared.runtime.inspect(&self.place).await {
                Ok(seen) => return seen.map(|seen| seen.stage),
                Err(error) => self.pause("inspect", &error).await,
            }
        }
    }

    async fn pause(&mut self, what: &str, error: &RuntimeError) {
        self.failures = self.failures.saturating_add(1);
        let attempt = self.held.attempt;
        tracing::warn!(%attempt, %error, failures = self.failures, "{what} failed");
        self.shared.health.doubt();
        // A wish to end does not wait until then.
        tokio::select! {
            () = sleep(retry_wait(self.failures)) => {}
            _ = self.stops.changed() => {}
        }
    }

    /// Returns when every earlier attempt of the task is gone, or a wish to end this one is new.
    async fn wait_for_earlier(&mut self) {
        let earlier = &mut self.earlier;
        let gone = async {
            for one in earlier {
                // Gone without a word: its entry is removed only after it is gone.
                let _ = one.wait_for(|gone| *gone).await;
            }
        };
        tokio::select! {
            () = gone => self.earlier.clear(),
            _ = self.stops.changed() => {}
        }
    }

    async fn prepare(&mut self) -> Result<(), JournalError> {
        let shared = self.shared.clone();
        let (place, assignment) = (self.place.clone(), self.assignment.clone());
        let result = tokio::select! {
            result = async {
                if let Some(why) = assignment.refusal() {
                    return Err(RuntimeError::Refused { why });
                }
                if !shared.runtime.needs_directory() {
                    return shared.runtime.prepare(&assignment, &place).await;
                }
                make(shared.clone(), place.clone(), assignment.clone()).await?;
                let pinned = pin(shared.clone(), place.clone(), assignment.clone()).await?;
                let pinned = lay(shared.clone(), place.clone(), pinned).await?;
                self.laid = true;
                shared.runtime.prepare(&pinned, &place).await
            } => result,
            // A wish to end makes a long pull pointless; what is half made is seen next time.
            _ = self.stops.changed() => return Ok(()),
        };
        self.after_try("prepare", result).await
    }

    async fn start(&mut self) -> Result<(), JournalError> {
        if let Err(error) = self.make_ready().await {
            return self.after_try("pin the volumes", Err(error)).await;
        }
        let result = {
            let mut started = self.shared.runtime.start(&self.place);
            match timeout(START_SLOW, &mut started).await {
                Ok(result) => result,
                Err(_) => {
                    self.shared.health.doubt();
                    started.await
                }
            }
        };
        // Where there is nothing, nothing was started.
        self.start_asked |= !matches!(result, Err(RuntimeError::Gone));
        match result {
            Ok(started) => self.note_running(started).await,
            Err(error) => self.after_try("start", Err(error)).await,
        }
    }

    /// Volumes and secrets lie where the container was told that they would.
    async fn make_ready(&mut self) -> Result<(), RuntimeError> {
        if !self.shared.runtime.needs_directory() {
            return Ok(());
        }
        let (shared, place) = (self.shared.clone(), self.place.clone());
        let pinned = pin(shared.clone(), place.clone(), self.assignment.clone()).await?;
        if !self.laid {
            lay(shared, place, pinned).await?;
            self.laid = true;
        }
        Ok(())
    }

    async fn after_try(
        &mut self,
        what: &str,
        result: Result<(), RuntimeError>,
    ) -> Result<(), JournalError> {
        let Err(error) = result else {
            self.failures = 0;
            self.tries = Tries::default();
            return Ok(());
        };
        if let Some(conclusion) = refused(&error) {
            return self.conclude(conclusion).await;
        }
        self.tries = Tries {
            failed: self.tries.failed.saturating_add(1),
            why: error.to_string(),
        };
        self.pause(what, &error).await;
        Ok(())
    }

    async fn note_running(&mut self, started: Started) -> Result<(), JournalError> {
        let boot_ms = clock::since_boot().0;
        self.failures = 0;
        self.standing.progress = Progress::Running(Running {
            started: started.clone(),
            boot_ms,
        });
        self.save().await?;
        if self.ports_told {
            self.shared.set_report(self.held, News::Running(started));
        }
        if !self.assignment.spec.secrets.is_empty() {
            // The container has its own mount of them, and is never started again.
            let (shared, place) = (self.shared.clone(), self.place.clone());
            let away = blocking(move || {
                shared.options.volumes.take_secrets_away(&place);
                Ok(())
            });
            let _ = away.await;
        }
        Ok(())
    }

    /// Returns when the attempt has ended, or when a step has to be decided anew.
    async fn watch(&mut self) {
        self.begin_capture();
        let shared = self.shared.clone();
        let place = self.place.clone();
        let limit = self.wall_deadline();
        let mut sample = interval(shared.options.sample_every);
        sample.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let most = self.assignment.spec.output_max;
        let mut full = std::pin::pin!(files::full(&place, most));
        let most = self.assignment.spec.disk_max;
        let mut overflow = std::pin::pin!(files::kept::overflows(
            &shared.options.storage,
            &place,
            most
        ));
        let mut ports = std::pin::pin!(self.ports());
        let mut end = std::pin::pin!(shared.runtime.wait(&place));
        let mut kill = std::pin::pin!(self.enforce());
        loop {
            tokio::select! {
                () = &mut full, if self.standing.stop.is_none() => {
                    self.stop_for(StopCause::OutputLimit);
                    return;
                }
                () = &mut overflow, if self.standing.stop.is_none() => {
                    self.stop_for(StopCause::DiskLimit);
                    return;
                }
                ports = &mut ports, if !self.ports_told => self.tell_ports(ports),
                ended = &mut end => {
                    if let Err(error) = ended {
                        self.pause("wait", &error).await;
                    }
                    return;
                }
                broken = self.capture.ended(self.held.attempt) => {
                    if let Some(error) = broken {
                        self.pause(COPYING, &error).await;
                    }
                    self.begin_capture();
                }
                () = &mut kill => return,
                _ = self.stops.changed() => return,
                () = until(limit), if self.standing.stop.is_none() => {
                    self.stop_for(StopCause::WallLimit);
                    return;
                }
                _ = sample.tick() => self.sample().await,
            }
        }
    }

    /// Where its ports are reached, asked until there is an answer.
    fn ports(&self) -> impl Future<Output = Vec<Published>> + use<> {
        let (shared, place) = (self.shared.clone(), self.place.clone());
        async move {
            let mut failures = 0;
            loop {
                match shared.runtime.ports(&place).await {
                    Ok(ports) => return ports,
                    Err(error) => {
                        tracing::warn!(attempt = %place.attempt, %error, "asking for ports failed");
                        failures += 1;
                        sleep(retry_wait(failures)).await;
                    }
                }
            }
        }
    }

    fn tell_ports(&mut self, ports: Vec<Published>) {
        self.ports_told = true;
        if let Progress::Running(running) = &self.standing.progress {
            let news = News::Serving(running.started.clone(), ports);
            self.shared.set_report(self.held, news);
        }
    }

    fn begin_capture(&mut self) {
        let (shared, place) = (self.shared.clone(), self.place.clone());
        self.capture
            .begin(async move { shared.runtime.capture(&place).await });
    }

    fn wall_deadline(&self) -> Option<Instant> {
        let Progress::Running(running) = &self.standing.progress else {
            return None;
        };
        let limit = self.assignment.spec.wall_limit?;
        let passed = clock::since_boot().0.saturating_sub(running.boot_ms);
        Some(Instant::now() + Duration::from_millis(limit.0.saturating_sub(passed)))
    }

    fn stop_for(&self, cause: StopCause) {
        let wish = StopWish {
            cause,
            grace: self.assignment.spec.grace,
        };
        self.shared.book().wish(self.held, wish);
    }

    /// Ends the attempt if that is wished: TERM, grace, then KILL again and again. Never returns
    /// by itself; the end is seen by `wait`.
    fn enforce(&mut self) -> impl Future<Output = ()> + use<> {
        let (shared, place) = (self.shared.clone(), self.place.clone());
        let wish = self.standing.stop;
        let since = wish.map(|_| *self.ending_since.get_or_insert_with(Instant::now));
        async move {
            let Some((wish, since)) = wish.zip(since) else {
                return std::future::pending().await;
            };
            if wish.grace > Millis(0) {
                let sent = shared.runtime.signal(&place, Signal::Term).await;
                if let Err(error) = sent {
                    tracing::warn!(attempt = %place.attempt, %error, "TERM failed");
                    shared.health.doubt();
                }
                sleep_until(since + Duration::from_millis(wish.grace.0)).await;
            }
            loop {
                let sent = shared.runtime.signal(&place, Signal::Kill).await;
                if let Err(error) = sent {
                    tracing::warn!(attempt = %place.attempt, %error, "KILL failed");
                    shared.health.doubt();
                }
                sleep(KILL_AGAIN).await;
            }
        }
    }

    async fn sample(&mut self) {
        if let Ok(now) = self.shared.runtime.usage(&self.place).await {
            self.usage = crate::usage::merge(self.usage, now);
            self.shared.book().set_usage(self.held.attempt, self.usage);
        }
    }
}

fn retry_wait(failures: u32) -> Duration {
    let doubled = RETRY_FIRST.saturating_mul(1 << failures.saturating_sub(1).min(10));
    doubled.min(RETRY_LONGEST)
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
