//! One running node: wires the log, the leader's duties, the REST API and the agent together,
//! and ends them in order.
//!
//! There are no rules here. Whatever fails for good (the log's disk, the journal) ends the
//! process: it must not go on as if it remembered.

mod agent;
pub(crate) mod choice;
mod desk;
pub mod room;

pub(crate) use agent::machine_memory;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use model::NodeId;
use net::tls::Ca;
use net::{Channel, Connection, Endpoint};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;

use crate::birth;
use crate::config::Config;
use crate::error::AgentError;
use crate::failpoint;
use crate::identity::{self, DataDir, NodeFile};
use crate::leader::Leader;
use crate::sessions::Sessions;

/// How long a log that has failed may take to be closed: RocksDB waits a second after a write of
/// its own that failed, and nothing is lost without the closing.
const ABANDON_WITHIN: Duration = Duration::from_millis(200);
/// Join calls that are served at the same time.
const JOINS_MAX: usize = 16;

/// What a head is made of.
struct Head {
    raft: raft::Handle,
    sessions: Arc<Sessions>,
    leader: Arc<Leader>,
    ca: Arc<Ca>,
    joins: Arc<Semaphore>,
}

/// Serves until `stop` resolves, then ends in order. `ready` is told when the node serves.
///
/// # Errors
/// [`AgentError`]: what kept it from starting, or ended it.
pub async fn run(
    config: Config,
    ready: impl FnOnce(),
    stop: impl Future<Output = ()>,
) -> Result<(), AgentError> {
    let dir = config.node.data_dir.clone();
    let ended = serve_node(config, ready, stop).await;
    ended.map_err(|error| room::judge(error, &dir))
}

async fn serve_node(
    config: Config,
    ready: impl FnOnce(),
    stop: impl Future<Output = ()>,
) -> Result<(), AgentError> {
    let dir = DataDir(config.node.data_dir.clone());
    if !dir.is_taken() {
        return Err(AgentError::NoNode { path: dir.0 });
    }
    dir.create()?;
    let file = dir.load()?;
    let identity = dir.identity(&file)?;
    tracing::info!(
        node = file.node,
        name = file.name,
        head = file.head,
        "starting"
    );
    let mut tasks = JoinSet::new();
    let (failed, mut failures) = mpsc::channel(1);

    let endpoint = if file.head {
        Endpoint::bind(config.node.peer_listen, &identity)?
    } else {
        Endpoint::dialer(&identity)?
    };
    let endpoint = Arc::new(endpoint);
    let (end_api, api_ends) = watch::channel(false);
    let head = if file.head {
        let head = Arc::new(start_head(&config, &dir, &file, endpoint.clone()).await?);
        tasks.spawn(accept(endpoint.clone(), head.clone()));
        tasks.spawn(head.leader.clone().run());
        tasks.spawn(room::watch(
            config.head.reserve_mib,
            dir.log(),
            head.raft.clone(),
        ));
        tasks.spawn(desk::serve(&config, &identity, &head, api_ends)?);
        Some(head)
    } else {
        None
    };
    let ended = {
        // A node that has attempts may have to wait for its engine before it serves.
        let serve = async {
            let uplink = agent::start(&config, &dir, file, endpoint.clone(), failed).await?;
            tasks.spawn(uplink.run());
            ready();
            Err(task_ended(tasks.join_next().await))
        };
        tokio::select! {
            () = stop => Ok(()),
            error = storage_failed(head.as_deref()) => Err(AgentError::Raft(error)),
            Some(error) = failures.recv() => Err(AgentError::Journal(error)),
            ended = serve => ended,
        }
    };
    // Before the databases give back what they had set aside.
    let ended = ended.map_err(|error| room::judge(error, &config.node.data_dir));
    tracing::info!("ending");
    if let Some(head) = &head {
        close_head(&head.raft, &end_api, ended.is_ok()).await?;
    }
    tasks.shutdown().await;
    endpoint.close();
    ended
}

/// Ends a head: in order, or, if something has failed, as well as it can be done.
async fn close_head(
    raft: &raft::Handle,
    end_api: &watch::Sender<bool>,
    in_order: bool,
) -> Result<(), AgentError> {
    if in_order {
        // While requests are still served here: they find their way to the next leader.
        raft.hand_over().await;
        end_api.send_replace(true);
        // Bounded by the API itself.
        end_api.closed().await;
        return Ok(raft.shutdown().await?);
    }
    end_api.send_replace(true);
    let closed = tokio::time::timeout(ABANDON_WITHIN, raft.abandon()).await;
    tracing::debug!(?closed, "the log was abandoned");
    Ok(())
}

/// Returns when a head's log can go on no more.
async fn storage_failed(head: Option<&Head>) -> raft::RaftError {
    match head {
        Some(head) => head.raft.failed().await,
        None => std::future::pending().await,
    }
}

type TaskEnd = Result<(), tokio::task::JoinError>;

fn task_ended(task: Option<TaskEnd>) -> AgentError {
    let why = match task {
        Some(Ok(())) | None => "a part of the node ended by itself".into(),
        Some(Err(error)) => format!("a part of the node failed: {error}"),
    };
    AgentError::Runtime { why }
}

async fn start_head(
    config: &Config,
    dir: &DataDir,
    file: &NodeFile,
    endpoint: Arc<Endpoint>,
) -> Result<Head, AgentError> {
    let ca = Ca::from_pem(&identity::read(&dir.ca())?, &identity::read(&dir.ca_key())?)?;
    let node = NodeId(file.node);
    let settings = raft::Config {
        faults: failpoint::from_environment()?,
        ..birth::raft_config(config, dir, node)
    };
    let raft = raft::Handle::start(settings, endpoint).await?;
    let (sessions, reports) = Sessions::new();
    let influx = config.influxdb.clone();
    let leader = Leader::new(raft.clone(), sessions.clone(), ca.seal(), influx, reports);
    let joins = Arc::new(Semaphore::new(JOINS_MAX));
    Ok(Head {
        raft,
        sessions,
        leader,
        ca: Arc::new(ca),
        joins,
    })
}

/// Hands every authenticated connection to the part that it speaks to.
async fn accept(endpoint: Arc<Endpoint>, head: Arc<Head>) {
    let mut serving = JoinSet::new();
    loop {
        tokio::select! {
            connection = endpoint.accept() => match connection {
                Some(connection) => {
                    serving.spawn(serve(head.clone(), connection));
                }
                None => return,
            },
            Some(_) = serving.join_next() => {}
        }
    }
}

async fn serve(head: Arc<Head>, connection: Connection) {
    match connection.channel() {
        Channel::Raft => head.raft.serve(connection).await,
        Channel::Agent => {
            head.sessions
                .clone()
                .serve(connection, head.leader.clone())
                .await;
        }
        Channel::Join => {
            if let Ok(_permit) = head.joins.try_acquire() {
                birth::admit(connection, Arc::new(head.raft.clone()), head.ca.clone()).await;
            } else {
                connection.close("too many nodes join at the same time; try again");
            }
        }
    }
}
