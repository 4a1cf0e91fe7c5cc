//! Emptying a directory, however deep and however busy.
//!
//! A name is removed relative to the directory that was opened for its entries, never by a path; a
//! directory is entered only below the one that holds it. At [`REMOVE_LEVELS_MAX`] directories
//! inside each other, what is deeper is first moved up, so depth costs neither stack nor
//! descriptors. Rounds are repeated until nothing is left; that somebody fills the directory
//! meanwhile ends in an error after a bounded number of them.
//!
//! Moved up is only what lies below a directory that was opened in the tree. If its owner moves
//! that directory out of the tree at this very moment, what is in it goes all the same.

use std::ffi::CString;
use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, Dir, RenameFlags, renameat_with, unlinkat};
use rustix::io::Errno;

use crate::descend::{ENTRIES, Stay, fault, open_beneath};
use crate::error::BeneathError;
use crate::limits::{
    REMOVE_LEVELS_MAX, REMOVE_QUIET_ROUNDS_MAX, REMOVE_ROUNDS_MAX, TEMPORARY_NAMES_MAX,
};
use crate::name::told;

/// What one round came to.
#[derive(Default)]
struct Round {
    /// Names in the directory itself.
    seen: u64,
    /// Directories that were moved up.
    moved: u64,
    /// The first thing that cannot be removed.
    first: Option<BeneathError>,
}

impl Round {
    fn leave(&mut self, name: &[u8], errno: Errno) {
        // These say that somebody else was here: another round sees what there is now.
        let busy = matches!(
            errno,
            Errno::NOTEMPTY | Errno::EXIST | Errno::NOTDIR | Errno::LOOP | Errno::ISDIR
        );
        if !busy && self.first.is_none() {
            self.first = Some(fault("remove", name, errno, Stay::OneMount));
        }
    }
}

/// Removes all that is in a directory, with whatever rights the calling thread has. `path` is what
/// errors call it.
///
/// # Errors
/// The first thing that cannot be removed, when everything else is; [`BeneathError::Changing`].
pub(crate) fn empty(top: BorrowedFd<'_>, path: &[u8]) -> Result<(), BeneathError> {
    let mut names = 0;
    let mut quiet = 0;
    let mut first = None;
    for _ in 0..REMOVE_ROUNDS_MAX {
        let round =
            sweep(top, &mut names).map_err(|errno| fault("remove", path, errno, Stay::OneMount))?;
        if round.seen == 0 {
            return Ok(());
        }
        first = round.first;
        if round.moved == 0 {
            quiet += 1;
        }
        if quiet == REMOVE_QUIET_ROUNDS_MAX {
            break;
        }
    }
    Err(first.unwrap_or_else(|| BeneathError::Changing(told(path))))
}

struct Level {
    entries: Dir,
    /// Its name in the directory above; none at the top.
    name: Option<CString>,
}

/// Goes through everything once. `names` numbers what is moved up.
fn sweep(top: BorrowedFd<'_>, names: &mut u64) -> Result<Round, Errno> {
    let mut round = Round::default();
    let entries = Dir::new(open_beneath(top, b".", ENTRIES, Stay::OneMount)?)?;
    let mut levels = vec![Level {
        entries,
        name: None,
    }];
    while let Some(level) = levels.last_mut() {
        match level.entries.read() {
            Some(Ok(entry)) => {
                let name = entry.file_name();
                if name != c"." && name != c".." {
                    round.seen += u64::from(level.name.is_none());
                    take(top, name.to_owned(), &mut levels, &mut round, names);
                }
            }
            Some(Err(_)) | None => {
                let emptied = levels.pop().and_then(|level| level.name);
                if let (Some(name), Some(above)) = (emptied, levels.last()) {
                    let gone = above.entries.fd();
                    let gone = gone.and_then(|dir| unlinkat(dir, &name, AtFlags::REMOVEDIR));
                    match gone {
                        Ok(()) | Err(Errno::NOENT) => {}
                        Err(errno) => round.leave(name.to_bytes(), errno),
                    }
                }
            }
        }
    }
    Ok(round)
}

/// Removes one name, or enters it, or moves it up.
fn take(
    top: BorrowedFd<'_>,
    name: CString,
    levels: &mut Vec<Level>,
    round: &mut Round,
    names: &mut u64,
) {
    let depth = levels.len();
    let Some(level) = levels.last() else { return };
    let taken = level
        .entries
        .fd()
        .and_then(|dir| match unlinkat(dir, &name, AtFlags::empty()) {
            Err(Errno::ISDIR) if depth < REMOVE_LEVELS_MAX => {
                let inside: OwnedFd = open_beneath(dir, name.to_bytes(), ENTRIES, Stay::OneMount)?;
                Dir::new(inside).map(Some)
            }
            Err(Errno::ISDIR) => {
                move_up(dir, &name, top, names)?;
                round.moved += 1;
                Ok(None)
            }
            done => done.map(|()| None),
        });
    match taken {
        Ok(Some(entries)) => levels.push(Level {
            entries,
            name: Some(name),
        }),
        Ok(None) | Err(Errno::NOENT) => {}
        Err(errno) => round.leave(name.to_bytes(), errno),
    }
}

/// Moves a directory to the top of the tree, under a name that nothing has there.
fn move_up(
    dir: BorrowedFd<'_>,
    name: &CString,
    top: BorrowedFd<'_>,
    names: &mut u64,
) -> Result<(), Errno> {
    for _ in 0..TEMPORARY_NAMES_MAX {
        *names += 1;
        let new = format!(".removing-{names}");
        match renameat_with(dir, name, top, &new, RenameFlags::NOREPLACE) {
            Err(Errno::EXIST) => {}
            done => return done,
        }
    }
    Err(Errno::EXIST)
}
