//! What attempts use, read from control groups.
//!
//! Where the engine lets us, every attempt has a control group of its own around its container's.
//! It is still there when the container has ended, with all that was used, and goes only with
//! [`Meter::forget`]. Elsewhere the container's own group is read while it runs, and the last
//! reading is kept.
//!
//! An engine may miss that the kernel killed a process for memory, where the container ends within
//! the same moment. Version 2 counts the kills in our own group; version 1 counts them in the
//! container's, which goes with it, and so is watched.

use std::collections::HashMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use model::AttemptId;
use model::job::Usage;
use tokio::time::sleep;

use super::DockerRuntime;
use super::look::Phase;
use crate::runtime::{Place, RuntimeError, name};
use crate::usage::oom::Watch;
use crate::usage::{CgroupPaths, UsageError, merge};

/// Tries to take a control group away; its container's may be on its way out.
const REMOVE_TRIES: usize = 10;
/// The pause between them.
const REMOVE_PAUSE: Duration = Duration::from_millis(20);

/// The readings of this node.
pub(super) struct Meter {
    root: Option<String>,
    last: Mutex<HashMap<AttemptId, Usage>>,
    watches: Mutex<HashMap<AttemptId, Arc<Watch>>>,
}

impl Meter {
    /// Attempts have their groups below `root`, or none of their own.
    pub(super) fn new(root: Option<String>) -> Meter {
        Meter {
            root,
            last: Mutex::default(),
            watches: Mutex::default(),
        }
    }

    /// The control group below which attempts have theirs.
    pub(super) fn root(&self) -> Option<&str> {
        self.root.as_deref()
    }

    /// Forgets the attempt, and takes its control group away.
    pub(super) async fn forget(&self, place: &Place) {
        lock(&self.last).remove(&place.attempt);
        lock(&self.watches).remove(&place.attempt);
        let Some(group) = self.group(place.attempt) else {
            return;
        };
        for _ in 0..REMOVE_TRIES {
            if remove_everywhere(&group) {
                return;
            }
            sleep(REMOVE_PAUSE).await;
        }
        tracing::warn!(group, "a control group of an ended attempt stays behind");
    }

    /// Watches the kills for memory in the group of a container that is about to start: the group
    /// is made here, where the engine will find it.
    pub(super) fn watch_from_start(&self, attempt: AttemptId, container: &str) {
        let Some(group) = self.group(attempt) else {
            return;
        };
        if let Ok(paths) = CgroupPaths::named(&format!("{group}/{container}"))
            && !paths.unified
            && fs::create_dir_all(&paths.memory).is_ok()
        {
            self.watch(attempt, || Ok(paths));
        }
    }

    /// Watches the kills for memory in the group of a container that runs already.
    pub(super) fn watch_from_now(&self, attempt: AttemptId, pid: u32) {
        self.watch(attempt, || CgroupPaths::of_pid(pid));
    }

    fn watch(&self, attempt: AttemptId, group: impl FnOnce() -> Result<CgroupPaths, UsageError>) {
        let mut watches = lock(&self.watches);
        if watches.contains_key(&attempt) {
            return;
        }
        // What cannot be watched has ended, or the engine lives on another machine.
        if let Ok(group) = group()
            && let Ok(watch) = Watch::begin(group)
        {
            watches.insert(attempt, Arc::new(watch));
        }
    }

    /// Whether a process of an attempt that has ended is known to have been killed for memory.
    pub(super) async fn oom_killed(&self, attempt: AttemptId) -> bool {
        let watch = lock(&self.watches).get(&attempt).cloned();
        if let Some(watch) = watch {
            return watch.has_killed().await;
        }
        let counted = || {
            let group = CgroupPaths::named(&self.group(attempt)?).ok()?;
            Some(group.oom_kills().ok()? > 0)
        };
        counted().unwrap_or(false)
    }

    fn group(&self, attempt: AttemptId) -> Option<String> {
        self.root
            .as_ref()
            .map(|root| format!("{root}/{}", name(attempt)))
    }

    /// Reads the attempt's own group, or its container's if it runs.
    fn read(&self, place: &Place, pid: Option<u32>) -> Result<Usage, UsageError> {
        let own = self
            .group(place.attempt)
            .map(|group| CgroupPaths::named(&group)?.read());
        match (own, pid) {
            (Some(Ok(usage)), _) => Ok(usage),
            (Some(Err(error)), None) => Err(error),
            (None | Some(Err(_)), Some(pid)) => CgroupPaths::of_pid(pid)?.read(),
            (None, None) => Err(UsageError::Gone {
                path: PathBuf::new(),
            }),
        }
    }

    /// Adds a reading to what is known.
    fn note(&self, place: &Place, now: Usage) -> Usage {
        let mut last = lock(&self.last);
        let known = last.entry(place.attempt).or_insert(now);
        *known = merge(*known, now);
        *known
    }

    fn known(&self, place: &Place) -> Usage {
        lock(&self.last)
            .get(&place.attempt)
            .copied()
            .unwrap_or_default()
    }
}

fn lock<T>(kept: &Mutex<T>) -> MutexGuard<'_, T> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}

impl DockerRuntime {
    /// What the attempt uses, or used as far as that can still be read.
    pub(super) async fn read_usage(&self, place: &Place) -> Result<Usage, RuntimeError> {
        let now = match self.meter.read(place, None) {
            Ok(now) => Ok(now),
            Err(_) => {
                let pid = match self.must_find(place).await?.phase {
                    Phase::Running { pid } => Some(pid),
                    Phase::Created | Phase::Exited { .. } => None,
                };
                self.meter.read(place, pid)
            }
        };
        match now {
            Ok(now) => Ok(self.meter.note(place, now)),
            Err(UsageError::Gone { .. } | UsageError::Missing { .. }) => {
                Ok(self.meter.known(place))
            }
            Err(UsageError::File { path, why }) => Err(RuntimeError::Disk {
                path,
                source: std::io::Error::other(why),
            }),
        }
    }
}

/// Removes the group from every hierarchy; true when none has it any more.
fn remove_everywhere(group: &str) -> bool {
    let Ok(paths) = CgroupPaths::named(group) else {
        return true;
    };
    let depth = Path::new(group).components().count();
    let Some(hierarchy) = paths.memory.ancestors().nth(depth) else {
        return true;
    };
    // A group that was made for a container that never started.
    let inner = fs::read_dir(&paths.memory).into_iter().flatten().flatten();
    let mut dirs: Vec<PathBuf> = inner
        .map(|one| one.path())
        .filter(|one| one.is_dir())
        .collect();
    dirs.push(hierarchy.join(group));
    // Version 1 has one hierarchy for each controller, side by side.
    if !paths.unified
        && let Some(side_by_side) = hierarchy.parent()
        && let Ok(found) = fs::read_dir(side_by_side)
    {
        dirs.extend(found.flatten().map(|one| one.path().join(group)));
    }
    let absent = |dir: &PathBuf| match fs::remove_dir(dir) {
        Ok(()) => true,
        Err(error) => matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory),
    };
    dirs.iter().filter(|dir| !absent(dir)).count() == 0
}
