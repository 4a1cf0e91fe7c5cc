//! What holds for every stream of commands, tried with 100,000 of them.
//!
//! A case is a seed. `SEED=7 CASES=1000` in the environment runs other ones; a failure names its
//! seed, and the shortest stream that still fails.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::panic::{AssertUnwindSafe, catch_unwind};

use anyhow::{Context, Result, ensure};
use model::assignment::Report;
use model::change::Table;
use model::{Changes, Command, LogIndex, NodeId, Reply, Stamp, State};
use simulation::chance::Chance;
use simulation::invariants::{Replica, differ};
use simulation::stream::Stream;

/// Cases of each property.
const CASES: u64 = 100_000;
/// Entries of the longest stream.
const ENTRIES_MAX: u64 = 48;
/// Removals that are tried to make a failing stream shorter.
const SHRINK_MAX: usize = 2_000;

/// An entry of the log.
type Entry = (Stamp, Command);
/// Which node said what.
type Told = (NodeId, Report);

#[test]
fn any_stream_keeps_the_invariants_and_can_be_replayed() {
    for_each_seed(
        "any_stream_keeps_the_invariants_and_can_be_replayed",
        |seed| {
            let log = make(seed)?;
            replay(&log, Chance::new(seed).at(log.len()))
        },
    );
}

#[test]
fn reports_in_any_order_and_number_lead_to_the_same_state() {
    for_each_seed(
        "reports_in_any_order_and_number_lead_to_the_same_state",
        |seed| {
            let mut chance = Chance::new(seed);
            let (past, log, reports) = a_past_with_reports(&mut chance)?;
            let last = log.last().map_or(0, |(at, _)| at.index.0);
            let singly = reports.iter().map(|report| vec![report.clone()]);
            let once = tell(past.clone(), last, singly)?;
            let mut many = reports.clone();
            for _ in 0..chance.below(6) {
                many.extend(chance.of(&reports));
            }
            chance.shuffle(&mut many);
            let size = 1 + chance.at(4);
            let other = tell(past, last, many.chunks(size).map(<[_]>::to_vec))?;
            let cause = || format!("reports {many:?}\nin entries of {size}, after {log:?}");
            differ(&once.disk, &other.disk).with_context(cause)?;
            ensure!(
                over(&once) == over(&other),
                "jobs ended in another way: {}",
                cause()
            );
            ensure!(
                lines(&once) == lines(&other),
                "the ledger differs: {}",
                cause()
            );
            Ok(())
        },
    );
}

/// Makes a stream up and takes it through every check.
fn make(seed: u64) -> Result<Vec<Entry>> {
    let (mut replica, mut stream) = (Replica::default(), Stream::new(seed));
    let mut log: Vec<Entry> = Vec::new();
    for _ in 0..8 + Chance::new(seed).below(ENTRIES_MAX - 8) {
        let (at, command) = stream.next(&replica.state);
        log.push((at, command.clone()));
        let stepped = catch_unwind(AssertUnwindSafe(|| replica.step(at, &command)));
        if !matches!(stepped, Ok(Ok(_))) {
            return Err(shortest(log));
        }
    }
    if let Err(error) = replica.check_disk() {
        return Err(shortest(log).context(error));
    }
    Ok(log)
}

/// Whether a stream passes every check.
fn try_all(log: &[Entry]) -> Result<()> {
    let mut replica = Replica::default();
    let all = AssertUnwindSafe(|| {
        for (at, command) in log {
            replica.step(*at, command)?;
        }
        replica.check_disk()
    });
    catch_unwind(all).unwrap_or_else(|_| Err(anyhow::anyhow!("it panics")))
}

/// Leaves out what is not needed to fail.
fn shortest(mut log: Vec<Entry>) -> anyhow::Error {
    let (mut at, mut tried) = (log.len(), 0);
    while at > 0 && tried < SHRINK_MAX {
        at -= 1;
        tried += 1;
        let mut shorter = log.clone();
        shorter.remove(at);
        if try_all(&shorter).is_err() {
            log = shorter;
            at = at.min(log.len());
        }
    }
    let lines: Vec<String> = log
        .iter()
        .map(|(at, command)| format!("{at:?} {command:?}"))
        .collect();
    match try_all(&log) {
        Ok(()) => anyhow::anyhow!("it does not fail again:\n{}", lines.join("\n")),
        Err(error) => error.context(format!("the stream:\n{}", lines.join("\n"))),
    }
}

