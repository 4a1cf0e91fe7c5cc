//! One attempt on one node: carries out what `step` decides, one action at a time.
//!
//! The agent may die between what it writes and what it does, and between what it does and what
//! it writes.

use agent::journal::StopWish;
use agent::runner::book::remain;
use agent::runtime::{RuntimeError, Signal};
use agent::step::{
    Action, Conclusion, Progress, Running, Tries, ending, or_give_up, or_vanished, or_wait,
    refused, step,
};
use model::assignment::{Held, News, StopCause};
use model::job::{Started, Usage};
use model::{AttemptId, Millis};

use super::super::World;
use super::super::engine::{Life, Luck};
use super::Run;

/// How often a kill is repeated.
const KILL_AGAIN: u64 = 2_000;
/// The longest wait after a failed call.
const RETRY_LONGEST: u64 = 5_000;

impl World {
    /// The next action for one attempt.
    pub(super) fn attend(&mut self, agent: usize, attempt: AttemptId) -> anyhow::Result<()> {
        let now = self.now;
        let Some(run) = self.run(agent, attempt) else {
            return Ok(());
        };
        // A new wish does not wait until a failed call is tried again.
        let new_wish = *run.taken.stops.borrow() != run.taken.standing.stop;
        if run.not_before > now && !new_wish {
            return Ok(());
        }
        let stop = self.adopt_wish(agent, attempt);
        let progress = self.progress(agent, attempt);
        let seen = match progress {
            Progress::Ended(_) => None,
            Progress::Accepted | Progress::Running(_) => {
                let (now, luck) = (self.now, self.luck(agent));
                match self.agents[agent].engine.inspect(now, luck, attempt) {
                    Ok(seen) => seen,
                    Err(_) => return self.pause(agent, attempt),
                }
            }
        };
        let Some(run) = self.run(agent, attempt) else {
            return Ok(());
        };
        let next = step(&progress, seen.as_ref(), stop.map(|wish| wish.cause));
        let next = or_vanished(next, run.start_asked, stop.map(|wish| wish.cause));
        let next = or_wait(next, remain(&run.taken.earlier));
        match or_give_up(next, &run.tries) {
            Action::Prepare => self.prepare(agent, attempt),
            Action::Start => self.start(agent, attempt),
            Action::Wait => {
                self.meet("an attempt waited for the one before it");
                Ok(())
            }
            Action::NoteRunning(started) => self.note_running(agent, attempt, started),
            Action::Watch => self.watch(agent, attempt, stop),
            Action::Conclude(conclusion) => self.conclude(agent, attempt, conclusion),
            Action::Discard(conclusion) => self.discard(agent, attempt, conclusion),
            Action::CleanUp => self.clean_up(agent, attempt),
        }
    }

    fn run(&mut self, agent: usize, attempt: AttemptId) -> Option<&mut Run> {
        self.agents[agent].live.as_mut()?.runs.get_mut(&attempt)
    }

    fn progress(&self, agent: usize, attempt: AttemptId) -> Progress {
        let known = self.agents[agent].disk.attempts.get(&attempt);
        known.map_or(Progress::Accepted, |(_, standing)| {
            standing.progress.clone()
        })
    }

    /// Writes a new wish to end down before it is acted on.
    fn adopt_wish(&mut self, agent: usize, attempt: AttemptId) -> Option<StopWish> {
        let run = self.run(agent, attempt)?;
        let wish = *run.taken.stops.borrow();
        if run.taken.standing.stop != wish {
            run.taken.standing.stop = wish;
            self.save(agent, attempt);
        }
        wish
    }

    fn save(&mut self, agent: usize, attempt: AttemptId) {
        let Some(standing) = self
            .run(agent, attempt)
            .map(|run| run.taken.standing.clone())
        else {
            return;
        };
        if let Some(known) = self.agents[agent].disk.attempts.get_mut(&attempt) {
            known.1 = standing;
        }
    }

    /// Whether the agent dies here, between two things that it does.
    fn dies(&mut self, agent: usize) -> bool {
        let dies = self.goes_wrong(3);
        if dies {
            self.meet("an agent died between two actions");
            self.crash_agent(agent);
        }
        dies
    }

