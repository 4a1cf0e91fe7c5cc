//! The data directory: whether it can be written, how much room it has, how fast it syncs; and
//! the storage of jobs' directories, where nodes share it.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::sys::statvfs::statvfs;

use super::Finding;
use crate::config::{Config, RuntimeChoice};
use crate::files::storage::Storage;
use crate::identity::DataDir;

/// Room for the log and for jobs' output; less is asking for trouble.
const ROOM_MIN: u64 = 5 << 30;
/// Syncs that are timed.
const SYNCS: usize = 50;
/// What one of them writes: about one entry of the log.
const SYNC_BYTES: usize = 4 << 10;
/// A median above this slows every submission.
const SYNC_SLOW: Duration = Duration::from_millis(10);
/// Above this, heads would lose their leader for nothing.
const SYNC_BAD: Duration = Duration::from_millis(100);

pub(super) fn look(data_dir: &Path) -> Vec<Finding> {
    let dir = nearest(data_dir);
    vec![room(&dir), sync(&dir)]
}

/// Whether jobs could have their directories on the shared storage that is configured.
pub(super) async fn shared(config: &Config) -> Option<Finding> {
    let about = "shared storage";
    let runs_jobs = config.runtime.kind != RuntimeChoice::None;
    let root = config.files.shared().filter(|_| runs_jobs)?;
    let seen = root.display().to_string();
    let dir = DataDir(config.node.data_dir.clone());
    let Ok(cluster) = dir.cluster() else {
        if !root.is_dir() {
            let seen = format!("files.shared: {seen} is not there");
            return Some(Finding::missing(about, seen, "mount it"));
        }
        let seen =
            format!("{seen}: whether it is the cluster's is known once this node has joined");
        return Some(Finding::doubtful(about, seen, "join, then check again"));
    };
    let storage = Storage::new(dir.attempts(), cluster).with_shared(Some(root));
    Some(match storage.try_out().await {
        Ok(()) => Finding::fine(
            about,
            format!("{seen} is this cluster's, and can be written"),
        ),
        Err(error) => {
            let remedy = "until then jobs cannot run here; empty files.shared: on the own disk";
            Finding::missing(about, error.to_string(), remedy)
        }
    })
}

/// The directory, or the one that it would be made in.
fn nearest(dir: &Path) -> PathBuf {
    let existing = dir.ancestors().find(|path| path.is_dir());
    existing.unwrap_or(Path::new("/")).to_path_buf()
}

fn room(dir: &Path) -> Finding {
    let about = "disk space";
    let stat = match statvfs(dir) {
        Ok(stat) => stat,
        Err(error) => {
            let seen = format!("{}: {error}", dir.display());
            return Finding::missing(about, seen, "choose another node.data_dir");
        }
    };
    let free = stat.blocks_available().saturating_mul(stat.fragment_size());
    let seen = format!("{} MiB free in {}", free >> 20, dir.display());
    if free < ROOM_MIN {
        let remedy = format!(
            "make room: {} MiB are little for the log and output",
            ROOM_MIN >> 20
        );
        return Finding::doubtful(about, seen, remedy);
    }
    Finding::fine(about, seen)
}

fn sync(dir: &Path) -> Finding {
    let about = "disk sync";
    let times = match time_syncs(dir) {
        Ok(times) => times,
        Err(error) => {
            let seen = format!("cannot write in {}: {error}", dir.display());
            return Finding::missing(about, seen, "make node.data_dir writable for goagent");
        }
    };
    let (median, worst) = (times[times.len() / 2], times[times.len() - 1]);
    let seen = format!(
        "{:.1} ms to sync {} KiB (median of {SYNCS}), {:.1} ms at worst",
        median.as_secs_f64() * 1e3,
        SYNC_BYTES >> 10,
        worst.as_secs_f64() * 1e3
    );
    if median > SYNC_BAD {
        Finding::missing(about, seen, "put node.data_dir on a local SSD")
    } else if median > SYNC_SLOW {
        Finding::doubtful(about, seen, "put node.data_dir of heads on a local SSD")
    } else {
        Finding::fine(about, seen)
    }
}

/// The times of the syncs, shortest first.
fn time_syncs(dir: &Path) -> io::Result<Vec<Duration>> {
    let path = dir.join(format!(".godocker-check-{}", std::process::id()));
    let mut file = File::create_new(&path)?;
    let mut times = Vec::with_capacity(SYNCS);
    let timed = (0..SYNCS).try_for_each(|_| {
        file.write_all(&[0; SYNC_BYTES])?;
        let began = Instant::now();
        file.sync_data()?;
        times.push(began.elapsed());
        Ok(())
    });
    let removed = std::fs::remove_file(&path);
    timed.and(removed)?;
    times.sort_unstable();
    Ok(times)
}
