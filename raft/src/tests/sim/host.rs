//! One head in the simulation: the production parts, wired as `goagent` wires them, with a door
//! for clients and an observer that tells the oracle what it sees.

use std::sync::Arc;

use model::log::{Applied, Log, LogError};
use model::{Command, JobId, NodeId, State};
use net::Endpoint;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use super::network::{Socket, addr};
use super::world::{Members, World};
use crate::error::RaftError;
use crate::handle::{Handle, state_digest};
use openraft::RaftLogReader;

/// A state is compared at least every so many entries.
const COMPARED_EVERY: u64 = 16;

/// What is asked at a head's door. Whoever asks may be gone when the answer comes.
pub(super) enum Ask {
    Propose(Box<Command>, oneshot::Sender<Result<Applied, LogError>>),
    /// A linearizable read: up to which entry it promises, and what it read.
    Read(oneshot::Sender<Result<Read, LogError>>),
    Initialise(oneshot::Sender<Result<(), RaftError>>),
    SetMembers(Members, oneshot::Sender<Result<(), RaftError>>),
    HandOver(oneshot::Sender<Result<(), RaftError>>),
    /// Copy the state for followers now.
    Snapshot(oneshot::Sender<Result<(), RaftError>>),
    /// Whether the jobs are found among those that ended.
    Ended(Vec<JobId>, oneshot::Sender<Result<Vec<bool>, LogError>>),
    /// End as an operator ends it.
    Stop,
}

/// What a linearizable read gives.
pub(super) struct Read {
    pub(super) promised: u64,
    pub(super) at: u64,
    pub(super) state: Arc<State>,
}

/// Runs a head until it is stopped; a crash is the end of everything on its host.
pub(super) async fn run(world: Arc<World>, node: u64) -> turmoil::Result {
    let socket = Socket::open(world.clone(), node).await?;
    let seed = world.connection_seed(node);
    let endpoint = Endpoint::over_datagrams(socket, Some(seed), &world.identity(node))?;
    let endpoint = Arc::new(endpoint);
    let handle = match Handle::start(world.config(node), endpoint.clone()).await {
        Ok(handle) => handle,
        Err(error) => {
            world.head_failed(node, &error);
            return Ok(());
        }
    };
    let (door, asked) = mpsc::unbounded_channel();
    world.opened(node, door);
    let mut parts = JoinSet::new();
    parts.spawn(accept(endpoint.clone(), handle.clone()));
    parts.spawn(observe(world.clone(), node, handle.clone()));
    let failed = handle.failed();
    tokio::select! {
        biased;
        error = failed => {
            world.head_failed(node, &error);
            // Its process would end here; the weather ends it at the end of this moment.
            std::future::pending::<()>().await;
        }
        () = answer(asked, &handle) => {}
    }
    world.closed(node);
    if let Err(error) = handle.shutdown().await {
        world.head_failed(node, &error);
    }
    endpoint.close();
    parts.shutdown().await;
    Ok(())
}

/// Serves who calls.
async fn accept(endpoint: Arc<Endpoint>, handle: Handle) {
    let mut serving = JoinSet::new();
    while let Some(connection) = endpoint.accept().await {
        while serving.try_join_next().is_some() {}
        let handle = handle.clone();
        serving.spawn(async move { handle.serve(connection).await });
    }
}

/// Answers at the door until told to stop.
async fn answer(mut asked: mpsc::UnboundedReceiver<Ask>, handle: &Handle) {
    let mut answering = JoinSet::new();
    while let Some(ask) = asked.recv().await {
        while answering.try_join_next().is_some() {}
        if matches!(ask, Ask::Stop) {
            return;
        }
        let handle = handle.clone();
        answering.spawn(async move { answer_one(ask, &handle).await });
    }
}

async fn answer_one(ask: Ask, handle: &Handle) {
    match ask {
        Ask::Propose(command, to) => drop(to.send(handle.propose(*command).await)),
        Ask::Read(to) => drop(to.send(read(handle).await)),
        Ask::Initialise(to) => {
            let own = addr(handle.me().0).to_string();
            drop(to.send(handle.initialise(own).await));
        }
        Ask::SetMembers(members, mut to) => {
            let at = |node: &u64| (NodeId(*node), addr(*node).to_string());
            let voters = members.iter().map(at).collect();
            let learners = std::collections::BTreeMap::new();
            tokio::select! {
                biased;
                set = handle.set_members(voters, learners) => drop(to.send(set)),
                // Whoever asked wants something else by now.
                () = to.closed() => {}
            }
        }
        Ask::HandOver(to) => drop(to.send(handle.transfer_leadership(None).await)),
        Ask::Snapshot(to) => drop(to.send(handle.snapshot_now().await)),
        Ask::Ended(jobs, to) => drop(to.send(ended(handle, jobs).await)),
        Ask::Stop => {}
    }
}

async fn read(handle: &Handle) -> Result<Read, LogError> {
    let promised = handle.barrier().await?.0;
    let view = handle.tables().view();
    Ok(Read {
        promised,
        at: view.index.0,
        state: view.state.clone(),
    })
}

async fn ended(handle: &Handle, jobs: Vec<JobId>) -> Result<Vec<bool>, LogError> {
    let mut found = Vec::new();
    for job in jobs {
        found.push(handle.ended_job(job).await?.is_some());
    }
    Ok(found)
}

/// Tells what this head is and has applied, whenever that changes.
async fn observe(world: Arc<World>, node: u64, handle: Handle) {
    let (mut moved, mut changed) = (handle.tables().moved(), handle.status_changes());
    let mut seen = None;
    loop {
        let settled = crate::membership::is_settled(&handle.metrics());
        world.saw_status(node, handle.status(), settled);
        let view = handle.tables().view();
        if let Some(last) = view.applied.last
            && seen < Some(last.index)
        {
            let from = seen.map_or(0, |seen| seen + 1);
            let mut log = handle.log().clone();
            let mut entries = match log.try_get_log_entries(from..=last.index).await {
                Ok(entries) => entries,
                // Its disk has stopped: it is as good as dead.
                Err(_) => return,
            };
            if entries.last().map(|entry| entry.log_id) != Some(last) {
                // A snapshot took their place, and the log is about to forget them.
                entries.clear();
            }
            let whole = entries
                .first()
                .is_some_and(|entry| entry.log_id.index == from);
            let crossed = from / COMPARED_EVERY != (last.index + 1) / COMPARED_EVERY;
            let digest = (!whole || crossed).then(|| state_digest(&view.state));
            world.saw_applied(node, seen, last, entries, digest);
            seen = Some(last.index);
        } else if seen > view.applied.last.map(|last| last.index) {
            world.violated(format!("head {node} goes back from {seen:?}"));
        }
        tokio::select! {
            biased;
            moved = moved.changed() => if moved.is_err() { return },
            changed = changed.changed() => if changed.is_err() { return },
        }
    }
}
