//! Kills for memory in a control group of version 1, which go unseen when the group goes with
//! them.
//!
//! Version 1 counts them in the group alone, and its count cannot be read any more once the group
//! is removed, which is what engines do at the end. But the kernel tells each shortage through an
//! eventfd (Documentation/admin-guide/cgroup-v1/memory.rst, "OOM Control"), before anything is
//! killed, and the removal through every eventfd of the group, one after the other in the
//! background. So there are two here: one for shortages, and one registered before it that only
//! the removal ever reaches. When that was reached, all that was told by the other is one more
//! than the shortages.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use nix::sys::eventfd::{EfdFlags, EventFd};
use tokio::time::{Instant, sleep};

use super::CgroupPaths;

/// More memory than any machine has, in bytes.
const NEVER: u64 = 1 << 62;
/// How long the removal of a group may take to be told.
const REMOVAL: Duration = Duration::from_secs(1);
/// How often that is looked at.
const LOOK: Duration = Duration::from_millis(2);

/// A watch over one group.
#[derive(Debug)]
pub(crate) struct Watch {
    group: CgroupPaths,
    removal: Told,
    shortages: Told,
}

impl Watch {
    /// Begins to watch.
    ///
    /// # Errors
    /// If the group is gone, or not of version 1.
    pub(crate) fn begin(group: CgroupPaths) -> io::Result<Watch> {
        let removal = Told::register(&group, "memory.usage_in_bytes", &NEVER.to_string())?;
        let shortages = Told::register(&group, "memory.oom_control", "")?;
        Ok(Watch {
            group,
            removal,
            shortages,
        })
    }

    /// Whether anything was killed; asked when everything in the group has ended.
    pub(crate) async fn has_killed(&self) -> bool {
        if let Ok(kills) = self.group.oom_kills() {
            return kills > 0;
        }
        let until = Instant::now() + REMOVAL;
        // Once told may be a shortage, or the removal.
        while self.shortages.times() == 1 && self.removal.times() == 0 && Instant::now() < until {
            sleep(LOOK).await;
        }
        self.shortages.times() > 1
    }
}

/// What the kernel tells of one file of a group.
#[derive(Debug)]
struct Told {
    by: EventFd,
    times: AtomicU64,
}

impl Told {
    fn register(group: &CgroupPaths, file: &str, argument: &str) -> io::Result<Told> {
        let by = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?;
        let file = File::open(group.memory.join(file))?;
        let order = format!("{} {} {argument}", by.as_raw_fd(), file.as_raw_fd());
        fs::write(group.memory.join("cgroup.event_control"), order)?;
        Ok(Told {
            by,
            times: AtomicU64::new(0),
        })
    }

    fn times(&self) -> u64 {
        // Nothing to read means: not once more.
        let more = self.by.read().unwrap_or(0);
        self.times.fetch_add(more, Ordering::AcqRel) + more
    }
}
