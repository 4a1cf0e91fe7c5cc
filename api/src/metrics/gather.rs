//! Which metrics there are, and where each is read off.

use std::collections::BTreeMap;

use model::query::LiveState;
use model::{Resources, State};
use prometheus_client::registry::Unit;

use super::{Family, Labels, Values};
use crate::app::App;
use crate::convert::node::health_word;
use crate::convert::request::cpu;
use crate::host::{Figures, RaftRole, RaftStatus};
use crate::limits::QUEUES_MEASURED;

/// The name of all queues for which there is no label.
const OTHER_QUEUES: &str = "(others)";

/// Everything, as it is now. Walks over every job that is with a node.
pub(crate) fn gather(app: &App) -> Vec<Family> {
    let state = app.log().read();
    let (raft, figures) = (app.host().raft_status(), app.host().figures());
    let version = vec![("version", env!("CARGO_PKG_VERSION").to_owned())];
    let help = "1, with the version of this head as label.";
    let mut families = vec![labelled("build_info", help, None, vec![(version, 1.0)])];
    families.extend(jobs(&state, &figures));
    families.extend(nodes(&state));
    families.extend(log(&state, &raft, &figures));
    families.extend(scheduler(&figures));
    families.push(one(
        "api_streams",
        "Long polls and streams that are open at this head, files on their way among them.",
        None,
        app.gates().lasting_open() as f64,
    ));
    families.extend(app.requests().families());
    families
}

fn jobs(state: &State, figures: &Figures) -> [Family; 4] {
    let mut states: BTreeMap<LiveState, u64> = LiveState::ALL.map(|state| (state, 0)).into();
    // With a node, by queue.
    let mut placed: BTreeMap<&str, u64> = BTreeMap::new();
    for job in state.nodes().flat_map(|node| state.jobs_on(node.id)) {
        *states.entry(state.live_state(job)).or_default() += 1;
        *placed.entry(&job.spec.queue).or_default() += 1;
    }
    states.insert(LiveState::Pending, state.pending_count() as u64);
    let mut queues: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for (at, queue) in state.queues().enumerate() {
        let name = if at < QUEUES_MEASURED {
            &queue.name
        } else {
            OTHER_QUEUES
        };
        let with_node = placed.get(queue.name.as_str()).copied().unwrap_or(0);
        let pending = (state.jobs_in(&queue.name) as u64).saturating_sub(with_node);
        *queues.entry((name, "pending")).or_default() += pending;
        *queues.entry((name, "placed")).or_default() += with_node;
    }
    let states = states.iter();
    let states = states.map(|(state, count)| (word("state", state.word()), *count as f64));
    let queues = queues.iter().map(|((queue, state), count)| {
        let labels: Labels = vec![("queue", (*queue).into()), ("state", (*state).into())];
        (labels, *count as f64)
    });
    let ended = figures.ended.iter();
    let ended = ended.map(|(outcome, count)| (word("state", outcome.word()), *count));
    [
        labelled("jobs", "Jobs that have not ended.", None, states.collect()),
        labelled(
            "queue_jobs",
            "Jobs that have not ended: waiting in a queue, or placed from it.",
            None,
            queues.collect(),
        ),
        counter(
            "jobs_submitted",
            "Jobs that were ever submitted to this cluster; the same on every head.",
            vec![(Vec::new(), state.meta().next_job.saturating_sub(1))],
        ),
        counter(
            "jobs_ended",
            "Jobs whose end this head has applied since it started.",
            ended.collect(),
        ),
    ]
}

fn nodes(state: &State) -> [Family; 9] {
    let mut healths: BTreeMap<&str, u64> = BTreeMap::new();
    let (mut drained, mut accepting) = (0_u64, 0_u64);
    let [mut all, mut usable, mut held] = [Resources::default(); 3];
    for node in state.nodes() {
        *healths.entry(health_word(node.health)).or_default() += 1;
        drained += u64::from(node.drain.is_some());
        accepting += u64::from(node.accepts());
        all = all.plus(&node.capacity());
        held = held.plus(&state.held(node.id));
        if node.accepts() {
            usable = usable.plus(&node.capacity());
        }
    }
    let healths = healths.iter();
    let healths = healths.map(|(health, count)| (word("state", health), *count as f64));
    let believed = "Nodes, by what is believed of them.";
    let of_all = "Cores of all nodes that run jobs.";
    let of_usable = "Cores of nodes that take jobs now.";
    let on_usable = "Memory of nodes that take jobs now.";
    [
        labelled("nodes", believed, None, healths.collect()),
        one(
            "nodes_drained",
            "Nodes that an operator has drained.",
            None,
            drained as f64,
        ),
        one(
            "nodes_accepting",
            "Nodes that take jobs now.",
            None,
            accepting as f64,
        ),
        cores("cpu", of_all, &all),
        cores("cpu_accepting", of_usable, &usable),
        cores("cpu_held", "Cores that jobs hold.", &held),
        bytes("memory", "Memory of all nodes that run jobs.", &all),
        bytes("memory_accepting", on_usable, &usable),
        bytes("memory_held", "Memory that jobs hold.", &held),
    ]
}

