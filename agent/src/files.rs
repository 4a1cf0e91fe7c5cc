//! The directories of attempts on this node, and reading what attempts have written.
//!
//! An attempt's directory outlives it, so that its output can be read after its end; old ones are
//! swept away after a configured time. The directory is the agent's: the job's group may look into
//! it, and only `work` inside is the job's. So what the agent writes there cannot be replaced by
//! anything else. Whose it is, the agent keeps to itself ([`owner`]); where it lies, [`storage`]
//! knows.

pub mod info;
pub mod kept;
pub mod owner;
pub mod shared;
pub mod storage;

use std::io;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::time::Duration;

use model::Bytes;
use net::message::OutputStream;

use crate::runtime::Place;

/// Permissions of an attempt's directory: its files get the job's group, which may look at them.
const DIRECTORY_MODE: u32 = 0o2750;

/// Permissions of what is the job's own.
const WORK_MODE: u32 = 0o750;

/// Bytes of output read at once.
pub const CHUNK_BYTES: usize = 256 << 10;

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
    let size = async |path: PathBuf| tokio::fs::metadata(path).await.map_or(0, |file| file.len());
    while size(place.stdout())
        .await
        .saturating_add(size(place.stderr()).await)
        < most.0
    {
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
