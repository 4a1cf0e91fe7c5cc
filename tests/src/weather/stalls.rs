//! How late this machine is by itself, so that a bound in time is asked only of a machine that
//! could keep it.
//!
//! A thread that wants to run every few milliseconds notes by how much it was late. What stalls it
//! stalls the cluster's processes too; it says nothing about the disk.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

const EVERY: Duration = Duration::from_millis(5);
/// A machine that is later than this now and then is busy with something else.
const CALM: Duration = Duration::from_millis(100);
/// The share of all time, in a thousand, in which somebody waits for a processor (Linux PSI) on a
/// machine that is busy with something else as well. A whole cluster and its clients on two cores
/// reach 600 to 800 by themselves.
const PRESSED: u64 = 900;

/// The measurement, while it goes on.
pub struct Stalls {
    stop: Arc<AtomicBool>,
    worst_us: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
    began: Instant,
    pressure_us: u64,
}

impl Stalls {
    /// Begins.
    pub fn watch() -> Stalls {
        let stop = Arc::new(AtomicBool::new(false));
        let worst_us = Arc::new(AtomicU64::new(0));
        let (ends, worst) = (stop.clone(), worst_us.clone());
        let thread = std::thread::spawn(move || {
            while !ends.load(Ordering::Relaxed) {
                let began = Instant::now();
                std::thread::sleep(EVERY);
                let late = began.elapsed().saturating_sub(EVERY).as_micros();
                worst.fetch_max(u64::try_from(late).unwrap_or(u64::MAX), Ordering::Relaxed);
            }
        });
        Stalls {
            stop,
            worst_us,
            thread: Some(thread),
            began: Instant::now(),
            pressure_us: pressure().unwrap_or(0),
        }
    }

    /// The worst lateness so far.
    pub fn worst(&self) -> Duration {
        Duration::from_micros(self.worst_us.load(Ordering::Relaxed))
    }

    /// How many thousandths of the time somebody waited for a processor; 0 where the kernel does
    /// not say.
    pub fn pressed(&self) -> u64 {
        let waited = pressure().unwrap_or(0).saturating_sub(self.pressure_us);
        let passed = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        waited / passed.max(1)
    }

    /// Whether bounds in time can be asked of this machine.
    pub fn calm(&self) -> bool {
        self.worst() < CALM && self.pressed() < PRESSED
    }

    /// `a calm machine: 3 ms late at worst, 20 % of the time somebody waited to run`.
    pub fn say(&self) -> String {
        let kind = if self.calm() { "calm" } else { "busy" };
        format!(
            "a {kind} machine: {} ms late at worst, {} % of the time somebody waited to run",
            self.worst().as_millis(),
            self.pressed() / 10
        )
    }
}

impl Drop for Stalls {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Microseconds since boot in which somebody waited for a processor.
fn pressure() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/pressure/cpu").ok()?;
    let some = text.lines().find(|line| line.starts_with("some"))?;
    some.rsplit_once("total=")?.1.trim().parse().ok()
}
