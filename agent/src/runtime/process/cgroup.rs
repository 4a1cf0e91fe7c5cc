//! The control group of an attempt: a thin layer over cgroups-rs that makes versions 1 and 2 look
//! alike.
//!
//! Groups lie below a parent of our own at the root of every hierarchy, outside the service's own
//! group: on version 2 a group that holds processes can have no limited groups below it. The
//! supervisor is never inside, so a kill for memory or by us never hits what records the end.

use std::time::{Duration, Instant};

use cgroups_rs::CgroupPid;
use cgroups_rs::fs::cpu::CpuController;
use cgroups_rs::fs::memory::MemController;
use cgroups_rs::fs::pid::PidController;
use cgroups_rs::fs::{Cgroup, Controller, MaxValue, hierarchies};
use model::resource::Resources;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::usage::CgroupPaths;

/// Length of a period of the processor quota, in microseconds.
const PERIOD_MICROS: u64 = 100_000;
/// Between two rounds of killing or deleting.
const ROUND: Duration = Duration::from_millis(5);
/// How long killing or deleting may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Without these an attempt could take the machine down: they must be there.
const NEEDED: [&str; 3] = ["cpu", "memory", "pids"];
const WANTED_SPLIT: [&str; 5] = ["cpu", "cpuacct", "memory", "pids", "blkio"];
const WANTED_UNIFIED: [&str; 4] = ["cpu", "memory", "pids", "io"];

/// What went wrong with a control group, in words: nobody decides by it.
#[derive(Debug, thiserror::Error)]
#[error("control group {name}: {why}")]
pub(crate) struct GroupError {
    /// Its name below the root.
    pub name: String,
    /// In the kernel's words.
    pub why: String,
}

/// One attempt's control group, existing or not.
pub(crate) struct Group {
    name: String,
    cgroup: Cgroup,
}

impl Group {
    /// The group of this name.
    pub(crate) fn open(name: &str) -> Group {
        let hierarchy = hierarchies::auto();
        let wanted = controllers(hierarchy.v2());
        let cgroup = Cgroup::load_with_specified_controllers(hierarchy, name, wanted);
        Group {
            name: name.into(),
            cgroup,
        }
    }

    /// Makes the group with the job's limits: its share of the processors, its memory with no
    /// swap beside it, and a bound on processes.
    pub(crate) fn create(
        name: &str,
        limits: &Resources,
        processes: u32,
    ) -> Result<Group, GroupError> {
        let group = Group::open(name);
        for needed in NEEDED {
            let mut found = group.cgroup.subsystems().iter();
            if !found.any(|subsystem| subsystem.controller_name() == needed) {
                return Err(group.error(format!("this machine has no `{needed}` controller")));
            }
        }
        group
            .cgroup
            .create()
            .map_err(|error| group.error(words(&error)))?;
        group
            .limit(limits, processes)
            .map_err(|error| group.error(words(&error)))?;
        Ok(group)
    }

    fn limit(&self, limits: &Resources, processes: u32) -> cgroups_rs::fs::error::Result<()> {
        if let Some(cpu) = self.cgroup.controller_of::<CpuController>() {
            let quota = limits.cpu.0.saturating_mul(PERIOD_MICROS / 1_000);
            let quota = i64::try_from(quota).unwrap_or(i64::MAX);
            cpu.set_cfs_quota_and_period(Some(quota), Some(PERIOD_MICROS))?;
        }
        if let Some(memory) = self.cgroup.controller_of::<MemController>() {
            let limit = i64::try_from(limits.memory.0).unwrap_or(i64::MAX);
            memory.set_limit(limit)?;
            // Version 1 limits memory and swap together, version 2 swap alone. A kernel that does
            // not account for swap has no such file.
            let file = if memory.v2() {
                "memory.swap.max"
            } else {
                "memory.memsw.limit_in_bytes"
            };
            if memory.path().join(file).exists() {
                memory.set_memswap_limit(if memory.v2() { 0 } else { limit })?;
            }
        }
        if let Some(pids) = self.cgroup.controller_of::<PidController>() {
            pids.set_pid_max(MaxValue::Value(i64::from(processes)))?;
        }
        Ok(())
    }

    /// Moves the calling process into the group, in every hierarchy.
    pub(crate) fn join(&self) -> Result<(), GroupError> {
        let own = CgroupPid::from(u64::from(std::process::id()));
        self.cgroup
            .add_task_by_tgid(own)
            .map_err(|error| self.error(words(&error)))
    }

    /// Where its numbers lie.
    pub(crate) fn paths(&self) -> Result<CgroupPaths, crate::usage::UsageError> {
        CgroupPaths::named(&self.name)
    }

    /// Kills every process of the group until none is left.
    pub(crate) fn kill(&self) -> Result<(), GroupError> {
        let begun = Instant::now();
        loop {
            let processes = self.processes();
            if processes.is_empty() {
                return Ok(());
            }
            for process in processes {
                // It may have ended meanwhile: the next round sees what is left.
                let _ = kill(process, Signal::SIGKILL);
            }
            if begun.elapsed() > PATIENCE {
                let left = self.processes().len();
                return Err(self.error(format!("{left} processes survive SIGKILL")));
            }
            std::thread::sleep(ROUND);
        }
    }

    /// Removes the group from every hierarchy; success if it is not there.
    pub(crate) fn delete(&self) -> Result<(), GroupError> {
        let begun = Instant::now();
        while self.exists() {
            // The kernel lets go of a dead process a moment after its end.
            if let Err(error) = self.cgroup.delete()
                && self.exists()
                && begun.elapsed() > PATIENCE
            {
                return Err(self.error(words(&error)));
            }
            if self.exists() {
                std::thread::sleep(ROUND);
            }
        }
        Ok(())
    }

    /// Whether it exists in any hierarchy.
    pub(crate) fn exists(&self) -> bool {
        self.cgroup.exists()
    }

    /// Every process in it, whichever hierarchy it is in; those of other namespaces left out.
    fn processes(&self) -> Vec<Pid> {
        let all = self.cgroup.procs();
        let pids = all
            .iter()
            .filter_map(|process| i32::try_from(process.pid).ok());
        pids.filter(|pid| *pid > 1).map(Pid::from_raw).collect()
    }

    fn error(&self, why: String) -> GroupError {
        GroupError {
            name: self.name.clone(),
            why,
        }
    }
}

/// The controllers that this machine has and that are of use here.
fn controllers(unified: bool) -> Vec<String> {
    let wanted: &[&str] = if unified {
        &WANTED_UNIFIED
    } else {
        &WANTED_SPLIT
    };
    let here = available();
    wanted
        .iter()
        .map(ToString::to_string)
        .filter(|name| here.contains(name))
        .collect()
}

/// Every controller that this machine has, under the kernel's names.
pub(crate) fn available() -> Vec<String> {
    let hierarchy = hierarchies::auto();
    if hierarchy.v2() {
        let path = hierarchy.root().join("cgroup.controllers");
        let text = std::fs::read_to_string(path).unwrap_or_default();
        return text.split_whitespace().map(String::from).collect();
    }
    hierarchy
        .subsystems()
        .iter()
        .map(|subsystem| subsystem.controller_name())
        .collect()
}

fn words(error: &cgroups_rs::fs::error::Error) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}
