//! The one system call that no crate offers safely: the only unsafe code of this package.
#![allow(unsafe_code, reason = "mount_setattr has no safe wrapper")]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use nix::libc;
use rustix::mount::MountAttrFlags;

/// `struct mount_attr` of `linux/mount.h`, in its first and so far only version.
#[repr(C)]
struct MountAttr {
    attr_set: u64,
    attr_clr: u64,
    propagation: u64,
    userns_fd: u64,
}

/// Gives a mount attributes, and makes it private: what is mounted later at its source does not
/// appear in it. With `below`, so are all mounts in it.
///
/// # Errors
/// What the kernel says; `EPERM` without `CAP_SYS_ADMIN`.
pub(crate) fn mount_setattr(
    mount: BorrowedFd<'_>,
    attributes: MountAttrFlags,
    below: bool,
) -> io::Result<()> {
    let attr = MountAttr {
        attr_set: u64::from(attributes.bits()),
        attr_clr: 0,
        propagation: libc::MS_PRIVATE,
        userns_fd: 0,
    };
    let recursive = if below { libc::AT_RECURSIVE } else { 0 };
    let flags = libc::AT_EMPTY_PATH | recursive;
    // SAFETY: the descriptor is open for as long as it is borrowed, the path is a constant with its
    // NUL, and `attr` has the size that is told, is initialised, and is only read by the kernel.
    let done = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            c"".as_ptr(),
            flags,
            &raw const attr,
            size_of::<MountAttr>(),
        )
    };
    if done == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}
