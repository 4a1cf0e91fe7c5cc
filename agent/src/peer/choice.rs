//! Which runtime a node starts its attempts with, as configured or as it turns out.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use model::assignment::Assignment;
use model::{ClusterId, NodeId};

use crate::config::{Config, RuntimeChoice};
use crate::error::AgentError;
use crate::identity::{DataDir, NodeFile};
use crate::journal::Standing;
use crate::runtime::Runtime;
use crate::runtime::docker::{DockerConfig, DockerRuntime};
use crate::runtime::fake::FakeRuntime;
use crate::runtime::process::{ProcessConfig, ProcessRuntime};
use crate::secrets::Logins;

/// How often an engine that has to come is looked for.
const ENGINE_AGAIN: Duration = Duration::from_secs(1);

/// Who the node is, for the names and labels of what it runs.
#[derive(Clone, Copy)]
pub(crate) struct Owner {
    pub(crate) cluster: ClusterId,
    pub(crate) node: NodeId,
}

impl Owner {
    pub(crate) fn of(file: &NodeFile, dir: &DataDir) -> Result<Owner, AgentError> {
        let identity = dir.identity(file)?;
        Ok(Owner {
            cluster: identity.cluster,
            node: identity.node,
        })
    }
}

/// The runtime of a node that takes up these attempts: the one that has them. Its engine may be
/// down as they go on; then it is waited for, since without it nothing is known of them.
pub(crate) async fn resume(
    config: &Config,
    dir: &DataDir,
    owner: Owner,
    attempts: &[(Assignment, Standing)],
    logins: &Arc<dyn Logins>,
) -> Result<Option<Arc<dyn Runtime>>, AgentError> {
    let in_containers = |(assignment, _): &(Assignment, _)| !assignment.spec.image.is_empty();
    match config.runtime.kind {
        RuntimeChoice::Docker | RuntimeChoice::Auto if attempts.iter().any(in_containers) => {}
        RuntimeChoice::Auto if !attempts.is_empty() => {
            return process(config, dir, owner).map(Some);
        }
        RuntimeChoice::Auto
        | RuntimeChoice::Docker
        | RuntimeChoice::Process
        | RuntimeChoice::Fake
        | RuntimeChoice::None => return runtime(config, dir, owner, logins).await,
    }
    loop {
        match docker(config, dir, owner, logins).await {
            Ok(docker) => return Ok(Some(docker)),
            Err(error) => {
                let count = attempts.len();
                tracing::warn!(%error, count, "attempts are here: waiting for their engine");
                tokio::time::sleep(ENGINE_AGAIN).await;
            }
        }
    }
}

/// The runtime that the configuration asks for; `None`: the node takes no jobs.
pub(crate) async fn runtime(
    config: &Config,
    dir: &DataDir,
    owner: Owner,
    logins: &Arc<dyn Logins>,
) -> Result<Option<Arc<dyn Runtime>>, AgentError> {
    Ok(Some(match config.runtime.kind {
        RuntimeChoice::None => return Ok(None),
        RuntimeChoice::Docker => docker(config, dir, owner, logins).await?,
        RuntimeChoice::Process => process(config, dir, owner)?,
        RuntimeChoice::Fake => fake(config, dir)?,
        RuntimeChoice::Auto => match docker(config, dir, owner, logins).await {
            Ok(docker) => docker,
            Err(error) => {
                tracing::warn!(%error, "no container engine: jobs run without images");
                process(config, dir, owner)?
            }
        },
    }))
}

async fn docker(
    config: &Config,
    dir: &DataDir,
    owner: Owner,
    logins: &Arc<dyn Logins>,
) -> Result<Arc<dyn Runtime>, AgentError> {
    let socket = config.runtime.docker_socket.clone();
    let mut options = DockerConfig::new(socket, owner.cluster, owner.node);
    options.default_ids = (config.runtime.default_uid, config.runtime.default_gid);
    options.network = config.runtime.docker_network.clone();
    options.ports = config.runtime.docker_ports.clone();
    options.pins = dir.pins();
    options.guarded = dir.guarded();
    match DockerRuntime::connect(options).await {
        Ok(docker) => Ok(Arc::new(docker.with_logins(logins.clone()))),
        Err(error) => Err(AgentError::Runtime {
            why: error.to_string(),
        }),
    }
}

fn process(config: &Config, dir: &DataDir, owner: Owner) -> Result<Arc<dyn Runtime>, AgentError> {
    let mut options = ProcessConfig::new(&dir.0, owner.cluster, owner.node);
    options.default_ids = (config.runtime.default_uid, config.runtime.default_gid);
    options.shared = config.files.shared();
    options.host_network = config.runtime.docker_network == "host";
    match ProcessRuntime::new(options) {
        Ok(process) => Ok(Arc::new(process)),
        Err(error) => Err(AgentError::Runtime {
            why: error.to_string(),
        }),
    }
}

pub(super) fn fake(config: &Config, dir: &DataDir) -> Result<Arc<dyn Runtime>, AgentError> {
    let ledger = &config.runtime.fake_ledger;
    let ledger = (!ledger.is_empty()).then(|| PathBuf::from(ledger));
    match FakeRuntime::new(&dir.0.join("fake"), ledger) {
        Ok(fake) => Ok(Arc::new(fake)),
        Err(error) => Err(AgentError::Runtime {
            why: error.to_string(),
        }),
    }
}
