//! What a run that was killed left behind: processes, mounts, files. Each run works in a directory
//! that names its process; what belongs to a process that is gone is removed.

use std::path::{Path, PathBuf};

use anyhow::Context;
use nix::mount::{MntFlags, umount2};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

const PREFIX: &str = "godocker-power-";

/// A directory for this run, after what earlier ones left is removed.
///
/// # Errors
/// If that is not possible.
pub fn fresh_dir() -> anyhow::Result<TempDir> {
    let parent = std::env::temp_dir();
    for entry in std::fs::read_dir(&parent)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if owner(&name).is_some_and(|pid| !is_ours(pid)) {
            remove(&entry.path())?;
        }
    }
    let prefix = format!("{PREFIX}{}-", std::process::id());
    Ok(tempfile::Builder::new()
        .prefix(&prefix)
        .tempdir_in(parent)?)
}

/// The process that a directory of that name belongs to.
fn owner(name: &str) -> Option<i32> {
    let (pid, _) = name.strip_prefix(PREFIX)?.split_once('-')?;
    pid.parse().ok()
}

/// Whether that process runs this very ring of tests. Numbers of processes are used again.
fn is_ours(pid: i32) -> bool {
    let program = std::fs::read_link(format!("/proc/{pid}/exe"));
    let stem = |path: PathBuf| {
        let name = path.file_name()?.to_string_lossy().into_owned();
        name.split('-').next().map(str::to_owned)
    };
    let own = std::env::current_exe().ok().and_then(stem);
    own.is_some() && program.ok().and_then(stem) == own
}

fn remove(dir: &Path) -> anyhow::Result<()> {
    for pid in processes_of(dir)? {
        // It may have ended meanwhile.
        let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
    }
    for mount in mounts_below(dir)? {
        umount2(&mount, MntFlags::MNT_DETACH).with_context(|| mount.display().to_string())?;
    }
    match std::fs::remove_dir_all(dir) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        other => other.with_context(|| dir.display().to_string()),
    }
}

/// Processes whose command line names the directory.
fn processes_of(dir: &Path) -> anyhow::Result<Vec<i32>> {
    let name = dir.to_string_lossy().into_owned();
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc")? {
        let path = entry?.path();
        let name_of = path.file_name().and_then(|name| name.to_str());
        let pid = name_of.and_then(|name| name.parse::<i32>().ok());
        let words = std::fs::read(path.join("cmdline")).unwrap_or_default();
        if String::from_utf8_lossy(&words).contains(&name) {
            found.extend(pid);
        }
    }
    Ok(found)
}

/// Mount points below the directory, the innermost first.
fn mounts_below(dir: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let text = std::fs::read_to_string("/proc/self/mountinfo")?;
    let points = text.lines().filter_map(|line| line.split(' ').nth(4));
    let mut found: Vec<PathBuf> = points
        .map(PathBuf::from)
        .filter(|point| point.starts_with(dir))
        .collect();
    found.reverse();
    Ok(found)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_directory_names_its_process() {
        let own = i32::try_from(std::process::id()).unwrap();
        assert_eq!(owner(&format!("{PREFIX}{own}-x")), Some(own));
        assert_eq!(owner("godocker-test-1-x"), None);
        assert!(is_ours(own));
        assert!(!is_ours(1));
    }
}
