//! One head's disk: how long it takes, where it stops for ever, and what a crash leaves on it.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use super::chance::Chance;
use crate::disk::DiskPoint;
use crate::tests::stores;

/// Longest time in ms that a piece of work takes on a disk that is well.
pub(super) const USUAL_MS: u64 = 4;

/// How a head dies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Death {
    /// `kill -9`: what was given to the system is written.
    Kill,
    /// The machine stops: what was not synced may be gone.
    Power,
}

#[derive(Debug)]
pub(super) struct Disk {
    /// The longest that a piece of work takes, in ms.
    latency_ms: AtomicU64,
    /// Where it stops for ever, and the how manieth time it gets there.
    armed: Mutex<Option<(DiskPoint, u64)>>,
    frozen: AtomicBool,
    chance: Mutex<Chance>,
}

impl Disk {
    pub(super) fn new(seed: u64, node: u64) -> Disk {
        Disk {
            latency_ms: AtomicU64::new(USUAL_MS),
            armed: Mutex::new(None),
            frozen: AtomicBool::new(false),
            chance: Mutex::new(Chance::new(seed, &format!("disk {node}"))),
        }
    }

    pub(super) fn latency(&self) -> Duration {
        let most = self.latency_ms.load(Ordering::Relaxed);
        let micros = self.chance.lock().unwrap().of(100..most * 1_000);
        Duration::from_micros(micros)
    }

    pub(super) fn slow_down(&self, most_ms: u64) {
        self.latency_ms.store(most_ms, Ordering::Relaxed);
    }

    /// It will stop at this point, the `times`th time.
    pub(super) fn arm(&self, point: DiskPoint, times: u64) {
        *self.armed.lock().unwrap() = Some((point, times));
    }

    /// It will not stop after all.
    pub(super) fn disarm(&self) {
        *self.armed.lock().unwrap() = None;
    }

    /// Takes the head's work on again, after a restart.
    pub(super) fn thaw(&self) {
        self.disarm();
        self.frozen.store(false, Ordering::Relaxed);
    }

    pub(super) fn is_frozen(&self) -> bool {
        self.frozen.load(Ordering::Relaxed)
    }

    /// What the disk says at a point.
    pub(super) fn at(&self, point: DiskPoint) -> io::Result<()> {
        let mut armed = self.armed.lock().unwrap();
        if let Some((at, times)) = &mut *armed
            && *at == point
        {
            *times -= 1;
            if *times == 0 {
                *armed = None;
                self.frozen.store(true, Ordering::Relaxed);
            }
        }
        if self.is_frozen() {
            return Err(io::Error::other("the machine stopped here"));
        }
        Ok(())
    }

    /// Puts in place of a running head's directory what a death at this moment leaves; called
    /// around its end, see [`Disk::leave`].
    pub(super) fn remains(&self, dir: &Path, death: Death) -> tempfile::TempDir {
        let left = stores::image(dir);
        match death {
            Death::Kill => {}
            Death::Power => self.cut_tables(left.path()),
        }
        left
    }

    /// The head is gone; its directory becomes what it left.
    pub(super) fn leave(dir: &Path, left: tempfile::TempDir) {
        fs::remove_dir_all(dir).unwrap();
        fs::rename(left.keep(), dir).unwrap();
    }

    /// The tables' write-ahead log is never synced: it may end anywhere. (The log's own is synced
    /// with every group, and what is not synced never leaves the process.)
    fn cut_tables(&self, dir: &Path) {
        let Ok(generations) = fs::read_dir(dir.join("tables")) else {
            return;
        };
        let mut generations: Vec<_> = generations.map(|entry| entry.unwrap().path()).collect();
        generations.sort();
        for generation in generations.iter().filter(|path| path.is_dir()) {
            if let Some(newest) = stores::files(generation, "log").last() {
                let length = fs::metadata(newest).unwrap().len();
                let kept = self.chance.lock().unwrap().of(0..length + 1);
                let file = fs::OpenOptions::new().write(true).open(newest).unwrap();
                file.set_len(kept).unwrap();
            }
        }
    }
}
