//! `text/event-stream`, cut into messages without I/O.
//!
//! Bytes go in as they come, messages come out whole. An overlong line is an error, so memory
//! stays bounded whatever the server sends.

use crate::limits::EVENT_BYTES_MAX;

/// One message of an event stream. Without data it only moves [`Message::id`] on.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Message {
    /// Its kind; empty when it has none.
    pub event: String,
    /// What it says.
    pub data: String,
    /// Where a resumed stream would begin behind it.
    pub id: Option<String>,
}

/// Cuts a stream of bytes into messages.
#[derive(Debug, Default)]
pub struct Cutter {
    line: Vec<u8>,
    message: Message,
}

/// A line is longer than [`EVENT_BYTES_MAX`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Overlong;

impl Cutter {
    /// Takes the next bytes and gives the messages that they complete.
    ///
    /// # Errors
    /// [`Overlong`]; the stream cannot be followed any further.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Vec<Message>, Overlong> {
        let mut whole = Vec::new();
        for byte in bytes {
            if *byte != b'\n' {
                if self.line.len() + self.message.data.len() >= EVENT_BYTES_MAX {
                    return Err(Overlong);
                }
                self.line.push(*byte);
                continue;
            }
            let line = std::mem::take(&mut self.line);
            let line = String::from_utf8_lossy(&line);
            let line = line.strip_suffix('\r').unwrap_or(&line);
            if line.is_empty() {
                whole.extend(self.finish());
            } else {
                self.field(line);
            }
        }
        Ok(whole)
    }

    fn finish(&mut self) -> Option<Message> {
        let mut message = std::mem::take(&mut self.message);
        if message.data.ends_with('\n') {
            message.data.pop();
        }
        (!message.data.is_empty() || message.id.is_some()).then_some(message)
    }

    fn field(&mut self, line: &str) {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "data" => {
                self.message.data.push_str(value);
                self.message.data.push('\n');
            }
            "event" => self.message.event = value.into(),
            "id" => self.message.id = Some(value.into()),
            // Comments (an empty name) keep the connection alive; others are not for us.
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

    use super::*;

    const STREAM: &str = ": alive\n\nevent: job.ended\r\nid: 5\r\ndata: {\"a\":\r\ndata: 1}\r\n\r\n\
        : nothing for you\nid: 9\n\ndata:x\nretry: 3\nunknown\n\ndata: not whole";

    #[test]
    fn it_does_not_matter_where_the_bytes_are_cut() {
        let expected = [
            Message {
                event: "job.ended".into(),
                data: "{\"a\":\n1}".into(),
                id: Some("5".into()),
            },
            Message {
                id: Some("9".into()),
                ..Message::default()
            },
            Message {
                data: "x".into(),
                ..Message::default()
            },
        ];
        for size in 1..STREAM.len() {
            let mut cutter = Cutter::default();
            let pieces = STREAM.as_bytes().chunks(size);
            let messages: Vec<Message> = pieces
                .flat_map(|piece| cutter.push(piece).unwrap())
                .collect();
            assert_eq!(messages, expected, "in pieces of {size}");
        }
    }

    #[test]
    fn memory_stays_bounded_whatever_comes() {
        let mut cutter = Cutter::default();
        let line = vec![b'x'; EVENT_BYTES_MAX + 1];
        assert_eq!(cutter.push(&line), Err(Overlong));
        let mut cutter = Cutter::default();
        let fields = format!("data: {}\n", "y".repeat(1_000)).repeat(EVENT_BYTES_MAX / 500);
        assert_eq!(cutter.push(fields.as_bytes()), Err(Overlong));
    }
}
