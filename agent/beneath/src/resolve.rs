//! From an administrator's directory and a user's path below it to a held directory.
//!
//! The administrator's path is opened by the daemon and may be anything. The user's is checked as
//! text and then looked up by the kernel as the user, in one call.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{Mode, OFlags, open};

use crate::descend::{PLACE_OF_DIRECTORY, Stay, fault, open_beneath, open_told};
use crate::error::BeneathError;
use crate::ids::{Ids, as_user};
use crate::name::{Relative, told};

/// A directory that the user may enter, held so that it stays this one whatever happens to its
/// name.
#[derive(Debug)]
pub struct Pinnable {
    fd: OwnedFd,
    told: String,
}

impl Pinnable {
    /// The path as the user wrote it, for messages.
    pub fn told(&self) -> &str {
        &self.told
    }
}

impl AsFd for Pinnable {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Finds the directory `sub` below `root`, with the rights of the user.
///
/// `root` is the administrator's, absolute, and may lead through links; other file systems may be
/// mounted below it. `sub` is the user's; if it is empty, `root` itself is meant. Every directory
/// on the way and the one at the end must let the user search it. What the user may do *inside* is
/// not asked here: that is for the kernel to judge when a process with the user's ids tries. So do
/// not hand what was found to a process that is root, in a container or not.
///
/// # Errors
/// [`BeneathError::Name`] for the text; [`BeneathError::Missing`], [`BeneathError::Link`],
/// [`BeneathError::NotDirectory`], [`BeneathError::Denied`], [`BeneathError::Outside`] name the
/// first part of `sub` that is in the way; [`BeneathError::Place`] if `root` cannot be opened.
pub fn resolve(root: &Path, sub: &str, ids: &Ids) -> Result<Pinnable, BeneathError> {
    let path = Relative::parse(sub.as_bytes())?;
    let root = open_root(root)?;
    let fd = as_user(ids, || find(root.as_fd(), path))??;
    let told = path.told();
    Ok(Pinnable { fd, told })
}

fn find(root: BorrowedFd<'_>, path: Relative<'_>) -> Result<OwnedFd, BeneathError> {
    let stay = Stay::AnyMount;
    let found = open_told(root, path, PLACE_OF_DIRECTORY, stay)?;
    // Opening a place asks about the directories on the way only. Looking up something in the last
    // one, even itself, asks about that too.
    open_beneath(found.as_fd(), b".", PLACE_OF_DIRECTORY, stay)
        .map_err(|errno| fault("search", path.bytes(), errno, stay))?;
    Ok(found)
}

/// Opens a directory of the administrator's.
pub(crate) fn open_root(root: &Path) -> Result<OwnedFd, BeneathError> {
    let wrong = |why| BeneathError::Place {
        path: root.to_path_buf(),
        why,
    };
    if !root.is_absolute() {
        return Err(wrong("the path of this directory must be absolute"));
    }
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    open(root, flags, Mode::empty()).map_err(|errno| BeneathError::System {
        what: "open the directory",
        path: told(root.as_os_str().as_encoded_bytes()),
        source: errno.into(),
    })
}