/// Another head that applies the same log, and is restarted from its disk on the way, says and
/// holds the same.
fn replay(log: &[Entry], restart: usize) -> Result<()> {
    let (mut first, mut second) = (State::default(), State::default());
    for (number, (at, command)) in log.iter().enumerate() {
        if number == restart && second.is_initialised() {
            second = reload(&second)?;
        }
        let said: (Reply, Changes) = first.apply(*at, command.clone());
        let again = second.apply(*at, command.clone());
        ensure!(
            said == again,
            "entry {number} of {log:?}: {said:?} and {again:?}"
        );
    }
    let keys: Vec<_> = first.records().collect();
    ensure!(
        keys.iter().cloned().eq(second.records()),
        "other records after {log:?}"
    );
    for key in keys {
        ensure!(
            first.record(&key) == second.record(&key),
            "{key:?} differs after {log:?}"
        );
    }
    Ok(())
}

fn reload(state: &State) -> Result<State> {
    let mut loaded = State::default();
    for table in Table::ALL {
        for key in state.records().filter(|key| key.table() == table) {
            let record = state.record(&key).context("a record")?;
            loaded.load(table, &key.bytes(), &record)?;
        }
    }
    Ok(loaded)
}

/// A log that leaves attempts live, and what their nodes would say of them: each honest, none
/// contradicting another. Reports about attempts of the past and of strangers are among them.
fn a_past_with_reports(chance: &mut Chance) -> Result<(Replica, Vec<Entry>, Vec<Told>)> {
    let mut stream = Stream::new(chance.bits());
    let (mut replica, mut log) = (Replica::default(), Vec::new());
    let mut reports: Vec<Told> = Vec::new();
    for _ in 0..16 + chance.below(16) {
        let (at, command) = stream.next(&replica.state);
        if let Command::RecordStatus(status) = &command {
            reports.extend(status.reports.iter().cloned());
        }
        replica.step(at, &command)?;
        log.push((at, command));
    }
    reports.retain(|(node, report)| !is_live(&replica.state, *node, report));
    for job in replica.state.jobs() {
        let Some((id, attempt)) = job.attempt_id().zip(job.attempt()) else {
            continue;
        };
        let ends = chance.percent(70);
        let said = stream.honest_reports(id, attempt, ends);
        reports.extend(said.into_iter().map(|report| (attempt.node, report)));
    }
    Ok((replica, log, reports))
}

fn is_live(state: &State, node: NodeId, report: &Report) -> bool {
    let job = state.job(report.attempt.task.job);
    job.and_then(|job| job.attempt_id().zip(job.attempt()))
        .is_some_and(|(id, attempt)| {
            id == report.attempt && attempt.fence == report.fence && attempt.node == node
        })
}

/// Applies these reports behind entry `last`, all at the same moment.
fn tell(
    mut replica: Replica,
    last: u64,
    entries: impl Iterator<Item = Vec<Told>>,
) -> Result<Replica> {
    let mut last = Stamp {
        index: LogIndex(last),
        time: replica.state.now(),
    };
    for reports in entries {
        last.index.0 += 1;
        let status = model::command::RecordStatus { reports };
        replica.step(last, &Command::RecordStatus(status))?;
    }
    replica.check_disk()?;
    Ok(replica)
}

fn over(replica: &Replica) -> Vec<model::job::EndedJob> {
    let mut ended = replica.ended.clone();
    ended.sort_by_key(|job| job.id);
    ended
}

fn lines(replica: &Replica) -> Vec<model::ledger::LedgerLine> {
    let mut lines = replica.ledger.clone();
    lines.sort_by_key(|line| line.attempt);
    lines
}

/// Runs a property for every seed, on every processor.
fn for_each_seed(name: &str, property: impl Fn(u64) -> Result<()> + Sync) {
    let variable = |name: &str| {
        std::env::var(name)
            .ok()
            .map(|text| text.parse::<u64>().unwrap())
    };
    let first = variable("SEED");
    let count = variable("CASES").unwrap_or(if first.is_some() { 1 } else { CASES });
    let first = first.unwrap_or(0);
    let threads = std::thread::available_parallelism().map_or(1, |count| count.get() as u64);
    let run = |thread: u64| {
        for seed in (first..first + count).filter(|seed| seed % threads == thread) {
            let failed = match catch_unwind(AssertUnwindSafe(|| property(seed))) {
                Ok(Ok(())) => continue,
                Ok(Err(error)) => format!("{error:#}"),
                Err(_) => "it panics (see above)".into(),
            };
            let again =
                format!("SEED={seed} cargo nextest run -p simulation --test property {name}");
            panic!("seed {seed}: {failed}\nagain with: {again}");
        }
    };
    std::thread::scope(|scope| {
        for thread in 0..threads {
            scope.spawn(move || run(thread));
        }
    });
}
