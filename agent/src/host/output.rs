//! What an attempt wrote, from its node to whoever reads it: as fast as the reader takes it.
//!
//! All streams of a node share its one connection and the bytes that may wait on it. A reader that
//! takes nothing for a while must not keep them: its stream is given up, and the node asked anew,
//! from where it stood, once the reader goes on.

use std::sync::Arc;
use std::time::Duration;

use api::host::{HostError, Output, OutputKind, OutputRequest, OutputStart};
use bytes::Bytes;
use futures_util::stream;
use model::NodeId;
use net::message::{self, Opening, OutputAnswer, OutputCall, OutputStream};
use net::{NetError, Stream};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::sessions::Sessions;

/// How long a node may take to begin an answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// Frames that are ready for the reader; each has at most [`crate::files::CHUNK_BYTES`].
const READY_MAX: usize = 1;
/// A reader that takes nothing for so long stands still.
const SLOW_AFTER: Duration = Duration::from_secs(1);

type Chunk = Result<Bytes, HostError>;

/// Puts one question to a node and waits for the first frame of its answer.
pub(super) async fn ask<T: serde::de::DeserializeOwned>(
    sessions: &Sessions,
    node: NodeId,
    question: Opening,
) -> Result<(T, Stream), HostError> {
    let session = sessions.get(node);
    let session = session.ok_or_else(|| {
        HostError::Unreachable(format!("node {node} has no session with this head"))
    })?;
    let asked = async {
        let mut stream = session.connection.open().await?;
        stream.sender.send(&question).await?;
        let answer = stream.receiver.receive::<T>().await?;
        let answer = answer.ok_or_else(|| NetError::Closed("it ended early".into()))?;
        Ok::<_, NetError>((answer, stream))
    };
    match timeout(ANSWER_WITHIN, asked).await {
        Ok(Ok(answered)) => Ok(answered),
        Ok(Err(error)) => Err(HostError::Unreachable(error.to_string())),
        Err(_) => {
            let seconds = ANSWER_WITHIN.as_secs();
            Err(HostError::Unreachable(format!(
                "no answer from node {node} in {seconds} s"
            )))
        }
    }
}

/// Opens an output.
pub(super) async fn open(
    sessions: Arc<Sessions>,
    request: OutputRequest,
) -> Result<Output, HostError> {
    let (offset, stream) = begin(&sessions, &request).await?;
    let (ready, chunks) = mpsc::channel(READY_MAX);
    tokio::spawn(pump(sessions, request, offset, stream, ready));
    let next = async |mut chunks: mpsc::Receiver<Chunk>| Some((chunks.recv().await?, chunks));
    Ok(Output {
        offset,
        chunks: Box::pin(stream::unfold(chunks, next)),
    })
}

async fn begin(sessions: &Sessions, request: &OutputRequest) -> Result<(u64, Stream), HostError> {
    let call = OutputCall {
        attempt: request.attempt,
        stream: match request.kind {
            OutputKind::Stdout => OutputStream::Stdout,
            OutputKind::Stderr => OutputStream::Stderr,
        },
        start: match request.start {
            OutputStart::Offset(offset) => message::OutputStart::Offset(offset),
            OutputStart::BeforeEnd(count) => message::OutputStart::BeforeEnd(count),
        },
        follow: request.follow,
    };
    let owner = request.owner.clone();
    let question = Opening::OutputOf { owner, call };
    match ask::<OutputAnswer>(sessions, request.node, question).await? {
        (OutputAnswer::Missing, _) => Err(HostError::Missing),
        (OutputAnswer::Found { offset }, stream) => Ok((offset, stream)),
    }
}

/// Hands frames on until the output or its reader has ended.
async fn pump(
    sessions: Arc<Sessions>,
    mut request: OutputRequest,
    mut offset: u64,
    stream: Stream,
    ready: mpsc::Sender<Chunk>,
) {
    // Dropping the way out would end the sending: the stream is kept whole.
    let mut stream = Some(stream);
    loop {
        let mut open = match stream.take() {
            Some(open) => open,
            None => {
                request.start = OutputStart::Offset(offset);
                match begin(&sessions, &request).await {
                    Ok((_, open)) => open,
                    Err(error) => return tell(&ready, Err(error)).await,
                }
            }
        };
        let frame = tokio::select! {
            frame = open.receiver.receive_bytes() => frame,
            () = ready.closed() => return,
        };
        let bytes = match frame {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return,
            Err(error) => {
                let error = HostError::Unreachable(error.to_string());
                return tell(&ready, Err(error)).await;
            }
        };
        offset += bytes.len() as u64;
        match timeout(SLOW_AFTER, ready.reserve()).await {
            Ok(Ok(place)) => {
                place.send(Ok(bytes));
                stream = Some(open);
            }
            Ok(Err(_)) => return,
            Err(_) => {
                drop(open);
                if ready.send(Ok(bytes)).await.is_err() {
                    return;
                }
            }
        }
    }
}

async fn tell(ready: &mpsc::Sender<Chunk>, last: Chunk) {
    // Nobody may be there any more to hear it.
    let _ = ready.send(last).await;
}
