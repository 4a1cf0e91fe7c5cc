//! The way out, as openraft wants it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::{Stream, StreamExt, stream};
use net::{FrameReceiver, FrameSender, NetError};
use openraft::base::{BoxFuture, BoxStream};
use openraft::errors::{NetworkError, RPCError, ReplicationClosed, StreamingError, Unreachable};
use openraft::network::{RPCOption, RaftNetworkFactory, RaftNetworkV2};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, StreamAppendResult,
    TransferLeaderRequest, TransferLeaderResponse, VoteRequest, VoteResponse,
};
use openraft::{BasicNode, OptionalSend};
use serde::de::DeserializeOwned;
use tokio_util::task::AbortOnDropHandle;

use super::message::Request;
use super::peers::{AskError, Peers, Urgency};
use crate::limits;
use crate::log_store::{LogStore, cache};
use crate::snapshot::Snapshot;
use crate::snapshot::transfer::{self, Chunk, Reader};
use crate::types::{TypeConfig, Vote};

type Appended = StreamAppendResult<TypeConfig>;
type Rpc<T> = Result<T, RPCError<TypeConfig>>;
type Built = openraft::alias::SnapshotOf<TypeConfig, Snapshot>;

/// Makes clients.
#[derive(Clone)]
pub(crate) struct Factory(pub(crate) Arc<Peers>);

/// Speaks to one peer, about one kind of thing.
pub(crate) struct Client {
    peers: Arc<Peers>,
    node: u64,
    addr: String,
    urgency: Urgency,
}

impl Factory {
    fn client(&self, node: u64, at: &BasicNode, urgency: Urgency) -> Client {
        Client {
            peers: self.0.clone(),
            node,
            addr: at.addr.clone(),
            urgency,
        }
    }
}

impl RaftNetworkFactory<TypeConfig> for Factory {
    type Network = Client;

    async fn new_client(&mut self, node: u64, at: &BasicNode) -> Client {
        self.client(node, at, Urgency::Append)
    }

    async fn new_heartbeat_client(&mut self, node: u64, at: &BasicNode) -> Client {
        self.client(node, at, Urgency::Heartbeat)
    }

    async fn new_snapshot_client(&mut self, node: u64, at: &BasicNode) -> Client {
        self.client(node, at, Urgency::Snapshot)
    }
}

impl Client {
    async fn ask<T: DeserializeOwned>(
        &self,
        urgency: Urgency,
        request: &Request,
        option: &RPCOption,
    ) -> Rpc<T> {
        let within = option.soft_ttl();
        let answer = self
            .peers
            .ask(self.node, &self.addr, urgency, request, within)
            .await;
        answer.map_err(|error| match error {
            AskError::NotSent(error) => unreachable(error),
            AskError::Lost(error) => lost(error),
        })
    }

    /// Opens a stream and says what it is for.
    async fn begin(&self, request: &Request, within: Duration) -> Rpc<net::Stream> {
        let connection = self.peers.connection(self.node, &self.addr, within).await;
        let connection = connection.map_err(unreachable)?;
        let begin = async {
            let mut stream = connection.open().await?;
            stream.sender.set_priority(self.urgency as i32)?;
            stream.sender.send(request).await?;
            Ok(stream)
        };
        match tokio::time::timeout(within, begin).await {
            Ok(begun) => begun.map_err(lost),
            Err(_) => Err(lost(NetError::Closed("no stream in time".into()))),
        }
    }

    async fn send_snapshot(
        &self,
        vote: Vote,
        snapshot: Built,
    ) -> Rpc<SnapshotResponse<TypeConfig>> {
        let failed = |error: std::io::Error| lost(NetError::Closed(error.to_string()));
        let (sent, outside) = (snapshot.snapshot.clone(), self.peers.outside());
        let list = outside.run(move || {
            sent.check()?;
            transfer::list(sent.path())
        });
        let files = list.await.map_err(failed)?;
        let mut reader = Reader::new(snapshot.snapshot.path(), files.clone());
        let request = Request::Snapshot {
            vote,
            meta: snapshot.meta.clone(),
            files,
        };
        let mut stream = self.begin(&request, limits::SNAPSHOT_STALL).await?;
        loop {
            let read = outside.run(move || {
                let chunk = reader.next_chunk()?;
                Ok((reader, chunk))
            });
            let (back, chunk) = read.await.map_err(failed)?;
            reader = back;
            let Some(chunk) = chunk else {
                break;
            };
            send_chunk(&mut stream.sender, &chunk).await.map_err(lost)?;
        }
        stream.sender.finish().map_err(lost)?;
        let answer = stream.receiver.receive().await.map_err(lost)?;
        answer.ok_or_else(|| lost(NetError::Closed("the snapshot was not taken".into())))
    }
}

async fn send_chunk(sender: &mut FrameSender, chunk: &Chunk) -> Result<(), NetError> {
    match tokio::time::timeout(limits::SNAPSHOT_STALL, sender.send(chunk)).await {
        Ok(sent) => sent,
        Err(_) => Err(NetError::Closed(
            "the peer takes no more of the snapshot".into(),
        )),
    }
}

impl RaftNetworkV2<TypeConfig> for Client {
    type SnapshotData = Snapshot;

