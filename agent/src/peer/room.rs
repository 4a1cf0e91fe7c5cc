//! The room left on a head's disk. Before it is gone, the log takes no new jobs: those that were
//! taken on must still be settled, and the head must be able to start again. A head that leads
//! lets another one lead, which may have room.
//!
//! A node that ended because nothing was left does not start before there is room again.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::sys::statvfs::statvfs;

use crate::error::AgentError;

/// How often the disk is asked: at full speed the log writes a few hundred mebibytes meanwhile.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How often a head with little room lets another one lead, at the most: all may have little.
const HAND_ON_EVERY: Duration = Duration::from_secs(30);
/// With less than this left, something did not fit: RocksDB writes files of so much at once.
const GONE_MIB: u64 = 64;
/// With less than this a node does not start: RocksDB sets aside for each of its two databases what
/// it writes ahead, and writes down what was written ahead before. Much of it is free again when
/// the node has ended.
const START_MIB: u64 = 160;

/// Tells the log whenever less than the reserve is left, and when there is room again; for ever.
pub(super) async fn watch(reserve_mib: u64, dir: PathBuf, raft: raft::Handle) {
    let mut short = false;
    let mut handed_on: Option<Instant> = None;
    loop {
        // Asking is one call that touches no data; an answer is all that can be hoped for.
        if let Some(free_mib) = free_mib(&dir) {
            let now = free_mib < reserve_mib;
            if now != short {
                raft.set_short_of_room(now);
                short = now;
                if now {
                    tracing::error!(free_mib, reserve_mib, "little room: taking no new jobs");
                } else {
                    tracing::info!(free_mib, reserve_mib, "there is room again");
                }
            }
        }
        if short && raft.is_leading() && handed_on.is_none_or(|at| at.elapsed() >= HAND_ON_EVERY) {
            handed_on = Some(Instant::now());
            // There may be nobody else, or nobody who can.
            if let Err(error) = raft.transfer_leadership(None).await {
                tracing::debug!(%error, "leadership was not handed on");
            }
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Says of a failure that it is for want of room, if so little is left at this moment.
pub(super) fn judge(error: AgentError, dir: &Path) -> AgentError {
    let gone = error.is_of_storage() && free_mib(dir).is_some_and(|free| free < GONE_MIB);
    if gone {
        AgentError::NoRoom {
            path: dir.to_owned(),
            source: Box::new(error),
        }
    } else {
        error
    }
}

/// Waits until a node can start.
pub async fn wait(dir: &Path) {
    tracing::error!(dir = %dir.display(), "going on when there are {START_MIB} MiB");
    while free_mib(dir).is_none_or(|free| free < START_MIB) {
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn free_mib(dir: &Path) -> Option<u64> {
    let stat = statvfs(dir).ok()?;
    Some(stat.blocks_available().saturating_mul(stat.fragment_size()) >> 20)
}
