//! What an attempt sees of the machine's files: everything that its user may see, its volumes,
//! its own processes, and of the agent's directory nothing but the job's own.
//!
//! All of it lies in a private mount namespace that vanishes with the attempt; what is unmounted
//! on the machine is unmounted here too.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use model::assignment::Mount;
use nix::mount::{MsFlags, mount};

use super::init::context;
use crate::runtime::process::records::Order;
use crate::volumes::SECRETS_DIR;

/// No text for a mount call.
const NONE: Option<&str> = None;
/// Enough for the directories that lead to the job's own.
const COVER: &str = "size=256k,nr_inodes=64,mode=0711";

/// Arranges the view. The caller has just left the machine's mount namespace.
pub(super) fn arrange(order: &Order) -> io::Result<()> {
    mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_SLAVE, NONE)?;
    // Held open before anything is covered: they may lie below what will be.
    let work = hold(&order.work)?;
    let volumes = order
        .mounts
        .iter()
        .map(|volume| hold(Path::new(&volume.host_path)));
    let volumes: Vec<File> = volumes.collect::<io::Result<_>>()?;
    cover(order)?;
    bind(&work, &order.work, true)?;
    for (volume, held) in order.mounts.iter().zip(&volumes) {
        let Mount {
            mount_path,
            writable,
            ..
        } = volume;
        bind(held, Path::new(mount_path), *writable)?;
    }
    let quiet = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("proc"), "/proc", Some("proc"), quiet, NONE)
        .map_err(|error| context("mounting /proc", &error))
}

/// Hides the agent's directory, the shared storage, and what on the way to the job's own is closed
/// to others, under an empty one through which that can be reached.
fn cover(order: &Order) -> io::Result<()> {
    let closed = order.closed.as_deref();
    let tops = [
        first_closed(&order.work),
        above(&order.work, &order.hidden),
        closed.and_then(|closed| above(&order.work, closed)),
    ];
    if let Some(closed) = closed.filter(|closed| !order.work.starts_with(closed)) {
        cover_with_nothing(closed)?;
    }
    let Some(top) = tops
        .into_iter()
        .flatten()
        .min_by_key(|top| top.components().count())
    else {
        return Ok(());
    };
    cover_with_nothing(&top)?;
    let what = || format!("covering {}", top.display());
    std::fs::create_dir_all(&order.work).map_err(|error| context(&what(), &error))
}

fn cover_with_nothing(top: &Path) -> io::Result<()> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    mount(Some("tmpfs"), top, Some("tmpfs"), flags, Some(COVER))
        .map_err(|error| context(&format!("covering {}", top.display()), &error))
}

/// A directory, if it leads to the job's own.
fn above(work: &Path, dir: &Path) -> Option<PathBuf> {
    let below = work.starts_with(dir) && work != dir;
    (below && dir.parent().is_some()).then(|| dir.to_path_buf())
}

/// The highest directory above `work` that others may not pass.
fn first_closed(work: &Path) -> Option<PathBuf> {
    let mut above: Vec<&Path> = work.ancestors().skip(1).collect();
    above.reverse();
    let closed = |dir: &&Path| {
        let open = std::fs::metadata(dir).is_ok_and(|found| found.permissions().mode() & 1 != 0);
        dir.parent().is_some() && !open
    };
    above.into_iter().find(closed).map(Path::to_path_buf)
}

fn hold(path: &Path) -> io::Result<File> {
    let flags = nix::libc::O_PATH | nix::libc::O_CLOEXEC;
    let opened = File::options().read(true).custom_flags(flags).open(path);
    opened.map_err(|error| context(&path.display().to_string(), &error))
}

fn bind(source: &File, target: &Path, writable: bool) -> io::Result<()> {
    let failed = |error| context(&format!("mounting at {}", target.display()), &error);
    let source = format!("/proc/self/fd/{}", source.as_raw_fd());
    let flags = MsFlags::MS_BIND | MsFlags::MS_REC;
    mount(Some(source.as_str()), target, NONE, flags, NONE).map_err(failed)?;
    let mut flags = MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_NOSUID;
    flags |= MsFlags::MS_NODEV;
    if target == Path::new(SECRETS_DIR) {
        flags |= MsFlags::MS_NOEXEC;
    }
    if !writable {
        flags |= MsFlags::MS_RDONLY;
    }
    mount(NONE, target, NONE, flags, NONE).map_err(failed)
}