    async fn append_entries(
        &mut self,
        request: AppendEntriesRequest<TypeConfig>,
        option: RPCOption,
    ) -> Rpc<AppendEntriesResponse<TypeConfig>> {
        self.ask(self.urgency, &Request::Append(request), &option)
            .await
    }

    /// Requests go out without waiting for the answers to those before.
    fn stream_append<'s, S>(
        &'s mut self,
        input: S,
        option: RPCOption,
    ) -> BoxFuture<'s, Rpc<BoxStream<'s, Rpc<Appended>>>>
    where
        S: Stream<Item = AppendEntriesRequest<TypeConfig>> + OptionalSend + Unpin + 'static,
    {
        Box::pin(async move {
            let stream = self
                .begin(&Request::StreamAppend, option.soft_ttl())
                .await?;
            let sent = Arc::new(AtomicU64::new(0));
            let log = self.peers.log().clone();
            let pump = tokio::spawn(pump(log, input, stream.sender, sent.clone()));
            let answers = Answers {
                receiver: stream.receiver,
                sent,
                received: 0,
                _pump: AbortOnDropHandle::new(pump),
            };
            let answers = stream::unfold(Some(answers), |answers| async move {
                let mut answers = answers?;
                match answers.next().await {
                    Ok(Some(answer)) => {
                        let more = answer.is_ok().then_some(answers);
                        Some((Ok(answer), more))
                    }
                    Ok(None) => None,
                    Err(error) => Some((Err(lost(error)), None)),
                }
            });
            Ok(answers.boxed())
        })
    }

    async fn vote(
        &mut self,
        request: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> Rpc<VoteResponse<TypeConfig>> {
        self.ask(Urgency::Heartbeat, &Request::Vote(request), &option)
            .await
    }

    async fn pre_vote(
        &mut self,
        request: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> Rpc<VoteResponse<TypeConfig>> {
        self.ask(Urgency::Heartbeat, &Request::PreVote(request), &option)
            .await
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: Built,
        cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        option: RPCOption,
    ) -> Result<SnapshotResponse<TypeConfig>, StreamingError<TypeConfig>> {
        let send = tokio::time::timeout(option.soft_ttl(), self.send_snapshot(vote, snapshot));
        tokio::select! {
            closed = cancel => Err(StreamingError::Closed(closed)),
            sent = send => match sent {
                Ok(Ok(response)) => Ok(response),
                Ok(Err(RPCError::Unreachable(error))) => Err(StreamingError::Unreachable(error)),
                Ok(Err(RPCError::Timeout(error))) => Err(StreamingError::Timeout(error)),
                Ok(Err(RPCError::Network(error))) => Err(StreamingError::Network(error)),
                Ok(Err(RPCError::RemoteError(error))) => {
                    Err(StreamingError::Network(NetworkError::from_string(error)))
                }
                Err(_) => Err(StreamingError::Network(NetworkError::from_string("too slow"))),
            },
        }
    }

    async fn transfer_leader(
        &mut self,
        request: TransferLeaderRequest<TypeConfig>,
        option: RPCOption,
    ) -> Rpc<TransferLeaderResponse<TypeConfig>> {
        self.ask(
            Urgency::Heartbeat,
            &Request::TransferLeader(request),
            &option,
        )
        .await
    }
}

/// Sends requests as they come. A failure shows as the end of the answers.
async fn pump<S>(log: LogStore, mut input: S, mut sender: FrameSender, sent: Arc<AtomicU64>)
where
    S: Stream<Item = AppendEntriesRequest<TypeConfig>> + Unpin,
{
    while let Some(request) = input.next().await {
        sent.fetch_add(1, Ordering::Release);
        if let Err(error) = sender.send(&request).await {
            tracing::debug!(%error, "appending to a peer ended");
            return;
        }
        if is_stuck(&log, &request) {
            tracing::debug!("what a peer lacks is purged; it needs a snapshot");
            break;
        }
    }
    if let Err(error) = sender.finish() {
        tracing::debug!(%error, "appending to a peer ended");
    }
}

/// Whether a stream cannot go on: what follows its last request is purged. openraft asks for it
/// when the stream goes on after it has decided to send a snapshot instead (it purges what no
/// stream needs that it knows of). It looks at what it has decided when the stream ends, and only
/// then.
pub(crate) fn is_stuck(log: &LogStore, request: &AppendEntriesRequest<TypeConfig>) -> bool {
    request.entries.is_empty() && log.has_purged(cache::next(request.prev_log_id.as_ref()))
}

struct Answers {
    receiver: FrameReceiver,
    sent: Arc<AtomicU64>,
    received: u64,
    _pump: AbortOnDropHandle<()>,
}

impl Answers {
    /// The next answer; an error when one has been due for too long.
    async fn next(&mut self) -> Result<Option<Appended>, NetError> {
        loop {
            let due = self.sent.load(Ordering::Acquire) > self.received;
            let wait = tokio::time::timeout(limits::APPEND_STALL, self.receiver.receive());
            match wait.await {
                Ok(answer) => {
                    self.received += 1;
                    return answer;
                }
                Err(_) if due => return Err(NetError::Closed("the peer stands still".into())),
                Err(_) => {}
            }
        }
    }
}

fn unreachable(error: NetError) -> RPCError<TypeConfig> {
    RPCError::Unreachable(Unreachable::from_string(error))
}

fn lost(error: NetError) -> RPCError<TypeConfig> {
    RPCError::Network(NetworkError::from_string(error))
}
