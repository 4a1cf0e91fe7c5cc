//! How goctl asks: one request, over as many heads as it takes.
//!
//! A request that cannot have changed anything goes on to the next head at once. One that may
//! have is repeated only when repeating it is harmless. After every head had its turn there is a
//! pause; the whole is bounded by `--timeout`.

pub mod events;
pub mod tls;

use std::cell::Cell;
use std::time::Duration;

use api_types::problem::{Problem, code};
use api_types::{PREFIX, header};
use reqwest::{Method, Response, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use crate::error::{Failure, Kind};
use crate::limits::{
    BACKOFF_FIRST, BACKOFF_MAX, CONNECT_WAIT, DEAD_ROUNDS_MAX, LONG_POLL_PATIENCE, OUTAGE_MAX,
    PROBLEM_BYTES_MAX, READ_WAIT, REQUEST_PATIENCE, ROUNDS_MAX,
};

/// Speaks with one cluster.
pub struct Client {
    http: reqwest::Client,
    heads: Vec<String>,
    first: Cell<usize>,
    answered: Cell<bool>,
    token: Option<String>,
    timeout: Option<Duration>,
    started: Instant,
    verbose: bool,
}

/// One request, apart from the head that it goes to.
pub struct Request {
    method: Method,
    path: String,
    body: Option<Vec<u8>>,
    headers: Vec<(&'static str, String)>,
    repeatable: bool,
    in_body: bool,
    long_poll: bool,
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

/// Why one head did not answer a request.
enum Miss {
    /// It could not be connected: nothing was sent.
    Dead(String),
    /// It says that it cannot serve now; nothing was changed.
    Busy(Failure, Option<Duration>),
    /// The connection broke, or the outcome is unknown.
    Broken(Failure),
    /// Another head would say the same.
    Final(Failure),
}

impl Client {
    /// A client for the heads, tried in this order.
    ///
    /// # Errors
    /// When an address is no `https` URL or there is none, or the certificate is none.
    pub fn new(
        heads: Vec<String>,
        trust: tls::Trust<'_>,
        token: Option<String>,
        timeout: Option<Duration>,
        verbose: bool,
    ) -> Result<Client, Failure> {
        if heads.is_empty() {
            return Err(Failure::failed("the context names no head").hint("goctl login URL"));
        }
        heads.iter().try_for_each(|head| tls::check_url(head))?;
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls::config(trust)?)
            .connect_timeout(CONNECT_WAIT)
            .read_timeout(READ_WAIT)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("goctl/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| Failure::failed(chain(&error)))?;
        Ok(Client {
            http,
            heads,
            first: Cell::new(0),
            answered: Cell::new(false),
            token,
            timeout,
            started: Instant::now(),
            verbose,
        })
    }

    /// The head that answered last.
    pub fn head(&self) -> &str {
        &self.heads[self.first.get()]
    }

    /// Whether any head has answered yet.
    pub fn has_answered(&self) -> bool {
        self.answered.get()
    }

    /// What is left of `--timeout`; `None` without one.
    pub fn time_left(&self) -> Option<Duration> {
        self.timeout
            .map(|timeout| timeout.saturating_sub(self.started.elapsed()))
    }

    /// Sends a request and reads its JSON answer.
    ///
    /// # Errors
    /// What the server says, or that none answers.
    pub async fn ask<T: DeserializeOwned>(&self, request: &Request) -> Result<T, Failure> {
        read(self.send(request).await?, request).await
    }

    /// [`Client::insist`] and read the JSON answer.
    ///
    /// # Errors
    /// What the server says, or that none has answered for a long time.
    pub async fn ask_on<T: DeserializeOwned>(&self, request: &Request) -> Result<T, Failure> {
        read(self.insist(request).await?, request).await
    }

    /// Sends a request and drops the answer.
    ///
    /// # Errors
    /// What the server says, or that none answers.
    pub async fn tell(&self, request: &Request) -> Result<(), Failure> {
        self.send(request).await.map(drop)
    }

    /// Sends a request and hands over the answer as it begins.
    ///
    /// # Errors
    /// What the server says, or that none answers.
    pub async fn send(&self, request: &Request) -> Result<Response, Failure> {
        let usual = match request.long_poll {
            true => REQUEST_PATIENCE + LONG_POLL_PATIENCE,
            false => REQUEST_PATIENCE,
        };
        let patience = self.time_left().unwrap_or(usual);
        match tokio::time::timeout(patience, self.rounds(request, patience)).await {
            Ok(answer) => answer,
            Err(_elapsed) if self.timeout.is_some() => Err(timed_out()),
            Err(_elapsed) => {
                let message = format!("no answer within {} s", patience.as_secs());
                Err(Failure::new(Kind::Unreachable, message))
            }
        }
    }

    /// Sends a request that only reads, through outages of the whole cluster.
    ///
    /// # Errors
    /// What the server says, or that none has answered for a long time.
    pub async fn insist(&self, request: &Request) -> Result<Response, Failure> {
        let began = Instant::now();
        let mut told = false;
        loop {
            let failure = match self.send(request).await {
                Err(failure) if failure.kind == Kind::Unreachable => failure,
                ended => return ended,
            };
            if began.elapsed() >= OUTAGE_MAX {
                return Err(failure);
            }
            if !std::mem::replace(&mut told, true) {
                crate::output::note(&format!("{}; still trying", failure.message));
            }
            tokio::time::sleep(BACKOFF_MAX).await;
        }
    }

    /// Sends a request to one head only, once.
    ///
    /// # Errors
    /// What it says, or that it does not answer.
    pub async fn ask_at<T: DeserializeOwned>(
        &self,
        head: &str,
        request: &Request,
    ) -> Result<T, Failure> {
        tls::check_url(head)?;
        let patience = self.time_left().unwrap_or(REQUEST_PATIENCE);
        let sent = tokio::time::timeout(patience, self.try_head(head, request)).await;
        let response = sent
            .map_err(|_elapsed| timed_out())?
            .map_err(|miss| match miss {
                Miss::Dead(why) => Failure::new(Kind::Unreachable, format!("{head}: {why}")),
                Miss::Busy(failure, _) | Miss::Broken(failure) | Miss::Final(failure) => failure,
            })?;
        read(response, request).await
    }

    /// Round after round over the heads. The caller bounds the time.
    async fn rounds(&self, request: &Request, patience: Duration) -> Result<Response, Failure> {
        let mut pause = BACKOFF_FIRST;
        let mut dead_rounds = 0;
        let mut last = Failure::new(Kind::Unreachable, "no head answers");
        let deadline = Instant::now() + patience;
        for _ in 0..ROUNDS_MAX {
            let mut dead = Vec::new();
            let mut asked_to_wait = None;
            let first = self.first.get();
            for step in 0..self.heads.len() {
                let at = (first + step) % self.heads.len();
                match self.try_head(&self.heads[at], request).await {
                    Ok(response) => {
                        self.first.set(at);
                        self.answered.set(true);
                        return Ok(response);
                    }
                    Err(Miss::Final(failure)) => {
                        self.first.set(at);
                        return Err(failure);
                    }
                    Err(Miss::Dead(why)) => dead.push(format!("{}: {why}", self.heads[at])),
                    Err(Miss::Busy(failure, wait)) => (last, asked_to_wait) = (failure, wait),
                    Err(Miss::Broken(failure)) if request.repeatable => last = failure,
                    Err(Miss::Broken(failure)) => {
                        return Err(failure.hint("it may have been done: look before you repeat"));
                    }
                }
            }
            if dead.len() == self.heads.len() {
                dead_rounds += 1;
                last = Failure::new(Kind::Unreachable, format!("no head: {}", dead.join("; ")))
                    .hint("is the cluster up, and the network? heads: goctl context list");
                if dead_rounds >= DEAD_ROUNDS_MAX {
                    return Err(last);
                }
            }
            let wait = asked_to_wait.unwrap_or(pause).min(BACKOFF_MAX);
            if Instant::now() + wait >= deadline {
                return Err(if self.timeout.is_some() {
                    timed_out()
                } else {
                    last
                });
            }
            tokio::time::sleep(wait).await;
            pause = (pause * 2).min(BACKOFF_MAX);
        }
        Err(last)
    }

    async fn try_head(&self, head: &str, request: &Request) -> Result<Response, Miss> {
        let url = format!("{head}{PREFIX}{}", request.path);
        let mut sent = self.http.request(request.method.clone(), &url);
        if let Some(token) = &self.token {
            sent = sent.bearer_auth(token);
        }
        for (name, value) in &request.headers {
            sent = sent.header(*name, value);
        }
        if let Some(body) = &request.body {
            sent = sent
                .header("Content-Type", "application/json")
                .body(body.clone());
        }
        let answer = sent.send().await;
        self.trace(request, &url, &answer);
        let response = answer.map_err(|error| {
            let why = chain(&error);
            if why.contains("invalid peer certificate") || why.contains("UnknownIssuer") {
                let message = format!("{head} does not show a certificate of this cluster: {why}");
                Miss::Final(
                    Failure::failed(message)
                        .hint(format!("if the cluster was made anew: goctl login {head}")),
                )
            } else if error.is_connect() {
                Miss::Dead(why)
            } else {
                Miss::Broken(Failure::new(Kind::Unreachable, format!("{head}: {why}")))
            }
        })?;
        let status = response.status();
        if status.is_success() || (request.in_body && status == StatusCode::SERVICE_UNAVAILABLE) {
            return Ok(response);
        }
        Err(refusal(response).await)
    }

    fn trace(&self, request: &Request, url: &str, answer: &reqwest::Result<Response>) {
        if !self.verbose {
            return;
        }
        let outcome = match answer {
            Ok(response) => {
                let id = response.headers().get(header::REQUEST_ID);
                let id = id.and_then(|id| id.to_str().ok()).unwrap_or("-");
                format!("{} request {id}", response.status())
            }
            Err(error) => chain(error),
        };
        crate::output::note(&format!("> {} {url}\n< {outcome}", request.method));
    }
}

async fn read<T: DeserializeOwned>(response: Response, request: &Request) -> Result<T, Failure> {
    let body = response.bytes().await.map_err(|error| unreadable(&error))?;
    serde_json::from_slice(&body).map_err(|error| {
        Failure::failed(format!(
            "the answer to {} is not understood: {error}",
            request.path
        ))
        .hint("is goctl as new as the cluster? compare `goctl version`")
    })
}

/// What an answer with an error status means.
async fn refusal(mut response: Response) -> Miss {
    let status = response.status();
    let retry_after = response.headers().get("Retry-After");
    let wait = retry_after.and_then(|text| text.to_str().ok()?.parse().ok());
    let request_id = response.headers().get(header::REQUEST_ID);
    let request_id = request_id
        .and_then(|id| id.to_str().ok())
        .unwrap_or_default()
        .to_owned();
    let mut body = Vec::new();
    while body.len() < PROBLEM_BYTES_MAX {
        match response.chunk().await {
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) | Err(_) => break,
        }
    }
    let mut problem: Problem = serde_json::from_slice(&body).unwrap_or_default();
    problem.status = status.as_u16();
    if problem.request_id.is_empty() {
        problem.request_id = request_id;
    }
    if problem.title.is_empty() {
        problem.title = status.to_string();
    }
    let unknown = problem.code == code::UNKNOWN_OUTCOME;
    let failure = Failure::refused(problem);
    match status.as_u16() {
        504 | 503 if unknown => Miss::Broken(failure),
        503 | 429 => Miss::Busy(failure, wait.map(Duration::from_secs)),
        _ => Miss::Final(failure),
    }
}

/// `--timeout` has passed.
pub fn timed_out() -> Failure {
    Failure::new(Kind::TimedOut, "--timeout has passed")
}

/// An answer that broke off.
pub fn unreadable(error: &reqwest::Error) -> Failure {
    Failure::new(
        Kind::Unreachable,
        format!("the answer broke off: {}", chain(error)),
    )
}

/// An error with its causes, without saying anything twice.
fn chain(error: &dyn std::error::Error) -> String {
    let mut texts = Vec::new();
    let mut next = error.source();
    while let Some(cause) = next {
        texts.push(cause.to_string());
        next = cause.source();
    }
    texts.pop().unwrap_or_else(|| error.to_string())
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

/// A key that nobody has used before: 128 random bits.
///
/// # Errors
/// When the system has no randomness.
pub fn fresh_key() -> Result<String, Failure> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).map_err(|error| Failure::failed(error.to_string()))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
