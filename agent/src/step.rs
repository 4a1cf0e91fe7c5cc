//! The next action for one attempt: a pure function of what the journal says, what the runtime
//! sees, and whether the end was asked for.
//!
//! Nothing here waits, reads a clock or touches a container. Whatever happened while the agent was
//! away, the same three facts lead to the same action.

use model::assignment::{Ending, StopCause};
use model::job::{Exit, Outcome, Started, Usage};
use model::{Bytes, Timestamp};
use serde::{Deserialize, Serialize};

use crate::runtime::{RuntimeError, Stage};

/// Tries to prepare or start before the node gives up.
const START_TRIES: u32 = 5;

/// How far the journal knows an attempt to be.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Progress {
    /// The assignment is on disk; perhaps a container exists.
    Accepted,
    /// The start was seen.
    Running(Running),
    /// The end was seen; a report waits until it is acknowledged.
    Ended(Ending),
}

/// A start, with what is needed to measure from it after a restart of the agent.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Running {
    /// What the runtime said.
    pub started: Started,
    /// Milliseconds since the machine booted, suspended time included.
    pub boot_ms: u64,
}

/// What to do next.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Action {
    /// Create it.
    Prepare,
    /// Start it.
    Start,
    /// Wait until every earlier attempt of the task is gone.
    Wait,
    /// Write down that it runs, and report it.
    NoteRunning(Started),
    /// Wait for its end, copying its output; signal it if its end was asked for.
    Watch,
    /// Make the output complete, then write down this end and report it.
    Conclude(Conclusion),
    /// Take it away, which was never started, so that it never will be; then conclude like this.
    Discard(Conclusion),
    /// Take away what is left of it.
    CleanUp,
}

/// How an attempt ended, before its usage is known.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Conclusion {
    /// What the start looked like, if it ever started.
    pub started: Option<Started>,
    /// How it ended.
    pub outcome: Outcome,
    /// What the engine said.
    pub exit: Exit,
    /// A sentence for people.
    pub message: String,
}

/// The next action, given the journal's progress, what is seen of the container, and why its end
/// was asked for (`None`: it was not).
pub fn step(progress: &Progress, seen: Option<&Stage>, stop: Option<StopCause>) -> Action {
    match (progress, seen) {
        (Progress::Ended(_), _) => Action::CleanUp,
        (
            _,
            Some(Stage::Exited {
                started,
                exit,
                engine_failed,
            }),
        ) => Action::Conclude(exited(started, *exit, *engine_failed, stop)),
        (Progress::Accepted, None) => match stop {
            Some(cause) => Action::Conclude(never_started(cause)),
            None => Action::Prepare,
        },
        // A start without an answer may still be carried out.
        (Progress::Accepted, Some(Stage::Created)) => match stop {
            Some(cause) => Action::Discard(never_started(cause)),
            None => Action::Start,
        },
        (Progress::Accepted, Some(Stage::Running(started))) => Action::NoteRunning(started.clone()),
        (Progress::Running(_), Some(Stage::Running(_))) => Action::Watch,
        (Progress::Running(running), None | Some(Stage::Created)) => {
            Action::Conclude(vanished(Some(&running.started), stop))
        }
    }
}

/// How an attempt ends that the runtime could not prepare or start; `None`: ask again later.
pub fn refused(error: &RuntimeError) -> Option<Conclusion> {
    let (outcome, code) = match error {
        RuntimeError::Image { .. } => (Outcome::ImageUnavailable, None),
        RuntimeError::CannotStart { code, .. } => (Outcome::CannotStart, Some(*code)),
        RuntimeError::Refused { .. } | RuntimeError::Secret { .. } => (Outcome::CannotStart, None),
        RuntimeError::TimedOut { .. }
        | RuntimeError::NoHead { .. }
        | RuntimeError::Engine { .. }
        | RuntimeError::Storage { .. }
        | RuntimeError::Disk { .. }
        | RuntimeError::Gone => return None,
    };
    let exit = Exit {
        code,
        ..Exit::default()
    };
    Some(Conclusion {
        started: None,
        outcome,
        exit,
        message: error.to_string(),
    })
}

/// Tries to prepare or start that failed, one after the other.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Tries {
    /// How many.
    pub failed: u32,
    /// What the last one said.
    pub why: String,
}

/// Begins nothing while an earlier attempt of the same task is not seen gone: its kill may hang,
/// and then the task would run twice on one node.
pub fn or_wait(action: Action, earlier_remain: bool) -> Action {
    match action {
        Action::Prepare | Action::Start if earlier_remain => Action::Wait,
        Action::Prepare
        | Action::Start
        | Action::Wait
        | Action::NoteRunning(_)
        | Action::Watch
        | Action::Conclude(_)
        | Action::Discard(_)
        | Action::CleanUp => action,
    }
}

