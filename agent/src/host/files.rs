//! The files of attempts, asked of the agents that have them.
//!
//! Content flows a few frames at a time (see [`net::message`]): what a slow reader does not take
//! waits in this head's memory, bounded, and never on the connection that all streams of a node
//! share.

use std::sync::Arc;
use std::time::Duration;

use api::host::HostError;
use api::host::files::{
    ArchiveKind, Content, FileEntry, FileFault, FileKind, FileList, FilePlace, Files, OpenFile,
};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use model::Timestamp;
use model::log::Later;
use net::limits::{FILE_FRAME_MAX, FILE_FRAMES_AHEAD};
use net::message::{self, FilesAnswer, FilesCall, FilesWish, Opening, Span, Taken};
use net::{NetError, Stream};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::output;
use crate::sessions::Sessions;

/// How long a node may take to put a file in place, once it has all of it.
const PLACED_WITHIN: Duration = Duration::from_secs(60);
/// Frames that are ready for the reader: as many as are sent ahead, so that none waits elsewhere.
const READY_MAX: usize = FILE_FRAMES_AHEAD as usize;

/// Asks agents over their sessions.
pub(super) struct AgentFiles(pub(super) Arc<Sessions>);

impl AgentFiles {
    async fn ask(
        &self,
        at: FilePlace,
        wish: FilesWish,
    ) -> Result<(FilesAnswer, Stream), HostError> {
        let call = FilesCall {
            attempt: at.attempt,
            owner: at.owner,
            path: at.path,
            wish,
        };
        let asked = output::ask::<FilesAnswer>(&self.0, at.node, Opening::Files(call));
        match asked.await? {
            (FilesAnswer::Refused { fault, words }, _) => Err(refused(fault, words)),
            answered => Ok(answered),
        }
    }
}

impl Files for AgentFiles {
    fn list(
        &self,
        at: FilePlace,
        after: Option<String>,
        limit: u32,
    ) -> Later<'_, Result<FileList, HostError>> {
        Box::pin(async move {
            match self.ask(at, FilesWish::List { after, limit }).await? {
                (FilesAnswer::Listed { entries, more }, _) => Ok(FileList {
                    entries: entries.into_iter().map(entry).collect(),
                    more,
                }),
                (other, _) => Err(not_understood(&other)),
            }
        })
    }

    fn open(&self, at: FilePlace) -> Later<'_, Result<OpenFile, HostError>> {
        Box::pin(async move {
            match self.ask(at, FilesWish::Read).await? {
                (FilesAnswer::Content { length, version }, stream) => Ok(OpenFile {
                    length,
                    version,
                    send: Box::new(move |offset, length| {
                        content(stream, Some(Span { offset, length }))
                    }),
                }),
                (other, _) => Err(not_understood(&other)),
            }
        })
    }

    fn archive(&self, at: FilePlace, kind: ArchiveKind) -> Later<'_, Result<Content, HostError>> {
        Box::pin(async move {
            let kind = match kind {
                ArchiveKind::Tar => message::ArchiveKind::Tar,
                ArchiveKind::TarGz => message::ArchiveKind::TarGz,
                ArchiveKind::Zip => message::ArchiveKind::Zip,
            };
            match self.ask(at, FilesWish::Archive(kind)).await? {
                (FilesAnswer::Archive, stream) => Ok(content(stream, None)),
                (other, _) => Err(not_understood(&other)),
            }
        })
    }

    fn write(
        &self,
        at: FilePlace,
        limit: u64,
        content: Content,
    ) -> Later<'_, Result<u64, HostError>> {
        Box::pin(async move {
            match self.ask(at, FilesWish::Write { limit }).await? {
                (FilesAnswer::Ready, stream) => upload(stream, content).await,
                (other, _) => Err(not_understood(&other)),
            }
        })
    }

    fn remove(&self, at: FilePlace) -> Later<'_, Result<(), HostError>> {
        Box::pin(async move {
            match self.ask(at, FilesWish::Remove).await? {
                (FilesAnswer::Done { .. }, _) => Ok(()),
                (other, _) => Err(not_understood(&other)),
            }
        })
    }
}

/// What is ready for the reader.
enum Piece {
    Bytes(Bytes),
    /// That was all. Without it something broke off.
    End,
}

/// What the reader side of a content knows.
struct Reader {
    pieces: mpsc::Receiver<Result<Piece, HostError>>,
    /// Tells that a piece was taken.
    taken: mpsc::Sender<()>,
    over: bool,
}

/// Content as its reader takes it; of a file a part, of an archive all.
fn content(stream: Stream, span: Option<Span>) -> Content {
    let (ready, pieces) = mpsc::channel(READY_MAX + 1);
    let (taken, takes) = mpsc::channel(READY_MAX + 1);
    tokio::spawn(async move {
        let pumped = pump(stream, span, &ready, takes).await;
        let last = match pumped {
            Ok(()) => Ok(Piece::End),
            Err(error) => Err(HostError::Unreachable(error.to_string())),
        };
        // Nobody may be there any more to hear it.
        let _ = ready.send(last).await;
    });
    let reader = Reader {
        pieces,
        taken,
        over: false,
    };
    Box::pin(stream::unfold(reader, async |mut reader| {
        if reader.over {
            return None;
        }
        let piece = match reader.pieces.recv().await {
            Some(Ok(Piece::Bytes(bytes))) => {
                // The pump has room for as many as there can be, or is gone.
                let _ = reader.taken.try_send(());
                Ok(bytes)
            }
            Some(Ok(Piece::End)) => return None,
            Some(Err(error)) => Err(error),
            None => Err(HostError::Unreachable("the answer broke off".into())),
        };
        reader.over = piece.is_err();
        Some((piece, reader))
    }))
}

