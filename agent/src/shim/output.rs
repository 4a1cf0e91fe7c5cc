//! Carries what the program writes into its file, byte for byte and in order.
//!
//! The program writes to a pipe, not to the file: so it can neither shorten nor rewrite what it
//! has said, and `> /dev/stderr` in a script does not empty the log. A full disk holds the
//! program up for a while; when that does not help, the rest is dropped and the loss is told.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Bytes read at once: what a pipe holds.
const CHUNK_BYTES: usize = 64 << 10;
/// How long a full disk is waited for, in all.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two tries to write.
const RETRY: Duration = Duration::from_millis(200);

/// A thread that copies one stream until nobody can write to it any more.
pub(super) struct Pump(JoinHandle<Result<(), String>>);

impl Pump {
    pub(super) fn start(from: OwnedFd, to: &Path) -> io::Result<Pump> {
        let file = File::options()
            .create(true)
            .append(true)
            .mode(0o644)
            .open(to)?;
        let path = to.display().to_string();
        let copy = move || copy(File::from(from), file).map_err(|error| format!("{path}: {error}"));
        Ok(Pump(std::thread::Builder::new().spawn(copy)?))
    }

    /// Waits for the end of the stream; an error says what is missing from the file. What is in
    /// the file then survives a power cut.
    pub(super) fn finish(self) -> Result<(), String> {
        self.0
            .join()
            .unwrap_or_else(|_| Err("the copying thread panicked".into()))
    }
}

fn copy(mut from: File, mut to: File) -> io::Result<()> {
    let mut buffer = vec![0; CHUNK_BYTES];
    let mut lost = None;
    let mut patience = PATIENCE;
    loop {
        let read = match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        // Past a loss the stream is only emptied, so that the program can go on.
        if lost.is_none() {
            lost = write(&mut to, &buffer[..read], &mut patience).err();
        }
    }
    match lost {
        Some(error) => Err(error),
        None => to.sync_data(),
    }
}

fn write(to: &mut impl Write, mut bytes: &[u8], patience: &mut Duration) -> io::Result<()> {
    while !bytes.is_empty() {
        let begun = Instant::now();
        match to.write(bytes) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(written) => bytes = &bytes[written..],
            Err(error) => match error.kind() {
                ErrorKind::Interrupted => {}
                ErrorKind::StorageFull | ErrorKind::QuotaExceeded if !patience.is_zero() => {
                    std::thread::sleep(RETRY);
                    *patience = patience.saturating_sub(begun.elapsed());
                }
                _ => return Err(error),
            },
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes a few bytes at a time and is full now and then.
    struct Narrow(Vec<u8>, u32);

    impl Write for Narrow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.1 += 1;
            if self.1.is_multiple_of(2) {
                return Err(ErrorKind::Interrupted.into());
            }
            let taken = bytes.len().min(3);
            self.0.extend_from_slice(&bytes[..taken]);
            Ok(taken)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn short_writes_lose_and_double_nothing() {
        let mut narrow = Narrow(Vec::new(), 0);
        write(&mut narrow, b"0123456789", &mut PATIENCE.clone()).unwrap();
        assert_eq!(narrow.0, b"0123456789");
    }

    #[test]
    fn a_stream_that_cannot_be_written_is_emptied_all_the_same() {
        let (read, write) = nix::unistd::pipe().unwrap();
        let full = File::options().write(true).open("/dev/full").unwrap();
        let writer = std::thread::spawn(move || {
            File::from(write)
                .write_all(&vec![b'x'; 4 * CHUNK_BYTES])
                .unwrap();
        });
        let mut from = File::from(read);
        let mut buffer = [0; 16];
        let mut patience = Duration::ZERO;
        let read = from.read(&mut buffer).unwrap();
        let error = super::write(&mut &full, &buffer[..read], &mut patience).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::StorageFull);
        // A file that is not open for writing fails at once, and the writer still gets through.
        let closed = File::open("/dev/null").unwrap();
        assert!(copy(from, closed).is_err());
        writer.join().unwrap();
    }
}
