//! Going through everything below a directory, without recursion and without leaving it.
//!
//! Each entry is opened as a place, below the directory that is held, and looked at through that
//! descriptor; a directory is entered through it too. So what is met is what was looked at. Memory
//! is bounded by the depth, not by the number of entries.

use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{Dir, Stat, fstat};
use rustix::io::Errno;

use crate::descend::{ENTRIES, PLACE, Stay, open_beneath};
use crate::entry::Kind;
use crate::error::BeneathError;
use crate::limits::{PATH_BYTES_MAX, WALK_DEPTH_MAX, WALK_ENTRIES_MAX};
use crate::name::told;
use crate::omission::Why;

/// Something on the way.
#[derive(Clone, Copy)]
pub(crate) enum Met<'a> {
    /// An entry; if it is a directory, what is in it comes next.
    Entry(&'a Found<'a>),
    /// Something that cannot be looked at or into.
    Closed(&'a [u8], Why),
}

/// One entry.
pub(crate) struct Found<'a> {
    /// The path from where the walk began.
    pub(crate) path: &'a [u8],
    /// Opened as a place.
    pub(crate) place: OwnedFd,
    /// What was seen of it.
    pub(crate) stat: Stat,
}

impl Found<'_> {
    pub(crate) fn kind(&self) -> Kind {
        Kind::of(&self.stat)
    }
}

struct Level {
    entries: Dir,
    /// How much of the path leads here.
    path_bytes: usize,
}

/// Meets everything below a directory that was opened for its entries.
///
/// # Errors
/// The first one of `meet`, which ends the walk, or [`BeneathError::TooMany`].
pub(crate) fn walk(
    top: OwnedFd,
    meet: &mut dyn FnMut(Met<'_>) -> Result<(), BeneathError>,
) -> Result<(), BeneathError> {
    let mut path = Vec::new();
    let mut levels = Vec::new();
    let mut count = 0;
    enter(top, &path, &mut levels, meet)?;
    while let Some(level) = levels.last_mut() {
        path.truncate(level.path_bytes);
        match level.entries.read() {
            None => {
                levels.pop();
            }
            Some(Err(errno)) => {
                meet(Met::Closed(&path, Why::from_errno(errno)))?;
                levels.pop();
            }
            Some(Ok(entry)) => {
                let name = entry.file_name().to_bytes();
                if name == b"." || name == b".." {
                    continue;
                }
                count += 1;
                if count > WALK_ENTRIES_MAX {
                    return Err(BeneathError::TooMany {
                        path: told(&path),
                        what: "entries",
                        limit: WALK_ENTRIES_MAX,
                    });
                }
                if !path.is_empty() {
                    path.push(b'/');
                }
                path.extend_from_slice(name);
                step(name, &path, &mut levels, meet)?;
            }
        }
    }
    Ok(())
}

/// Looks at one entry of the innermost directory, and enters it if there is something in it.
fn step(
    name: &[u8],
    path: &[u8],
    levels: &mut Vec<Level>,
    meet: &mut dyn FnMut(Met<'_>) -> Result<(), BeneathError>,
) -> Result<(), BeneathError> {
    let Some(level) = levels.last() else {
        return Ok(());
    };
    let found = level.entries.fd().and_then(|dir| {
        let place = open_beneath(dir, name, PLACE, Stay::OneMount)?;
        let stat = fstat(&place)?;
        Ok(Found { path, place, stat })
    });
    let found = match found {
        Ok(found) => found,
        Err(Errno::NOENT) => return Ok(()),
        Err(errno) => return meet(Met::Closed(path, Why::from_errno(errno))),
    };
    meet(Met::Entry(&found))?;
    if found.kind() != Kind::Directory {
        return Ok(());
    }
    if levels.len() >= WALK_DEPTH_MAX || path.len() > PATH_BYTES_MAX {
        return meet(Met::Closed(path, Why::TooDeep));
    }
    match open_beneath(found.place.as_fd(), b".", ENTRIES, Stay::OneMount) {
        Ok(inside) => enter(inside, path, levels, meet),
        Err(errno) => meet(Met::Closed(path, Why::from_errno(errno))),
    }
}

fn enter(
    dir: OwnedFd,
    path: &[u8],
    levels: &mut Vec<Level>,
    meet: &mut dyn FnMut(Met<'_>) -> Result<(), BeneathError>,
) -> Result<(), BeneathError> {
    match Dir::new(dir) {
        Ok(entries) => {
            let path_bytes = path.len();
            levels.push(Level {
                entries,
                path_bytes,
            });
            Ok(())
        }
        Err(errno) => meet(Met::Closed(path, Why::from_errno(errno))),
    }
}
