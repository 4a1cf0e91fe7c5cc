//! Arbitrary streams of commands: mostly sensible ones, so that something happens, and enough
//! nonsense that every refusal is met. The words are few (four users, eight tokens), so that
//! commands meet each other.

mod projects;
mod rest;

use std::collections::BTreeSet;

use model::assignment::{Ending, News, Report};
use model::command::{
    CancelJobs, CommitPlan, ConfirmLost, Placement, RecordStatus, SubmitJobs, SubmitKey,
};
use model::job::{Attempt, Exit, Outcome, Started, Usage};
use model::port::Published;
use model::spec::{JobSpec, OnLost, Program, SecretUse, VolumeUse};
use model::{
    AttemptId, Bytes, Command, Fence, JobId, LogIndex, MilliCpus, Millis, NodeId, Resources, Stamp,
    State, TaskId, Timestamp,
};

use crate::chance::Chance;

/// How an attempt may end; the node's fault more often than in life.
const OUTCOMES: [Outcome; 12] = [
    Outcome::Succeeded,
    Outcome::Failed,
    Outcome::Cancelled,
    Outcome::TimedOut,
    Outcome::OutOfMemory,
    Outcome::ImageUnavailable,
    Outcome::CannotStart,
    Outcome::Infrastructure,
    Outcome::Infrastructure,
    Outcome::NodeLost,
    Outcome::NotBegun,
    Outcome::DiskLimit,
];

/// A stream that is made up as the state goes along.
#[derive(Clone, Debug)]
pub struct Stream {
    pub(crate) chance: Chance,
    index: u64,
    now: Timestamp,
    /// What nodes have said; they say it again.
    said: Vec<(NodeId, Report)>,
}

impl Stream {
    /// The stream of one case.
    pub fn new(seed: u64) -> Stream {
        Stream {
            chance: Chance::new(seed),
            index: 1,
            now: Timestamp(1_000),
            said: Vec::new(),
        }
    }

    /// The next entry, made up with the state in view.
    pub fn next(&mut self, state: &State) -> (Stamp, Command) {
        self.index += 1 + self.chance.below(3);
        let step = self
            .chance
            .one([0, 0, 0, 1, 1_000, 20_000, 100_000, 3_600_000, 90_000_000]);
        self.now = self.now.plus(Millis(step));
        let behind = if self.chance.percent(5) {
            self.chance.below(200_000)
        } else {
            0
        };
        let time = Timestamp(self.now.0.saturating_sub(behind));
        let command = self.command(state, time);
        (
            Stamp {
                index: LogIndex(self.index),
                time,
            },
            command,
        )
    }

    fn command(&mut self, state: &State, time: Timestamp) -> Command {
        if !state.is_initialised() && self.chance.percent(95) {
            return self.init();
        }
        if state.nodes().count() < 3 && self.chance.percent(80) {
            return self.grow(state, time);
        }
        match self.chance.below(100) {
            0..18 => Command::SubmitJobs(self.submit()),
            18..34 => Command::CommitPlan(scheduler::plan(state, &BTreeSet::new(), time)),
            34..39 => Command::CommitPlan(self.wild_plan(state)),
            39..64 => Command::RecordStatus(self.reports(state)),
            64..70 => Command::CancelJobs(self.cancel(state)),
            70..73 => {
                let (job, by) = (self.job(state), self.user());
                Command::ConfirmLost(ConfirmLost { job, by })
            }
            73..88 => self.about_nodes(state),
            88..93 => self.about_projects(time),
            _ => self.about_accounts(state, time),
        }
    }

    fn submit(&mut self) -> SubmitJobs {
        let count = self.chance.one([0, 1, 1, 1, 2, 3]);
        let key = self.chance.percent(30).then(|| SubmitKey {
            key: self.chance.one(["a", "b", "c", "", "nul\0"]).into(),
            digest: [self.chance.one([1, 1, 1, 2]); 32],
        });
        let specs = (0..count).map(|_| self.spec()).collect();
        SubmitJobs {
            by: self.user(),
            key,
            specs,
        }
    }

    fn spec(&mut self) -> JobSpec {
        let cpu = MilliCpus(self.chance.one([500, 1_000, 2_000, 4_000, 9_000]));
        let memory = Bytes::mebi(self.chance.one([64, 512, 1_024, 4_096, 4_096, 3]));
        let volumes = if self.chance.percent(10) {
            vec![self.volume()]
        } else {
            Vec::new()
        };
        let volumes = volumes.into_iter().map(|name| VolumeUse {
            name,
            read_only: false,
            sub_path: String::new(),
        });
        let secrets = if self.chance.percent(10) {
            vec![SecretUse {
                name: self.secret(),
                ..SecretUse::default()
            }]
        } else {
            Vec::new()
        };
        let ports: &[u16] = self.chance.one([&[], &[], &[80], &[80, 0]]);
        JobSpec {
            secrets,
            ports: ports.to_vec(),
            disk_max: self
                .chance
                .one([None, None, Some(Bytes::mebi(512)), Some(Bytes(1 << 30))]),
            name: self.chance.one(["job", "other", "job"]).into(),
            image: self.chance.one(["debian", "debian", ""]).into(),
            program: Program::Argv(vec!["true".into()]),
            resources: Resources { cpu, memory },
            wall_limit: self.chance.one([None, None, Some(Millis(1_000))]),
            on_lost: self.chance.one([OnLost::Hold, OnLost::Requeue]),
            volumes: volumes.collect(),
            project: self.chance.one(["", "", "lab", "closed"]).into(),
            queue: self.chance.one(["", "", "", "night"]).into(),
            ..JobSpec::default()
        }
    }

