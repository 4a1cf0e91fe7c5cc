//! Reading an answer that comes bit by bit: raw bytes, or server-sent events.

use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use futures_util::StreamExt;
use serde_json::Value;
use tokio::time::timeout;

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(60);

pub struct Stream {
    pub status: StatusCode,
    pub headers: HeaderMap,
    body: BodyDataStream,
    text: String,
}

/// One message of `text/event-stream`.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Message {
    pub id: Option<u64>,
    pub event: String,
    pub data: Value,
    pub comment: Option<String>,
}

impl Stream {
    pub fn new(response: Response<Body>) -> Stream {
        let (parts, body) = response.into_parts();
        Stream {
            status: parts.status,
            headers: parts.headers,
            body: body.into_data_stream(),
            text: String::new(),
        }
    }

    /// The next bytes; `None` at the end, an error when the stream breaks.
    pub async fn chunk(&mut self) -> Option<Result<Vec<u8>, axum::Error>> {
        let next = timeout(PATIENCE, self.body.next()).await;
        let next = next.expect("the stream says something in time")?;
        Some(next.map(|bytes| bytes.to_vec()))
    }

    /// The next message; `None` at the end.
    pub async fn message(&mut self) -> Option<Message> {
        loop {
            if let Some((message, rest)) = self.text.split_once("\n\n") {
                let (message, rest) = (parse(message), rest.to_owned());
                self.text = rest;
                return Some(message);
            }
            let bytes = self.chunk().await?.unwrap();
            self.text.push_str(std::str::from_utf8(&bytes).unwrap());
        }
    }

    /// The next message that is news, not a comment.
    pub async fn news(&mut self) -> Option<Message> {
        loop {
            let message = self.message().await?;
            if message.comment.is_none() {
                return Some(message);
            }
        }
    }

    /// All news until the end, as `type` words.
    pub async fn kinds(&mut self) -> Vec<String> {
        let mut kinds = Vec::new();
        while let Some(message) = self.news().await {
            kinds.push(message.event);
        }
        kinds
    }
}

fn parse(text: &str) -> Message {
    let mut message = Message::default();
    for line in text.lines() {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "" => message.comment = Some(value.into()),
            "id" => message.id = Some(value.parse().unwrap()),
            "event" => message.event = value.into(),
            "data" => message.data = serde_json::from_str(value).unwrap(),
            other => panic!("a field that nobody knows: {other}"),
        }
    }
    message
}
