//! How goctl asks: one request, over as many heads as it takes.
//!
//! A request that cannot have changed anything goes on to the next head at once. One that may
//! have is repeated only when repeating it is harmless. After every head had its turn there is a
//! pause; the whole is bounded by `--timeout`.

pub mod events;
pub mod request;
pub mod tls;

pub use request::{Request, escaped};

use std::cell::Cell;
use std::path::Path;
use std::time::Duration;

use api_types::problem::{Problem, code};
use api_types::{PREFIX, header};
use reqwest::{Response, StatusCode};
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use crate::error::{Failure, Kind};
use crate::limits::{
    BACKOFF_FIRST, BACKOFF_MAX, CONNECT_WAIT, DEAD_ROUNDS_MAX, LONG_POLL_PATIENCE, OUTAGE_MAX,
    PROBLEM_BYTES_MAX, READ_WAIT, REQUEST_PATIENCE, ROUNDS_MAX, UPLOAD_PATIENCE,
};

/// Speaks with one cluster.
pub struct Client {
    http: reqwest::Client,
    /// Waits for an answer as long as a file takes to be sent.
    uploads: reqwest::Client,
    heads: Vec<String>,
    first: Cell<usize>,
    answered: Cell<bool>,
    token: Option<String>,
    timeout: Option<Duration>,
    started: Instant,
    verbose: bool,
    /// There is an authority whose certificates are believed.
    trusts: bool,
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
        Ok(Client {
            http: http(trust, true)?,
            uploads: http(trust, false)?,
            heads,
            first: Cell::new(0),
            answered: Cell::new(false),
            token,
            timeout,
            started: Instant::now(),
            verbose,
            trusts: matches!(trust, tls::Trust::Authority(_)),
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
        let usual = match (&request.upload, request.long_poll) {
            (Some(_), _) => UPLOAD_PATIENCE,
            (None, true) => REQUEST_PATIENCE + LONG_POLL_PATIENCE,
            (None, false) => REQUEST_PATIENCE,
        };
        let patience = self.time_left().unwrap_or(usual);
        let mut last = None;
        let rounds = self.rounds(request, patience, &mut last);
        match tokio::time::timeout(patience, rounds).await {
            Ok(answer) => answer,
            Err(_elapsed) if self.timeout.is_some() => Err(timed_out()),
            Err(_elapsed) => Err(last.unwrap_or_else(|| {
                let message = format!("no answer within {} s", patience.as_secs());
                Failure::new(Kind::Unreachable, message)
            })),
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
    async fn rounds(
        &self,
        request: &Request,
        patience: Duration,
        last: &mut Option<Failure>,
    ) -> Result<Response, Failure> {
        let mut pause = BACKOFF_FIRST;
        let mut dead_rounds = 0;
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
                    Err(Miss::Busy(failure, wait)) => {
                        (*last, asked_to_wait) = (Some(failure), wait)
                    }
                    Err(Miss::Broken(failure)) if request.repeatable => *last = Some(failure),
                    Err(Miss::Broken(failure)) => {
                        return Err(failure.hint("it may have been done: look before you repeat"));
                    }
                }
            }
            if dead.len() == self.heads.len() {
                dead_rounds += 1;
                let failure = all_dead(&dead);
                if dead_rounds >= DEAD_ROUNDS_MAX {
                    return Err(failure);
                }
                *last = Some(failure);
            }
            let wait = asked_to_wait.unwrap_or(pause);
            if Instant::now() + wait >= deadline {
                break;
            }
            tokio::time::sleep(wait).await;
            pause = (pause * 2).min(BACKOFF_MAX);
        }
        match last.take() {
            Some(failure) if self.timeout.is_none() => Err(failure),
            Some(_) | None => Err(timed_out()),
        }
    }

    async fn try_head(&self, head: &str, request: &Request) -> Result<Response, Miss> {
        let url = format!("{head}{PREFIX}{}", request.path);
        let http = match request.upload {
            Some(_) => &self.uploads,
            None => &self.http,
        };
        let mut sent = http.request(request.method.clone(), &url);
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
        if let Some(file) = &request.upload {
            sent = attach(sent, file).await.map_err(Miss::Final)?;
        }
        let answer = sent.send().await;
        self.trace(request, &url, &answer);
        let response = answer.map_err(|error| {
            let why = chain(&error);
            if why.contains("invalid peer certificate") || why.contains("UnknownIssuer") {
                Miss::Final(self.distrust(head, &why))
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

    fn distrust(&self, head: &str, why: &str) -> Failure {
        if !self.trusts {
            let message = format!("{head} cannot be trusted: the cluster's certificate is missing");
            let hint = format!("goctl login {head}, or GOCTL_CA_FILE");
            return Failure::failed(message).hint(hint);
        }
        Failure::failed(format!(
            "{head} does not show a certificate of this cluster: {why}"
        ))
        .hint(format!("if the cluster was made anew: goctl login {head}"))
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

fn http(trust: tls::Trust<'_>, bounded: bool) -> Result<reqwest::Client, Failure> {
    let mut builder = reqwest::Client::builder()
        .tls_backend_preconfigured(tls::config(trust)?)
        .connect_timeout(CONNECT_WAIT)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("goctl/", env!("CARGO_PKG_VERSION")));
    if bounded {
        builder = builder.read_timeout(READ_WAIT);
    }
    let built = builder.build();
    built.map_err(|error| Failure::failed(chain(&error)))
}

/// A request with a file as its body.
async fn attach(
    sent: reqwest::RequestBuilder,
    path: &Path,
) -> Result<reqwest::RequestBuilder, Failure> {
    let failed = |error: std::io::Error| Failure::failed(format!("{}: {error}", path.display()));
    let file = tokio::fs::File::open(path).await.map_err(failed)?;
    let length = file.metadata().await.map_err(failed)?.len();
    Ok(sent
        .header("Content-Type", "application/octet-stream")
        .header("Content-Length", length)
        .body(file))
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

fn all_dead(dead: &[String]) -> Failure {
    Failure::new(Kind::Unreachable, format!("no head: {}", dead.join("; ")))
        .hint("is the cluster up, and the network? heads: goctl context list")
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

/// A key that nobody has used before: 128 random bits.
///
/// # Errors
/// When the system has no randomness.
pub fn fresh_key() -> Result<String, Failure> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).map_err(|error| Failure::failed(error.to_string()))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
