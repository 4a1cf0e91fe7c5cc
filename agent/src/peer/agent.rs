//! The part of a node that runs jobs: journal, runtime, runner, and the uplink to the heads.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use model::node::{NodeFacts, NodeRole};
use model::{Bytes, MilliCpus, Resources};
use net::Endpoint;
use tokio::sync::mpsc;

use super::choice;
use crate::birth;
use crate::config::{Config, RuntimeConfig};
use crate::error::AgentError;
use crate::files::storage::Storage;
use crate::identity::{DataDir, NodeFile};
use crate::journal::{Journal, JournalError};
use crate::lease::Lease;
use crate::runner::{Options, Runner};
use crate::secrets::{Asking, Logins};
use crate::uplink::{Parts, SaveHeads, Uplink};
use crate::volumes::Volumes;

/// How often directories of old attempts are swept.
const SWEEP_EVERY: Duration = Duration::from_secs(3_600);

/// Takes up what the journal knows, and makes ready to speak to the heads.
pub(super) async fn start(
    config: &Config,
    dir: &DataDir,
    file: NodeFile,
    endpoint: Arc<Endpoint>,
    failed: mpsc::Sender<JournalError>,
) -> Result<Arc<Uplink>, AgentError> {
    let (journal, found) = Journal::open(&dir.journal())?;
    let owner = choice::Owner::of(&file, dir)?;
    let asking = Asking::new();
    let logins: Arc<dyn Logins> = asking.clone();
    let runtime = choice::resume(config, dir, owner, &found.attempts, &logins).await?;
    if runtime.is_none() && !found.attempts.is_empty() {
        let count = found.attempts.len();
        let why = format!("{count} attempts are on this node, but runtime.kind is `none`");
        return Err(AgentError::Runtime { why });
    }
    let role = if file.head {
        NodeRole::Head
    } else {
        NodeRole::Agent
    };
    let facts = NodeFacts {
        capacity: runtime.is_some().then(|| capacity(&config.runtime)),
        runtime: runtime.as_ref().map(|r| r.kind()).unwrap_or_default(),
        ..birth::facts_of(config, role)
    };
    let (term, lease) = (found.term, found.lease);
    let runtime = match runtime {
        Some(runtime) => runtime,
        // It offers nothing, so it is never asked.
        None => choice::fake(config, dir)?,
    };
    let shared = config.files.shared().filter(|_| runtime.needs_directory());
    let storage = Storage::new(dir.attempts(), owner.cluster).with_shared(shared);
    let options = Options {
        storage,
        default_ids: (config.runtime.default_uid, config.runtime.default_gid),
        sample_every: Duration::from_millis(config.runtime.sample_ms.max(50)),
        secrets: asking.clone(),
        volumes: Volumes::open(&dir.pins()).map_err(|error| AgentError::Runtime {
            why: error.to_string(),
        })?,
    };
    let runner = Arc::new(Runner::start(
        runtime,
        journal.clone(),
        options,
        found,
        failed.clone(),
    ));
    let age = Duration::from_secs(config.runtime.keep_output_days.saturating_mul(86_400));
    tokio::spawn(sweep(Arc::downgrade(&runner), age));
    let heads = file.head_addrs();
    let save_heads = keeper(file, dir.clone());
    Ok(Uplink::new(Parts {
        endpoint,
        facts,
        runner,
        journal,
        lease: Lease::resume(lease),
        term,
        heads,
        save_heads,
        asking,
        failed,
    }))
}

/// Sweeps directories of old attempts now and then, as long as there is a runner.
async fn sweep(runner: Weak<Runner>, age: Duration) {
    while let Some(runner) = runner.upgrade() {
        let swept = tokio::task::spawn_blocking(move || runner.sweep(age)).await;
        if let Err(error) = swept {
            tracing::error!(%error, "sweeping failed");
        }
        tokio::time::sleep(SWEEP_EVERY).await;
    }
}

/// Writes the heads' addresses into `node.json`.
fn keeper(file: NodeFile, dir: DataDir) -> SaveHeads {
    let file = Mutex::new(file);
    Box::new(move |heads| {
        let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
        file.set_heads(heads);
        if let Err(error) = dir.save(&file) {
            tracing::warn!(%error, "cannot write the heads' addresses down");
        }
    })
}

/// What the node offers: what is configured, or the machine.
fn capacity(config: &RuntimeConfig) -> Resources {
    let cpus = std::thread::available_parallelism().map_or(1, |count| count.get() as u64);
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked to be finite and not negative when the configuration was read"
    )]
    let configured = (config.cpus * 1000.0) as u64;
    let cpu = if configured == 0 {
        cpus * 1000
    } else {
        configured
    };
    let memory = match config.memory_mib {
        0 => machine_memory() / 10 * 9,
        mebi => mebi.saturating_mul(1 << 20),
    };
    Resources {
        cpu: MilliCpus(cpu),
        memory: Bytes(memory),
    }
}

/// Bytes of main memory; 0 where the kernel does not say.
pub(crate) fn machine_memory() -> u64 {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let total = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kibi = total.and_then(|rest| rest.trim().split(' ').next()?.parse::<u64>().ok());
    kibi.unwrap_or(0) << 10
}
