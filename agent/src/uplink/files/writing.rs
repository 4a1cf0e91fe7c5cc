//! A file that comes from a head: beside its name until all of it is there.

use std::io::{self, ErrorKind, Read};

use beneath::Parents;
use bytes::{Buf, Bytes};
use net::message::FilesAnswer;
use net::{NetError, Stream};
use tokio::sync::mpsc;

use super::fault::Refusal;
use super::{At, blocking};

/// Chunks between the stream and the writing thread.
const READY_MAX: usize = 1;

/// What the writing thread gets.
enum Piece {
    Bytes(Bytes),
    /// That was all. Without it nothing was: the sender may have died.
    End,
}

/// Where the writing thread reads.
struct Inlet {
    pieces: mpsc::Receiver<Piece>,
    rest: Bytes,
    ended: bool,
}

impl Read for Inlet {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.rest.is_empty() && !self.ended {
            match self.pieces.blocking_recv() {
                Some(Piece::Bytes(bytes)) => self.rest = bytes,
                Some(Piece::End) => self.ended = true,
                None => return Err(ErrorKind::UnexpectedEof.into()),
            }
        }
        let count = self.rest.len().min(into.len());
        self.rest.copy_to_slice(&mut into[..count]);
        Ok(count)
    }
}

pub(super) async fn take(at: At, limit: u64, stream: &mut Stream) -> Result<(), NetError> {
    stream.sender.send(&FilesAnswer::Ready).await?;
    let (pieces, inlet) = mpsc::channel(READY_MAX);
    let inlet = Inlet {
        pieces: inlet,
        rest: Bytes::new(),
        ended: false,
    };
    let writing = tokio::spawn(blocking(move || {
        let written = at.tree.write(&at.path, inlet, limit, Parents::Make);
        Ok(FilesAnswer::Done { bytes: written? })
    }));
    // Breaking off drops the sender: the thread then leaves nothing behind.
    hand_on(pieces, stream).await?;
    let answer = match writing.await {
        Ok(done) => done.unwrap_or_else(Refusal::answer),
        Err(died) => return Err(NetError::Closed(died.to_string())),
    };
    stream.sender.send(&answer).await
}

/// Hands on what comes, until its end or until the thread wants no more.
async fn hand_on(pieces: mpsc::Sender<Piece>, stream: &mut Stream) -> Result<(), NetError> {
    loop {
        let Some(bytes) = stream.receiver.receive_bytes().await? else {
            // Whether the thread is there to hear it, its answer tells.
            let _ = pieces.send(Piece::End).await;
            return Ok(());
        };
        if pieces.send(Piece::Bytes(bytes)).await.is_err() {
            return Ok(());
        }
        stream.sender.send(&FilesAnswer::Taken(1)).await?;
    }
}
