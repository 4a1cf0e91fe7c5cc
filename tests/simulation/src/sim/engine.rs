//! A container engine that fails: it hangs, loses its answers, starts nothing, and dies with what
//! it runs.

use std::collections::BTreeMap;

use agent::runtime::{RuntimeError, Signal, Stage};
use model::job::{Exit, Started};
use model::{AttemptId, Fence};

/// The engine of one node. It outlives its agent.
#[derive(Default)]
pub(super) struct Engine {
    containers: BTreeMap<AttemptId, Container>,
    /// Until then no call is answered, and none has an effect.
    pub(super) hung_until: u64,
    /// Until then it answers and starts nothing.
    pub(super) broken_until: u64,
}

struct Container {
    fence: Fence,
    stage: Held,
}

enum Held {
    Made,
    Up(Life),
    Gone(Life, Exit, bool),
}

/// A program's life as it will be if nobody interferes.
#[derive(Clone, Debug)]
pub(super) struct Life {
    /// What the start looked like.
    pub(super) started: Started,
    /// When it ends by itself.
    pub(super) until: u64,
    /// Its exit code.
    pub(super) code: i32,
    /// It does not heed TERM.
    pub(super) stubborn: bool,
}

/// What happens to one call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Luck {
    /// It is answered.
    Answered,
    /// It does what it shall, and the answer is lost.
    Unheard,
    /// It does nothing.
    Lost,
}

impl Engine {
    /// Lets a call through or not.
    fn call<T>(
        &mut self,
        now: u64,
        luck: Luck,
        work: impl FnOnce(&mut Self) -> Result<T, RuntimeError>,
    ) -> Result<T, RuntimeError> {
        self.pass(now);
        let lost = RuntimeError::TimedOut {
            call: "call",
            seconds: 10,
        };
        if self.hung_until > now || luck == Luck::Lost {
            return Err(lost);
        }
        let done = work(self)?;
        match luck {
            Luck::Answered => Ok(done),
            Luck::Unheard | Luck::Lost => Err(lost),
        }
    }

    /// Programs end by themselves.
    fn pass(&mut self, now: u64) {
        for container in self.containers.values_mut() {
            if let Held::Up(life) = &container.stage
                && life.until <= now
            {
                let exit = Exit {
                    code: Some(life.code),
                    ..Exit::default()
                };
                container.stage = Held::Gone(life.clone(), exit, false);
            }
        }
    }

    pub(super) fn prepare(
        &mut self,
        now: u64,
        luck: Luck,
        attempt: AttemptId,
        fence: Fence,
    ) -> Result<(), RuntimeError> {
        self.call(now, luck, |engine| {
            let known = engine.containers.get(&attempt);
            if known.is_none_or(|known| known.fence < fence) {
                let stage = Held::Made;
                engine
                    .containers
                    .insert(attempt, Container { fence, stage });
            }
            Ok(())
        })
    }

    /// Starts a container with the life that it is given; `begun` is told if it really starts.
    pub(super) fn start(
        &mut self,
        now: u64,
        luck: Luck,
        attempt: AttemptId,
        life: Life,
        begun: &mut bool,
    ) -> Result<Started, RuntimeError> {
        self.call(now, luck, |engine| {
            let container = engine.containers.get_mut(&attempt);
            let container = container.ok_or(RuntimeError::Gone)?;
            match &container.stage {
                Held::Made if engine.broken_until > now => Err(broken()),
                Held::Made => {
                    *begun = true;
                    let started = life.started.clone();
                    container.stage = Held::Up(life);
                    Ok(started)
                }
                Held::Up(life) | Held::Gone(life, _, _) => Ok(life.started.clone()),
            }
        })
    }

    /// Takes away what was never started; false if it was, or if nothing is there.
    pub(super) fn discard(
        &mut self,
        now: u64,
        luck: Luck,
        attempt: AttemptId,
    ) -> Result<bool, RuntimeError> {
        self.call(now, luck, |engine| {
            let idle = matches!(engine.seen(attempt), Some(Stage::Created));
            if idle {
                engine.containers.remove(&attempt);
            }
            Ok(idle)
        })
    }

