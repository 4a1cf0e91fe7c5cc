//! What is known of one attempt in which nothing runs, and what follows from it at a moment.

use std::time::Duration;

use model::assignment::Assignment;
use model::job::{Exit, Started};
use model::spec::Program;
use model::unit::{Millis, Timestamp};
use model::{AttemptId, Fence};
use serde::{Deserialize, Serialize};

use crate::runtime::{Seen, Signal, Stage};

/// The code that a shell gives to a program that a signal ended: 128 and the signal.
const SIGNALLED: i32 = 128;
const SIGKILL: u8 = 9;
const SIGTERM: u8 = 15;
/// The shortest wait: an end is due at a millisecond's edge.
const TICK: Duration = Duration::from_millis(1);

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) attempt: AttemptId,
    pub(super) fence: Fence,
    run_ms: u64,
    exit_code: i32,
    ignores_term: bool,
    pub(super) output: String,
    /// Whose it is.
    pub(super) owner: String,
    pub(super) start: Option<Start>,
    signal: Option<u8>,
    /// The ledger has the end already.
    pub(super) end_noted: bool,
}

/// When it began, and when it will have ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Start {
    at: Timestamp,
    boot_id: u128,
    ends_boot_ms: u64,
}

impl Record {
    pub(super) fn new(assignment: &Assignment) -> Record {
        let mut record = Record {
            attempt: assignment.attempt,
            fence: assignment.fence,
            run_ms: 0,
            exit_code: 0,
            ignores_term: false,
            output: String::new(),
            owner: assignment.owner.0.clone(),
            start: None,
            signal: None,
            end_noted: false,
        };
        let lines: Vec<Vec<&str>> = match &assignment.spec.program {
            Program::Argv(words) => vec![words.iter().map(String::as_str).collect()],
            Program::Script { text, .. } => text
                .lines()
                .map(|line| line.split_whitespace().collect())
                .collect(),
        };
        for line in lines {
            if record.play(&line) {
                break;
            }
        }
        record
    }

    /// Takes one line in; tells whether it is the last that matters.
    fn play(&mut self, line: &[&str]) -> bool {
        match line {
            ["sleep", seconds] => {
                let length = seconds
                    .parse()
                    .ok()
                    .and_then(|s| Duration::try_from_secs_f64(s).ok());
                let length = length.unwrap_or_default().as_millis();
                let length = u64::try_from(length).unwrap_or(u64::MAX);
                self.run_ms = self.run_ms.saturating_add(length);
            }
            ["echo", words @ ..] => {
                self.output.push_str(&words.join(" "));
                self.output.push('\n');
            }
            ["trap", "''", "TERM"] => self.ignores_term = true,
            ["exit"] => return true,
            ["exit", code] => {
                self.exit_code = code.parse::<u8>().map_or(2, i32::from);
                return true;
            }
            _ => {}
        }
        false
    }

    pub(super) fn begin(&mut self, at: Timestamp, now: Millis, boot_id: u128) {
        let ends_boot_ms = now.0.saturating_add(self.run_ms);
        self.start = Some(Start {
            at,
            boot_id,
            ends_boot_ms,
        });
    }

    pub(super) fn started(&self) -> Started {
        Started {
            at: self.start.map_or(Timestamp(0), |start| start.at),
            ..Started::default()
        }
    }

    /// How it has ended by now, if it has.
    pub(super) fn exit(&self, now: Millis, boot_id: u128) -> Option<Exit> {
        let start = self.start?;
        let over = start.boot_id != boot_id || start.ends_boot_ms <= now.0;
        let code = self
            .signal
            .map_or(self.exit_code, |signal| SIGNALLED + i32::from(signal));
        over.then_some(Exit {
            code: Some(code),
            signal: self.signal,
            oom_killed: false,
        })
    }

    /// How long it will run from now on.
    pub(super) fn left(&self, now: Millis) -> Duration {
        let ends = self.start.map_or(u64::MAX, |start| start.ends_boot_ms);
        Duration::from_millis(ends.saturating_sub(now.0)).max(TICK)
    }

    /// Ends it now, if the signal does and it runs; tells whether anything has changed.
    pub(super) fn interrupt(&mut self, signal: Signal, now: Millis) -> bool {
        let number = match signal {
            Signal::Term if self.ignores_term => return false,
            Signal::Term => SIGTERM,
            Signal::Kill => SIGKILL,
        };
        match &mut self.start {
            Some(start) if start.ends_boot_ms > now.0 => {
                start.ends_boot_ms = now.0;
                self.signal = Some(number);
                true
            }
            Some(_) | None => false,
        }
    }

    pub(super) fn seen(&self, now: Millis, boot_id: u128) -> Seen {
        let stage = match (self.start, self.exit(now, boot_id)) {
            (None, _) => Stage::Created,
            (Some(_), None) => Stage::Running(self.started()),
            (Some(start), Some(exit)) => Stage::Exited {
                started: self.started(),
                exit,
                // The machine went down, and everything on it.
                engine_failed: start.boot_id != boot_id,
            },
        };
        Seen {
            attempt: self.attempt,
            fence: self.fence,
            stage,
        }
    }
}
