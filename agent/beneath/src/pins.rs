//! Mounts of what was found, where users cannot reach them.
//!
//! A pin is a mount of a held directory below a directory that only root may enter. Its path can be
//! handed to another daemon, which looks it up again by name: whatever the user has put in place of
//! the directory meanwhile, the path leads to what was found. Devices and set-id bits do not work
//! in a pin.
//!
//! The other daemon must see the mounts: it must live in the same mount namespace, or in one that
//! receives this one's mounts (mount_namespaces(7), "shared subtrees"). A systemd service with a
//! mount namespace of its own never passes its mounts on. [`Pins::visible_to`] finds out.
//!
//! What Docker is told about a pin: the path alone. Without `:ro` it takes over what the pin
//! forbids, writing included; with `:ro` it mounts it anew with that and nothing else, and devices
//! and set-id bits work again. The pin must stay for as long as the engine may start the container.

mod detached;
mod directory;
mod files;

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{AtFlags, Mode, mkdirat, readlink, unlinkat};
use rustix::io::Errno;
use rustix::mount::{MoveMountFlags, UnmountFlags, move_mount, unmount};

use crate::error::BeneathError;
use crate::limits::{PIN_NAME_BYTES_MAX, STACKED_MAX};
use crate::mountinfo::{self, Mount};
use crate::name::told;
use crate::resolve::Pinnable;
use detached::detached;

/// Who may enter the directory of pins: its owner.
const MODE: u32 = 0o700;

/// Numbers the mounts by which [`Pins::visible_to`] finds out.
static PROBES: AtomicU64 = AtomicU64::new(0);

/// How a directory is pinned.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Access {
    /// Whether anything can be written through the pin.
    pub writable: bool,
    /// Whether what is mounted below the directory is seen through the pin as well. If not, the
    /// directories that are mounted over are seen as they are underneath. Off is the safer choice:
    /// what else the machine has mounted there was not asked for.
    pub submounts: bool,
}

/// A directory of pins.
#[derive(Debug)]
pub struct Pins {
    dir: OwnedFd,
    path: PathBuf,
}

impl Pins {
    /// Opens the directory of pins, or makes it. Pins that are there stay.
    ///
    /// # Errors
    /// [`BeneathError::Place`] if it is no directory, is not ours, or others may enter it.
    pub fn new(dir: &Path) -> Result<Pins, BeneathError> {
        let (dir, path) = directory::open(dir)?;
        Ok(Pins { dir, path })
    }

    /// Mounts what was found. Returns the path to hand on.
    ///
    /// # Errors
    /// [`BeneathError::PinName`]; [`BeneathError::Pinned`]; [`BeneathError::Place`] if the other
    /// pins would be seen through it, with all that is mounted there; [`BeneathError::System`], for
    /// instance without `CAP_SYS_ADMIN`, or if the directory was removed meanwhile. Nothing is left
    /// behind then.
    pub fn pin(
        &self,
        what: &Pinnable,
        name: &str,
        access: Access,
    ) -> Result<PathBuf, BeneathError> {
        check(name)?;
        if access.submounts && self.is_below(what)? {
            return Err(BeneathError::Place {
                path: self.path.clone(),
                why: "the pins lie below what is to be pinned with all that is mounted there",
            });
        }
        let tree = detached(what.as_fd(), what.told(), access)?;
        self.attach(&tree, name)?;
        Ok(self.path.join(name))
    }

    /// Pins a directory of files that are nowhere but in memory, and returns its path. Only its
    /// owner may enter it and read them; nothing of it can be changed or executed. It is complete
    /// before it has a name, and gone with the last mount of it.
    ///
    /// # Errors
    /// [`BeneathError::PinName`], [`BeneathError::Pinned`]; [`BeneathError::System`] if the kernel
    /// refuses.
    pub fn pin_files(
        &self,
        name: &str,
        files: &[(&str, &[u8])],
        owner: (u32, u32),
    ) -> Result<PathBuf, BeneathError> {
        check(name)?;
        let tree = files::in_memory(name, files, owner)?;
        self.attach(&tree, name)?;
        Ok(self.path.join(name))
    }

    /// Takes a pin away. Whoever uses it goes on doing so: only the path is gone. That nothing has
    /// this name is fine.
    ///
    /// # Errors
    /// [`BeneathError::PinName`]; [`BeneathError::System`] if the kernel refuses.
    pub fn unpin(&self, name: &str) -> Result<(), BeneathError> {
        check(name)?;
        self.detach(name.as_bytes())
    }

    /// The names of all pins that are mounted, in order.
    ///
    /// # Errors
    /// If the mounts of this process cannot be read.
    pub fn list(&self) -> Result<Vec<String>, BeneathError> {
        let mounts = mountinfo::read("thread-self")?;
        let names = mounts.iter().filter_map(|mount| self.name_of(mount));
        let names: BTreeSet<String> = names.filter(|name| check(name).is_ok()).collect();
        Ok(names.into_iter().collect())
    }

