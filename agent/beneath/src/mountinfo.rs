//! What the kernel says is mounted, as a process sees it (`/proc/PID/mountinfo`, proc(5)).
//!
//! Reading it never touches what is mounted, so a file server that is gone does not hang it.

use std::fs::File;
use std::io::Read;

use crate::error::BeneathError;
use crate::limits::MOUNTINFO_BYTES_MAX;

/// One mount.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Mount {
    /// The device's number, `major:minor`.
    pub(crate) device: Vec<u8>,
    /// Which directory of that device.
    pub(crate) root: Vec<u8>,
    /// Where.
    pub(crate) point: Vec<u8>,
}

/// The mounts of a process, or of the calling thread (`thread-self`).
pub(crate) fn read(of: &str) -> Result<Vec<Mount>, BeneathError> {
    let path = format!("/proc/{of}/mountinfo");
    let mut text = Vec::new();
    let read =
        File::open(&path).and_then(|file| file.take(MOUNTINFO_BYTES_MAX).read_to_end(&mut text));
    match read {
        Ok(_) => Ok(text
            .split(|byte| *byte == b'\n')
            .filter_map(mount)
            .collect()),
        Err(source) => Err(BeneathError::System {
            what: "read",
            path,
            source,
        }),
    }
}

fn mount(line: &[u8]) -> Option<Mount> {
    let mut fields = line.split(|byte| *byte == b' ').skip(2);
    Some(Mount {
        device: fields.next()?.to_vec(),
        root: plain(fields.next()?),
        point: plain(fields.next()?),
    })
}

/// Undoes the escapes: a backslash and three octal digits.
fn plain(field: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(field.len());
    let mut at = 0;
    while at < field.len() {
        let escaped = (field[at] == b'\\').then(|| field.get(at + 1..at + 4).and_then(octal));
        match escaped.flatten() {
            Some(byte) => {
                bytes.push(byte);
                at += 4;
            }
            None => {
                bytes.push(field[at]);
                at += 1;
            }
        }
    }
    bytes
}

fn octal(digits: &[u8]) -> Option<u8> {
    digits.iter().try_fold(0_u8, |byte, digit| {
        let digit = digit.checked_sub(b'0').filter(|digit| *digit < 8)?;
        byte.checked_mul(8)?.checked_add(digit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_what_is_mounted_where() {
        let line = br"36 35 98:0 /mnt\0401 /run/a\134b\012 rw,noatime shared:1 - ext4 /dev/root rw";
        let found = mount(line).unwrap();
        assert_eq!(found.device, b"98:0");
        assert_eq!(found.root, b"/mnt 1");
        assert_eq!(found.point, b"/run/a\\b\n");
        assert_eq!(mount(b""), None);
        assert_eq!(plain(br"a\9\77"), br"a\9\77");
    }
}
