//! Storage that nodes share: who may use it, whether it is there, and where in it an attempt lies.
//!
//! A directory becomes shared storage by a mark, which an administrator has written once
//! (`goagent mark-storage`). It names the cluster. Where it is missing, nothing is mounted, and
//! nothing is ever made there: a job would otherwise run on the node's own disk, and nobody would
//! find what it left. Users may have the storage on machines of their own: all but `work` and what
//! is in it belongs to the agents' user, and where others may write, it is refused.
//!
//! The tree is a pair-tree of the job's number, two digits a level, so that no directory has many
//! entries: attempt `12345_0#1` lies in `12/34/5/job/0/1`.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};

use model::{AttemptId, ClusterId};
use nix::unistd::geteuid;
use serde::{Deserialize, Serialize};

use super::set_mode;
use crate::identity;
use crate::runtime::RuntimeError;

/// The file that makes a directory the shared storage of a cluster.
const MARK: &str = ".godocker-storage";
/// The version of what is in it.
const MARK_VERSION: u32 = 1;
/// Permissions of the mark.
const MARK_MODE: u32 = 0o644;
/// Behind the pieces of the job's number: it is no number, so no job's pieces go on there.
const END: &str = "job";
/// Permissions of the directories that lead to an attempt's: to pass, and not to list.
const WAY_MODE: u32 = 0o711;
/// Permission bits with which others could put something else in its place.
const WRITABLE_BY_OTHERS: u32 = 0o022;
/// What a new disk has in it already.
const LOST_AND_FOUND: &str = "lost+found";
/// Whom a trial gives a file to.
const NOBODY: u32 = 65_534;

/// Shared storage of one cluster.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Shared {
    /// Where it is mounted on this node.
    pub root: PathBuf,
    /// Whose it has to be.
    pub cluster: ClusterId,
}

#[derive(Serialize, Deserialize)]
struct Mark {
    version: u32,
    cluster: String,
}

impl Shared {
    /// Where an attempt has its directory.
    pub fn dir(&self, attempt: AttemptId) -> PathBuf {
        let job = attempt.task.job.0.to_string();
        let mut dir = self.root.clone();
        for piece in job.as_bytes().chunks(2) {
            dir.push(String::from_utf8_lossy(piece).as_ref());
        }
        dir.push(END);
        dir.push(attempt.task.index.to_string());
        dir.push(attempt.number.to_string());
        dir
    }

    /// Whether it is there, and is this cluster's.
    ///
    /// # Errors
    /// [`RuntimeError::Storage`] says what to do.
    pub fn ready(&self) -> Result<(), RuntimeError> {
        let there = fs::metadata(&self.root).map_err(|error| match error.kind() {
            ErrorKind::NotFound => self.away("it is not there: mount it"),
            _ => self.away(&format!("{error}: mount it anew")),
        })?;
        let mark = self.root.join(MARK);
        let marked = fs::symlink_metadata(&mark).map_err(|error| match error.kind() {
            ErrorKind::NotFound => self.away(
                "it is not mounted, or new: mount it, or run `goagent mark-storage` once on one \
                 node",
            ),
            _ => self.away(&format!("{MARK}: {error}")),
        })?;
        for found in [&there, &marked] {
            self.only_ours(found)?;
        }
        let cluster = read(&mark).map_err(|error| self.away(&format!("{MARK}: {error}")))?;
        if cluster != self.cluster.to_string() {
            let why = format!(
                "it is the storage of cluster {cluster}, and this node is of {}: give each \
                 cluster a directory of its own",
                self.cluster
            );
            return Err(self.away(&why));
        }
        Ok(())
    }

