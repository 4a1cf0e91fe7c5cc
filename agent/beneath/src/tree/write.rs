//! Writing one file of a tree: into a temporary name beside it, then renamed, so that nobody sees
//! half of it and a failure leaves nothing.

mod temporary;

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{Mode, mkdirat};
use rustix::io::Errno;

use super::{STAY, Tree};
use crate::descend::{PLACE_OF_DIRECTORY, blame, fault, open_beneath, open_told};
use crate::error::BeneathError;
use crate::limits::COPY_BYTES;
use crate::name::Relative;
use temporary::{Made, Temporary};

/// Permissions of directories that are made for it, less the daemon's umask.
const DIRECTORY_MODE: u32 = 0o755;

/// What to do about directories on the way that are not there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Parents {
    /// Refuse.
    MustExist,
    /// Make them, and remove them again if the file cannot be written.
    Make,
}

impl Tree {
    /// Writes a file, with the user's rights; replaces a file or a link of this name. Returns how
    /// many bytes it has. The reader is called in another thread. Nothing is synced: a power cut
    /// may lose the file, or leave it empty.
    ///
    /// # Errors
    /// About the path as [`resolve`](crate::resolve()) says; [`BeneathError::Directory`] if it is
    /// one; [`BeneathError::TooLarge`] from the first byte after `limit`; [`BeneathError::Reader`];
    /// [`BeneathError::System`], for instance when the disk or the user's quota is full.
    pub fn write(
        &self,
        path: &Path,
        reader: impl Read + Send,
        limit: u64,
        parents: Parents,
    ) -> Result<u64, BeneathError> {
        let path = Relative::parse(path.as_os_str().as_bytes())?;
        let (parent, name) = path.split()?;
        self.as_user(move || {
            let mut made = Made::default();
            let dir = match parents {
                Parents::MustExist => open_told(self.place(), parent, PLACE_OF_DIRECTORY, STAY)?,
                Parents::Make => self.make(parent, &mut made)?,
            };
            let mut temporary = Temporary::new(&dir, path)?;
            let bytes = copy(reader, &mut temporary.file, limit, path)?;
            temporary.rename(name, path)?;
            made.keep();
            Ok(bytes)
        })
    }

    /// Opens a directory, making what is not there.
    fn make(&self, parent: Relative<'_>, made: &mut Made) -> Result<OwnedFd, BeneathError> {
        let failed = |errno| fault("make the directory", parent.bytes(), errno, STAY);
        let mut dir = open_beneath(self.place(), b".", PLACE_OF_DIRECTORY, STAY).map_err(failed)?;
        for part in parent.parts() {
            match mkdirat(&dir, part, Mode::from_raw_mode(DIRECTORY_MODE)) {
                Ok(()) => made.add(&dir, part).map_err(failed)?,
                Err(Errno::EXIST) => {}
                Err(errno) => return Err(failed(errno)),
            }
            dir = open_beneath(dir.as_fd(), part, PLACE_OF_DIRECTORY, STAY)
                .map_err(|errno| blame(self.place(), parent, errno, STAY))?;
        }
        Ok(dir)
    }
}

fn copy(
    mut reader: impl Read,
    file: &mut File,
    limit: u64,
    path: Relative<'_>,
) -> Result<u64, BeneathError> {
    let mut buffer = vec![0; COPY_BYTES];
    let mut bytes = 0_u64;
    loop {
        let read = match reader.read(&mut buffer) {
            Ok(0) => return Ok(bytes),
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(BeneathError::Reader(error)),
        };
        bytes = bytes.saturating_add(read as u64);
        if bytes > limit {
            let path = path.told();
            return Err(BeneathError::TooLarge { path, limit });
        }
        file.write_all(&buffer[..read])
            .map_err(|source| BeneathError::System {
                what: "write",
                path: path.told(),
                source,
            })?;
    }
}
