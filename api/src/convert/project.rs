//! Projects, queues and bounds.

use api_types::project as seen;
use model::account::UserName;
use model::project::{Grant, Project, Queue};
use model::quota::{Claim, Holder, Quota};
use model::{Bytes, Effort, Millis, State};

use super::policy::{asked_grant, grant};
use super::request::{cpu, milli_cpus};
use crate::problem::Refused;

/// Milliseconds of an hour.
const HOUR: f64 = 3_600_000.0;
/// MiB of a GiB.
const GIB: f64 = 1024.0;

pub(crate) fn quota(quota: &Quota) -> seen::Quota {
    seen::Quota {
        cpu: quota.cpu.map(cpu),
        memory_bytes: quota.memory.map(|most| most.0),
        running: quota.running,
        pending: quota.pending,
        core_hours: quota.cpu_time.map(hours),
        gib_hours: quota.memory_time.map(|most| hours(most) / GIB),
        disk_bytes: quota.disk.map(|most| most.0),
    }
}

/// The bounds that somebody asks for; fields are named with `prefix` in front.
pub(crate) fn asked_quota(asked: &seen::Quota, prefix: &str) -> Result<Quota, Refused> {
    let millis = |field: &str, amount: Option<f64>, unit: f64| {
        let Some(amount) = amount else {
            return Ok(None);
        };
        whole_millis(amount * unit).map(Some).ok_or_else(|| {
            let message = format!("{amount} is no number of hours");
            let remedy = "give hours that are not negative, or leave it out for no bound";
            Refused::invalid(format!("{prefix}{field}"), message, remedy)
        })
    };
    Ok(Quota {
        cpu: match asked.cpu {
            None => None,
            Some(share) => Some(milli_cpus(share).ok_or_else(|| {
                let message = format!("{share} is no share of processors");
                let remedy = "give processors in steps of 0.001";
                Refused::invalid(format!("{prefix}cpu"), message, remedy)
            })?),
        },
        memory: asked.memory_bytes.map(Bytes),
        running: asked.running,
        pending: asked.pending,
        cpu_time: millis("core_hours", asked.core_hours, HOUR)?,
        memory_time: millis("gib_hours", asked.gib_hours, HOUR * GIB)?,
        disk: asked.disk_bytes.map(Bytes),
    })
}

/// An effort as core-hours and GiB-hours.
pub(crate) fn effort(effort: &Effort) -> (f64, f64) {
    (hours(effort.cpu), hours(effort.memory) / GIB)
}

pub(crate) fn hours(millis: u64) -> f64 {
    std::time::Duration::from_millis(millis).as_secs_f64() / 3600.0
}

/// A number of milliseconds that a `u64` can hold exactly enough.
fn whole_millis(millis: f64) -> Option<u64> {
    let seconds = std::time::Duration::try_from_secs_f64(millis / 1000.0).ok()?;
    u64::try_from(seconds.as_millis()).ok()
}

/// What of its bounds somebody has taken.
pub(crate) fn taken(claim: &Claim, spent: &Effort, kept: Bytes) -> seen::Taken {
    seen::Taken {
        cpu: cpu(claim.held.cpu),
        memory_bytes: claim.held.memory.0,
        running: claim.running,
        pending: claim.pending,
        core_hours: hours(spent.cpu),
        gib_hours: hours(spent.memory) / GIB,
        reserved_core_hours: hours(claim.reserved.cpu),
        reserved_gib_hours: hours(claim.reserved.memory) / GIB,
        disk_bytes: kept.0,
        reserved_disk_bytes: claim.disk.0,
    }
}

/// The bounds of somebody, and what of them is taken.
pub(crate) fn quota_view(state: &State, holder: &Holder) -> seen::QuotaView {
    let (bounds, usual, claim) = match holder {
        Holder::User(name) => {
            let own = state.user(&name.0).and_then(|user| user.quota);
            (state.quota_of(name), own.is_none(), state.claim_of(name))
        }
        Holder::Project(name) => {
            let project = state.project(name).map(|project| project.quota);
            (project.unwrap_or_default(), false, state.claim_on(name))
        }
    };
    seen::QuotaView {
        holder: holder.to_string(),
        quota: quota(&bounds),
        usual,
        taken: taken(
            &claim,
            &state.spent_by(holder, state.now()),
            state.stored_by(holder),
        ),
        window_days: state.policy().rules.window_days,
    }
}

pub(crate) fn project(project: &Project) -> seen::Project {
    let names = |users: &std::collections::BTreeSet<UserName>| {
        users.iter().map(|user| user.0.clone()).collect()
    };
    seen::Project {
        name: project.name.clone(),
        description: project.description.clone(),
        everybody: project.everybody,
        members: names(&project.members),
        managers: names(&project.managers),
        shared: project.shared,
        closed: project.closed,
        priority: project.priority,
        quota: quota(&project.quota),
    }
}

/// The project that somebody asks for; who is in it stays as it is if nothing is said of it.
pub(crate) fn asked_project(
    name: String,
    asked: seen::ProjectRequest,
    known: Option<&Project>,
) -> Result<Project, Refused> {
    let usual = Project::fallback();
    let people = |asked: Option<Vec<String>>, known: Option<_>| match asked {
        Some(names) => names.into_iter().map(UserName).collect(),
        None => known.unwrap_or_default(),
    };
    Ok(Project {
        name,
        description: asked.description,
        everybody: asked.everybody,
        members: people(asked.members, known.map(|known| known.members.clone())),
        managers: people(asked.managers, known.map(|known| known.managers.clone())),
        shared: asked.shared,
        closed: asked.closed,
        priority: asked.priority.unwrap_or(usual.priority),
        quota: asked_quota(&asked.quota, "quota.")?,
        created_at: usual.created_at,
    })
}

/// A queue; who may use it is for operators.
pub(crate) fn queue(state: &State, queue: &Queue, whole: bool) -> seen::Queue {
    let seconds = |length: Millis| length.0.div_ceil(1000);
    seen::Queue {
        name: queue.name.clone(),
        rules: seen::QueueRequest {
            description: queue.description.clone(),
            who: whole.then(|| grant(&queue.who)),
            closed: !queue.accepts,
            stopped: !queue.starts,
            wall_max_seconds: queue.wall_max.map(seconds),
            wall_default_seconds: queue.wall_default.map(seconds),
            cpu_max: queue.cpu_max.map(cpu),
            memory_max_bytes: queue.memory_max.map(|most| most.0),
            running_per_user: queue.running_per_user,
            pending_per_user: queue.pending_per_user,
        },
        jobs: u64::try_from(state.jobs_in(&queue.name)).unwrap_or(u64::MAX),
    }
}

pub(crate) fn asked_queue(name: String, asked: seen::QueueRequest) -> Result<Queue, Refused> {
    let cpu_max = match asked.cpu_max {
        None => None,
        Some(share) => Some(milli_cpus(share).ok_or_else(|| {
            let message = format!("{share} is no share of processors");
            Refused::invalid("cpu_max", message, "give processors in steps of 0.001")
        })?),
    };
    Ok(Queue {
        name,
        description: asked.description,
        who: asked.who.map_or_else(Grant::to_all, asked_grant),
        accepts: !asked.closed,
        starts: !asked.stopped,
        wall_max: asked.wall_max_seconds.map(Millis::seconds),
        wall_default: asked.wall_default_seconds.map(Millis::seconds),
        cpu_max,
        memory_max: asked.memory_max_bytes.map(Bytes),
        running_per_user: asked.running_per_user,
        pending_per_user: asked.pending_per_user,
    })
}
