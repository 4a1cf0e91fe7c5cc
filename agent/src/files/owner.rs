//! Whose an attempt's directory is, and with whose rights its files are opened.
//!
//! The journal forgets an attempt when the log has its end; the directory stays for weeks. So this
//! is written down on the node's own disk, where only the agent can write, before the job begins.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use beneath::{BeneathError, Ids};
use model::account::{UnixIds, UserName};
use model::assignment::Assignment;
use nix::unistd::{getegid, geteuid};
use serde::{Deserialize, Serialize};

/// The ending of the file's name.
const ENDING: &str = "owner";

/// Whose a directory is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Owner {
    /// Whose job it was.
    pub owner: String,
    /// What the job ran as.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// Its other groups.
    pub groups: Vec<u32>,
    /// The project of the job; empty where an older agent wrote.
    #[serde(default)]
    pub project: String,
    /// What the directory holds, once it was measured behind the attempt's end.
    #[serde(default)]
    pub bytes: Option<u64>,
    /// What it may hold at the most, if there is a bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk_max: Option<u64>,
    /// The shared storage on which the directory lies; `None`: it lies beside this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared: Option<PathBuf>,
}

impl Owner {
    /// Whose an attempt is, on a node whose unprivileged user is this one. An agent that is not
    /// root runs jobs as itself.
    pub fn of(assignment: &Assignment, default_ids: (u32, u32)) -> Owner {
        let ids = if geteuid().is_root() {
            assignment.runs_as(default_ids)
        } else {
            UnixIds {
                uid: geteuid().as_raw(),
                gid: getegid().as_raw(),
                groups: Vec::new(),
            }
        };
        Owner {
            owner: assignment.owner.0.clone(),
            uid: ids.uid,
            gid: ids.gid,
            groups: ids.groups,
            project: assignment.spec.project.clone(),
            bytes: None,
            disk_max: assignment.spec.disk_max.map(|most| most.0),
            shared: None,
        }
    }

    /// Whether it is this user's.
    pub fn is(&self, user: &UserName) -> bool {
        self.owner == user.0
    }

    /// Who its files are opened as.
    ///
    /// # Errors
    /// [`BeneathError::Ids`] if nobody's files are opened as that.
    pub fn ids(&self) -> Result<Ids, BeneathError> {
        Ids::new(self.uid, self.gid, self.groups.clone())
    }

    /// Writes it down.
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn note(&self, path: &Path) -> io::Result<()> {
        let new = path.with_extension("new");
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&new)?;
        file.write_all(&serde_json::to_vec(self)?)?;
        fs::rename(new, path)
    }

    /// What was written down; `None` if nothing was.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn read(path: &Path) -> io::Result<Option<Owner>> {
        match fs::read(path) {
            Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes)?)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// The file in which it is written down whose a directory on the node's own disk is.
pub fn beside(dir: &Path) -> PathBuf {
    dir.with_extension(ENDING)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn what_was_written_down_is_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let place = beside(&dir.path().join("12-0-3"));
        assert_eq!(Owner::read(&place).unwrap(), None);
        let owner = Owner {
            owner: "alice".into(),
            uid: 1001,
            gid: 1002,
            groups: vec![7],
            project: "lab".into(),
            bytes: Some(300),
            disk_max: Some(400),
            shared: Some("/srv/godocker".into()),
        };
        owner.note(&place).unwrap();
        owner.note(&place).unwrap();
        assert_eq!(Owner::read(&place).unwrap(), Some(owner.clone()));
        assert!(owner.is(&"alice".into()) && !owner.is(&"bob".into()));
        let names: Vec<_> = fs::read_dir(dir.path()).unwrap().collect();
        assert_eq!(names.len(), 1);
    }

    #[test]
    fn nothing_is_opened_as_root() {
        let owner = Owner {
            owner: "alice".into(),
            uid: 0,
            gid: 0,
            groups: Vec::new(),
            project: String::new(),
            bytes: None,
            disk_max: None,
            shared: None,
        };
        assert!(owner.ids().is_err());
    }
}