fn cores(name: &'static str, help: &'static str, resources: &Resources) -> Family {
    one(
        name,
        help,
        Some(Unit::Other("cores".into())),
        cpu(resources.cpu),
    )
}

fn bytes(name: &'static str, help: &'static str, resources: &Resources) -> Family {
    one(name, help, Some(Unit::Bytes), resources.memory.0 as f64)
}

fn log(state: &State, raft: &RaftStatus, figures: &Figures) -> Vec<Family> {
    let mut families = Vec::from(positions(raft));
    let lags = raft.members.iter().filter_map(|member| {
        let name = state.node(member.node).map(|node| node.name.clone());
        let name = name.unwrap_or_else(|| member.node.to_string());
        Some((word("head", &name), member.lag? as f64))
    });
    let silence = raft.millis_since_quorum_ack;
    let silence = silence.map(|ms| (Vec::new(), ms as f64 / 1_000.0));
    families.extend([
        labelled(
            "raft_lag_entries",
            "Entries that a head is behind; only the leading head tells.",
            None,
            lags.collect(),
        ),
        labelled(
            "raft_quorum_silence",
            "Time since a quorum answered; only the leading head tells.",
            Some(Unit::Seconds),
            silence.into_iter().collect(),
        ),
        Family {
            name: "raft_commit",
            help: "Time from a command to its outcome, for commands written by this head.",
            unit: Some(Unit::Seconds),
            values: Values::Durations(vec![(Vec::new(), figures.commits)]),
        },
        one(
            "commands_waiting",
            "Commands that wait for their outcome at this head.",
            None,
            figures.waiting as f64,
        ),
        one(
            "agent_sessions",
            "Agents that speak to this head.",
            None,
            figures.sessions as f64,
        ),
    ]);
    families
}

/// Where this head stands in the quorum and in the log.
fn positions(raft: &RaftStatus) -> [Family; 8] {
    let leads = f64::from(u8::from(raft.role == RaftRole::Leader));
    let led = f64::from(u8::from(raft.leader.is_some()));
    let voters = raft.members.iter().filter(|member| member.voter).count();
    let snapshot = raft.snapshot.map_or(0, |index| index.0);
    let entry = |name, help, index: u64| one(name, help, None, index as f64);
    let committed = "The last entry that this head knows to be on a quorum.";
    [
        entry("raft_term", "The term of this head.", raft.term),
        one("raft_leads", "1 if this head leads.", None, leads),
        one(
            "raft_has_leader",
            "1 if this head knows who leads.",
            None,
            led,
        ),
        one("raft_voters", "Heads that vote.", None, voters as f64),
        entry(
            "raft_last_entry",
            "The last entry in this log.",
            raft.last_log.0,
        ),
        entry("raft_committed_entry", committed, raft.committed.0),
        entry(
            "raft_applied_entry",
            "The last entry in this state.",
            raft.applied.0,
        ),
        entry(
            "raft_snapshot_entry",
            "The last entry in a snapshot.",
            snapshot,
        ),
    ]
}

fn scheduler(figures: &Figures) -> [Family; 3] {
    let last = figures
        .planned_at
        .map(|at| (Vec::new(), at.0 as f64 / 1_000.0));
    [
        Family {
            name: "scheduler_plan",
            help: "Time that a plan took, while this head led.",
            unit: Some(Unit::Seconds),
            values: Values::Durations(vec![(Vec::new(), figures.plans)]),
        },
        counter(
            "scheduler_placed",
            "Tasks that this head has placed since it started.",
            vec![(Vec::new(), figures.placed)],
        ),
        labelled(
            "scheduler_last_plan_timestamp",
            "When this head planned last; absent if it has not led since it started.",
            Some(Unit::Seconds),
            last.into_iter().collect(),
        ),
    ]
}

fn word(name: &'static str, word: &str) -> Labels {
    vec![(name, word.into())]
}

fn one(name: &'static str, help: &'static str, unit: Option<Unit>, value: f64) -> Family {
    labelled(name, help, unit, vec![(Vec::new(), value)])
}

fn labelled(
    name: &'static str,
    help: &'static str,
    unit: Option<Unit>,
    values: Vec<(Labels, f64)>,
) -> Family {
    Family {
        name,
        help,
        unit,
        values: Values::Gauge(values),
    }
}

fn counter(name: &'static str, help: &'static str, values: Vec<(Labels, u64)>) -> Family {
    Family {
        name,
        help,
        unit: None,
        values: Values::Counter(values),
    }
}
