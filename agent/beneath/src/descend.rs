//! Opening below a held directory: the one place where the kernel is given a path to look up.
//!
//! Nothing opened here lies outside the directory, was reached through a link of any kind, or, with
//! [`Stay::OneMount`], lies on another file system. What a lookup finds is a descriptor; whoever
//! wants to do more with it goes on from there, not from the name.

use std::fs::File;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags, ResolveFlags, fstat, open, openat2};
use rustix::io::Errno;

use crate::entry::Kind;
use crate::error::BeneathError;
use crate::limits::AGAIN_MAX;
use crate::name::{Relative, told};

/// A descriptor that only says where something is: opening it reads, waits for and starts nothing.
pub(crate) const PLACE: OFlags = OFlags::PATH.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
/// As [`PLACE`], of a directory.
pub(crate) const PLACE_OF_DIRECTORY: OFlags = PLACE.union(OFlags::DIRECTORY);
/// A directory whose entries are to be read.
pub(crate) const ENTRIES: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// How far a lookup may go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Stay {
    /// Into what is mounted below.
    AnyMount,
    /// Not into other mounts.
    OneMount,
}

/// Opens what a checked path leads to.
pub(crate) fn open_beneath(
    dir: BorrowedFd<'_>,
    path: &[u8],
    flags: OFlags,
    stay: Stay,
) -> Result<OwnedFd, Errno> {
    let inside = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    let inside = match stay {
        Stay::AnyMount => inside,
        Stay::OneMount => inside | ResolveFlags::NO_XDEV,
    };
    for _ in 0..AGAIN_MAX {
        match openat2(dir, path, flags, Mode::empty(), inside) {
            Err(Errno::AGAIN | Errno::INTR) => {}
            done => return done,
        }
    }
    Err(Errno::AGAIN)
}

/// As [`open_beneath`], and an error names the first part of the path that is in the way.
pub(crate) fn open_told(
    dir: BorrowedFd<'_>,
    path: Relative<'_>,
    flags: OFlags,
    stay: Stay,
) -> Result<OwnedFd, BeneathError> {
    open_beneath(dir, path.lookup(), flags, stay).map_err(|errno| blame(dir, path, errno, stay))
}

/// Goes the same way again, step by step, to see what is in it.
pub(crate) fn blame(
    dir: BorrowedFd<'_>,
    path: Relative<'_>,
    errno: Errno,
    stay: Stay,
) -> BeneathError {
    let mut above: &[u8] = b".";
    for step in path.way() {
        let place = open_beneath(dir, step.lookup(), PLACE, stay);
        let last = step.bytes() == path.bytes();
        match place.and_then(fstat).map(|stat| Kind::of(&stat)) {
            // Nothing can be looked up where one may not search.
            Err(Errno::ACCESS) => return fault("open", above, Errno::ACCESS, stay),
            Err(errno) => return fault("open", step.bytes(), errno, stay),
            Ok(Kind::Link) => return fault("open", step.bytes(), Errno::LOOP, stay),
            Ok(Kind::File | Kind::Other) if !last => {
                return fault("open", step.bytes(), Errno::NOTDIR, stay);
            }
            Ok(Kind::Directory | Kind::File | Kind::Other) => {}
        }
        above = step.bytes();
    }
    // It is the end of the path, or it was there a moment ago.
    fault("open", path.lookup(), errno, stay)
}

/// Opens once more, for something else, exactly what a descriptor is of, whatever its name leads to
/// by now. Permissions are asked for anew.
pub(crate) fn reopen(place: BorrowedFd<'_>, flags: OFlags) -> Result<File, Errno> {
    let path = format!("/proc/thread-self/fd/{}", place.as_raw_fd());
    let flags = flags | OFlags::CLOEXEC | OFlags::NOCTTY;
    open(path, flags, Mode::empty()).map(File::from)
}

/// What the kernel's word means for a caller.
pub(crate) fn fault(what: &'static str, path: &[u8], errno: Errno, stay: Stay) -> BeneathError {
    let path = if path.is_empty() {
        told(b".")
    } else {
        told(path)
    };
    match (errno, stay) {
        (Errno::NOENT, _) => BeneathError::Missing(path),
        (Errno::LOOP, _) => BeneathError::Link(path),
        (Errno::NOTDIR, _) => BeneathError::NotDirectory(path),
        (Errno::ISDIR, _) => BeneathError::Directory(path),
        (Errno::ACCESS | Errno::PERM, _) => BeneathError::Denied(path),
        (Errno::XDEV, Stay::AnyMount) => BeneathError::Outside(path),
        (Errno::XDEV, Stay::OneMount) => BeneathError::OtherFileSystem(path),
        (errno, _) => BeneathError::System {
            what,
            path,
            source: errno.into(),
        },
    }
}
