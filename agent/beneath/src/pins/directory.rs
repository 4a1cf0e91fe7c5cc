//! The directory of pins itself: root's, closed to everybody else, and only ever full of mounts.

use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Dir, FileType, Mode, fstat, mkdirat};
use rustix::io::Errno;
use rustix::process::geteuid;

use super::{MODE, system};
use crate::descend::{ENTRIES, PLACE_OF_DIRECTORY, Stay, open_beneath};
use crate::error::BeneathError;
use crate::limits::PINS_MAX;
use crate::name::told;
use crate::resolve::open_root;

/// Opens it, or makes it. Returns its real path too, by which mounts are told.
pub(super) fn open(dir: &Path) -> Result<(OwnedFd, PathBuf), BeneathError> {
    let system = |what| {
        let path = told(dir.as_os_str().as_bytes());
        move |source| BeneathError::System { what, path, source }
    };
    let wrong = |why| BeneathError::Place {
        path: dir.to_path_buf(),
        why,
    };
    let (Some(parent), Some(name)) = (dir.parent(), dir.file_name()) else {
        return Err(wrong("this is no place for a directory of pins"));
    };
    let parent = parent
        .canonicalize()
        .map_err(system("find the parent of"))?;
    let path = parent.join(name);
    let parent = open_root(&parent)?;
    match mkdirat(&parent, name, Mode::from_raw_mode(MODE)) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(errno) => return Err(system("make the directory")(errno.into())),
    }
    let stay = Stay::AnyMount;
    let opened = open_beneath(parent.as_fd(), name.as_bytes(), PLACE_OF_DIRECTORY, stay);
    let dir = match opened {
        Ok(dir) => dir,
        Err(Errno::LOOP | Errno::NOTDIR) => return Err(wrong("this is no directory")),
        Err(errno) => return Err(system("open the directory")(errno.into())),
    };
    let found = fstat(&dir).map_err(|errno| system("look at")(errno.into()))?;
    if found.st_uid != geteuid().as_raw() {
        return Err(wrong("this directory must be the daemon's own"));
    }
    if found.st_mode & 0o7777 != MODE {
        return Err(wrong("nobody else may enter this directory (mode 0700)"));
    }
    Ok((dir, path))
}

/// What has a name there, mounted or not: as many as there may be pins.
pub(super) fn names(dir: &OwnedFd) -> Result<Vec<Vec<u8>>, BeneathError> {
    let failed = |errno| system("list", b"the directory of pins", errno);
    let entries = open_beneath(dir.as_fd(), b".", ENTRIES, Stay::AnyMount);
    let entries = Dir::new(entries.map_err(failed)?).map_err(failed)?;
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name().to_bytes();
        if name == b"." || name == b".." {
            continue;
        }
        if names.len() == PINS_MAX {
            break;
        }
        if matches!(entry.file_type(), FileType::Directory | FileType::Unknown) {
            names.push(name.to_vec());
        }
    }
    Ok(names)
}
