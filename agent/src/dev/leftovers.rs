//! What a node of a development cluster leaves on the machine when its cluster ends: containers or
//! processes of attempts that still ran, and empty control groups.

use std::path::Path;
use std::sync::Arc;

use model::ClusterId;

use crate::config::Config;
use crate::error::AgentError;
use crate::files::storage::Storage;
use crate::identity::DataDir;
use crate::peer::choice::{self, Owner};
use crate::secrets::{Asking, Logins};

/// Where the kernel shows control groups.
const GROUPS: &str = "/sys/fs/cgroup";

/// Ends and removes every attempt of the node, then the groups that are empty.
pub(super) async fn remove(config: &Config) -> Result<(), AgentError> {
    let dir = DataDir(config.node.data_dir.clone());
    if !dir.is_taken() {
        return Ok(());
    }
    let owner = Owner::of(&dir.load()?, &dir)?;
    // Nothing is fetched here.
    let logins: Arc<dyn Logins> = Asking::new();
    let Some(runtime) = choice::runtime(config, &dir, owner, &logins).await? else {
        return Ok(());
    };
    let failed = |error: crate::runtime::RuntimeError| AgentError::Runtime {
        why: error.to_string(),
    };
    let storage = Storage::new(dir.attempts(), owner.cluster);
    for seen in runtime.list().await.map_err(failed)? {
        let place = storage.place(seen.attempt, seen.fence);
        runtime.remove(&place).await.map_err(failed)?;
    }
    remove_groups(owner.cluster);
    Ok(())
}

/// The kernel removes empty groups only, so what is in use stays.
fn remove_groups(cluster: ClusterId) {
    let cluster = cluster.to_string();
    let of_docker = format!("godocker-{}", &cluster[..8]);
    let Ok(hierarchies) = std::fs::read_dir(GROUPS) else {
        return;
    };
    let hierarchies = hierarchies.flatten().map(|entry| entry.path());
    for hierarchy in hierarchies.chain([Path::new(GROUPS).to_path_buf()]) {
        let _ = std::fs::remove_dir(hierarchy.join(&of_docker));
        let of_processes = std::fs::read_dir(hierarchy.join("godocker"));
        for entry in of_processes.into_iter().flatten().flatten() {
            if entry
                .file_name()
                .to_string_lossy()
                .starts_with(&cluster[..12])
            {
                let _ = std::fs::remove_dir(entry.path());
            }
        }
    }
}
