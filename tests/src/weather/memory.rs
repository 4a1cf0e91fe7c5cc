//! How much memory processes take, looked at again and again (`VmRSS` of `/proc/PID/status`).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context;

const LOOK_EVERY: Duration = Duration::from_millis(100);

/// The measurement, while it goes on.
pub struct Memory {
    stop: Arc<AtomicBool>,
    growth: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl Memory {
    /// Begins to look at these processes.
    ///
    /// # Errors
    /// If one of them is not there.
    pub fn watch(pids: &[u32]) -> anyhow::Result<Memory> {
        let first = pids.iter().map(|pid| Ok((*pid, resident(*pid)?)));
        let first: Vec<(u32, u64)> = first.collect::<anyhow::Result<_>>()?;
        let (stop, growth) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicU64::new(0)),
        );
        let (ends, most) = (stop.clone(), growth.clone());
        let thread = std::thread::spawn(move || {
            while !ends.load(Ordering::Relaxed) {
                for (pid, before) in &first {
                    // One that has ended takes none.
                    let now = resident(*pid).unwrap_or(0);
                    most.fetch_max(now.saturating_sub(*before), Ordering::Relaxed);
                }
                std::thread::sleep(LOOK_EVERY);
            }
        });
        Ok(Memory {
            stop,
            growth,
            thread: Some(thread),
        })
    }

    /// By how many bytes the one that grew most has grown at the most.
    pub fn growth(&self) -> u64 {
        self.growth.load(Ordering::Relaxed)
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Bytes of a process in memory.
fn resident(pid: u32) -> anyhow::Result<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibi = line.and_then(|rest| rest.trim().split(' ').next()?.parse::<u64>().ok());
    Ok(kibi.context("VmRSS")? << 10)
}
