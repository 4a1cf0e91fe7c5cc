//! Giving a tree to its user after a container has left files of other owners in it.
//!
//! Giving away is done by root, and so is where a user would like root to be careless:
//!
//! - A link could lead anywhere: the link itself changes its owner, never what it names.
//! - A file with a second name may be somebody else's, linked into the tree. Counting its names in
//!   the tree proves nothing while they can be moved, so such a file is never given.
//! - A file with one name may have been *moved* into the tree, out of a directory where the user
//!   may write. So only files of the owners that the container is known to write as are given.
//! - A device stays root's: whoever owns one can open it to all.
//! - Set-id bits are cleared, first of all: a program that a container's root has left would run as
//!   this machine's.

use std::ops::RangeInclusive;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use rustix::fs::{AtFlags, FileType, Gid, Mode, Stat, Uid, chmod, chownat, fstat};
use rustix::io::Errno;

use super::{STAY, Tree};
use crate::descend::fault;
use crate::entry::Kind;
use crate::error::BeneathError;
use crate::ids::Ids;
use crate::omission::{Omissions, Why};
use crate::walk::{Met, walk};

/// Set-user-id and set-group-id.
const SET_ID_BITS: u32 = 0o6000;

/// What giving a tree away came to.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Given {
    /// How many files and directories have a new owner, or lost set-id bits.
    pub changed: u64,
    /// What stays as it was.
    pub left: Omissions,
}

impl Tree {
    /// Makes `ids` the owner of all in the tree that belongs to one of `from` (user ids), and of
    /// the directory itself; clears set-id bits of what is given and of what is the user's already.
    ///
    /// `from` is who the container writes as: `0..=0` for a container's root without a user
    /// namespace, the range of subordinate ids with one. Call it when the container has ended and
    /// while the tree's parent is closed to the user.
    ///
    /// # Errors
    /// [`BeneathError::System`] and [`BeneathError::Denied`] if the kernel refuses (root's rights
    /// are needed). What was given stays given; it can be called again.
    pub fn give_to(&self, ids: &Ids, from: &RangeInclusive<u32>) -> Result<Given, BeneathError> {
        let mut given = Given::default();
        let failed = |path: &[u8], errno| fault("give away", path, errno, STAY);
        walk(self.entries()?, &mut |met| {
            match met {
                Met::Closed(path, why) => given.left.add(path, why),
                Met::Entry(found) => match refusal(&found.stat, ids, from) {
                    Some(why) => given.left.add(found.path, why),
                    None => {
                        let done = give(found.place.as_fd(), &found.stat, ids);
                        let done = done.map_err(|errno| failed(found.path, errno))?;
                        given.changed += u64::from(done);
                    }
                },
            }
            Ok(())
        })?;
        // The directory itself was made by the daemon: it is given whoever owns it.
        let stat = fstat(&self.dir).map_err(|errno| failed(b".", errno))?;
        let done = give(self.place(), &stat, ids).map_err(|errno| failed(b".", errno))?;
        given.changed += u64::from(done);
        Ok(given)
    }
}

/// Why this one is not given.
fn refusal(stat: &Stat, ids: &Ids, from: &RangeInclusive<u32>) -> Option<Why> {
    let theirs = stat.st_uid == ids.uid();
    if !theirs && !from.contains(&stat.st_uid) {
        return Some(Why::OtherOwner);
    }
    let kind = FileType::from_raw_mode(stat.st_mode);
    if matches!(kind, FileType::CharacterDevice | FileType::BlockDevice) {
        return Some(Why::Special);
    }
    let linked = kind != FileType::Directory && stat.st_nlink > 1;
    (linked && !theirs).then_some(Why::HardLink)
}

/// Gives what is open; says whether anything had to be done.
fn give(place: BorrowedFd<'_>, stat: &Stat, ids: &Ids) -> Result<bool, Errno> {
    let link = Kind::of(stat) == Kind::Link;
    let bits = !link && stat.st_mode & SET_ID_BITS != 0;
    if bits {
        // A place cannot be asked to change; what its descriptor stands for can.
        let path = format!("/proc/thread-self/fd/{}", place.as_raw_fd());
        chmod(
            path,
            Mode::from_raw_mode(stat.st_mode & 0o7777 & !SET_ID_BITS),
        )?;
    }
    let owned = (stat.st_uid, stat.st_gid) == (ids.uid(), ids.gid());
    if !owned {
        let (uid, gid) = (Uid::from_raw(ids.uid()), Gid::from_raw(ids.gid()));
        let flags = AtFlags::EMPTY_PATH | AtFlags::SYMLINK_NOFOLLOW;
        chownat(place, "", Some(uid), Some(gid), flags)?;
    }
    Ok(bits || !owned)
}