/// What is not there although its start was asked for may have run: it is not begun anew. A call
/// without an answer may have started it, and somebody else may have removed it then.
pub fn or_vanished(action: Action, start_asked: bool, stop: Option<StopCause>) -> Action {
    match action {
        Action::Prepare if start_asked => Action::Conclude(vanished(None, stop)),
        Action::Prepare
        | Action::Start
        | Action::Wait
        | Action::NoteRunning(_)
        | Action::Watch
        | Action::Conclude(_)
        | Action::Discard(_)
        | Action::CleanUp => action,
    }
}

/// Gives up instead of trying again too often. It is asked right after the attempt was seen not to
/// run: a call without an answer may have started it, and then it has to be watched.
///
/// It will be tried elsewhere, so it is made sure that it has not begun and never will: what was
/// made is taken away as long as it is not started, and of what is not there no start was asked for
/// ([`or_vanished`] comes first).
pub fn or_give_up(action: Action, tries: &Tries) -> Action {
    let given_up = tries.failed >= START_TRIES;
    match action {
        Action::Prepare if given_up => Action::Conclude(not_begun(tries)),
        Action::Start if given_up => Action::Discard(not_begun(tries)),
        Action::Prepare
        | Action::Start
        | Action::Wait
        | Action::NoteRunning(_)
        | Action::Watch
        | Action::Conclude(_)
        | Action::Discard(_)
        | Action::CleanUp => action,
    }
}

/// What is written down and reported of an end that was seen at `at`.
pub fn ending(conclusion: Conclusion, before: &Progress, at: Timestamp, usage: Usage) -> Ending {
    let started = conclusion.started.or_else(|| match before {
        Progress::Running(running) => Some(running.started.clone()),
        Progress::Accepted | Progress::Ended(_) => None,
    });
    Ending {
        started,
        at,
        outcome: conclusion.outcome,
        exit: conclusion.exit,
        usage: Usage {
            memory: Bytes(0),
            processes: 0,
            ..usage
        },
        message: conclusion.message,
    }
}

fn exited(started: &Started, exit: Exit, engine: bool, stop: Option<StopCause>) -> Conclusion {
    let failed = exit.code != Some(0);
    let outcome = match stop {
        Some(cause) => stopped(cause),
        None if engine => Outcome::Infrastructure,
        None if failed && exit.oom_killed => Outcome::OutOfMemory,
        None if failed => Outcome::Failed,
        None => Outcome::Succeeded,
    };
    let message = match (stop, engine) {
        (Some(cause), _) => words(cause).into(),
        (None, true) => "the container engine failed and took the attempt with it".into(),
        (None, false) => String::new(),
    };
    Conclusion {
        started: Some(started.clone()),
        outcome,
        exit,
        message,
    }
}

fn not_begun(tries: &Tries) -> Conclusion {
    Conclusion {
        started: None,
        outcome: Outcome::NotBegun,
        exit: Exit::default(),
        message: format!("the node could not run it: {}", tries.why),
    }
}

fn never_started(cause: StopCause) -> Conclusion {
    Conclusion {
        started: None,
        outcome: stopped(cause),
        exit: Exit::default(),
        message: format!("{} before it started", words(cause)),
    }
}

fn vanished(started: Option<&Started>, stop: Option<StopCause>) -> Conclusion {
    Conclusion {
        started: started.cloned(),
        outcome: stop.map_or(Outcome::Infrastructure, stopped),
        exit: Exit::default(),
        message: "its container is gone; somebody else removed it".into(),
    }
}

fn stopped(cause: StopCause) -> Outcome {
    match cause {
        StopCause::Cancel | StopCause::Stale => Outcome::Cancelled,
        StopCause::WallLimit => Outcome::TimedOut,
        StopCause::LeaseLost => Outcome::NodeLost,
        StopCause::OutputLimit => Outcome::OutputLimit,
        StopCause::DiskLimit => Outcome::DiskLimit,
    }
}

