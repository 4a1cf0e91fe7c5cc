//! How much may be had: bounds of users and projects, what is claimed against them, and the one
//! comparison that the scheduler, `apply` and the explanation of a waiting job share.
//!
//! Claims are derived from live jobs. What was spent is a record: efforts of ended attempts by day,
//! summed over a sliding window. An attempt under a bound on effort reserves its share up to its
//! wall-time limit when it is placed, so that what is spent and reserved never exceeds the bound.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use serde::{Deserialize, Serialize};

use crate::account::UserName;
use crate::job::{Attempt, Job, TaskState};
use crate::resource::{Effort, Resources};
use crate::spec::JobSpec;
use crate::state::State;
use crate::unit::{Bytes, MilliCpus, Millis, Timestamp};

/// Milliseconds of a day.
const DAY: u64 = 86_400_000;

/// Bounds of a user or of a project; `None`: unlimited.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Quota {
    /// Processor share that live attempts hold together.
    pub cpu: Option<MilliCpus>,
    /// Memory that live attempts hold together.
    pub memory: Option<Bytes>,
    /// Live attempts.
    pub running: Option<u32>,
    /// Jobs that wait; more are refused at submission.
    pub pending: Option<u32>,
    /// Processor time asked for, over the window of [`crate::policy::Rules`]: core-milliseconds.
    pub cpu_time: Option<u64>,
    /// Memory asked for, times its time, over the window: MiB-milliseconds.
    pub memory_time: Option<u64>,
    /// What job directories hold: those that nodes keep of ended attempts, and the bounds of live
    /// ones.
    pub disk: Option<Bytes>,
}

impl Quota {
    /// Whether anything is bounded that is asked when a job starts.
    pub fn bounds_starts(&self) -> bool {
        self.cpu.is_some()
            || self.memory.is_some()
            || self.running.is_some()
            || self.disk.is_some()
            || self.has_budget()
    }

    /// Whether effort over time is bounded.
    pub fn has_budget(&self) -> bool {
        self.cpu_time.is_some() || self.memory_time.is_some()
    }
}

/// What live jobs of one holder claim. Derived.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Claim {
    /// What live attempts hold.
    pub held: Resources,
    /// Live attempts.
    pub running: u32,
    /// Waiting jobs.
    pub pending: u32,
    /// What live attempts may still cost at most; those without a wall-time limit are not counted.
    pub reserved: Effort,
    /// What the directories of live attempts may hold at most; those without a bound are not
    /// counted.
    pub disk: Bytes,
}

impl Claim {
    /// What one job claims.
    pub fn of(job: &Job) -> Claim {
        match &job.task {
            TaskState::Pending { .. } => Claim {
                pending: 1,
                ..Claim::default()
            },
            TaskState::Live(_) => Claim::started(&job.spec),
        }
    }

    /// What a job claims once it is placed.
    pub fn started(spec: &JobSpec) -> Claim {
        Claim {
            held: spec.resources,
            running: 1,
            pending: 0,
            reserved: reserve(spec).unwrap_or_default(),
            disk: spec.disk_max.unwrap_or_default(),
        }
    }

    /// Both together.
    pub fn plus(&self, other: &Claim) -> Claim {
        Claim {
            held: self.held.plus(&other.held),
            running: self.running.saturating_add(other.running),
            pending: self.pending.saturating_add(other.pending),
            reserved: self.reserved.plus(&other.reserved),
            disk: Bytes(self.disk.0.saturating_add(other.disk.0)),
        }
    }

    /// What is left when `other` is taken out.
    pub fn minus(&self, other: &Claim) -> Claim {
        Claim {
            held: self.held.minus(&other.held),
            running: self.running.saturating_sub(other.running),
            pending: self.pending.saturating_sub(other.pending),
            reserved: self.reserved.minus(&other.reserved),
            disk: Bytes(self.disk.0.saturating_sub(other.disk.0)),
        }
    }
}

/// The most that an attempt of this job can cost: until its wall-time limit and the grace behind
/// it. `None` without a limit.
pub fn reserve(spec: &JobSpec) -> Option<Effort> {
    let longest = spec.wall_limit?.plus(spec.grace);
    Some(Effort::of(&spec.resources, longest))
}