    fn luck(&mut self, agent: usize) -> Luck {
        let luck = if !self.goes_wrong(40) {
            Luck::Answered
        } else if self.chance.percent(60) {
            Luck::Unheard
        } else {
            Luck::Lost
        };
        if luck != Luck::Answered {
            self.agents[agent].impaired_at = self.now;
            self.meet("a call to an engine was not answered");
        }
        luck
    }

    fn pause(&mut self, agent: usize, attempt: AttemptId) -> anyhow::Result<()> {
        let now = self.now;
        self.agents[agent].impaired_at = now;
        if let Some(live) = &mut self.agents[agent].live {
            live.doubted = true;
        }
        if let Some(run) = self.run(agent, attempt) {
            run.failures = (run.failures + 1).min(10);
            run.not_before = now + (100 << run.failures).min(RETRY_LONGEST);
        }
        Ok(())
    }

    fn prepare(&mut self, agent: usize, attempt: AttemptId) -> anyhow::Result<()> {
        let (now, luck) = (self.now, self.luck(agent));
        let Some(run) = self.run(agent, attempt) else {
            return Ok(());
        };
        let fence = run.taken.assignment.fence;
        let done = self.agents[agent].engine.prepare(now, luck, attempt, fence);
        if self.dies(agent) {
            return Ok(());
        }
        self.after_try(agent, attempt, done)
    }

    fn start(&mut self, agent: usize, attempt: AttemptId) -> anyhow::Result<()> {
        let (now, luck) = (self.now, self.luck(agent));
        let life = self.life(agent, attempt);
        let code = life.code;
        let mut begun = false;
        let engine = &mut self.agents[agent].engine;
        let done = engine.start(now, luck, attempt, life, &mut begun);
        if begun {
            self.begins(agent, attempt, code)?;
        }
        if self.dies(agent) {
            return Ok(());
        }
        if let Some(run) = self.run(agent, attempt) {
            run.start_asked |= !matches!(done, Err(RuntimeError::Gone));
        }
        match done {
            Ok(started) => self.note_running(agent, attempt, started),
            Err(error) => self.after_try(agent, attempt, Err(error)),
        }
    }

    /// What a program will do: its job's name says whether it ends.
    fn life(&mut self, agent: usize, attempt: AttemptId) -> Life {
        let now = self.now;
        let clock = self.agents[agent].clock;
        let job = self.run(agent, attempt);
        let endless = job.is_some_and(|run| run.taken.assignment.spec.name == "endless");
        let long = if self.chance.percent(20) {
            8_000
        } else {
            1_500
        };
        let until = if endless {
            u64::MAX
        } else {
            now + 20 + self.chance.below(long)
        };
        Life {
            started: Started {
                at: clock.wall(now),
                container: format!("c{attempt}"),
                ..Started::default()
            },
            until,
            code: self.chance.one([0, 0, 0, 1, 7, 200]),
            stubborn: self.chance.percent(30),
        }
    }

    fn after_try(
        &mut self,
        agent: usize,
        attempt: AttemptId,
        done: Result<(), RuntimeError>,
    ) -> anyhow::Result<()> {
        let Err(error) = done else {
            if let Some(run) = self.run(agent, attempt) {
                run.failures = 0;
                run.tries = Tries::default();
            }
            return Ok(());
        };
        if let Some(conclusion) = refused(&error) {
            return self.conclude(agent, attempt, conclusion);
        }
        if let Some(run) = self.run(agent, attempt) {
            run.tries.failed += 1;
            run.tries.why = error.to_string();
        }
        self.pause(agent, attempt)
    }

    fn note_running(
        &mut self,
        agent: usize,
        attempt: AttemptId,
        started: Started,
    ) -> anyhow::Result<()> {
        let boot_ms = self.agents[agent].clock.monotonic(self.now).0;
        if let Some(run) = self.run(agent, attempt) {
            run.failures = 0;
            run.taken.standing.progress = Progress::Running(Running {
                started: started.clone(),
                boot_ms,
            });
        }
        self.save(agent, attempt);
        self.publish(agent, attempt, News::Running(started));
        Ok(())
    }