    /// Whether it starts anything.
    pub(super) fn probe(&mut self, now: u64) -> Result<(), RuntimeError> {
        self.call(now, Luck::Answered, |engine| {
            let works = engine.broken_until <= now;
            if works { Ok(()) } else { Err(broken()) }
        })
    }

    pub(super) fn signal(
        &mut self,
        now: u64,
        luck: Luck,
        attempt: AttemptId,
        signal: Signal,
    ) -> Result<(), RuntimeError> {
        self.call(now, luck, |engine| {
            let Some(container) = engine.containers.get_mut(&attempt) else {
                return Ok(());
            };
            let code = match signal {
                Signal::Term => 143,
                Signal::Kill => 137,
            };
            if let Held::Up(life) = &container.stage
                && (signal == Signal::Kill || !life.stubborn)
            {
                let exit = Exit {
                    code: Some(code),
                    ..Exit::default()
                };
                container.stage = Held::Gone(life.clone(), exit, false);
            }
            Ok(())
        })
    }

    pub(super) fn inspect(
        &mut self,
        now: u64,
        luck: Luck,
        attempt: AttemptId,
    ) -> Result<Option<Stage>, RuntimeError> {
        self.call(now, luck, |engine| Ok(engine.seen(attempt)))
    }

    fn seen(&self, attempt: AttemptId) -> Option<Stage> {
        let container = self.containers.get(&attempt)?;
        Some(match &container.stage {
            Held::Made => Stage::Created,
            Held::Up(life) => Stage::Running(life.started.clone()),
            Held::Gone(life, exit, engine_failed) => Stage::Exited {
                started: life.started.clone(),
                exit: *exit,
                engine_failed: *engine_failed,
            },
        })
    }

    pub(super) fn remove(
        &mut self,
        now: u64,
        luck: Luck,
        attempt: AttemptId,
    ) -> Result<(), RuntimeError> {
        self.call(now, luck, |engine| {
            engine.containers.remove(&attempt);
            Ok(())
        })
    }

    /// The engine dies, and everything that runs dies with it. Says how many did.
    pub(super) fn die(&mut self, now: u64) -> usize {
        self.pass(now);
        let mut died = 0;
        for container in self.containers.values_mut() {
            if let Held::Up(life) = &container.stage {
                let exit = Exit {
                    code: Some(137),
                    ..Exit::default()
                };
                container.stage = Held::Gone(life.clone(), exit, true);
                died += 1;
            }
        }
        died
    }

    /// The truth, which only the tests may ask for.
    pub(super) fn runs(&mut self, now: u64, attempt: AttemptId) -> bool {
        self.pass(now);
        matches!(self.seen(attempt), Some(Stage::Running(_)))
    }

    /// Every attempt that truly runs.
    pub(super) fn all_running(&mut self, now: u64) -> Vec<AttemptId> {
        self.pass(now);
        let up = |attempt: &AttemptId| matches!(self.seen(*attempt), Some(Stage::Running(_)));
        self.containers.keys().copied().filter(up).collect()
    }

    /// Every attempt with a container, and whether it has begun.
    pub(super) fn attempts(&mut self, now: u64) -> Vec<(AttemptId, bool)> {
        self.pass(now);
        let begun = |stage: &Held| !matches!(stage, Held::Made);
        let held = self.containers.iter();
        held.map(|(attempt, container)| (*attempt, begun(&container.stage)))
            .collect()
    }

    /// Whether there is a container for it.
    pub(super) fn has(&self, attempt: AttemptId) -> bool {
        self.containers.contains_key(&attempt)
    }

    /// Somebody else removes a container, with what runs in it.
    pub(super) fn lose(&mut self, attempt: AttemptId) {
        self.containers.remove(&attempt);
    }

    /// Whether anything is left.
    pub(super) fn is_empty(&self) -> bool {
        self.containers.is_empty()
    }
}

fn broken() -> RuntimeError {
    RuntimeError::Engine {
        call: "start",
        why: "no space left".into(),
    }
}
