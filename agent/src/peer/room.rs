//! The room left on a head's disk. Before it is gone, the log takes no new jobs: those that were
//! taken on must still be settled, and the head must be able to start again.

use std::path::PathBuf;
use std::time::Duration;

use nix::sys::statvfs::statvfs;

/// How often the disk is asked: at full speed the log writes a few hundred mebibytes meanwhile.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Tells the log whenever less than the reserve is left, and when there is room again; for ever.
pub(super) async fn watch(reserve_mib: u64, dir: PathBuf, raft: raft::Handle) {
    let mut short = false;
    loop {
        // Asking is one call that touches no data; an answer is all that can be hoped for.
        if let Ok(stat) = statvfs(&dir) {
            let free_mib = stat.blocks_available().saturating_mul(stat.fragment_size()) >> 20;
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
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
