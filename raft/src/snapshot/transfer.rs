//! Sending a snapshot's files in chunks, and putting them together again.
//!
//! Each chunk carries its place and a checksum; the receiver takes chunks in order only, ends
//! with exactly the announced bytes of every file, and makes them durable before it says so.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use serde::{Deserialize, Serialize, Serializer};

use crate::disk::{self, io_error};
use crate::limits;
use crate::types::Blob;

/// A file of a snapshot.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct FileInfo {
    pub(crate) name: String,
    pub(crate) bytes: u64,
}

/// A part of a file.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Chunk {
    /// The position of its file in the announcement.
    pub(crate) file: u32,
    pub(crate) offset: u64,
    /// CRC-32 of the bytes. It always takes five bytes, so that how long a chunk is does not
    /// depend on its content: RocksDB writes ids of its own into it that nobody can foresee, and
    /// one byte more on the wire makes a simulation another one.
    #[serde(serialize_with = "five_bytes")]
    pub(crate) sum: u32,
    pub(crate) bytes: Blob,
}

/// Writes a number as the longest of the forms in which postcard reads it.
fn five_bytes<S: Serializer>(sum: &u32, serializer: S) -> Result<S::Ok, S::Error> {
    let seven = |at: u32| u8::try_from(sum >> (7 * at) & 0x7f).unwrap_or_default();
    [
        seven(0) | 0x80,
        seven(1) | 0x80,
        seven(2) | 0x80,
        seven(3) | 0x80,
        seven(4),
    ]
    .serialize(serializer)
}

/// What a snapshot consists of.
pub(crate) fn list(dir: &Path) -> io::Result<Vec<FileInfo>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry
            .file_name()
            .into_string()
            .map_err(|_| io_error("a file without name"))?;
        // RocksDB's own messages are of no use elsewhere.
        if entry.file_type()?.is_file() && name != "LOCK" && !name.starts_with("LOG") {
            files.push(FileInfo {
                name,
                bytes: entry.metadata()?.len(),
            });
        }
    }
    files.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(files)
}

/// Reads the files of an announcement chunk by chunk.
pub(crate) struct Reader {
    dir: PathBuf,
    files: Vec<FileInfo>,
    at: usize,
    offset: u64,
    open: Option<File>,
}

impl Reader {
    pub(crate) fn new(dir: &Path, files: Vec<FileInfo>) -> Reader {
        Reader {
            dir: dir.to_owned(),
            files,
            at: 0,
            offset: 0,
            open: None,
        }
    }

    /// The next chunk; `None` when all is read.
    pub(crate) fn next_chunk(&mut self) -> io::Result<Option<Chunk>> {
        while let Some(info) = self.files.get(self.at) {
            let left = info.bytes - self.offset;
            if left == 0 {
                (self.at, self.offset, self.open) = (self.at + 1, 0, None);
                continue;
            }
            let file = match &mut self.open {
                Some(file) => file,
                None => self.open.insert(File::open(self.dir.join(&info.name))?),
            };
            let size = usize::try_from(left)
                .unwrap_or(usize::MAX)
                .min(limits::CHUNK_BYTES);
            let mut bytes = vec![0; size];
            file.read_exact(&mut bytes)?;
            let chunk = Chunk {
                file: u32::try_from(self.at).map_err(io_error)?,
                offset: self.offset,
                sum: crc32fast::hash(&bytes),
                bytes: Blob(Bytes::from(bytes)),
            };
            self.offset += size as u64;
            return Ok(Some(chunk));
        }
        Ok(None)
    }
}

/// Puts the files of an announcement together.
pub(crate) struct Assembler {
    dir: PathBuf,
    files: Vec<FileInfo>,
    at: usize,
    offset: u64,
    open: Option<File>,
}

impl Assembler {
    /// # Errors
    /// If the announcement is not one of a database's files.
    pub(crate) fn new(dir: &Path, files: Vec<FileInfo>) -> io::Result<Assembler> {
        if files.len() > limits::SNAPSHOT_FILES_MAX {
            return Err(io_error(format!("a snapshot of {} files", files.len())));
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        for (at, file) in files.iter().enumerate() {
            let name = &file.name;
            let sorted = at == 0 || files[at - 1].name < *name;
            if name.is_empty() || name.starts_with('.') || !name.chars().all(plain) || !sorted {
                return Err(io_error(format!("a snapshot's file is called {name:?}")));
            }
        }
        let mut assembler = Assembler {
            dir: dir.to_owned(),
            files,
            at: 0,
            offset: 0,
            open: None,
        };
        assembler.advance()?;
        Ok(assembler)
    }

    /// Takes the next chunk.
    ///
    /// # Errors
    /// If it is not the next one, or damaged, or the disk refuses.
    pub(crate) fn take(&mut self, chunk: &Chunk) -> io::Result<()> {
        let Some(info) = self.files.get(self.at) else {
            return Err(io_error("a chunk behind the last file"));
        };
        let bytes = &chunk.bytes.0;
        let end = self.offset + bytes.len() as u64;
        if usize::try_from(chunk.file).ok() != Some(self.at)
            || chunk.offset != self.offset
            || bytes.is_empty()
            || bytes.len() > limits::CHUNK_BYTES
            || end > info.bytes
        {
            return Err(io_error(format!(
                "a chunk of {} at a wrong place",
                info.name
            )));
        }
        if crc32fast::hash(bytes) != chunk.sum {
            return Err(io_error(format!("a chunk of {} is damaged", info.name)));
        }
        let file = match &mut self.open {
            Some(file) => file,
            None => self
                .open
                .insert(File::create_new(self.dir.join(&info.name))?),
        };
        file.write_all(bytes)?;
        self.offset = end;
        self.advance()
    }

    /// Says that no more chunks come.
    ///
    /// # Errors
    /// If some are missing.
    pub(crate) fn finish(self) -> io::Result<()> {
        if let Some(info) = self.files.get(self.at) {
            return Err(io_error(format!("{} is not complete", info.name)));
        }
        disk::sync_dir(&self.dir)
    }

    /// Closes files that are complete, durably.
    fn advance(&mut self) -> io::Result<()> {
        while let Some(info) = self.files.get(self.at) {
            if self.offset < info.bytes {
                return Ok(());
            }
            let file = match self.open.take() {
                Some(file) => file,
                None => File::create_new(self.dir.join(&info.name))?,
            };
            file.sync_all()?;
            (self.at, self.offset) = (self.at + 1, 0);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_is_as_long_whatever_its_checksum_is() {
        let bytes = |sum| {
            let bytes = Blob(Bytes::from_static(b"bytes"));
            let chunk = Chunk {
                file: 1,
                offset: 2,
                sum,
                bytes,
            };
            let written = postcard::to_allocvec(&chunk).unwrap();
            let read: Chunk = postcard::from_bytes(&written).unwrap();
            assert_eq!(read, chunk);
            written.len()
        };
        for sum in [0, 1, 0x7f, 0x80, 1 << 27, 1 << 28, u32::MAX] {
            assert_eq!(bytes(sum), bytes(u32::MAX), "{sum:#x}");
        }
    }
}
