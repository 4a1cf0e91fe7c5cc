//! The content of a file as an archive takes it: never more bytes than were announced.

use std::fs::File;
use std::io::{self, ErrorKind, Read};

use crate::omission::Why;

/// Reads as many bytes as the file had, or fewer if it has become shorter or cannot be read.
pub(super) struct Content {
    file: File,
    left: u64,
    fault: Option<Why>,
}

impl Content {
    pub(super) fn new(file: File, bytes: u64) -> Content {
        Content {
            file,
            left: bytes,
            fault: None,
        }
    }

    /// Why the content is not the file's, if it is not.
    pub(super) fn fault(&self) -> Option<Why> {
        self.fault
    }

    /// How many bytes were not read of those that were announced.
    pub(super) fn left(&self) -> u64 {
        self.left
    }

    fn most(&self, buffer: &[u8]) -> usize {
        let left = usize::try_from(self.left).unwrap_or(usize::MAX);
        left.min(buffer.len())
    }
}

impl Read for Content {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = self.most(buffer);
        if most == 0 || self.fault.is_some() {
            return Ok(0);
        }
        match self.file.read(&mut buffer[..most]) {
            Ok(read) => {
                self.left -= read as u64;
                Ok(read)
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => Err(error),
            Err(_) => {
                self.fault = Some(Why::Unreadable);
                Ok(0)
            }
        }
    }
}

/// Reads exactly as many bytes as the file had: zeros for what is not there any more, or cannot be
/// read.
pub(super) struct Filled<'a>(pub(super) &'a mut Content);

impl Read for Filled<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.0.read(buffer)?;
        let most = self.0.most(buffer);
        if read > 0 || most == 0 {
            return Ok(read);
        }
        self.0.fault.get_or_insert(Why::Shorter);
        buffer[..most].fill(0);
        self.0.left -= most as u64;
        Ok(most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Seek, SeekFrom, Write};

    fn content(text: &[u8], bytes: u64) -> Content {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(text).unwrap();
        file.seek(SeekFrom::Start(0)).unwrap();
        Content::new(file, bytes)
    }

    #[test]
    fn a_file_that_shrinks_is_as_long_as_it_is_or_filled_up() {
        let (mut short, mut read) = (content(b"abc", 5), Vec::new());
        short.read_to_end(&mut read).unwrap();
        assert_eq!(read, b"abc");
        assert_eq!((short.fault(), short.left()), (None, 2));
        let (mut short, mut read) = (content(b"abc", 5), Vec::new());
        Filled(&mut short).read_to_end(&mut read).unwrap();
        assert_eq!(read, b"abc\0\0");
        assert_eq!((short.fault(), short.left()), (Some(Why::Shorter), 0));
    }

    #[test]
    fn a_file_that_grows_is_cut() {
        let (mut long, mut read) = (content(b"abcdef", 3), Vec::new());
        Filled(&mut long).read_to_end(&mut read).unwrap();
        assert_eq!(read, b"abc");
        assert_eq!(long.fault(), None);
    }
}