    /// Whether attempts can have directories in it: makes a file, gives it away, and removes it.
    ///
    /// # Errors
    /// [`RuntimeError::Storage`] says what to do.
    pub fn try_out(&self) -> Result<(), RuntimeError> {
        self.ready()?;
        let number = getrandom::u32().unwrap_or_else(|_| std::process::id());
        let path = self.root.join(format!(".trial-{number:08x}"));
        let tried = try_out(&path);
        let removed = fs::remove_file(&path);
        tried.and(removed).map_err(|error| {
            let remedy = match error.kind() {
                ErrorKind::PermissionDenied => ": let root write there (NFS: `no_root_squash`)",
                _ => "",
            };
            self.away(&format!(
                "cannot make a file and give it away: {error}{remedy}"
            ))
        })
    }

    /// Makes the way to a directory, and the directory; the storage itself is never made.
    pub(super) fn make_dir(&self, dir: &Path) -> io::Result<()> {
        let way = dir.strip_prefix(&self.root).map_err(io::Error::other)?;
        let mut at = self.root.clone();
        for piece in way.components() {
            at.push(piece);
            match fs::create_dir(&at) {
                Ok(()) => set_mode(&at, WAY_MODE)?,
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Removes a directory with all that is in it, and what is empty without it.
    pub(super) fn remove_dir(&self, dir: &Path) -> io::Result<()> {
        fs::remove_dir_all(dir)?;
        let above = dir.ancestors().skip(1);
        for dir in above.take_while(|above| *above != self.root) {
            // Not empty: another attempt needs it. Who makes one there meanwhile tries again.
            if fs::remove_dir(dir).is_err() {
                break;
            }
        }
        Ok(())
    }

    /// What keeps attempts from it.
    pub(super) fn away(&self, why: &str) -> RuntimeError {
        let why = format!("files.shared: {}: {why}", self.root.display());
        RuntimeError::Storage { why }
    }

    fn only_ours(&self, found: &Metadata) -> Result<(), RuntimeError> {
        let ours = found.uid() == geteuid().as_raw() && found.mode() & WRITABLE_BY_OTHERS == 0;
        if ours {
            return Ok(());
        }
        let why = format!(
            "others than goagent's user may write in it or to {MARK}: `chown` both to user {}, \
             `chmod go-w`",
            geteuid()
        );
        Err(self.away(&why))
    }
}

/// Makes a directory the shared storage of a cluster; `false` if it is that already.
///
/// # Errors
/// [`RuntimeError::Storage`] if it is somebody else's, or is in use for something else.
pub fn mark(root: &Path, cluster: ClusterId) -> Result<bool, RuntimeError> {
    let shared = Shared {
        root: root.into(),
        cluster,
    };
    let away = |error: io::Error| shared.away(&error.to_string());
    let path = root.join(MARK);
    if path.symlink_metadata().is_ok() {
        return shared.ready().map(|()| false);
    }
    shared.only_ours(&fs::metadata(root).map_err(away)?)?;
    for entry in fs::read_dir(root).map_err(away)? {
        let name = entry.map_err(away)?.file_name();
        let name = name.to_string_lossy();
        if !name.starts_with('.') && name != LOST_AND_FOUND {
            let why = format!("`{name}` is in it: choose an empty directory");
            return Err(shared.away(&why));
        }
    }
    let mark = Mark {
        version: MARK_VERSION,
        cluster: cluster.to_string(),
    };
    let text = serde_json::to_vec(&mark).map_err(|error| away(error.into()))?;
    identity::write(&path, &text, MARK_MODE).map_err(|error| match error {
        identity::IdentityError::File { source, .. } => away(source),
        other => shared.away(&other.to_string()),
    })?;
    // Whatever the mask of this process was.
    set_mode(&path, MARK_MODE).map_err(away)?;
    shared.try_out().map(|()| true)
}

fn read(path: &Path) -> io::Result<String> {
    let mark: Mark = serde_json::from_slice(&fs::read(path)?)?;
    Ok(mark.cluster)
}

fn try_out(path: &Path) -> io::Result<()> {
    let mut file: File = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(b"trial\n")?;
    file.sync_all()?;
    // Only root may give files away; an agent that is not root runs jobs as itself.
    if geteuid().is_root() {
        fchown(&file, Some(NOBODY), Some(NOBODY))?;
    }
    Ok(())
}
