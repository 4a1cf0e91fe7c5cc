//! Which images were fetched with somebody's login. They lie on the node for everybody, but not
//! everybody may use them: before each start the registry is asked again, with the login of the
//! job's own owner or without one.
//!
//! A file of the agent's, one reference or id in a line; the reference is synced before an image is
//! fetched. Lines are never taken away while the agent runs.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::runtime::RuntimeError;

/// Lines that are kept. An administrator who reaches that removes images, and then the file.
const GUARDED_MAX: usize = 1_000_000;

/// The images that were fetched with a login.
pub(super) struct Guarded {
    path: PathBuf,
    /// `None` until the file is read, at the first look.
    known: Mutex<Option<BTreeSet<String>>>,
}

impl Guarded {
    /// Those that the file names.
    pub(super) fn new(path: PathBuf) -> Guarded {
        Guarded {
            path,
            known: Mutex::default(),
        }
    }

    /// Whether one of these, references or ids, was fetched with a login.
    pub(super) fn holds(&self, names: &[&str]) -> Result<bool, RuntimeError> {
        self.with(|known| Ok(names.iter().any(|name| known.contains(*name))))
    }

    /// Notes a reference or an id; on disk before it returns.
    pub(super) fn add(&self, name: &str) -> Result<(), RuntimeError> {
        self.with(|known| {
            if known.contains(name) {
                return Ok(());
            }
            if known.len() >= GUARDED_MAX {
                return Err(io::Error::other(
                    "too many images were fetched with a login",
                ));
            }
            append(&self.path, name)?;
            known.insert(name.to_owned());
            Ok(())
        })
    }

    fn with<T>(
        &self,
        work: impl FnOnce(&mut BTreeSet<String>) -> io::Result<T>,
    ) -> Result<T, RuntimeError> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let read = match known.take() {
            Some(read) => Ok(read),
            None => read(&self.path),
        };
        let done = read.and_then(|read| work(known.insert(read)));
        done.map_err(|source| RuntimeError::Disk {
            path: self.path.clone(),
            source,
        })
    }
}

fn read(path: &Path) -> io::Result<BTreeSet<String>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(text.lines().map(str::to_owned).collect()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(BTreeSet::new()),
        Err(error) => Err(error),
    }
}

fn append(path: &Path, name: &str) -> io::Result<()> {
    let new = !path.exists();
    let mut file = File::options()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path)?;
    // A line that a crash has cut short does not swallow this one.
    file.write_all(format!("\n{name}\n").as_bytes())?;
    file.sync_all()?;
    match path.parent().filter(|_| new) {
        Some(dir) => File::open(dir)?.sync_all(),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn what_was_noted_is_known_to_the_next_agent_even_behind_a_torn_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("guarded");
        let first = Guarded::new(path.clone());
        assert!(!first.holds(&["a:1"]).unwrap());
        first.add("a:1").unwrap();
        assert!(first.holds(&["b:1", "a:1"]).unwrap());
        let mut file = File::options().append(true).open(&path).unwrap();
        file.write_all(b"sha256:0").unwrap();
        let second = Guarded::new(path.clone());
        second.add("sha256:00ab").unwrap();
        let third = Guarded::new(path);
        assert!(third.holds(&["a:1"]).unwrap());
        assert!(third.holds(&["sha256:00ab"]).unwrap());
        assert!(!third.holds(&["sha256:00a"]).unwrap());
    }
}
