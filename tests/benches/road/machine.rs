//! The machine: a figure means nothing without it.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use crate::report::{say, say_times};

const SYNCS: usize = 200;
const SYNC_BYTES: usize = 4_096;

/// Says what this machine is, and how the programs were built.
pub(crate) fn say_facts() -> anyhow::Result<()> {
    let cpuinfo = std::fs::read_to_string("/proc/cpuinfo")?;
    let model = cpuinfo
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .map_or("unknown", |text| text.trim_start_matches(['\t', ':', ' ']));
    let memory = std::fs::read_to_string("/proc/meminfo")?;
    let kib = memory
        .lines()
        .next()
        .and_then(|line| line.split_whitespace().nth(1));
    let gib = kib
        .and_then(|kib| kib.parse::<u64>().ok())
        .map_or(0, |kib| kib >> 20);
    let cores = std::thread::available_parallelism()?;
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let kernel = kernel.trim();
    say(&format!(
        "{cores} cores of {model}, {gib} GiB, Linux {kernel}"
    ));
    let build = if cfg!(debug_assertions) {
        "development build"
    } else {
        "optimised build"
    };
    let load = std::fs::read_to_string("/proc/loadavg")?;
    let load = load.split_whitespace().next().unwrap_or_default();
    say(&format!("{build}; load before the run {load}"));
    say("everything shares this machine: clients, heads, agents and the disk");
    Ok(())
}

/// How long a small write takes to be on this disk: the floor of every acknowledgement.
pub(crate) fn measure_syncs(dir: &Path) -> anyhow::Result<()> {
    let found = Command::new("findmnt")
        .args(["-no", "FSTYPE", "-T"])
        .arg(dir)
        .output();
    let kind = found.map(|found| String::from_utf8_lossy(&found.stdout).trim().to_owned());
    let kind = kind.unwrap_or_else(|_| "unknown".into());
    say(&format!("data on {kind} in {}", dir.display()));
    let path = dir.join("sync-measure");
    let file = File::create(&path)?;
    let mut times = Vec::with_capacity(SYNCS);
    for at in 0..SYNCS {
        let began = Instant::now();
        file.write_all_at(&[7; SYNC_BYTES], (at * SYNC_BYTES) as u64)?;
        file.sync_data()?;
        times.push(began.elapsed());
    }
    std::fs::remove_file(path)?;
    say_times("write and sync of 4 KiB", &mut times);
    Ok(())
}
