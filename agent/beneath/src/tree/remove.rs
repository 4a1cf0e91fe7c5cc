//! Removing one thing of a tree, or all of it.

use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{AtFlags, unlinkat};
use rustix::io::Errno;

use super::{STAY, Tree};
use crate::descend::{ENTRIES, PLACE_OF_DIRECTORY, fault, open_beneath, open_told};
use crate::error::BeneathError;
use crate::name::{Relative, told};
use crate::sweep::empty;

impl Tree {
    /// Removes a file, a link, or a directory with all that is in it, with the user's rights.
    ///
    /// # Errors
    /// About the path as [`resolve`](crate::resolve()) says; the first thing that cannot be
    /// removed; the others are removed all the same. [`BeneathError::Changing`].
    pub fn remove(&self, path: &Path) -> Result<(), BeneathError> {
        let path = Relative::parse(path.as_os_str().as_bytes())?;
        let (parent, name) = path.split()?;
        self.as_user(|| {
            let parent = open_told(self.place(), parent, PLACE_OF_DIRECTORY, STAY)?;
            remove(parent.as_fd(), name, path.bytes())
        })
    }

    /// Removes the directory itself and all that is in it, with the daemon's rights. That it is
    /// gone already is fine.
    ///
    /// # Errors
    /// As [`Tree::remove`]. It can be tried again.
    pub fn remove_all(&self) -> Result<(), BeneathError> {
        let path = self.path.as_os_str().as_bytes();
        match self.entries() {
            Ok(top) => empty(top.as_fd(), path)?,
            Err(BeneathError::Missing(_)) => return Ok(()),
            Err(error) => return Err(error),
        }
        let Some(name) = self.path.file_name() else {
            return Ok(());
        };
        match unlinkat(&self.parent, name, AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(Errno::NOTEMPTY | Errno::EXIST) => Err(BeneathError::Changing(told(path))),
            Err(errno) => Err(fault("remove", path, errno, STAY)),
        }
    }
}

fn remove(parent: BorrowedFd<'_>, name: &[u8], path: &[u8]) -> Result<(), BeneathError> {
    let failed = |errno| fault("remove", path, errno, STAY);
    match unlinkat(parent, name, AtFlags::empty()) {
        Err(Errno::ISDIR) => {}
        done => return done.map_err(failed),
    }
    let dir = open_beneath(parent, name, ENTRIES, STAY).map_err(failed)?;
    empty(dir.as_fd(), path)?;
    match unlinkat(parent, name, AtFlags::REMOVEDIR) {
        Err(Errno::NOTEMPTY | Errno::EXIST) => Err(BeneathError::Changing(told(path))),
        done => done.map_err(failed),
    }
}