/// What an attempt cost: what it asked for, for as long as it ran, and no more than it reserved.
pub fn cost(spec: &JobSpec, ran: Millis) -> Effort {
    let whole = Effort::of(&spec.resources, ran);
    reserve(spec).map_or(whole, |most| whole.least(&most))
}

/// Efforts by day since 1970-01-01 (UTC), oldest first. An attempt counts on the day of its end.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Spent {
    /// Day and effort; days without any are left out.
    pub days: Vec<(u32, Effort)>,
}

impl Spent {
    /// The sum over the window that ends now.
    pub fn within(&self, now: Timestamp, window_days: u32) -> Effort {
        let first = first_day(now, window_days);
        let inside = self.days.iter().filter(|(day, _)| *day >= first);
        inside.fold(Effort::default(), |sum, (_, effort)| sum.plus(effort))
    }

    /// Adds an effort of today and forgets what no window looks at any more.
    pub(crate) fn add(&mut self, now: Timestamp, window_days: u32, effort: &Effort) {
        let (first, today) = (first_day(now, window_days), day(now));
        self.days.retain(|(day, _)| *day >= first);
        match self.days.last_mut() {
            Some((last, sum)) if *last == today => *sum = sum.plus(effort),
            Some(_) | None => self.days.push((today, *effort)),
        }
    }
}

fn day(at: Timestamp) -> u32 {
    u32::try_from(at.0 / DAY).unwrap_or(u32::MAX)
}

fn first_day(now: Timestamp, window_days: u32) -> u32 {
    day(now).saturating_sub(window_days.saturating_sub(1))
}

/// Whose bound it is.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Holder {
    /// A user.
    User(UserName),
    /// A project.
    Project(String),
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Holder::User(name) => write!(f, "user {name}"),
            Holder::Project(name) => write!(f, "project {name}"),
        }
    }
}

/// Which of the bounds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Measure {
    /// [`Quota::cpu`].
    Cpu,
    /// [`Quota::memory`].
    Memory,
    /// [`Quota::running`].
    Running,
    /// [`Quota::cpu_time`].
    CpuTime,
    /// [`Quota::memory_time`].
    MemoryTime,
    /// [`Quota::disk`].
    Disk,
}

/// What keeps a pending job from starting, whatever the nodes have left.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Hold {
    /// Its queue starts nothing at present.
    QueueStopped(String),
    /// Its owner has as many attempts in the queue as one may have.
    QueueRunning {
        /// Which queue.
        queue: String,
        /// How many.
        limit: u32,
    },
    /// A bound would be exceeded.
    Quota {
        /// Whose.
        holder: Holder,
        /// Which.
        measure: Measure,
        /// The bound, in the unit of its field.
        limit: u64,
    },
    /// Effort is bounded, and the job has no wall-time limit by which to reckon.
    NeedsWallLimit(Holder),
}

/// What is claimed already, as `apply` sees it or as a plan in the making does.
#[derive(Clone, Copy, Debug)]
pub struct Claims<'a> {
    /// By the job's owner.
    pub user: &'a Claim,
    /// By the job's owner in the job's queue.
    pub in_queue: &'a Claim,
    /// By the job's project.
    pub project: &'a Claim,
}

impl State {
    /// What keeps a pending job from starting now if so much is claimed. A clock that is behind the
    /// state's does not count.
    pub fn hold(&self, job: &Job, claims: Claims<'_>, now: Timestamp) -> Option<Hold> {
        let now = now.max(self.now());
        let spec = &job.spec;
        let queue = self.queue(&spec.queue)?;
        if !queue.starts {
            return Some(Hold::QueueStopped(queue.name.clone()));
        }
        let full = |limit: &u32| claims.in_queue.running >= *limit;
        if let Some(limit) = queue.running_per_user.filter(full) {
            let queue = queue.name.clone();
            return Some(Hold::QueueRunning { queue, limit });
        }
        let user = || Holder::User(job.owner.clone());
        let project = || Holder::Project(spec.project.clone());
        self.over(&self.quota_of(&job.owner), claims.user, spec, now, user)
            .or_else(|| {
                let quota = self.project(&spec.project).map(|project| project.quota);
                self.over(
                    &quota.unwrap_or_default(),
                    claims.project,
                    spec,
                    now,
                    project,
                )
            })
    }

