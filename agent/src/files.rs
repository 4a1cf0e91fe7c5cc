//! The directories of attempts on this node, and reading what attempts have written.
//!
//! An attempt's directory outlives it, so that its output can be read after its end; old ones are
//! swept away after a configured time.

use std::io;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::time::Duration;

use model::account::UnixIds;
use model::assignment::Assignment;
use model::{AttemptId, Bytes, Fence};
use net::message::OutputStream;

use crate::runtime::{Place, RuntimeError};

/// Bytes of output read at once.
pub const CHUNK_BYTES: usize = 256 << 10;

/// Where an attempt's files lie below the node's directory of attempts.
pub fn place(attempts: &Path, attempt: AttemptId, fence: Fence) -> Place {
    let mut place = Place {
        attempt,
        fence,
        dir: PathBuf::new(),
    };
    place.dir = attempts.join(place.name());
    place
}

/// Makes the attempt's directory: its own for output, `work` inside for the job.
///
/// # Errors
/// [`RuntimeError::Disk`] names the path.
pub fn make(place: &Place, assignment: &Assignment, ids: (u32, u32)) -> Result<(), RuntimeError> {
    let UnixIds { uid, gid, .. } = assignment.runs_as(ids);
    let work = place.work();
    let made = std::fs::create_dir_all(&work)
        .and_then(|()| set_mode(&place.dir, 0o711))
        .and_then(|()| set_mode(&work, 0o750))
        .and_then(|()| give(&work, uid, gid));
    made.map_err(|source| RuntimeError::Disk { path: work, source })
}

fn set_mode(path: &Path, mode: u32) -> io::Result<()> {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
}

/// Only root may give directories away; an agent that is not root runs jobs as itself.
fn give(path: &Path, uid: u32, gid: u32) -> io::Result<()> {
    if nix::unistd::geteuid().is_root() {
        chown(path, Some(uid), Some(gid))
    } else {
        Ok(())
    }
}

/// How often the size of an attempt's output is looked at.
const SIZE_EVERY: Duration = Duration::from_millis(500);

/// Returns when an attempt's two outputs together have reached a bound; never, without one.
pub async fn full(place: &Place, most: Option<Bytes>) {
    let Some(most) = most else {
        return std::future::pending().await;
    };
    let size = |path: PathBuf| path.metadata().map_or(0, |file| file.len());
    while size(place.stdout()).saturating_add(size(place.stderr())) < most.0 {
        tokio::time::sleep(SIZE_EVERY).await;
    }
}

/// The file that holds one of an attempt's two streams.
pub fn output(place: &Place, stream: OutputStream) -> PathBuf {
    match stream {
        OutputStream::Stdout => place.stdout(),
        OutputStream::Stderr => place.stderr(),
    }
}

/// Removes directories of attempts that nobody holds and that were not written to for `age`.
/// Returns how many are gone.
///
/// # Errors
/// If the directory of attempts cannot be read.
pub fn sweep(attempts: &Path, age: Duration, held: impl Fn(&str) -> bool) -> io::Result<usize> {
    let mut gone = 0;
    for entry in std::fs::read_dir(attempts)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let written = newest(&entry.path());
        let old = written
            .and_then(|at| at.elapsed().ok())
            .is_some_and(|passed| passed > age);
        if old && !held(&name) && std::fs::remove_dir_all(entry.path()).is_ok() {
            gone += 1;
        }
    }
    Ok(gone)
}

fn newest(dir: &Path) -> Option<std::time::SystemTime> {
    let files = [dir.to_path_buf(), dir.join("god.log"), dir.join("god.err")];
    files
        .iter()
        .filter_map(|path| path.metadata().ok()?.modified().ok())
        .max()
}
