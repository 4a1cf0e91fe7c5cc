//! One request, apart from the head that it goes to, and whether it may be sent twice.

use std::path::{Path, PathBuf};

use api_types::header;
use reqwest::Method;
use serde::Serialize;

use crate::error::Failure;

/// One request, apart from the head that it goes to.
pub struct Request {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) body: Option<Vec<u8>>,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) repeatable: bool,
    pub(super) in_body: bool,
    pub(super) long_poll: bool,
    pub(super) upload: Option<PathBuf>,
}

impl Request {
    /// Asks for something; changes nothing.
    pub fn get(path: impl Into<String>) -> Request {
        Request::new(Method::GET, path)
    }

    /// A request without a body. All methods but POST may be repeated.
    pub fn new(method: Method, path: impl Into<String>) -> Request {
        let repeatable = method != Method::POST;
        Request {
            method,
            path: path.into(),
            body: None,
            headers: Vec::new(),
            repeatable,
            in_body: false,
            long_poll: false,
            upload: None,
        }
    }

    /// With a query; fields that are `None` are left out.
    ///
    /// # Errors
    /// When the query cannot be written as one.
    pub fn query(mut self, query: &impl Serialize) -> Result<Request, Failure> {
        let value = serde_json::to_value(query).map_err(|e| Failure::failed(e.to_string()))?;
        let mut pairs = Vec::new();
        for (name, value) in value.as_object().into_iter().flatten() {
            let text = match value {
                serde_json::Value::String(text) => text.clone(),
                serde_json::Value::Null => continue,
                serde_json::Value::Bool(_)
                | serde_json::Value::Number(_)
                | serde_json::Value::Array(_)
                | serde_json::Value::Object(_) => value.to_string(),
            };
            pairs.push(format!("{name}={}", escaped(&text)));
        }
        if !pairs.is_empty() {
            self.path = format!("{}?{}", self.path, pairs.join("&"));
        }
        Ok(self)
    }

    /// With a JSON body.
    ///
    /// # Errors
    /// When the body cannot be written as JSON.
    pub fn body(mut self, body: &impl Serialize) -> Result<Request, Failure> {
        let json = serde_json::to_vec(body).map_err(|e| Failure::failed(e.to_string()))?;
        self.body = Some(json);
        Ok(self)
    }

    /// With a file as the body, read while it is sent.
    pub fn upload(mut self, file: &Path) -> Request {
        self.upload = Some(file.to_owned());
        self
    }

    /// With a header.
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Request {
        self.headers.push((name, value.into()));
        self
    }

    /// With an idempotency key, which makes it repeatable.
    pub fn key(self, key: &str) -> Request {
        self.header(header::IDEMPOTENCY_KEY, key).repeatable()
    }

    /// Doing it twice is the same as doing it once.
    pub fn repeatable(mut self) -> Request {
        self.repeatable = true;
        self
    }

    /// The answer may take [`LONG_POLL_SECONDS`](crate::limits::LONG_POLL_SECONDS) on each head.
    pub fn long_poll(mut self) -> Request {
        self.long_poll = true;
        self
    }

    /// An answer with status 503 is an answer, not a reason to ask another head.
    pub fn any_status(mut self) -> Request {
        self.in_body = true;
        self
    }
}

/// A text as part of a path or a query.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}