    /// A plan of somebody who does not know the state well.
    fn wild_plan(&mut self, state: &State) -> CommitPlan {
        let placements = (0..1 + self.chance.below(4)).map(|_| {
            let index = u32::from(self.chance.percent(5));
            let task = TaskId {
                job: self.job(state),
                index,
            };
            Placement {
                task,
                node: self.node(state),
            }
        });
        let placements = placements.collect();
        CommitPlan {
            placements,
            over_quota: (0..self.chance.below(2)).map(|_| self.job(state)).collect(),
        }
    }

    fn reports(&mut self, state: &State) -> RecordStatus {
        let mut reports = Vec::new();
        for _ in 0..1 + self.chance.below(3) {
            let again = if self.chance.percent(25) {
                self.chance.of(&self.said)
            } else {
                None
            };
            let report = again.unwrap_or_else(|| self.report(state));
            self.said.push(report.clone());
            reports.push(report);
        }
        RecordStatus { reports }
    }

    /// What the node of some live attempt may say; one in ten is about something else.
    fn report(&mut self, state: &State) -> (NodeId, Report) {
        let live = state
            .jobs()
            .filter_map(|job| Some((job.attempt_id()?, job.attempt()?)));
        let live: Vec<_> = live
            .map(|(id, attempt)| (id, attempt.fence, attempt.node))
            .collect();
        let nowhere = (
            self.job(state).task().attempt(1),
            Fence(self.index),
            self.node(state),
        );
        let (mut attempt, mut fence, mut node) = self.chance.of(&live).unwrap_or(nowhere);
        match self.chance.below(40) {
            0 => attempt.number += 1,
            1 => fence.0 -= 1,
            2 => node = self.node(state),
            3 => attempt.task.index += 1,
            _ => {}
        }
        let at = Timestamp(self.now.0 + self.chance.below(1000));
        let started = Started {
            at,
            container: "c".into(),
            image_digest: String::new(),
        };
        let news = if self.chance.percent(40) {
            match self.chance.below(3) {
                0 => News::Serving(started, vec![self.port(), self.port()]),
                _ => News::Running(started),
            }
        } else {
            News::Ended(Ending {
                started: self.chance.percent(50).then_some(started),
                at,
                outcome: self.chance.one(OUTCOMES),
                exit: Exit {
                    code: Some(1),
                    ..Exit::default()
                },
                usage: Usage {
                    cpu_micros: self.chance.below(1_000_000),
                    ..Usage::default()
                },
                message: String::new(),
            })
        };
        (
            node,
            Report {
                attempt,
                fence,
                news,
            },
        )
    }

    fn port(&mut self) -> Published {
        Published {
            container: self.chance.one([80, 81]),
            host: self.chance.one([20_000, 20_001]),
        }
    }

    /// What the node of a live attempt says in the end: that it ran, perhaps, and how it ended,
    /// if it does. Both tell the same start.
    pub fn honest_reports(&mut self, id: AttemptId, attempt: &Attempt, ends: bool) -> Vec<Report> {
        let report = |news| Report {
            attempt: id,
            fence: attempt.fence,
            news,
        };
        let told = Started {
            at: self.now,
            container: "c".into(),
            image_digest: String::new(),
        };
        let ran = self.chance.percent(60).then_some(told);
        let ran = attempt.started().cloned().or(ran);
        let mut reports: Vec<Report> = ran.iter().cloned().map(News::Running).map(report).collect();
        if ends {
            reports.push(report(News::Ended(Ending {
                started: ran,
                at: self.now,
                outcome: self.chance.one(OUTCOMES),
                exit: Exit {
                    code: Some(1),
                    ..Exit::default()
                },
                usage: Usage {
                    cpu_micros: self.chance.below(1_000_000),
                    ..Usage::default()
                },
                message: String::new(),
            })));
        }
        reports
    }

    fn cancel(&mut self, state: &State) -> CancelJobs {
        let jobs = (0..1 + self.chance.below(3))
            .map(|_| self.job(state))
            .collect();
        let grace = self.chance.percent(30).then_some(Millis(500));
        CancelJobs {
            jobs,
            by: self.user(),
            reason: String::new(),
            grace,
        }
    }

    /// A job that lives, or (one in ten) one that may not.
    fn job(&mut self, state: &State) -> JobId {
        let live: Vec<JobId> = state.jobs().map(|job| job.id).collect();
        let any = JobId(self.chance.below(state.meta().next_job + 2));
        if self.chance.percent(10) {
            any
        } else {
            self.chance.of(&live).unwrap_or(any)
        }
    }
}
