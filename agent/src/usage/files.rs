//! Reading the files of a control group that cgroups-rs does not read, or not exactly.
//!
//! A missing group directory is [`UsageError::Gone`]; a missing file of an existing group means
//! that the kernel does not keep that number.

use std::io::ErrorKind;
use std::path::Path;

use super::UsageError;

/// Fails if the group's directory is gone.
pub(super) fn present(dir: &Path) -> Result<(), UsageError> {
    if dir.is_dir() {
        Ok(())
    } else {
        Err(UsageError::Gone {
            path: dir.to_path_buf(),
        })
    }
}

/// The whole file; `None` if the kernel does not have it.
fn text(path: &Path) -> Result<Option<String>, UsageError> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            present(path.parent().unwrap_or(path))?;
            Ok(None)
        }
        // The kernel says so when the group goes away while its file is open.
        Err(error) if error.raw_os_error() == Some(nix::libc::ENODEV) => Err(UsageError::Gone {
            path: path.to_path_buf(),
        }),
        Err(error) => Err(UsageError::File {
            path: path.to_path_buf(),
            why: error.to_string(),
        }),
    }
}

/// A file with one number; `None` if it is not there or says `max`.
pub(super) fn number(path: &Path) -> Option<u64> {
    text(path).ok()??.trim().parse().ok()
}

/// The number behind `key` in lines of `key number`.
pub(super) fn key(text: &str, key: &str) -> Option<u64> {
    let mut pairs = text.lines().filter_map(|line| line.split_once(' '));
    pairs
        .find(|(name, _)| *name == key)
        .and_then(|(_, number)| number.trim().parse().ok())
}

/// The number behind `name` in a file of lines of `key number`.
pub(super) fn keyed(path: &Path, name: &str) -> Result<u64, UsageError> {
    let file = |why: String| UsageError::File {
        path: path.to_path_buf(),
        why,
    };
    let text = text(path)?.ok_or_else(|| file("is not there".into()))?;
    key(&text, name).ok_or_else(|| file(format!("has no `{name}`")))
}

/// Bytes read and written, from version 2's `io.stat`: `8:0 rbytes=1 wbytes=2 …` per device.
pub(super) fn io_stat(path: &Path) -> Result<(u64, u64), UsageError> {
    let Some(text) = text(path)? else {
        return Ok((0, 0));
    };
    let sum = |name: &str| {
        let words = text
            .split_whitespace()
            .filter_map(|word| word.split_once('='));
        let bytes = words.filter(|(key, _)| *key == name);
        bytes
            .filter_map(|(_, bytes)| bytes.parse::<u64>().ok())
            .sum()
    };
    Ok((sum("rbytes"), sum("wbytes")))
}

/// Bytes read and written on version 1: `8:0 Read 1` per device and kind. The throttling layer
/// sees every request; the scheduler's own count is empty with most schedulers.
pub(super) fn service_bytes(dir: &Path) -> Result<(u64, u64), UsageError> {
    let name = "blkio.throttle.io_service_bytes_recursive";
    let older = "blkio.throttle.io_service_bytes";
    let text = match text(&dir.join(name))? {
        Some(text) => text,
        None => text(&dir.join(older))?.unwrap_or_default(),
    };
    let sum = |kind: &str| {
        let lines = text
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>());
        let bytes = lines.filter_map(|words| match words[..] {
            [_, found, bytes] if found == kind => bytes.parse::<u64>().ok(),
            _ => None,
        });
        bytes.sum()
    };
    Ok((sum("Read"), sum("Write")))
}
