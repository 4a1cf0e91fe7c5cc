//! Opening one regular file of a tree for reading, whole or in ranges.

use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::SystemTime;

use rustix::fs::{OFlags, fstat};

use super::{STAY, Tree};
use crate::descend::{PLACE, fault, open_told, reopen};
use crate::entry::{Kind, modified, size};
use crate::error::BeneathError;
use crate::name::Relative;

/// Opening waits for nobody: not for the other end of a pipe, not for the holder of a lease.
pub(super) const READING: OFlags = OFlags::RDONLY.union(OFlags::NONBLOCK);

/// A regular file, open for reading.
#[derive(Debug)]
pub struct Opened {
    /// At its beginning. Seek for a range.
    pub file: File,
    /// Bytes in it when it was opened. It may grow and shrink.
    pub length: u64,
    /// When it was changed last, as of then.
    pub modified: SystemTime,
}

impl Tree {
    /// Opens a regular file for reading, with the user's rights. Anything else is refused before it
    /// is opened, so that a pipe does not block and a device does nothing.
    ///
    /// # Errors
    /// About the path as [`resolve`](crate::resolve()) says; [`BeneathError::Directory`],
    /// [`BeneathError::NotFile`].
    pub fn open_file(&self, path: &Path) -> Result<Opened, BeneathError> {
        let path = Relative::parse(path.as_os_str().as_bytes())?;
        self.as_user(|| {
            let failed = |errno| fault("open", path.bytes(), errno, STAY);
            let place = open_told(self.place(), path, PLACE, STAY)?;
            let stat = fstat(&place).map_err(failed)?;
            match Kind::of(&stat) {
                Kind::File => {}
                Kind::Directory => return Err(BeneathError::Directory(path.told())),
                Kind::Link => return Err(BeneathError::Link(path.told())),
                kind @ Kind::Other => {
                    let path = path.told();
                    return Err(BeneathError::NotFile { path, kind });
                }
            }
            let file = reopen(place.as_fd(), READING).map_err(failed)?;
            Ok(Opened {
                file,
                length: size(&stat),
                modified: modified(&stat),
            })
        })
    }
}
