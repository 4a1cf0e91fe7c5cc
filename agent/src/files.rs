//! The directories of attempts on this node, and reading what attempts have written.
//!
//! An attempt's directory outlives it, so that its output can be read after its end; old ones are
//! swept away after a configured time. The directory is the agent's: the job's group may look into
//! it, and only `work` inside is the job's. So what the agent writes there cannot be replaced by
//! anything else. Whose it is lies beside it ([`owner`]).

pub mod info;
pub mod kept;
pub mod owner;

use std::io;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::time::Duration;

use model::assignment::Assignment;
use model::{AttemptId, Bytes, Fence};
use net::message::OutputStream;

use crate::runtime::{Place, RuntimeError};
use owner::Owner;

/// Permissions of an attempt's directory: its files get the job's group, which may look at them.
const DIRECTORY_MODE: u32 = 0o2750;

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
    let owner = Owner::of(assignment, ids);
    let work = place.work();
    let made = std::fs::create_dir_all(&work)
        .and_then(|()| owner.note(place))
        .and_then(|()| give(&place.dir, None, owner.gid))
        // Behind giving it away, which takes the set-group bit.
        .and_then(|()| set_mode(&place.dir, DIRECTORY_MODE))
        .and_then(|()| set_mode(&work, 0o750))
        .and_then(|()| give(&work, Some(owner.uid), owner.gid));
    made.map_err(|source| RuntimeError::Disk { path: work, source })
}

fn set_mode(path: &Path, mode: u32) -> io::Result<()> {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
}

/// Only root may give directories away; an agent that is not root runs jobs as itself.
fn give(path: &Path, uid: Option<u32>, gid: u32) -> io::Result<()> {
    if nix::unistd::geteuid().is_root() {
        chown(path, uid, Some(gid))
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
        if let Some((attempt, _)) = name.split_once('.') {
            // Goes with its directory; one is left if the agent died between the two.
            if !attempts.join(attempt).exists() && !held(attempt) {
                std::fs::remove_file(entry.path())?;
            }
            continue;
        }
        let written = newest(&entry.path());
        let old = written
            .and_then(|at| at.elapsed().ok())
            .is_some_and(|passed| passed > age);
        if old && !held(&name) && std::fs::remove_dir_all(entry.path()).is_ok() {
            gone += 1;
            let owner = entry.path().with_extension(owner::ENDING);
            if let Err(error) = std::fs::remove_file(&owner)
                && error.kind() != io::ErrorKind::NotFound
            {
                return Err(error);
            }
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