fn words(cause: StopCause) -> &'static str {
    match cause {
        StopCause::Cancel => "cancelled",
        StopCause::WallLimit => "stopped at its wall-time limit",
        StopCause::LeaseLost => "stopped because the node was cut off from the heads",
        StopCause::Stale => "stopped because the cluster had moved on",
        StopCause::OutputLimit => "stopped because it wrote more output than it may",
        StopCause::DiskLimit => "stopped because its directory held more than it may",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn running() -> Progress {
        Progress::Running(Running {
            started: Started::default(),
            boot_ms: 5,
        })
    }

    fn exit(code: i32, oom_killed: bool) -> Stage {
        let exit = Exit {
            code: Some(code),
            signal: None,
            oom_killed,
        };
        Stage::Exited {
            started: Started::default(),
            exit,
            engine_failed: false,
        }
    }

    fn outcome(action: Action) -> Outcome {
        match action {
            Action::Conclude(conclusion) | Action::Discard(conclusion) => conclusion.outcome,
            other => panic!("expected an end, got {other:?}"),
        }
    }

    #[test]
    fn an_accepted_attempt_is_prepared_then_started_then_noted() {
        let up = Stage::Running(Started::default());
        let accepted = Progress::Accepted;
        assert_eq!(step(&accepted, None, None), Action::Prepare);
        assert_eq!(step(&accepted, Some(&Stage::Created), None), Action::Start);
        assert_eq!(
            step(&accepted, Some(&up), None),
            Action::NoteRunning(Started::default())
        );
        assert_eq!(step(&running(), Some(&up), None), Action::Watch);
    }

    #[test]
    fn a_stop_before_the_start_creates_nothing() {
        for seen in [None, Some(&Stage::Created)] {
            let action = step(&Progress::Accepted, seen, Some(StopCause::Cancel));
            assert_eq!(outcome(action), Outcome::Cancelled);
        }
    }

    #[test]
    fn the_outcome_follows_code_flag_and_cause() {
        let cases = [
            (exit(0, false), None, Outcome::Succeeded),
            (exit(0, true), None, Outcome::Succeeded),
            (exit(7, true), None, Outcome::OutOfMemory),
            (exit(137, false), None, Outcome::Failed),
            (
                exit(143, false),
                Some(StopCause::Cancel),
                Outcome::Cancelled,
            ),
            (
                exit(137, false),
                Some(StopCause::WallLimit),
                Outcome::TimedOut,
            ),
            (
                exit(137, false),
                Some(StopCause::LeaseLost),
                Outcome::NodeLost,
            ),
        ];
        for (seen, stop, expected) in cases {
            assert_eq!(
                outcome(step(&running(), Some(&seen), stop)),
                expected,
                "{seen:?} {stop:?}"
            );
        }
    }

    #[test]
    fn nothing_begins_while_an_earlier_attempt_is_not_gone() {
        let up = Stage::Running(Started::default());
        let next = |seen, stop| step(&Progress::Accepted, seen, stop);
        assert_eq!(or_wait(next(None, None), true), Action::Wait);
        assert_eq!(
            or_wait(next(Some(&Stage::Created), None), true),
            Action::Wait
        );
        assert_eq!(or_wait(next(None, None), false), Action::Prepare);
        // What has begun all the same is watched, and a wish to end it is heard.
        let begun = or_wait(next(Some(&up), None), true);
        assert_eq!(begun, Action::NoteRunning(Started::default()));
        let ended = or_wait(next(None, Some(StopCause::Cancel)), true);
        assert_eq!(outcome(ended), Outcome::Cancelled);
    }

    #[test]
    fn only_what_is_seen_not_to_run_is_given_up() {
        let tries = Tries {
            failed: START_TRIES,
            why: "no answer".into(),
        };
        let given_up = or_give_up(
            step(&Progress::Accepted, Some(&Stage::Created), None),
            &tries,
        );
        assert!(matches!(given_up, Action::Discard(_)), "{given_up:?}");
        assert_eq!(outcome(given_up), Outcome::NotBegun);
        let none = or_give_up(step(&Progress::Accepted, None, None), &tries);
        assert_eq!(outcome(none), Outcome::NotBegun);
        // It may have run: that it has not begun is not said.
        let gone = or_vanished(step(&Progress::Accepted, None, None), true, None);
        assert_eq!(outcome(or_give_up(gone, &tries)), Outcome::Infrastructure);
        let up = Stage::Running(Started::default());
        let seen = or_give_up(step(&Progress::Accepted, Some(&up), None), &tries);
        assert_eq!(seen, Action::NoteRunning(Started::default()));
    }

    #[test]
    fn an_end_seen_after_a_restart_counts_even_if_the_start_was_never_noted() {
        assert_eq!(
            outcome(step(&Progress::Accepted, Some(&exit(3, false)), None)),
            Outcome::Failed
        );
    }

    #[test]
    fn what_may_have_run_and_is_gone_is_not_begun_anew() {
        let prepare = || step(&Progress::Accepted, None, None);
        assert_eq!(or_vanished(prepare(), false, None), Action::Prepare);
        let gone = or_vanished(prepare(), true, None);
        assert_eq!(outcome(gone), Outcome::Infrastructure);
        let created = step(&Progress::Accepted, Some(&Stage::Created), None);
        assert_eq!(or_vanished(created, true, None), Action::Start);
    }

    #[test]
    fn a_vanished_container_is_not_the_jobs_fault() {
        assert_eq!(
            outcome(step(&running(), None, None)),
            Outcome::Infrastructure
        );
    }
}