    /// Takes away whatever a daemon that ended in the middle of something has left: pins that are
    /// not among `keep`, and names, kept or not, under which nothing is mounted. Returns the names.
    ///
    /// # Errors
    /// The first one; the others are taken away all the same.
    pub fn clear_unknown(&self, keep: &BTreeSet<String>) -> Result<Vec<String>, BeneathError> {
        let mounted = self.list()?;
        let kept = |name: &str| keep.contains(name) && mounted.iter().any(|pin| pin == name);
        let mut cleared = Vec::new();
        let mut first = None;
        for name in directory::names(&self.dir)? {
            if std::str::from_utf8(&name).is_ok_and(kept) {
                continue;
            }
            match self.detach(&name) {
                Ok(()) => cleared.push(told(&name)),
                Err(error) => first = first.or(Some(error)),
            }
        }
        first.map_or(Ok(cleared), Err)
    }

    /// Whether another process sees what is pinned here. Found out by a pin that is made for it.
    ///
    /// # Errors
    /// If the pin cannot be made, or there is no such process or its mounts cannot be read.
    pub fn visible_to(&self, pid: u32) -> Result<bool, BeneathError> {
        let number = PROBES.fetch_add(1, Ordering::Relaxed);
        let name = format!(".visible-{}-{number}", process::id());
        let access = Access {
            writable: false,
            submounts: false,
        };
        let tree = detached(self.dir.as_fd(), &name, access)?;
        self.attach(&tree, &name)?;
        let seen = self.is_seen(&name, pid);
        self.detach(name.as_bytes())?;
        seen
    }

    /// Whether the pins are among what is mounted below a directory.
    fn is_below(&self, what: &Pinnable) -> Result<bool, BeneathError> {
        let path = format!("/proc/thread-self/fd/{}", what.as_fd().as_raw_fd());
        let found = readlink(path, Vec::new());
        let found = found.map_err(|errno| system("find", what.told().as_bytes(), errno))?;
        Ok(self.path.starts_with(OsStr::from_bytes(found.as_bytes())))
    }

    fn is_seen(&self, name: &str, pid: u32) -> Result<bool, BeneathError> {
        let point = self.path.join(name);
        let here = |mount: &Mount| mount.point == point.as_os_str().as_bytes();
        let ours = mountinfo::read("thread-self")?;
        let Some(ours) = ours.into_iter().find(here) else {
            return Ok(false);
        };
        let theirs = mountinfo::read(&pid.to_string())?;
        Ok(theirs.contains(&ours))
    }

    /// The mount gets its name.
    fn attach(&self, tree: &OwnedFd, name: &str) -> Result<(), BeneathError> {
        match mkdirat(&self.dir, name, Mode::from_raw_mode(MODE)) {
            Ok(()) => {}
            Err(Errno::EXIST) => return Err(BeneathError::Pinned(name.to_owned())),
            Err(errno) => return Err(system("make a place for", name.as_bytes(), errno)),
        }
        let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
        move_mount(tree, "", &self.dir, name, flags).map_err(|errno| {
            // If this fails too, an empty directory stays, which `clear_unknown` removes.
            let _ = unlinkat(&self.dir, name, AtFlags::REMOVEDIR);
            system("mount", name.as_bytes(), errno)
        })
    }

    /// Unmounts, and removes the empty directory that was mounted over: only ever an empty one.
    fn detach(&self, name: &[u8]) -> Result<(), BeneathError> {
        let path = self.path.join(OsStr::from_bytes(name));
        for _ in 0..STACKED_MAX {
            match unmount(&path, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW) {
                Ok(()) => {}
                Err(Errno::INVAL | Errno::NOENT) => break,
                Err(errno) => return Err(system("unmount", name, errno)),
            }
        }
        match unlinkat(&self.dir, name, AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(system("remove the place of", name, errno)),
        }
    }

    fn name_of(&self, mount: &Mount) -> Option<String> {
        let point = Path::new(OsStr::from_bytes(&mount.point));
        let name = point.strip_prefix(&self.path).ok()?.to_str()?;
        (!name.is_empty() && !name.contains('/')).then(|| name.to_owned())
    }
}

fn check(name: &str) -> Result<(), BeneathError> {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || b"._#-".contains(&byte);
    let long = name.len() > PIN_NAME_BYTES_MAX;
    // Names with a dot in front are this file's own.
    if name.is_empty() || long || name.starts_with('.') || !name.bytes().all(good) {
        return Err(BeneathError::PinName(told(name.as_bytes())));
    }
    Ok(())
}

fn system(what: &'static str, name: &[u8], errno: Errno) -> BeneathError {
    BeneathError::System {
        what,
        path: told(name),
        source: errno.into(),
    }
}
