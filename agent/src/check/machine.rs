//! The kernel: who runs us, control groups, the clock.

use std::path::Path;

use super::Finding;
use crate::config::{Config, RuntimeChoice};
use crate::kernel;
use crate::usage::CgroupPaths;

/// A clock further off than this confuses people; nothing is decided by it.
const CLOCK_OFF_MICROS: i64 = 500_000;

pub(super) fn privileges(config: &Config) -> Finding {
    let about = "privileges";
    if nix::unistd::geteuid().is_root() {
        return Finding::fine(about, "runs as root");
    }
    let seen = "does not run as root";
    match config.runtime.kind {
        RuntimeChoice::Process | RuntimeChoice::Auto | RuntimeChoice::Docker => {
            let remedy = "run it as root: jobs' directories belong to their users";
            Finding::missing(about, seen, remedy)
        }
        RuntimeChoice::Fake | RuntimeChoice::None => Finding::fine(about, seen),
    }
}

pub(super) fn control_groups() -> Vec<Finding> {
    let about = "cgroups";
    let found = match CgroupPaths::of_pid(std::process::id()) {
        Ok(paths) => paths,
        Err(error) => {
            let remedy = "mount the cpu, memory and pids controllers, or cgroup v2";
            return vec![Finding::missing(about, error.to_string(), remedy)];
        }
    };
    let version = if found.unified {
        "version 2"
    } else {
        "version 1"
    };
    let mut lacking: Vec<&str> = Vec::new();
    for (name, path) in [
        ("cpu", &found.cpu),
        ("memory", &found.memory),
        ("pids", &found.processes),
    ] {
        if !path.exists() {
            lacking.push(name);
        }
    }
    let controllers = if lacking.is_empty() {
        Finding::fine(about, format!("{version} with cpu, memory and pids"))
    } else {
        let seen = format!("{version} without {}", lacking.join(", "));
        Finding::missing(
            about,
            seen,
            "enable these controllers on the kernel command line",
        )
    };
    vec![controllers, io_accounting(&found)]
}

fn io_accounting(found: &CgroupPaths) -> Finding {
    let about = "io accounting";
    match &found.io {
        Some(path) if Path::new(path).exists() => Finding::fine(about, "available"),
        Some(_) | None => {
            let remedy = "mount the blkio (v1) or io (v2) controller; otherwise jobs show no io";
            Finding::doubtful(about, "no controller", remedy)
        }
    }
}

pub(super) fn clock() -> Finding {
    let about = "clock";
    let remedy = "run a time service: apt-get install chrony";
    match kernel::clock() {
        Err(error) => Finding::doubtful(about, error.to_string(), remedy),
        Ok(clock) if !clock.synchronised => Finding::doubtful(about, "not synchronised", remedy),
        Ok(clock) if clock.error_micros > CLOCK_OFF_MICROS => {
            let seen = format!("may be off by {} ms", clock.error_micros / 1_000);
            Finding::doubtful(about, seen, remedy)
        }
        Ok(clock) => {
            let off = clock.error_micros / 1_000;
            Finding::fine(about, format!("synchronised, within {off} ms"))
        }
    }
}
