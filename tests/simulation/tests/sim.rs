//! A whole cluster in one thread, under weather: see [`simulation::sim`].
//!
//! `SEED=7 STEPS=5000` in the environment runs one seed; `SEEDS=1000` runs more of them. A failure
//! names the invariant, the seed, and the command that replays it, and shows the end of the trace.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use simulation::sim::{Met, run};

/// Clusters that are simulated.
const SEEDS: u64 = 200;
/// Events of each before the weather stops.
const STEPS: u64 = 5_000;
/// What has to have happened somewhere: weather that never came was not survived.
const FAULTS: [&str; 39] = [
    "a container was removed by somebody else",
    "a follower was cut off",
    "a head began to lead",
    "a head crashed",
    "a head received a snapshot",
    "a head was replaced",
    "a job was cancelled",
    "a leader was cut off",
    "a leader was voted out",
    "a lease ran out",
    "a node was cut off",
    "a node was cut off from one head",
    "a node said that it is unwell",
    "a node said that it is well again",
    "a program reached its wall limit",
    "a proposal was doubled",
    "a proposal was lost",
    "a session broke",
    "a task was tried again",
    "a user repeated an old request",
    "a user was not told",
    "an agent crashed",
    "an agent died between two actions",
    "an agent gave a session up",
    "an answer was lost",
    "an assignment came without a lease",
    "an attempt waited for the one before it",
    "an attempt was lost with its node",
    "an engine died with what it ran",
    "an engine hung",
    "an engine started nothing",
    "an operator gave a job up",
    "an order of a deposed leader was refused",
    "earlier leases were waited out",
    "the clock of a follower jumped",
    "the clock of a leader jumped",
    "the clock of a node jumped",
    "the leader was replaced",
    "the next leader adopted a proposal",
];

#[test]
fn no_weather_breaks_a_promise_and_every_job_ends() {
    let variable = |name: &str| {
        std::env::var(name)
            .ok()
            .map(|text| text.parse::<u64>().unwrap())
    };
    let steps = variable("STEPS").unwrap_or(STEPS);
    let only = variable("SEED");
    let seeds = match only {
        Some(seed) => seed..seed + 1,
        None => 0..variable("SEEDS").unwrap_or(SEEDS),
    };
    let threads = std::thread::available_parallelism().map_or(1, |count| count.get() as u64);
    let all = Mutex::new(Met::new());
    let failed = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let (all, failed, seeds) = (&all, &failed, seeds.clone());
            scope.spawn(move || {
                for seed in seeds.filter(|seed| seed % threads == thread) {
                    if failed.load(Ordering::Relaxed) {
                        return;
                    }
                    let met = one(seed, steps, failed);
                    let mut all = all.lock().unwrap();
                    for (what, count) in met {
                        *all.entry(what).or_default() += count;
                    }
                }
            });
        }
    });
    let all = all.into_inner().unwrap();
    println!("{all:#?}");
    if only.is_none() {
        for fault in FAULTS {
            assert!(all.contains_key(fault), "it never happened that {fault}");
        }
    }
}

fn one(seed: u64, steps: u64, failed: &AtomicBool) -> Met {
    let why = match catch_unwind(AssertUnwindSafe(|| run(seed, steps))) {
        Ok(Ok(met)) => return met,
        Ok(Err(error)) => format!("{error:#}"),
        Err(_) => "it panics (see above)".into(),
    };
    let again = format!("SEED={seed} STEPS={steps} cargo nextest run -p simulation --test sim");
    failed.store(true, Ordering::Relaxed);
    panic!("seed {seed}: {why}\nagain with: {again}");
}
