//! Packing a directory or a file of a tree into one stream.
//!
//! Nothing is kept on a disk, and memory does not grow with the content. Names in the archive are
//! relative to what was asked for, never absolute and never with `..`. Set-id bits are left out,
//! and so is what is no file, directory or link. What is left out, or is not whole because it
//! changed meanwhile, is told in a last file, [`LEFT_OUT`]. An archive that is cut off by an error
//! has no end mark.

mod content;
mod outlet;
mod packing;
mod tar;
mod zip;

use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::Stat;

use super::Tree;
use crate::entry::size;
use crate::error::BeneathError;
use crate::limits::ZIP_ENTRIES_MAX;
use crate::name::Relative;
use crate::omission::{Omissions, Why};
use content::Content;
use outlet::{Outlet, State};
use packing::Packing;

/// The name of the file in an archive that tells what is not in it, or not whole; it is there only
/// if there is something to tell.
pub const LEFT_OUT: &str = "god.left-out";

/// Kinds of archives.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// GNU tar, uncompressed: names byte for byte, owners as numbers, links as links.
    Tar,
    /// The same, compressed with gzip.
    TarGz,
    /// Deflated zip for people without tar. Links are left out; a byte of a name that is no UTF-8,
    /// a control character, a backslash, a percent sign, and the colon of what looks like a drive
    /// are written as `%NN`. At most [`ZIP_ENTRIES_MAX`] entries.
    Zip,
}

/// What packing came to.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Archived {
    /// Entries in the archive.
    pub entries: u64,
    /// Bytes of the files in it, unpacked.
    pub bytes: u64,
    /// What is not in it, or not whole.
    pub left: Omissions,
}

/// What an archive tells of an entry beside its name.
struct About {
    mode: u32,
    uid: u32,
    gid: u32,
    /// Seconds since 1970; 0 for anything before.
    modified: u64,
    size: u64,
}

impl About {
    fn new(stat: &Stat) -> About {
        About {
            mode: stat.st_mode & 0o777,
            uid: stat.st_uid,
            gid: stat.st_gid,
            modified: u64::try_from(stat.st_mtime).unwrap_or(0),
            size: size(stat),
        }
    }
}

/// An archive that is being written. An inner `Err` says that the entry has no place in it.
trait Pack {
    fn directory(&mut self, name: &[u8], about: &About) -> io::Result<Result<(), Why>>;
    fn file(
        &mut self,
        name: &[u8],
        about: &About,
        content: &mut Content,
    ) -> io::Result<Result<(), Why>>;
    /// A file with this text.
    fn text(&mut self, name: &[u8], text: &[u8], about: &About) -> io::Result<Result<(), Why>>;
    fn link(&mut self, name: &[u8], about: &About, target: &[u8]) -> io::Result<Result<(), Why>>;
    fn finish(self) -> io::Result<()>;
}

impl Tree {
    /// Packs a directory, without its own name, or one file, with the user's rights. The writer is
    /// called in another thread.
    ///
    /// # Errors
    /// About the path as [`resolve`](crate::resolve()) says; [`BeneathError::TooLarge`] if files
    /// have more than `limit` bytes; [`BeneathError::TooMany`]; [`BeneathError::Writer`]. What was
    /// written by then is no whole archive.
    pub fn archive(
        &self,
        path: &Path,
        format: Format,
        mut writer: impl Write + Send,
        limit: u64,
    ) -> Result<Archived, BeneathError> {
        let path = Relative::parse(path.as_os_str().as_bytes())?;
        self.as_user(|| {
            let state = State::default();
            let outlet = Outlet::new(&mut writer, &state);
            let packed = match format {
                Format::Tar => self.pack(path, tar::Tar::plain(outlet), u64::MAX, limit, &state),
                Format::TarGz => self.pack(path, tar::Tar::zipped(outlet), u64::MAX, limit, &state),
                Format::Zip => {
                    self.pack(path, zip::Zip::new(outlet), ZIP_ENTRIES_MAX, limit, &state)
                }
            };
            state.failure().map_or(packed, Err)
        })
    }

    fn pack(
        &self,
        path: Relative<'_>,
        pack: impl Pack,
        entries_max: u64,
        bytes_max: u64,
        state: &State,
    ) -> Result<Archived, BeneathError> {
        let mut packing = Packing::new(pack, path, entries_max, bytes_max);
        let packed = packing.all(self);
        if packed.is_err() {
            // Both writers end their archives when they are dropped, as if all were well.
            state.cut_off();
        }
        packed?;
        packing.finish()
    }
}
