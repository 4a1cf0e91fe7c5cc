//! What the processes of a control group use, read through cgroups-rs on version 1 and 2.
//!
//! cgroups-rs finds the hierarchies and reads what it reads well; three things it misses or
//! answers with 0 are read from their files here: the peak of processes, the bytes of block
//! devices, and the OOM kills of version 2. A reading of a group that is gone is an error, never
//! a row of zeros.

mod files;
pub(crate) mod oom;

use std::path::{Path, PathBuf};

use cgroups_rs::fs::cgroup::get_cgroups_relative_paths_by_pid;
use cgroups_rs::fs::cpu::CpuController;
use cgroups_rs::fs::cpuacct::CpuAcctController;
use cgroups_rs::fs::hierarchies;
use cgroups_rs::fs::memory::MemController;
use cgroups_rs::fs::pid::PidController;
use model::Bytes;
use model::job::Usage;

/// Why there is no reading.
#[derive(Debug, thiserror::Error)]
pub enum UsageError {
    /// The group, or the process that names it, is gone.
    #[error("the control group {path} is gone")]
    Gone {
        /// Where it was.
        path: PathBuf,
    },
    /// This machine has no such control group hierarchy.
    #[error("this machine does not account for `{controller}`: no such cgroup controller")]
    Missing {
        /// Which controller.
        controller: &'static str,
    },
    /// A file of the group cannot be read or understood.
    #[error("{path}: {why}")]
    File {
        /// Which file.
        path: PathBuf,
        /// In the kernel's or the parser's words.
        why: String,
    },
}

/// Where the numbers of one control group lie: one directory per controller on version 1, the
/// same directory for all on version 2.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CgroupPaths {
    /// Version 2.
    pub unified: bool,
    /// Processor time.
    pub cpu: PathBuf,
    /// Memory.
    pub memory: PathBuf,
    /// Processes.
    pub processes: PathBuf,
    /// Block devices; not every kernel accounts for them.
    pub io: Option<PathBuf>,
}

