//! The points: one of each attempt that ended, and those that describe a moment.
//!
//! `god_task_usage` and `god_scheduler` have the fields that they have in the original, those of
//! `godocker_…` are what `/metrics` shows of a cluster.

use std::collections::BTreeMap;

use model::ledger::LedgerLine;
use model::query::LiveState;
use model::{MilliCpus, Millis, Resources, State, Timestamp};

use super::line::Line;
use crate::leader::planning::Planned;

/// Nanoseconds of a millisecond.
const NANOS: u64 = 1_000_000;
/// Bytes of a GiB.
const GIB: f64 = 1_073_741_824.0;

/// What became of one attempt, at its end. Attempts that end in one millisecond have points of
/// their own: what is below it comes from their numbers, and is the same whenever it is told.
pub(super) fn attempt(cluster: &str, line: &LedgerLine) -> String {
    let end = &line.end;
    let began = end
        .started
        .as_ref()
        .map_or(end.ended_at, |started| started.at);
    let task = line.attempt.task;
    let below = task.job.0.wrapping_add(u64::from(task.index) * 7_919);
    let below = below.wrapping_add(u64::from(end.number) * 104_729) % NANOS;
    Line::of("god_task_usage")
        .tag("cluster", cluster)
        .tag("user", &line.owner.0)
        .tag("project", &line.project)
        .tag("queue", &line.queue)
        .tag("image", &line.image)
        .tag("node", &end.node_name)
        .tag("state", end.outcome.word())
        .number("cpu", cores(line.asked.cpu))
        .number("ram", line.asked.memory.0 as f64 / GIB)
        .number("durationtime", seconds(end.ended_at.since(began)))
        .number("waitingtime", seconds(began.since(line.waited_since)))
        .number("cpu_used_seconds", end.usage.cpu_micros as f64 / 1e6)
        .count("memory_peak_bytes", end.usage.memory_peak.0)
        .at(end.ended_at.0.saturating_mul(NANOS).saturating_add(below))
}

/// The cluster as it is now; `before`: the plans that were told of the last time.
pub(super) fn moment(state: &State, before: &Planned, now: &Planned, at: Timestamp) -> String {
    let cluster = state.meta().name.as_str();
    let nanos = at.0.saturating_mul(NANOS);
    let of = |series| Line::of(series).tag("cluster", cluster);
    let states = jobs(state);
    let running = states.get(&LiveState::Running).copied().unwrap_or(0);
    let mut scheduler = of("god_scheduler")
        .count("nb_pending", state.pending_count() as u64)
        .count("nb_running", running);
    let plans = now.plans.count().saturating_sub(before.plans.count());
    if plans > 0 {
        let micros = now
            .plans
            .total_micros
            .saturating_sub(before.plans.total_micros);
        let mean = micros as f64 / plans as f64 / 1e6;
        scheduler = scheduler.number("duration_scheduler", mean);
    }
    let mut text = scheduler.at(nanos);
    for (state, count) in states {
        let line = of("godocker_jobs").tag("state", state.word());
        text.push_str(&line.count("count", count).at(nanos));
    }
    for (health, count) in nodes(state) {
        let line = of("godocker_nodes").tag("state", health);
        text.push_str(&line.count("count", count).at(nanos));
    }
    text.push_str(&room(state, of("godocker_room")).at(nanos));
    text
}

/// Jobs that have not ended, by state.
fn jobs(state: &State) -> BTreeMap<LiveState, u64> {
    let mut states: BTreeMap<LiveState, u64> = LiveState::ALL.map(|state| (state, 0)).into();
    for job in state.nodes().flat_map(|node| state.jobs_on(node.id)) {
        *states.entry(state.live_state(job)).or_default() += 1;
    }
    states.insert(LiveState::Pending, state.pending_count() as u64);
    states
}

/// Nodes, by what is believed of them.
fn nodes(state: &State) -> BTreeMap<&'static str, u64> {
    let mut healths = BTreeMap::new();
    for node in state.nodes() {
        *healths.entry(api::health_word(node.health)).or_default() += 1;
    }
    healths
}

/// What the nodes have, what jobs hold of it, and what is free where jobs are taken now.
fn room(state: &State, line: Line) -> Line {
    let [mut all, mut held, mut free] = [Resources::default(); 3];
    for node in state.nodes() {
        all = all.plus(&node.capacity());
        held = held.plus(&state.held(node.id));
        free = free.plus(&state.free(node));
    }
    line.number("cpu_cores", cores(all.cpu))
        .number("cpu_held_cores", cores(held.cpu))
        .number("cpu_free_cores", cores(free.cpu))
        .count("memory_bytes", all.memory.0)
        .count("memory_held_bytes", held.memory.0)
        .count("memory_free_bytes", free.memory.0)
}

fn cores(cpu: MilliCpus) -> f64 {
    cpu.0 as f64 / 1e3
}

fn seconds(span: Millis) -> f64 {
    span.0 as f64 / 1e3
}

#[cfg(test)]
mod tests {
    use model::job::{AttemptEnd, Exit, Outcome, Started, Usage};
    use model::resource::Effort;
    use model::{Bytes, Fence, JobId, NodeId};

    use super::*;

    fn line(job: u64, started: Option<u64>) -> LedgerLine {
        let started = started.map(|at| Started {
            at: Timestamp(at),
            ..Started::default()
        });
        LedgerLine {
            attempt: JobId(job).task().attempt(1),
            owner: "ann lee".into(),
            project: "lab".into(),
            queue: "default".into(),
            name: "j".into(),
            asked: Resources {
                cpu: MilliCpus(1_500),
                memory: Bytes(1 << 29),
            },
            image: "debian:12".into(),
            submitted_at: Timestamp(1_000),
            waited_since: Timestamp(2_000),
            charged: Effort::default(),
            end: AttemptEnd {
                number: 1,
                node: NodeId(2),
                node_name: "n1".into(),
                fence: Fence(3),
                placed_at: Timestamp(3_000),
                started,
                ended_at: Timestamp(10_500),
                outcome: Outcome::Failed,
                exit: Exit::default(),
                usage: Usage {
                    cpu_micros: 2_500_000,
                    memory_peak: Bytes(77),
                    ..Usage::default()
                },
                message: String::new(),
            },
        }
    }

    #[test]
    fn an_attempt_is_told_as_the_original_does_at_the_time_of_its_end() {
        let told = attempt("dev", &line(7, Some(4_000)));
        let expected = "god_task_usage,cluster=dev,user=ann\\ lee,project=lab,queue=default,\
            image=debian:12,node=n1,state=failed cpu=1.5,ram=0.5,durationtime=6.5,waitingtime=2,\
            cpu_used_seconds=2.5,memory_peak_bytes=77i 10500104736\n";
        assert_eq!(told, expected);
        let never = attempt("dev", &line(7, None));
        assert!(never.contains("durationtime=0,waitingtime=8.5,"), "{never}");
        // In the same millisecond, and not the same point.
        let other = attempt("dev", &line(8, Some(4_000)));
        assert!(other.ends_with(" 10500104737\n"), "{other}");
    }
}
