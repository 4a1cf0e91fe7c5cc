//! Frames on one two-way stream of a connection.
//!
//! The end of a stream is told apart from its breaking off: only [`FrameSender::finish`] says
//! that all was sent. A sender that is dropped before resets its stream.

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::connection::Connection;
use crate::codec::{self, Decoder};
use crate::error::NetError;
use crate::permit::Permitted;

/// Stream code of a side that gives up: it is not the end of what it had to say.
const BROKEN_OFF: u32 = 1;
/// Why a connection ends on which somebody said what is another's to say.
const NOT_YOURS: &str = "this is not yours to say";

/// A two-way stream of frames.
pub struct Stream {
    /// Our way.
    pub sender: FrameSender,
    /// Their way.
    pub receiver: FrameReceiver,
}

/// The way out.
///
/// Dropping it without [`FrameSender::finish`] breaks the stream off: the peer gets an error
/// instead of an end, and may not see what was sent last.
pub struct FrameSender {
    quic: quinn::SendStream,
    connection: Connection,
    limit: usize,
    finished: bool,
}

/// The way in. Dropping it tells the peer to send no more.
pub struct FrameReceiver {
    quic: quinn::RecvStream,
    connection: Connection,
    decoder: Decoder,
}

impl Stream {
    pub(super) fn new(
        connection: &Connection,
        send: quinn::SendStream,
        receive: quinn::RecvStream,
    ) -> Stream {
        let limit = connection.channel().frame_max();
        Stream {
            sender: FrameSender {
                quic: send,
                connection: connection.clone(),
                limit,
                finished: false,
            },
            receiver: FrameReceiver {
                quic: receive,
                connection: connection.clone(),
                decoder: Decoder::new(limit),
            },
        }
    }
}

impl FrameSender {
    /// Sends a message; waits while the peer does not read. If it is dropped while it waits, part
    /// of the frame may be sent: the sender cannot be used any more.
    ///
    /// # Errors
    /// [`NetError::TooLarge`], and then nothing is sent; otherwise as [`Connection::closed`].
    pub async fn send<T: Serialize>(&mut self, message: &T) -> Result<(), NetError> {
        self.send_bytes(&codec::encode(message)?).await
    }

    /// Sends a frame of bytes; otherwise as [`FrameSender::send`].
    ///
    /// # Errors
    /// As [`FrameSender::send`].
    pub async fn send_bytes(&mut self, body: &[u8]) -> Result<(), NetError> {
        let frame = codec::frame(body, self.limit)?;
        let written = self.quic.write_chunk(frame).await;
        written.map_err(|error| match error {
            quinn::WriteError::ConnectionLost(error) => self.connection.ended(error),
            quinn::WriteError::Stopped(_) => NetError::Closed("the peer reads no more".into()),
            quinn::WriteError::ClosedStream | quinn::WriteError::ZeroRttRejected => {
                NetError::Closed("the stream was finished".into())
            }
        })
    }

    /// Says that nothing more comes.
    ///
    /// # Errors
    /// [`NetError::Closed`] if the peer reads no more, or if it was said before.
    pub fn finish(&mut self) -> Result<(), NetError> {
        self.finished = true;
        let finished = self.quic.finish();
        finished.map_err(|error| NetError::Closed(error.to_string()))
    }

    /// Returns when the peer wants to read no more, has read everything after
    /// [`FrameSender::finish`], or is gone.
    pub async fn abandoned(&mut self) {
        // Each of the three outcomes is the answer.
        let _ = self.quic.stopped().await;
    }

    /// Streams with a higher number are sent first; 0 unless set.
    ///
    /// # Errors
    /// [`NetError::Closed`].
    pub fn set_priority(&mut self, priority: i32) -> Result<(), NetError> {
        let set = self.quic.set_priority(priority);
        set.map_err(|error| NetError::Closed(error.to_string()))
    }
}

impl Drop for FrameSender {
    fn drop(&mut self) {
        if !self.finished {
            // An error says that the stream is over already.
            let _ = self.quic.reset(BROKEN_OFF.into());
        }
    }
}

impl FrameReceiver {
    /// The next message that asks, tells or orders something; `None` when the peer has finished.
    /// Otherwise as [`FrameReceiver::receive`].
    ///
    /// # Errors
    /// [`NetError::Forbidden`] if it is not the peer's to say ([`crate::permit`]): the connection
    /// is ended; otherwise as [`FrameReceiver::receive`].
    pub async fn hear<T: DeserializeOwned + Permitted>(&mut self) -> Result<Option<T>, NetError> {
        let word = self.receive::<T>().await?;
        let peer = (self.connection.channel(), self.connection.speaker());
        let theirs = |word: &T| (T::CHANNEL, word.speaker()) == peer;
        if !word.as_ref().is_none_or(theirs) {
            self.connection.forbid(NOT_YOURS);
            return Err(NetError::Forbidden(NOT_YOURS.into()));
        }
        Ok(word)
    }

    /// The next message of those that answer or follow what was permitted; `None` when the peer
    /// has finished. May be dropped while it waits: nothing that arrived is lost.
    ///
    /// # Errors
    /// [`NetError::Malformed`], [`NetError::TooLarge`]: the stream cannot be used any more;
    /// [`NetError::Closed`] if the peer broke it off; otherwise as [`Connection::closed`].
    pub async fn receive<T: DeserializeOwned>(&mut self) -> Result<Option<T>, NetError> {
        match self.receive_bytes().await? {
            Some(body) => codec::decode(&body).map(Some),
            None => Ok(None),
        }
    }

    /// The next frame's bytes; otherwise as [`FrameReceiver::receive`].
    ///
    /// # Errors
    /// As [`FrameReceiver::receive`].
    pub async fn receive_bytes(&mut self) -> Result<Option<Bytes>, NetError> {
        loop {
            if let Some(frame) = self.decoder.next_frame()? {
                return Ok(Some(frame));
            }
            let read = self.quic.read_chunk(usize::MAX, true).await;
            match read.map_err(|error| self.broken(error))? {
                Some(chunk) => self.decoder.push(&chunk.bytes),
                None => return self.decoder.finish().map(|()| None),
            }
        }
    }

    fn broken(&self, error: quinn::ReadError) -> NetError {
        match error {
            quinn::ReadError::ConnectionLost(error) => self.connection.ended(error),
            quinn::ReadError::Reset(_) => NetError::Closed("the peer broke the stream off".into()),
            quinn::ReadError::ClosedStream
            | quinn::ReadError::IllegalOrderedRead
            | quinn::ReadError::ZeroRttRejected => NetError::Closed(error.to_string()),
        }
    }
}
