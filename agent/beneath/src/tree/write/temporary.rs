//! What goes away again unless the whole is done.

use std::fs::{File, Permissions};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{AtFlags, Mode, OFlags, openat, renameat, unlinkat};
use rustix::io::Errno;

use crate::descend::{PLACE_OF_DIRECTORY, fault, open_beneath};
use crate::error::BeneathError;
use crate::limits::TEMPORARY_NAMES_MAX;
use crate::name::Relative;
use crate::tree::STAY;

/// Permissions of what is written.
const FILE_MODE: u32 = 0o644;

/// Numbers temporary names.
static NUMBER: AtomicU64 = AtomicU64::new(0);

/// A file that goes away unless it gets its name.
pub(super) struct Temporary<'a> {
    dir: &'a OwnedFd,
    name: Option<String>,
    /// Open for writing.
    pub(super) file: File,
}

impl<'a> Temporary<'a> {
    /// Makes one beside where the file is to be.
    pub(super) fn new(dir: &'a OwnedFd, path: Relative<'_>) -> Result<Temporary<'a>, BeneathError> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
        let flags = flags | OFlags::CLOEXEC;
        for _ in 0..TEMPORARY_NAMES_MAX {
            let number = NUMBER.fetch_add(1, Ordering::Relaxed);
            let name = format!(".upload-{}-{number}", process::id());
            match openat(dir, &name, flags, Mode::RUSR | Mode::WUSR) {
                Ok(file) => {
                    let file = File::from(file);
                    let name = Some(name);
                    return Ok(Temporary { dir, name, file });
                }
                Err(Errno::EXIST) => {}
                Err(errno) => return Err(fault("write", path.bytes(), errno, STAY)),
            }
        }
        Err(fault("write", path.bytes(), Errno::EXIST, STAY))
    }

    /// Gives the file its name, in place of whatever has it.
    pub(super) fn rename(mut self, to: &[u8], path: Relative<'_>) -> Result<(), BeneathError> {
        let Some(name) = self.name.take() else {
            return Ok(());
        };
        let mode = Permissions::from_mode(FILE_MODE);
        let named = self.file.set_permissions(mode).map_err(|source| {
            let path = path.told();
            let what = "set the permissions of";
            BeneathError::System { what, path, source }
        });
        let named = named.and_then(|()| {
            renameat(self.dir, &name, self.dir, to)
                .map_err(|errno| fault("write", path.bytes(), errno, STAY))
        });
        if named.is_err() {
            self.name = Some(name);
        }
        named
    }
}

impl Drop for Temporary<'_> {
    fn drop(&mut self) {
        if let Some(name) = &self.name {
            // If the user has removed or renamed it meanwhile, it is theirs now.
            let _ = unlinkat(self.dir, name, AtFlags::empty());
        }
    }
}

/// Directories that go away, if they are empty, unless the file is written.
#[derive(Default)]
pub(super) struct Made(Vec<(OwnedFd, Vec<u8>)>);

impl Made {
    /// Remembers one that was made.
    pub(super) fn add(&mut self, parent: &OwnedFd, name: &[u8]) -> Result<(), Errno> {
        let parent = open_beneath(parent.as_fd(), b".", PLACE_OF_DIRECTORY, STAY)?;
        self.0.push((parent, name.to_vec()));
        Ok(())
    }

    /// They stay.
    pub(super) fn keep(&mut self) {
        self.0.clear();
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        for (parent, name) in self.0.iter().rev() {
            // Whatever else is in it by now stays, and the directory with it.
            let _ = unlinkat(parent, name, AtFlags::REMOVEDIR);
        }
    }
}
