//! The engine's own log file, read for the one thing that its API does not tell: whether the last
//! piece of a stream ended a line.
//!
//! The file is a row of protobuf messages (`LogEntry` of Docker's log driver plugins), each with
//! its size as a big-endian `u32` in front and behind, so it can be read from its end.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Bytes of a size in front of or behind an entry.
const SIZE_BYTES: u64 = 4;
/// A larger entry is not one.
const ENTRY_BYTES_MAX: u64 = 1 << 20;
/// Entries of the other stream that are passed on the way back.
const ENTRIES_MAX: usize = 1 << 20;
/// Fields of `LogEntry`: source = 1, partial_log_metadata = 5; of the latter: last = 1.
const FIELD_SOURCE: u64 = 1;
const FIELD_PARTIAL: u64 = 5;
const FIELD_LAST: u64 = 1;

/// Whether the last entry of `source` (`stdout`, `stderr`) ended its line; `None` if the file
/// cannot be read here or does not say.
pub(super) fn last_piece_ends_line(path: &Path, source: &str) -> Option<bool> {
    let file = File::open(path).ok()?;
    let mut end = file.metadata().ok()?.len();
    for _ in 0..ENTRIES_MAX {
        let size = read_size(&file, end.checked_sub(SIZE_BYTES)?)?;
        let start = end.checked_sub(size + 2 * SIZE_BYTES)?;
        if size > ENTRY_BYTES_MAX || read_size(&file, start)? != size {
            return None;
        }
        let mut entry = vec![0; usize::try_from(size).ok()?];
        file.read_exact_at(&mut entry, start + SIZE_BYTES).ok()?;
        if bytes_field(&entry, FIELD_SOURCE)? == source.as_bytes() {
            let partial = bytes_field(&entry, FIELD_PARTIAL)?;
            return Some(number_field(partial, FIELD_LAST) == Some(1));
        }
        end = start;
    }
    None
}

fn read_size(file: &File, at: u64) -> Option<u64> {
    let mut size = [0; 4];
    file.read_exact_at(&mut size, at).ok()?;
    Some(u64::from(u32::from_be_bytes(size)))
}

/// What a protobuf field may hold, as far as it matters here.
enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

fn bytes_field(message: &[u8], wanted: u64) -> Option<&[u8]> {
    match field(message, wanted)? {
        Value::Bytes(bytes) => Some(bytes),
        Value::Number(_) => None,
    }
}

fn number_field(message: &[u8], wanted: u64) -> Option<u64> {
    match field(message, wanted)? {
        Value::Number(number) => Some(number),
        Value::Bytes(_) => None,
    }
}

fn field(mut message: &[u8], wanted: u64) -> Option<Value<'_>> {
    while !message.is_empty() {
        let tag = varint(&mut message)?;
        let value = match tag & 7 {
            0 => Value::Number(varint(&mut message)?),
            2 => {
                let length = usize::try_from(varint(&mut message)?).ok()?;
                let (bytes, rest) = message.split_at_checked(length)?;
                message = rest;
                Value::Bytes(bytes)
            }
            // No other wire type is in use in these messages.
            _ => return None,
        };
        if tag >> 3 == wanted {
            return Some(value);
        }
    }
    None
}

fn varint(message: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = message.split_first()?;
        *message = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    /// An entry as 20.10 writes it: source, time, line, partial, metadata {last, id}.
    fn entry(source: &str, line: &[u8], last: Option<bool>) -> Vec<u8> {
        let mut body = vec![0x0a, u8::try_from(source.len()).unwrap()];
        body.extend_from_slice(source.as_bytes());
        body.extend_from_slice(&[0x10, 0xef, 0xcb, 0x05]);
        body.extend_from_slice(&[0x1a, u8::try_from(line.len()).unwrap()]);
        body.extend_from_slice(line);
        if let Some(last) = last {
            let mut partial = if last { vec![0x08, 0x01] } else { vec![] };
            partial.extend_from_slice(&[0x12, 0x01, b'i', 0x18, 0x02]);
            body.extend_from_slice(&[0x20, 0x01, 0x2a, u8::try_from(partial.len()).unwrap()]);
            body.extend_from_slice(&partial);
        }
        let size = u32::try_from(body.len()).unwrap().to_be_bytes();
        [size.as_slice(), &body, &size].concat()
    }

    fn said(entries: &[Vec<u8>], source: &str) -> Option<bool> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("container.log");
        std::fs::write(&path, entries.concat()).unwrap();
        last_piece_ends_line(&path, source)
    }

    #[test]
    fn the_last_piece_of_each_stream_is_found_from_the_end() {
        let out = entry("stdout", b"rest", Some(true));
        let open = entry("stdout", b"rest", Some(false));
        let other = entry("stderr", b"words", None);
        assert_eq!(said(std::slice::from_ref(&out), "stdout"), Some(true));
        assert_eq!(said(&[out.clone(), open.clone()], "stdout"), Some(false));
        assert_eq!(
            said(&[open, out.clone(), other.clone(), other.clone()], "stdout"),
            Some(true)
        );
        assert_eq!(
            said(&[out, other], "stderr"),
            None,
            "not part of a long line"
        );
    }

    #[test]
    fn a_file_that_is_something_else_says_nothing() {
        assert_eq!(said(&[], "stdout"), None);
        assert_eq!(said(&[vec![0xff; 100]], "stdout"), None);
        let mut cut = entry("stdout", b"rest", Some(true));
        cut.pop();
        assert_eq!(said(&[cut], "stdout"), None);
    }
}
