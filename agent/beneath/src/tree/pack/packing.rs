//! What goes into an archive, entry by entry, whatever kind of archive it is.

use std::ffi::OsString;
use std::os::fd::AsFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use rustix::fs::{fstat, readlinkat};
use rustix::io::Errno;

use super::content::Content;
use super::{About, Archived, LEFT_OUT, Pack};
use crate::descend::{ENTRIES, PLACE, fault, open_beneath, open_told, reopen};
use crate::entry::Kind;
use crate::error::BeneathError;
use crate::name::Relative;
use crate::omission::Why;
use crate::tree::read::READING;
use crate::tree::{STAY, Tree};
use crate::walk::{Found, Met, walk};

/// An archive that is being filled.
pub(super) struct Packing<'a, P> {
    pack: P,
    archived: Archived,
    path: Relative<'a>,
    entries_max: u64,
    bytes_max: u64,
}

impl<'a, P: Pack> Packing<'a, P> {
    pub(super) fn new(
        pack: P,
        path: Relative<'a>,
        entries_max: u64,
        bytes_max: u64,
    ) -> Packing<'a, P> {
        Packing {
            pack,
            archived: Archived::default(),
            path,
            entries_max,
            bytes_max,
        }
    }

    /// Ends the archive, as a whole one.
    pub(super) fn finish(mut self) -> Result<Archived, BeneathError> {
        if self.archived.left.count > 0 {
            let text = self.archived.left.text();
            let about = About {
                mode: 0o644,
                uid: 0,
                gid: 0,
                modified: 0,
                size: text.len() as u64,
            };
            let told = self.pack.text(LEFT_OUT.as_bytes(), text.as_bytes(), &about);
            // A file that has this name already keeps it.
            let _ = told.map_err(BeneathError::Writer)?;
        }
        self.pack.finish().map_err(BeneathError::Writer)?;
        Ok(self.archived)
    }

    /// Puts in what the path leads to.
    pub(super) fn all(&mut self, tree: &Tree) -> Result<(), BeneathError> {
        let path = self.path;
        let failed = |errno| fault("pack", path.bytes(), errno, STAY);
        let place = open_told(tree.place(), path, PLACE, STAY)?;
        let stat = fstat(&place).map_err(failed)?;
        match Kind::of(&stat) {
            Kind::Directory => {
                let top = open_beneath(place.as_fd(), b".", ENTRIES, STAY).map_err(failed)?;
                walk(top, &mut |met| self.met(met))
            }
            Kind::File => {
                let (_, name) = path.split()?;
                let path = name;
                let found = Found { path, place, stat };
                self.met(Met::Entry(&found))
            }
            Kind::Link => Err(BeneathError::Link(path.told())),
            kind @ Kind::Other => Err(BeneathError::NotFile {
                path: path.told(),
                kind,
            }),
        }
    }

    fn met(&mut self, met: Met<'_>) -> Result<(), BeneathError> {
        let found = match met {
            Met::Entry(found) => found,
            Met::Closed(path, why) => {
                self.archived.left.add(path, why);
                return Ok(());
            }
        };
        if self.archived.entries == self.entries_max {
            return Err(BeneathError::TooMany {
                path: self.path.told(),
                what: "entries",
                limit: self.entries_max,
            });
        }
        let about = About::new(&found.stat);
        let put = match found.kind() {
            Kind::Directory => self.pack.directory(found.path, &about),
            Kind::File => return self.file(found, &about),
            Kind::Link => match target(found) {
                Ok(target) => self.pack.link(found.path, &about, target.as_bytes()),
                Err(errno) => Ok(Err(Why::from_errno(errno))),
            },
            Kind::Other => Ok(Err(Why::Special)),
        };
        match put.map_err(BeneathError::Writer)? {
            Ok(()) => self.archived.entries += 1,
            Err(why) => self.archived.left.add(found.path, why),
        }
        Ok(())
    }

    fn file(&mut self, found: &Found<'_>, about: &About) -> Result<(), BeneathError> {
        let file = match reopen(found.place.as_fd(), READING) {
            Ok(file) => file,
            Err(errno) => {
                self.archived.left.add(found.path, Why::from_errno(errno));
                return Ok(());
            }
        };
        let bytes = self.archived.bytes.saturating_add(about.size);
        if bytes > self.bytes_max {
            return Err(BeneathError::TooLarge {
                path: self.path.told(),
                limit: self.bytes_max,
            });
        }
        let mut content = Content::new(file, about.size);
        let put = self.pack.file(found.path, about, &mut content);
        match put.map_err(BeneathError::Writer)? {
            Ok(()) => {
                self.archived.entries += 1;
                self.archived.bytes = bytes - content.left();
                if let Some(why) = content.fault() {
                    self.archived.left.add(found.path, why);
                }
            }
            Err(why) => self.archived.left.add(found.path, why),
        }
        Ok(())
    }
}

/// What is written in a link.
fn target(found: &Found<'_>) -> Result<OsString, Errno> {
    let target = readlinkat(&found.place, "", Vec::new())?;
    Ok(OsString::from_vec(target.into_bytes()))
}
