//! Listing a directory of a tree, a page at a time.
//!
//! Pages are in the order of the names' bytes and go on after a name, so that they fit together
//! even if the directory changes between them, and memory holds one page whatever its size.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use rustix::fs::{AtFlags, Dir, readlinkat, statat};
use rustix::io::Errno;

use super::{STAY, Tree};
use crate::descend::{ENTRIES, fault, open_told};
use crate::entry::{Entry, Kind};
use crate::error::BeneathError;
use crate::limits::{PAGE_MAX, SCAN_MAX};
use crate::name::Relative;

/// Some entries of a directory.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Page {
    /// In the order of their names' bytes.
    pub entries: Vec<Entry>,
    /// Whether there are names after these: ask again, after the last one.
    pub more: bool,
}

impl Tree {
    /// Lists, with the user's rights, the entries of a directory whose names come after `after`: at
    /// most `limit`, and at most [`PAGE_MAX`]. Links are told, not followed.
    ///
    /// # Errors
    /// About the path as [`resolve`](crate::resolve()) says; [`BeneathError::TooMany`] from
    /// [`SCAN_MAX`] entries on.
    pub fn list(
        &self,
        path: &Path,
        after: Option<&OsStr>,
        limit: usize,
    ) -> Result<Page, BeneathError> {
        let path = Relative::parse(path.as_os_str().as_bytes())?;
        let after = after.map(OsStr::as_bytes);
        let limit = limit.clamp(1, PAGE_MAX);
        self.as_user(|| {
            let dir = open_told(self.place(), path, ENTRIES, STAY)?;
            let dir = Dir::new(dir).map_err(|errno| fault("list", path.bytes(), errno, STAY))?;
            page(dir, path, after, limit)
        })
    }
}

fn page(
    mut dir: Dir,
    path: Relative<'_>,
    after: Option<&[u8]>,
    limit: usize,
) -> Result<Page, BeneathError> {
    let failed = |errno| fault("list", path.bytes(), errno, STAY);
    // One more than fits, to know whether there are more.
    let mut names: BTreeSet<Vec<u8>> = BTreeSet::new();
    let mut seen = 0;
    while let Some(entry) = dir.read() {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name().to_bytes();
        seen += 1;
        if seen > SCAN_MAX {
            return Err(BeneathError::TooMany {
                path: path.told(),
                what: "entries",
                limit: SCAN_MAX as u64,
            });
        }
        if name == b"." || name == b".." || after.is_some_and(|after| name <= after) {
            continue;
        }
        if names.len() <= limit || names.last().is_some_and(|last| name < last.as_slice()) {
            names.insert(name.to_vec());
        }
        if names.len() > limit + 1 {
            names.pop_last();
        }
    }
    let more = names.len() > limit;
    let dir = dir.fd().map_err(failed)?;
    let mut entries = Vec::with_capacity(names.len().min(limit));
    for name in names.into_iter().take(limit) {
        entries.extend(look(dir.as_fd(), name).map_err(failed)?);
    }
    Ok(Page { entries, more })
}

/// Looks at one name; `None` if it is gone.
fn look(dir: BorrowedFd<'_>, name: Vec<u8>) -> Result<Option<Entry>, Errno> {
    let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT;
    let stat = match statat(dir, &name, flags) {
        Ok(stat) => stat,
        Err(Errno::NOENT) => return Ok(None),
        Err(errno) => return Err(errno),
    };
    let target = match Kind::of(&stat) {
        Kind::Link => match readlinkat(dir, &name, Vec::new()) {
            Ok(target) => Some(OsString::from_vec(target.into_bytes())),
            Err(Errno::NOENT | Errno::INVAL) => return Ok(None),
            Err(errno) => return Err(errno),
        },
        Kind::File | Kind::Directory | Kind::Other => None,
    };
    let name = OsString::from_vec(name);
    Ok(Some(Entry::new(name, &stat, target)))
}
