//! The content of a file as an archive takes it: exactly as many bytes as were announced.

use std::fs::File;
use std::io::{self, ErrorKind, Read};

use crate::omission::Why;

/// Reads as many bytes as the file had; zeros for what is not there any more, or cannot be read.
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
}

impl Read for Content {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX);
        let most = most.min(buffer.len());
        if most == 0 {
            return Ok(0);
        }
        let buffer = &mut buffer[..most];
        let read = match self.fault {
            Some(_) => 0,
            None => match self.file.read(buffer) {
                Ok(0) => {
                    self.fault = Some(Why::Changed);
                    0
                }
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::Interrupted => return Err(error),
                Err(_) => {
                    self.fault = Some(Why::Unreadable);
                    0
                }
            },
        };
        let read = if read == 0 {
            buffer.fill(0);
            most
        } else {
            read
        };
        self.left -= read as u64;
        Ok(read)
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
    fn a_file_that_shrinks_is_filled_up() {
        let (mut short, mut read) = (content(b"abc", 5), Vec::new());
        short.read_to_end(&mut read).unwrap();
        assert_eq!(read, b"abc\0\0");
        assert_eq!(short.fault(), Some(Why::Changed));
    }

    #[test]
    fn a_file_that_grows_is_cut() {
        let (mut long, mut read) = (content(b"abcdef", 3), Vec::new());
        long.read_to_end(&mut read).unwrap();
        assert_eq!(read, b"abc");
        assert_eq!(long.fault(), None);
    }
}
