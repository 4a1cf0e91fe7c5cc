//! Real openraft under virtual time: our stores and our wire, several heads in one thread, under
//! weather that a seed determines.
//!
//! turmoil gives each head a runtime of its own whose time only it moves, and carries datagrams
//! between them; QUIC, TLS, openraft, RocksDB and all code of ours are those of production. What
//! differs is where blocking work is done and what time of day it is ([`crate::Outside`]), and
//! that chance comes from the seed ([`chance`]).
//!
//! `SEED=7 cargo nextest run -p raft no_weather` runs one seed; with `TRACE=1` every line of its
//! trace is shown, with `TRACE=2` every datagram too. `SEEDS=1000` runs more of them. Each seed has
//! a process of its own: what a process has counted so far changes what comes out of tokio's
//! chance.

mod apart;
mod chance;
mod cluster;
mod disk;
mod host;
mod network;
mod oracle;
mod trace;
mod users;
mod weather;
mod world;

use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use trace::Met;

/// Seeds in an ordinary run.
const SEEDS: u64 = 50;
/// The test below that runs one seed, as the test program knows it.
const NAME: &str = "tests::sim::no_weather_breaks_what_the_heads_promise";
/// What has to have happened somewhere: weather that never came was not survived.
const FAULTS: [&str; 22] = [
    "a clock was wrong",
    "a command that was given again had been applied",
    "a command was given again",
    "a disk was slow",
    "a head died at a point of its disk",
    "a head lost its power",
    "a head was added",
    "a head was killed",
    "a head was removed",
    "a head was replaced",
    "a head was stopped as planned",
    "a leader died",
    "a leader handed over",
    "a leader was isolated",
    "a link carried one way only",
    "a read was linearizable",
    "a snapshot was installed",
    "all heads lost their power",
    "an outcome was unknown",
    "datagrams were late and out of order",
    "datagrams were lost and doubled",
    "the heads were split",
];

#[test]
fn no_weather_breaks_what_the_heads_promise() {
    if let Some(seed) = variable("SEED") {
        return alone(seed);
    }
    let seeds = variable("SEEDS").unwrap_or(SEEDS);
    let (next, failed, all) = (
        AtomicU64::new(0),
        AtomicBool::new(false),
        Mutex::new(Met::new()),
    );
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds || failed.load(Ordering::Relaxed) {
                        return;
                    }
                    match in_a_process(seed) {
                        Ok(output) => add(&mut all.lock().unwrap(), &output),
                        Err(why) => {
                            failed.store(true, Ordering::Relaxed);
                            panic!("{why}");
                        }
                    }
                }
            });
        }
    });
    let all = all.into_inner().unwrap();
    println!("{seeds} seeds: {all:#?}");
    for fault in FAULTS.iter().filter(|_| seeds >= SEEDS) {
        assert!(all.contains_key(*fault), "it never happened that {fault}");
    }
}

/// In two processes, so that nothing but the seed can be the same.
#[test]
fn the_same_seed_writes_the_same_trace() {
    let digest = |seed: u64| {
        let output = in_a_process(seed).unwrap_or_else(|why| panic!("{why}"));
        let line = output.lines().find_map(|line| line.strip_prefix("trace "));
        line.unwrap().to_owned()
    };
    let first = digest(1);
    assert_eq!(first, digest(1));
    assert_ne!(first, digest(2));
    // One whose order of events hung on the bytes of keys that did not come from the seed.
    assert_eq!(digest(43), digest(43));
}

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

/// Runs something on a thread that never asked anybody for chance, which is the seed's there.
fn sown<T: Send + 'static>(seed: u64, run: impl FnOnce() -> T + Send + 'static) -> T {
    let run = move || {
        chance::sow(seed);
        run()
    };
    let thread = std::thread::Builder::new().stack_size(16 << 20);
    thread.spawn(run).unwrap().join().unwrap()
}

/// Runs a seed in this process.
fn alone(seed: u64) {
    // A part that panics may do so where nobody looks at its end.
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        usual(info);
        std::process::abort();
    }));
    match sown(seed, move || cluster::run(seed)) {
        Ok(report) => {
            println!("seed {seed}: {}", report.summary);
            for (what, count) in report.met {
                println!("met {count} {what}");
            }
            println!("trace {}", report.digest);
        }
        Err(why) => {
            println!("seed {seed}: {why}");
            std::process::exit(1);
        }
    }
}

/// Runs a seed in a process of its own; what it printed, or why it failed.
fn in_a_process(seed: u64) -> Result<String, String> {
    let mut program = Command::new(std::env::current_exe().unwrap());
    program.args([NAME, "--exact", "--nocapture"]);
    program.env("SEED", seed.to_string());
    let Output {
        status,
        stdout,
        stderr,
    } = program.output().unwrap();
    let output = String::from_utf8_lossy(&stdout).into_owned();
    if status.success() {
        return Ok(output);
    }
    let errors = String::from_utf8_lossy(&stderr);
    let again = format!("SEED={seed} cargo nextest run -p raft no_weather --no-capture");
    Err(format!(
        "{output}\n{errors}\nseed {seed} failed; again with: {again}"
    ))
}

/// Adds up what happened.
fn add(all: &mut Met, output: &str) {
    for line in output.lines().filter_map(|line| line.strip_prefix("met ")) {
        let (count, what) = line.split_once(' ').unwrap();
        *all.entry(what.to_owned()).or_default() += count.parse::<u64>().unwrap();
    }
}

/// Where directories of simulated disks lie: in memory where there is such a place, for they are
/// synced thousands of times and need to survive nothing.
fn fast_dir() -> PathBuf {
    let memory = PathBuf::from("/dev/shm");
    if memory.is_dir() {
        memory
    } else {
        std::env::temp_dir()
    }
}