    /// Reports what has just been written down.
    fn publish(&mut self, agent: usize, attempt: AttemptId, news: News) {
        if self.dies(agent) {
            return;
        }
        let Some(live) = self.agents[agent].live.as_mut() else {
            return;
        };
        let Some(run) = live.runs.get(&attempt) else {
            return;
        };
        let held = Held {
            attempt,
            fence: run.taken.assignment.fence,
        };
        live.book.set_report(held, news);
        self.report(agent);
    }

    /// Ends it if that is wished, or if it has run for as long as it may.
    fn watch(
        &mut self,
        agent: usize,
        attempt: AttemptId,
        stop: Option<StopWish>,
    ) -> anyhow::Result<()> {
        let now = self.now;
        let Some(wish) = stop else {
            self.mind_the_limit(agent, attempt);
            return Ok(());
        };
        let Some(run) = self.run(agent, attempt) else {
            return Ok(());
        };
        let since = *run.ending_since.get_or_insert(now);
        let kills = now >= since + wish.grace.0;
        let again = run.killed_at.is_none_or(|at| now >= at + KILL_AGAIN);
        let signal = if kills && again {
            run.killed_at = Some(now);
            Signal::Kill
        } else if !kills && !run.termed {
            run.termed = true;
            Signal::Term
        } else {
            return Ok(());
        };
        let luck = self.luck(agent);
        // Whether it was heard is seen, not believed.
        let _ = self.agents[agent].engine.signal(now, luck, attempt, signal);
        Ok(())
    }

    fn mind_the_limit(&mut self, agent: usize, attempt: AttemptId) {
        let passed = self.agents[agent].clock.monotonic(self.now);
        let Some(run) = self.run(agent, attempt) else {
            return;
        };
        let Progress::Running(running) = &run.taken.standing.progress else {
            return;
        };
        let spec = &run.taken.assignment.spec;
        let over = |limit: Millis| passed.0 >= running.boot_ms + limit.0;
        if !spec.wall_limit.is_some_and(over) {
            return;
        }
        let wish = StopWish {
            cause: StopCause::WallLimit,
            grace: spec.grace,
        };
        let held = Held {
            attempt,
            fence: run.taken.assignment.fence,
        };
        if let Some(live) = &self.agents[agent].live {
            live.book.wish(held, wish);
        }
        self.meet("a program reached its wall limit");
    }

    fn conclude(
        &mut self,
        agent: usize,
        attempt: AttemptId,
        conclusion: Conclusion,
    ) -> anyhow::Result<()> {
        let at = self.agents[agent].clock.wall(self.now);
        let before = self.progress(agent, attempt);
        let ended = ending(conclusion, &before, at, Usage::default());
        if let Some(run) = self.run(agent, attempt) {
            run.taken.standing.progress = Progress::Ended(ended.clone());
        }
        self.save(agent, attempt);
        self.publish(agent, attempt, News::Ended(ended));
        Ok(())
    }

    fn discard(
        &mut self,
        agent: usize,
        attempt: AttemptId,
        conclusion: Conclusion,
    ) -> anyhow::Result<()> {
        let (now, luck) = (self.now, self.luck(agent));
        match self.agents[agent].engine.discard(now, luck, attempt) {
            Ok(true) if !self.dies(agent) => self.conclude(agent, attempt, conclusion),
            Ok(_) => Ok(()),
            Err(_) => self.pause(agent, attempt),
        }
    }

    fn clean_up(&mut self, agent: usize, attempt: AttemptId) -> anyhow::Result<()> {
        if self.run(agent, attempt).is_some_and(|run| !run.removed) {
            let (now, luck) = (self.now, self.luck(agent));
            let engine = &mut self.agents[agent].engine;
            if engine.remove(now, luck, attempt).is_err() {
                return self.pause(agent, attempt);
            }
        }
        if let Some(live) = self.agents[agent].live.as_mut() {
            live.book.gone(attempt);
        }
        if let Some(run) = self.run(agent, attempt) {
            run.removed = true;
        }
        let forget = self
            .run(agent, attempt)
            .is_some_and(|run| *run.taken.forgets.borrow());
        if !forget || self.dies(agent) {
            return Ok(());
        }
        let forgetting = &mut self.agents[agent];
        forgetting.disk.attempts.remove(&attempt);
        if let Some(live) = forgetting.live.as_mut() {
            live.book.remove(attempt);
            live.runs.remove(&attempt);
        }
        Ok(())
    }
}
