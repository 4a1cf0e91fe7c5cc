//! Mounts that are nowhere yet.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::mount::{MountAttrFlags, OpenTreeFlags, open_tree};

use super::{Access, system};
use crate::error::BeneathError;
use crate::kernel::mount_setattr;

/// A mount of a directory that is nowhere yet, with all that it may not do.
pub(super) fn detached(
    what: BorrowedFd<'_>,
    told: &str,
    access: Access,
) -> Result<OwnedFd, BeneathError> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_EMPTY_PATH;
    let flags = if access.submounts {
        flags | OpenTreeFlags::AT_RECURSIVE
    } else {
        flags
    };
    let tree = open_tree(what, "", flags);
    let tree = tree.map_err(|errno| system("make a mount of", told.as_bytes(), errno))?;
    let less = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV;
    let less = if access.writable {
        less
    } else {
        less | MountAttrFlags::MOUNT_ATTR_RDONLY
    };
    match mount_setattr(tree.as_fd(), less, access.submounts) {
        Ok(()) => Ok(tree),
        Err(source) => Err(BeneathError::System {
            what: "restrict the mount of",
            path: told.to_owned(),
            source,
        }),
    }
}