impl CgroupPaths {
    /// The groups that a process is in, by its id in this process's namespace.
    ///
    /// # Errors
    /// [`UsageError::Gone`] if there is no such process.
    pub fn of_pid(pid: u32) -> Result<CgroupPaths, UsageError> {
        let gone = || UsageError::Gone {
            path: PathBuf::from(format!("/proc/{pid}/cgroup")),
        };
        let groups = get_cgroups_relative_paths_by_pid(pid).map_err(|_| gone())?;
        if hierarchies::is_cgroup2_unified_mode() {
            let group = groups.get("").ok_or_else(gone)?;
            return Ok(CgroupPaths::unified(&below(
                &hierarchies::auto().root(),
                group,
            )));
        }
        let mounts = mounts();
        let of = |name: &'static str| {
            let missing = UsageError::Missing { controller: name };
            let group = groups.get(name).ok_or(missing)?;
            let missing = UsageError::Missing { controller: name };
            let mount = mounts
                .iter()
                .find(|mount| mount.name == name)
                .ok_or(missing)?;
            // A container's own mount shows only the part of the tree below its root.
            let inside = Path::new(group)
                .strip_prefix(&mount.root)
                .unwrap_or(Path::new(group));
            Ok(below(&mount.point, &inside.to_string_lossy()))
        };
        let io = of("blkio").ok();
        Ok(CgroupPaths {
            unified: false,
            cpu: of("cpuacct")?,
            memory: of("memory")?,
            processes: of("pids")?,
            io,
        })
    }

    /// A group by its name below the root of every hierarchy, existing or not.
    ///
    /// # Errors
    /// [`UsageError::Missing`] if a controller is not there.
    pub fn named(name: &str) -> Result<CgroupPaths, UsageError> {
        if hierarchies::is_cgroup2_unified_mode() {
            return Ok(CgroupPaths::unified(&below(
                &hierarchies::auto().root(),
                name,
            )));
        }
        let mounts = mounts();
        let of = |controller: &'static str| {
            let mount = mounts.iter().find(|mount| mount.name == controller);
            mount
                .map(|mount| below(&mount.point, name))
                .ok_or(UsageError::Missing { controller })
        };
        let io = of("blkio").ok();
        Ok(CgroupPaths {
            unified: false,
            cpu: of("cpuacct")?,
            memory: of("memory")?,
            processes: of("pids")?,
            io,
        })
    }

    /// A group of version 2 by its directory.
    pub fn unified(dir: &Path) -> CgroupPaths {
        let dir = dir.to_path_buf();
        CgroupPaths {
            unified: true,
            cpu: dir.clone(),
            memory: dir.clone(),
            processes: dir.clone(),
            io: Some(dir),
        }
    }

    /// What the group uses now, and the most that the kernel remembers. Where the kernel keeps no
    /// peak, the present value stands for it; [`merge`] makes a peak of several readings.
    ///
    /// # Errors
    /// [`UsageError`]; `Gone` also if the group vanishes meanwhile.
    pub fn read(&self) -> Result<Usage, UsageError> {
        let (memory, memory_peak) = self.read_memory()?;
        let (processes, processes_peak) = self.read_processes()?;
        let (io_read, io_written) = self.read_io()?;
        let usage = Usage {
            cpu_micros: self.read_cpu()?,
            memory: Bytes(memory),
            memory_peak: Bytes(memory_peak),
            processes,
            processes_peak,
            io_read: Bytes(io_read),
            io_written: Bytes(io_written),
        };
        // cgroups-rs answers 0 for a file that is gone: only a group still there has been read.
        for dir in [&self.cpu, &self.memory, &self.processes] {
            files::present(dir)?;
        }
        Ok(usage)
    }

    /// How many processes of the group the kernel has killed for memory, for whatever reason it
    /// ran short.
    ///
    /// # Errors
    /// [`UsageError`].
    pub fn oom_kills(&self) -> Result<u64, UsageError> {
        if self.unified {
            return files::keyed(&self.memory.join("memory.events"), "oom_kill");
        }
        files::present(&self.memory)?;
        // cgroups-rs takes the third word for the count and answers 0 if it is not there.
        files::keyed(&self.memory.join("memory.oom_control"), "oom_kill")
    }

    fn read_cpu(&self) -> Result<u64, UsageError> {
        if !self.unified {
            let account = CpuAcctController::new(self.cpu.clone(), PathBuf::new());
            return Ok(account.cpuacct().usage / 1_000);
        }
        let stat = CpuController::new(self.cpu.clone(), PathBuf::new(), true)
            .cpu()
            .stat;
        if stat.is_empty() {
            files::present(&self.cpu)?;
        }
        files::key(&stat, "usage_usec").ok_or_else(|| UsageError::File {
            path: self.cpu.join("cpu.stat"),
            why: "has no `usage_usec`".into(),
        })
    }

    fn read_memory(&self) -> Result<(u64, u64), UsageError> {
        files::present(&self.memory)?;
        let memory = MemController::new(self.memory.clone(), PathBuf::new(), self.unified);
        let memory = memory.memory_stat();
        // `memory.peak` came with Linux 5.19; before, cgroups-rs answers 0.
        let peak = memory.max_usage_in_bytes.max(memory.usage_in_bytes);
        Ok((memory.usage_in_bytes, peak))
    }

    fn read_processes(&self) -> Result<(u64, u64), UsageError> {
        files::present(&self.processes)?;
        let pids = PidController::new(self.processes.clone(), PathBuf::new(), self.unified);
        let now = pids.get_pid_current().map_err(|error| UsageError::File {
            path: self.processes.join("pids.current"),
            why: error.to_string(),
        })?;
        let peak = files::number(&self.processes.join("pids.peak")).unwrap_or(now);
        Ok((now, peak.max(now)))
    }

    fn read_io(&self) -> Result<(u64, u64), UsageError> {
        let Some(dir) = &self.io else {
            return Ok((0, 0));
        };
        if self.unified {
            return files::io_stat(&dir.join("io.stat"));
        }
        files::service_bytes(dir)
    }
}

/// The later of two readings, with the highest peaks of both.
#[must_use]
pub fn merge(before: Usage, now: Usage) -> Usage {
    Usage {
        cpu_micros: before.cpu_micros.max(now.cpu_micros),
        memory: now.memory,
        memory_peak: before.memory_peak.max(now.memory_peak).max(now.memory),
        processes: now.processes,
        processes_peak: before
            .processes_peak
            .max(now.processes_peak)
            .max(now.processes),
        io_read: before.io_read.max(now.io_read),
        io_written: before.io_written.max(now.io_written),
    }
}

/// Where one controller of version 1 is mounted, and which part of its tree is.
struct Mount {
    name: String,
    point: PathBuf,
    root: PathBuf,
}

fn mounts() -> Vec<Mount> {
    let mount = |subsystem: &cgroups_rs::fs::Subsystem| Mount {
        name: subsystem.controller_name(),
        point: subsystem.to_controller().path().to_path_buf(),
        root: subsystem.to_controller().base().to_path_buf(),
    };
    hierarchies::auto().subsystems().iter().map(mount).collect()
}

fn below(root: &Path, group: &str) -> PathBuf {
    root.join(group.trim_start_matches('/'))
}

#[cfg(test)]
mod tests;
