//! How much a tree takes on its disk.

use super::Tree;
use crate::entry::Kind;
use crate::error::BeneathError;
use crate::walk::{Met, walk};

/// What `st_blocks` counts.
const BLOCK_BYTES: u64 = 512;

/// What a tree takes.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Usage {
    /// Bytes on the disk, with those of directories. A file with several names counts with an
    /// equal part at each of them.
    pub bytes: u64,
    /// Names, but for those of directories.
    pub files: u64,
    /// Names of directories, without the top.
    pub directories: u64,
    /// Whether all of it was seen. If not, there is more: something is too deep, or mounted there.
    pub complete: bool,
}

impl Tree {
    /// Measures the tree, with the daemon's rights, as far as it is on one file system.
    ///
    /// # Errors
    /// If the directory cannot be opened, or there are more entries than a walk looks at.
    pub fn usage(&self) -> Result<Usage, BeneathError> {
        let mut usage = Usage {
            complete: true,
            ..Usage::default()
        };
        walk(self.entries()?, &mut |met| {
            match met {
                Met::Closed(..) => usage.complete = false,
                Met::Entry(found) => {
                    let blocks = u64::try_from(found.stat.st_blocks).unwrap_or(0);
                    let taken = blocks.saturating_mul(BLOCK_BYTES);
                    match found.kind() {
                        Kind::Directory => {
                            usage.directories += 1;
                            usage.bytes = usage.bytes.saturating_add(taken);
                        }
                        Kind::File | Kind::Link | Kind::Other => {
                            usage.files += 1;
                            #[allow(clippy::useless_conversion, reason = "narrower on ARM")]
                            let names = u64::from(found.stat.st_nlink).max(1);
                            let part = taken / names;
                            usage.bytes = usage.bytes.saturating_add(part);
                        }
                    }
                }
            }
            Ok(())
        })?;
        Ok(usage)
    }
}
