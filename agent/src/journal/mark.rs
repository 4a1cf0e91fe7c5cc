//! How many writes of the journal were answered, in a small file beside it.
//!
//! After a crash redb falls back to the commit before when the last one does not verify: it cannot
//! tell a commit that was never finished from one that was answered and is damaged. The mark can:
//! it is written after the commit is synced and before anyone is told, so it never says more than
//! the journal holds. It is not synced itself; after a power cut it may say less, which is nothing
//! to worry about.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// A count and its checksum.
const BYTES: usize = 12;

pub(super) struct Mark(File);

impl Mark {
    /// The mark beside that journal, with what it says; 0 if it says nothing.
    pub(super) fn open(journal: &Path) -> io::Result<(Mark, u64)> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let file = options.open(path(journal))?;
        let mut bytes = [0; BYTES];
        let said = match file.read_exact_at(&mut bytes, 0) {
            Ok(()) => parse(bytes),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => 0,
            Err(error) => return Err(error),
        };
        Ok((Mark(file), said))
    }

    /// Notes that so many writes are about to be answered.
    pub(super) fn raise(&self, commits: u64) -> io::Result<()> {
        let count = commits.to_le_bytes();
        let sum = crc32fast::hash(&count).to_le_bytes();
        self.0.write_all_at(&[&count[..], &sum].concat(), 0)
    }
}

fn path(journal: &Path) -> PathBuf {
    journal.with_extension("answered")
}

fn parse(bytes: [u8; BYTES]) -> u64 {
    let (count, sum) = bytes.split_at(8);
    let whole = crc32fast::hash(count).to_le_bytes() == sum;
    let count = count.try_into().map(u64::from_le_bytes);
    count.ok().filter(|_| whole).unwrap_or(0)
}
