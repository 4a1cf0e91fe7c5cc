//! How messages lie in a stream: length (u32, little-endian), version byte, body.
//!
//! Without sockets: bytes go in, frames come out. Whatever bytes come in, the answer is a frame,
//! more bytes, or an error; nothing is allocated for a frame that is too large.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::NetError;

/// The version of framing and messages.
pub const VERSION: u8 = 1;
/// Bytes before the body.
const HEAD: usize = 5;

/// Puts frames together from bytes.
#[derive(Debug)]
pub struct Decoder {
    buffer: BytesMut,
    limit: usize,
}

impl Decoder {
    /// A decoder of frames with at most `limit` bytes of body.
    pub fn new(limit: usize) -> Decoder {
        Decoder {
            buffer: BytesMut::new(),
            limit,
        }
    }

    /// Takes bytes in.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole frame's body, if there is one.
    ///
    /// # Errors
    /// [`NetError::TooLarge`] or [`NetError::Malformed`]; the stream cannot be used any more.
    pub fn next_frame(&mut self) -> Result<Option<Bytes>, NetError> {
        let Some(head) = self.buffer.first_chunk::<HEAD>() else {
            return Ok(None);
        };
        let length = u32::from_le_bytes([head[0], head[1], head[2], head[3]]) as usize;
        if head[4] != VERSION {
            return Err(NetError::Malformed("unknown version"));
        }
        if length > self.limit {
            return Err(NetError::TooLarge {
                bytes: length,
                limit: self.limit,
            });
        }
        if self.buffer.len() < HEAD + length {
            return Ok(None);
        }
        self.buffer.advance(HEAD);
        Ok(Some(self.buffer.split_to(length).freeze()))
    }

    /// Takes note that no more bytes come.
    ///
    /// # Errors
    /// [`NetError::Malformed`] if they end inside a frame.
    pub fn finish(&self) -> Result<(), NetError> {
        if self.buffer.is_empty() {
            Ok(())
        } else {
            Err(NetError::Malformed("the stream ends inside a frame"))
        }
    }
}

/// A frame with this body.
///
/// # Errors
/// [`NetError::TooLarge`].
pub fn frame(body: &[u8], limit: usize) -> Result<Bytes, NetError> {
    if body.len() > limit {
        return Err(NetError::TooLarge {
            bytes: body.len(),
            limit,
        });
    }
    let length = u32::try_from(body.len()).map_err(|_| NetError::TooLarge {
        bytes: body.len(),
        limit,
    })?;
    let mut bytes = BytesMut::with_capacity(HEAD + body.len());
    bytes.put_u32_le(length);
    bytes.put_u8(VERSION);
    bytes.put_slice(body);
    Ok(bytes.freeze())
}

/// A message's body.
///
/// # Errors
/// [`NetError::Malformed`] for types that cannot be written; none of ours is.
pub fn encode<T: Serialize>(message: &T) -> Result<Vec<u8>, NetError> {
    postcard::to_allocvec(message).map_err(|_| NetError::Malformed("cannot be written"))
}

/// The message of a body.
///
/// # Errors
/// [`NetError::Malformed`].
pub fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, NetError> {
    match postcard::take_from_bytes(body) {
        Ok((message, [])) => Ok(message),
        Ok((_, _)) => Err(NetError::Malformed("bytes behind the message")),
        Err(_) => Err(NetError::Malformed("does not decode")),
    }
}