    fn over(
        &self,
        quota: &Quota,
        claim: &Claim,
        spec: &JobSpec,
        now: Timestamp,
        holder: impl Fn() -> Holder,
    ) -> Option<Hold> {
        if !quota.bounds_starts() {
            return None;
        }
        let after = claim.plus(&Claim::started(spec));
        let exceeded = |measure, limit| {
            Some(Hold::Quota {
                holder: holder(),
                measure,
                limit,
            })
        };
        if let Some(limit) = quota.cpu.filter(|limit| after.held.cpu > *limit) {
            return exceeded(Measure::Cpu, limit.0);
        }
        if let Some(limit) = quota.memory.filter(|limit| after.held.memory > *limit) {
            return exceeded(Measure::Memory, limit.0);
        }
        if let Some(limit) = quota.running.filter(|limit| after.running > *limit) {
            return exceeded(Measure::Running, u64::from(limit));
        }
        if let Some(limit) = quota.disk {
            let kept = self.stored_by(&holder());
            let total = kept.0.saturating_add(after.disk.0);
            // Without a bound of its own it may at least not begin where there is no room at all.
            if total > limit.0 || spec.disk_max.is_none() && total == limit.0 {
                return exceeded(Measure::Disk, limit.0);
            }
        }
        if !quota.has_budget() {
            return None;
        }
        if reserve(spec).is_none() {
            return Some(Hold::NeedsWallLimit(holder()));
        }
        let total = self.spent_by(&holder(), now).plus(&after.reserved);
        if let Some(limit) = quota.cpu_time.filter(|limit| total.cpu > *limit) {
            return exceeded(Measure::CpuTime, limit);
        }
        if let Some(limit) = quota.memory_time.filter(|limit| total.memory > *limit) {
            return exceeded(Measure::MemoryTime, limit);
        }
        None
    }

    /// The bounds of a user: their own, or those that everybody has.
    pub fn quota_of(&self, user: &UserName) -> Quota {
        let own = self.user(&user.0).and_then(|user| user.quota);
        own.unwrap_or(self.policy().rules.user_quota)
    }

    /// What a holder has spent in the window that ends now.
    pub fn spent_by(&self, holder: &Holder, now: Timestamp) -> Effort {
        let days = self.policy().rules.window_days;
        let spent = self.spent.get(holder);
        spent.map_or_else(Effort::default, |spent| spent.within(now, days))
    }
}

/// How long a live attempt has run by then, as far as the cluster knows.
pub fn ran(attempt: &Attempt, until: Timestamp) -> Millis {
    let since = attempt.started().map(|started| started.at);
    since.map_or(Millis(0), |since| until.since(since))
}

impl fmt::Display for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Hold::QueueStopped(queue) => write!(f, "queue {queue} starts nothing at present"),
            Hold::QueueRunning { queue, limit } => {
                write!(f, "one user may have {limit} running in queue {queue}")
            }
            Hold::NeedsWallLimit(holder) => write!(
                f,
                "{holder} has a budget of hours, so the job needs a time limit (--time)"
            ),
            Hold::Quota {
                holder,
                measure,
                limit,
            } => {
                write!(f, "quota of {holder} reached: ")?;
                match measure {
                    Measure::Cpu => write!(f, "{} cpu in use", MilliCpus(*limit)),
                    Measure::Memory => write!(f, "{} memory in use", Bytes(*limit)),
                    Measure::Running => write!(f, "{limit} running"),
                    Measure::Disk => write!(f, "{} of job directories", Bytes(*limit)),
                    Measure::CpuTime => write!(f, "{} core-hours", hours(*limit)),
                    Measure::MemoryTime => write!(f, "{} GiB-hours", hours(*limit / 1024)),
                }
            }
        }
    }
}

/// Milliseconds as hours with at most two digits behind the point.
fn hours(millis: u64) -> String {
    let (whole, rest) = (millis / 3_600_000, millis % 3_600_000 / 36_000);
    match rest {
        0 => alloc::format!("{whole}"),
        rest => alloc::format!("{whole}.{rest:02}"),
    }
}
