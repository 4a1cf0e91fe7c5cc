//! Files in memory: a tmpfs of their own that is mounted nowhere yet.

use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{Gid, Mode, OFlags, Uid, fchown, openat};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsconfig_set_flag,
    fsconfig_set_string, fsmount, fsopen,
};

use super::{check, system};
use crate::error::BeneathError;
use crate::kernel::mount_setattr;
use crate::limits::MEMORY_BYTES_MAX;

/// Who may enter the directory, and list it: its owner.
const DIRECTORY: &str = "0500";
/// Who may read a file: its owner.
const FILE: u32 = 0o400;

/// The mount, complete and read-only.
pub(super) fn in_memory(
    told: &str,
    files: &[(&str, &[u8])],
    owner: (u32, u32),
) -> Result<OwnedFd, BeneathError> {
    let tree = tmpfs(files.len(), owner).map_err(|errno| failed(told, errno))?;
    for (name, bytes) in files {
        check(name)?;
        write(&tree, name, bytes, owner)?;
    }
    let less = restricted() | MountAttrFlags::MOUNT_ATTR_RDONLY;
    match mount_setattr(tree.as_fd(), less, false) {
        Ok(()) => Ok(tree),
        Err(source) => Err(BeneathError::System {
            what: "restrict the mount of",
            path: told.to_owned(),
            source,
        }),
    }
}

fn restricted() -> MountAttrFlags {
    MountAttrFlags::MOUNT_ATTR_NOSUID
        | MountAttrFlags::MOUNT_ATTR_NODEV
        | MountAttrFlags::MOUNT_ATTR_NOEXEC
}

fn tmpfs(files: usize, (uid, gid): (u32, u32)) -> Result<OwnedFd, Errno> {
    let context = fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
    let fd = context.as_fd();
    fsconfig_set_string(fd, "size", MEMORY_BYTES_MAX.to_string())?;
    // The directory itself is one, and so may be what it is called by.
    fsconfig_set_string(fd, "nr_inodes", (files + 2).to_string())?;
    fsconfig_set_string(fd, "mode", DIRECTORY)?;
    fsconfig_set_string(fd, "uid", uid.to_string())?;
    fsconfig_set_string(fd, "gid", gid.to_string())?;
    match fsconfig_set_flag(fd, "noswap") {
        // Kernels before 6.4 cannot promise it.
        Ok(()) | Err(Errno::INVAL) => {}
        Err(errno) => return Err(errno),
    }
    fsconfig_create(fd)?;
    fsmount(fd, FsMountFlags::FSMOUNT_CLOEXEC, restricted())
}

fn write(
    tree: &OwnedFd,
    name: &str,
    bytes: &[u8],
    (uid, gid): (u32, u32),
) -> Result<(), BeneathError> {
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
    let opened = openat(tree, name, flags, Mode::from_raw_mode(FILE));
    let mut file = File::from(opened.map_err(|errno| failed(name, errno))?);
    let written = file.write_all(bytes);
    written.map_err(|source| BeneathError::System {
        what: "write in memory",
        path: name.to_owned(),
        source,
    })?;
    let given = fchown(&file, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
    given.map_err(|errno| failed(name, errno))
}

fn failed(name: &str, errno: Errno) -> BeneathError {
    system("make in memory", name.as_bytes(), errno)
}
