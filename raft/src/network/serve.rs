//! The way in: what other heads ask of this one.

use std::sync::Arc;

use futures_util::{StreamExt, stream};
use net::{Channel, Connection, FrameReceiver, NetError, Stream};
use openraft::raft::AppendEntriesRequest;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::message::{Hello, ReadIndex, Request, Welcome};
use crate::disk::io_error;
use crate::handle::Handle;
use crate::limits;
use crate::snapshot::Snapshot;
use crate::snapshot::transfer::{Assembler, Chunk, FileInfo};
use crate::types::{SnapshotMeta, TypeConfig, Vote};

type Built = openraft::alias::SnapshotOf<TypeConfig, Snapshot>;

/// Serves a connection until it ends or this head does.
pub(crate) async fn serve(handle: &Handle, connection: Connection) {
    if connection.channel() != Channel::Raft {
        connection.close("not the Raft channel");
        return;
    }
    let cancel = handle.cancel();
    tokio::select! {
        ended = serve_streams(handle, &connection) => {
            if let Err(error) = ended {
                tracing::debug!(%error, peer = ?connection.peer(), "a peer's connection ended");
            }
        }
        () = cancel.cancelled() => connection.close("shutting down"),
    }
}

async fn serve_streams(handle: &Handle, connection: &Connection) -> Result<(), NetError> {
    if !greet(handle, connection).await? {
        return Ok(());
    }
    let places = Arc::new(Semaphore::new(limits::SERVED_MAX));
    let mut serving = JoinSet::new();
    loop {
        let closed = || NetError::Closed("shutting down".into());
        let place = places.clone().acquire_owned().await.map_err(|_| closed())?;
        let stream = connection.accept().await?;
        while serving.try_join_next().is_some() {}
        let handle = handle.clone();
        serving.spawn(async move {
            if let Err(error) = answer(&handle, stream).await {
                tracing::debug!(%error, "a peer's question was not answered");
            }
            drop(place);
        });
    }
}

/// Lets in only the instance of a head that was met first.
async fn greet(handle: &Handle, connection: &Connection) -> Result<bool, NetError> {
    let mut stream = connection.accept().await?;
    let request = stream.receiver.hear::<Request>().await?;
    let Some(Request::Hello(Hello {
        node,
        instance,
        known: called,
    })) = request
    else {
        return Err(NetError::Malformed("a connection begins with hello"));
    };
    if connection.peer().map(|peer| peer.node.0) != Some(node) {
        return Err(NetError::Malformed(
            "hello from another node than the certificate's",
        ));
    }
    let own = handle.log().owner().instance;
    if called.is_some_and(|called| called != own) {
        handle.replaced();
    }
    let known = handle.log().knows(node, instance).await;
    let known = known.map_err(|error| NetError::Closed(error.to_string()))?;
    let welcome = if known {
        Welcome::Yes { instance: own }
    } else {
        tracing::error!(
            node,
            "this head came back with another data directory; refused"
        );
        Welcome::Replaced
    };
    stream.sender.send(&welcome).await?;
    stream.sender.finish()?;
    if !known {
        stream.sender.abandoned().await;
    }
    Ok(known)
}

async fn answer(handle: &Handle, mut stream: Stream) -> Result<(), NetError> {
    let Some(request) = stream.receiver.hear::<Request>().await? else {
        return Ok(());
    };
    let raft = handle.raft();
    let sender = &mut stream.sender;
    match request {
        Request::Hello(_) => return Err(NetError::Malformed("hello was said")),
        Request::Append(request) => {
            sender
                .send(&raft.append_entries(request).await.map_err(ended)?)
                .await?;
        }
        Request::StreamAppend => {
            let mut answers = Box::pin(raft.stream_append(requests(stream.receiver)));
            while let Some(answer) = answers.next().await {
                sender.send(&answer.map_err(ended)?).await?;
            }
        }
        Request::Vote(request) => {
            sender
                .send(&raft.vote(request).await.map_err(ended)?)
                .await?;
        }
        Request::PreVote(request) => {
            sender
                .send(&raft.pre_vote(request).await.map_err(ended)?)
                .await?;
        }
        Request::TransferLeader(request) => {
            sender
                .send(&raft.handle_transfer_leader(request).await.map_err(ended)?)
                .await?;
        }
        Request::Snapshot { vote, meta, files } => {
            let snapshot = receive(handle, files, &mut stream.receiver).await?;
            let response = install(handle, vote, meta, snapshot).await?;
            sender.send(&response).await?;
        }
        Request::Propose(command) => {
            sender.send(&handle.propose_here(command.0).await).await?;
        }
        Request::ReadIndex => {
            let index = handle.read_index_here().await;
            let answer = index.map_or(ReadIndex::NotLeading, ReadIndex::Upto);
            sender.send(&answer).await?;
        }
    }
    sender.finish()
}

fn ended(error: impl std::fmt::Display) -> NetError {
    NetError::Closed(error.to_string())
}

/// The requests on a stream, up to its end or the first that is malformed.
fn requests(
    receiver: FrameReceiver,
) -> impl futures_util::Stream<Item = AppendEntriesRequest<TypeConfig>> + Send + 'static {
    stream::unfold(receiver, |mut receiver| async move {
        match receiver.receive::<AppendEntriesRequest<TypeConfig>>().await {
            Ok(Some(request)) => Some((request, receiver)),
            Ok(None) => None,
            Err(error) => {
                tracing::debug!(%error, "a peer's entries ended");
                None
            }
        }
    })
}

/// Receives a snapshot into a directory of its own, durably. One at a time.
async fn receive(
    handle: &Handle,
    files: Vec<FileInfo>,
    receiver: &mut FrameReceiver,
) -> Result<Snapshot, NetError> {
    let _one = handle
        .receiving()
        .try_acquire()
        .map_err(|_| ended("a snapshot is on its way"))?;
    let snapshot = handle.tables().snapshots().receive_into().map_err(ended)?;
    let path = snapshot.path().to_owned();
    let outside = handle.outside();
    let assembler = outside.run(move || Assembler::new(&path, files));
    let mut assembler = assembler.await.map_err(ended)?;
    loop {
        let chunk = tokio::time::timeout(limits::SNAPSHOT_STALL, receiver.receive::<Chunk>());
        let chunk = chunk.await.map_err(|_| ended("no more chunks come"))??;
        let Some(chunk) = chunk else {
            break;
        };
        let take = move || assembler.take(&chunk).map(|()| assembler);
        assembler = outside.run(take).await.map_err(ended)?;
    }
    let finished = outside.run(move || assembler.finish()).await;
    finished.map_err(ended)?;
    Ok(snapshot)
}

async fn install(
    handle: &Handle,
    vote: Vote,
    meta: SnapshotMeta,
    snapshot: Snapshot,
) -> Result<openraft::raft::SnapshotResponse<TypeConfig>, NetError> {
    // A snapshot that is not what it was announced as must not reach openraft: what it takes, it
    // counts on.
    let path = snapshot.path().to_owned();
    let verify = move || crate::table_store::load::verify(&path).map_err(io_error);
    let found = handle.outside().run(verify).await;
    if found.map_err(ended)? != meta {
        return Err(ended("the snapshot is not the one announced"));
    }
    let built = Built { meta, snapshot };
    handle
        .raft()
        .install_full_snapshot(vote, built)
        .await
        .map_err(ended)
}