/// Takes frames off the connection as they come, and asks for more as the reader takes them, until
/// all was said or nobody reads.
async fn pump(
    mut stream: Stream,
    span: Option<Span>,
    ready: &mpsc::Sender<Result<Piece, HostError>>,
    mut takes: mpsc::Receiver<()>,
) -> Result<(), NetError> {
    let mut missing = span.map(|span| span.length);
    if let Some(span) = span {
        stream.sender.send(&span).await?;
    }
    loop {
        tokio::select! {
            frame = stream.receiver.receive_bytes() => {
                let Some(bytes) = frame? else { break };
                if let Some(missing) = &mut missing {
                    let left = missing.checked_sub(bytes.len() as u64);
                    *missing = left.ok_or_else(|| NetError::Closed("more than asked for".into()))?;
                }
                if ready.try_send(Ok(Piece::Bytes(bytes))).is_err() {
                    return Err(NetError::Closed("more than the reader takes".into()));
                }
            }
            Some(()) = takes.recv() => {
                // An agent that has sent all hears nothing more; what it sent says how it ended.
                let _ = stream.sender.send(&Taken(1)).await;
            }
            () = ready.closed() => return Ok(()),
        }
    }
    match missing {
        None | Some(0) => Ok(()),
        Some(bytes) => Err(NetError::Closed(format!("{bytes} bytes are missing"))),
    }
}

async fn upload(mut stream: Stream, mut content: Content) -> Result<u64, HostError> {
    let mut ahead = 0;
    while let Some(chunk) = content.next().await {
        // An error drops the stream, which breaks it off: nothing is put in place.
        let chunk = chunk?;
        for frame in chunk.chunks(FILE_FRAME_MAX) {
            while ahead >= FILE_FRAMES_AHEAD {
                match hear(&mut stream).await? {
                    FilesAnswer::Taken(count) => ahead = ahead.saturating_sub(count),
                    other => return Err(not_understood(&other)),
                }
            }
            if stream.sender.send_bytes(frame).await.is_err() {
                // The node wants no more: it has said why.
                return placed(&mut stream).await;
            }
            ahead += 1;
        }
    }
    if stream.sender.finish().is_err() {
        return placed(&mut stream).await;
    }
    let late = || HostError::Unreachable("the file was not put in place in time".into());
    let waited = timeout(PLACED_WITHIN, placed(&mut stream)).await;
    waited.unwrap_or_else(|_elapsed| Err(late()))
}

/// The last word about an upload.
async fn placed(stream: &mut Stream) -> Result<u64, HostError> {
    loop {
        match hear(stream).await? {
            FilesAnswer::Taken(_) => {}
            FilesAnswer::Done { bytes } => return Ok(bytes),
            other => return Err(not_understood(&other)),
        }
    }
}

async fn hear(stream: &mut Stream) -> Result<FilesAnswer, HostError> {
    let heard = stream.receiver.receive::<FilesAnswer>().await;
    let heard = heard.map_err(|error| HostError::Unreachable(error.to_string()))?;
    match heard {
        Some(FilesAnswer::Refused { fault, words }) => Err(refused(fault, words)),
        Some(answer) => Ok(answer),
        None => Err(HostError::Unreachable("the answer broke off".into())),
    }
}

fn not_understood(answer: &FilesAnswer) -> HostError {
    tracing::warn!(?answer, "an agent answers what was not asked");
    HostError::Unreachable("its answer is not understood".into())
}

fn refused(fault: message::FileFault, words: String) -> HostError {
    let fault = match fault {
        message::FileFault::NoDirectory => FileFault::NoDirectory,
        message::FileFault::Missing => FileFault::Missing,
        message::FileFault::Name => FileFault::Name,
        message::FileFault::IsDirectory => FileFault::IsDirectory,
        message::FileFault::NotDirectory => FileFault::NotDirectory,
        message::FileFault::NotFile => FileFault::NotFile,
        message::FileFault::Denied => FileFault::Denied,
        message::FileFault::TooLarge => FileFault::TooLarge,
        message::FileFault::Full => FileFault::Full,
        message::FileFault::Again => FileFault::Again,
        message::FileFault::Failed => FileFault::Failed,
    };
    HostError::File(fault, words)
}

fn entry(entry: message::FileEntry) -> FileEntry {
    FileEntry {
        name: entry.name,
        kind: match entry.kind {
            message::FileKind::File => FileKind::File,
            message::FileKind::Directory => FileKind::Directory,
            message::FileKind::Link => FileKind::Link,
            message::FileKind::Other => FileKind::Other,
        },
        size: entry.size,
        modified: Timestamp(entry.modified_ms),
        mode: entry.mode,
        target: entry.target,
    }
}
