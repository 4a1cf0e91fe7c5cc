//! One directory and all that is below it, seen and changed safely while its owner changes it.
//!
//! Listing, reading, writing, packing and removing single things are done with the user's rights.
//! Measuring, giving away and removing the whole are done with the daemon's, because a container
//! may have left what the user cannot even look at; these follow no link, enter no other file
//! system, and touch nothing but what they have opened below the directory.

mod give;
mod list;
mod pack;
mod read;
mod remove;
mod usage;
mod write;

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::descend::{ENTRIES, PLACE_OF_DIRECTORY, Stay, fault, open_beneath, open_told};
use crate::error::BeneathError;
use crate::ids::{Ids, as_user};
use crate::name::Relative;
use crate::resolve::open_root;

pub use give::Given;
pub use list::Page;
pub use pack::{Archived, Format, LEFT_OUT};
pub use read::Opened;
pub use usage::Usage;
pub use write::Parents;

/// Nothing in a tree lies on another file system.
const STAY: Stay = Stay::OneMount;

/// A directory and all that is below it.
///
/// Paths of its methods are relative to it and are checked as [`resolve`](crate::resolve()) checks
/// them; the empty path is the directory itself. They need not be UTF-8.
#[derive(Debug)]
pub struct Tree {
    dir: OwnedFd,
    parent: OwnedFd,
    path: PathBuf,
    ids: Ids,
}

impl Tree {
    /// Opens a directory of the daemon's choice. Its parent must be closed to the user.
    ///
    /// # Errors
    /// [`BeneathError::Place`] if the path is not absolute; [`BeneathError::Missing`],
    /// [`BeneathError::Link`] and [`BeneathError::NotDirectory`] about its last part.
    pub fn open(dir: &Path, ids: Ids) -> Result<Tree, BeneathError> {
        let (Some(parent), Some(name)) = (dir.parent(), dir.file_name()) else {
            return Err(BeneathError::Place {
                path: dir.to_path_buf(),
                why: "this is no directory that can be left to a user",
            });
        };
        let parent = open_root(parent)?;
        // The directory itself may be where a file system is mounted.
        let stay = Stay::AnyMount;
        let name = Relative::parse(name.as_bytes())?;
        let path = dir.to_path_buf();
        let dir = open_told(parent.as_fd(), name, PLACE_OF_DIRECTORY, stay)?;
        Ok(Tree {
            dir,
            parent,
            path,
            ids,
        })
    }

    /// Whose tree it is.
    pub fn ids(&self) -> &Ids {
        &self.ids
    }

    fn place(&self) -> BorrowedFd<'_> {
        self.dir.as_fd()
    }

    /// The directory itself, for its entries, with whatever rights the calling thread has.
    fn entries(&self) -> Result<OwnedFd, BeneathError> {
        let opened = open_beneath(self.place(), b".", ENTRIES, STAY);
        opened.map_err(|errno| fault("open", b".", errno, STAY))
    }

    fn as_user<T: Send>(
        &self,
        work: impl FnOnce() -> Result<T, BeneathError> + Send,
    ) -> Result<T, BeneathError> {
        as_user(&self.ids, work)?
    }
}
