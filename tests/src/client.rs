//! A client of the REST API that knows several heads and believes none of them: it names the head
//! that it asks, and tells apart what was acknowledged, what may be asked again, and what was
//! refused.
//!
//! It tries nothing twice by itself; who submits holds the key and repeats it.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use api_types::PREFIX;
use api_types::event::Event;
use api_types::header::{IDEMPOTENCY_KEY, STALE};
use api_types::job::{Job, JobPage};
use api_types::job_request::{CancelAnswer, CancelRequest, CancelResult, JobRequest, Submitted};
use api_types::raft::{RaftStatus, StateHash};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::cluster::Cluster;

/// How long one request may take; a head that is stopped never answers.
const TRY_WITHIN: Duration = Duration::from_secs(2);
/// How long an offer may take that is neither taken nor refused.
const OFFER_WITHIN: Duration = Duration::from_secs(20);
/// How long reading everything may take.
const READ_WITHIN: Duration = Duration::from_secs(60);
/// Rows of a page.
const PAGE: u32 = 1_000;

/// Several heads and a token.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    heads: Arc<Vec<Head>>,
    token: Arc<str>,
    ca_pem: Arc<[u8]>,
}

/// A head, as a client knows it.
#[derive(Clone, Debug)]
pub struct Head {
    /// Its name.
    pub name: String,
    /// `https://host:port`.
    pub url: String,
}

/// What came of one try.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Tried<T> {
    /// It was answered.
    Answered(T),
    /// Not done, or nobody knows: the same may be asked again.
    Again(String),
    /// It will never be done.
    Refused(String),
}

/// What came of one submission by somebody who wants to know how it is refused.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Offered {
    /// It was acknowledged.
    Taken(Submitted),
    /// Not now: status, and the seconds of `Retry-After`.
    Later(u16, Option<u64>),
    /// There was no connection to send it over.
    Unsent,
    /// No answer, or one that says neither.
    Nothing(String),
}

/// A job as a head showed it.
#[derive(Clone, PartialEq, Debug)]
pub struct Shown {
    /// The job; none if the head knows of none.
    pub job: Option<Job>,
    /// The head said that it may be behind.
    pub stale: bool,
}

impl Client {
    /// A client that trusts this authority only.
    ///
    /// # Errors
    /// If the certificate is none.
    pub fn new(ca_pem: &[u8], token: &str, heads: Vec<Head>) -> anyhow::Result<Client> {
        net::tls::install_crypto();
        Ok(Client {
            http: builder(ca_pem)?.build()?,
            heads: Arc::new(heads),
            token: token.trim().into(),
            ca_pem: ca_pem.into(),
        })
    }

    /// The same with connections of its own.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn apart(&self) -> anyhow::Result<Client> {
        Ok(Client {
            http: builder(&self.ca_pem)?.build()?,
            ..self.clone()
        })
    }

    /// The same with a connection for each request under way.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn one_by_one(&self) -> anyhow::Result<Client> {
        Ok(Client {
            http: builder(&self.ca_pem)?.http1_only().build()?,
            ..self.clone()
        })
    }

    /// The administrator of a development cluster.
    ///
    /// # Errors
    /// If its files say nothing of the sort.
    pub fn of(cluster: &Cluster) -> anyhow::Result<Client> {
        let text = std::fs::read_to_string(cluster.path().join("cluster.json"))?;
        let file: Value = serde_json::from_str(&text)?;
        let path = |key: &str| file[key].as_str().context("a path");
        let mut heads = Vec::new();
        for name in cluster.heads() {
            let url = cluster.node(&name)?.api.clone().context("an address")?;
            heads.push(Head { name, url });
        }
        let token = std::fs::read_to_string(path("admin_token_file")?)?;
        Client::new(&std::fs::read(path("ca")?)?, &token, heads)
    }

    /// The heads that it knows.
    pub fn heads(&self) -> &[Head] {
        &self.heads
    }

    /// The position of the head with that name.
    ///
    /// # Errors
    /// If there is none.
    pub fn head(&self, name: &str) -> anyhow::Result<usize> {
        let at = self.heads.iter().position(|head| head.name == name);
        at.with_context(|| format!("no head {name}"))
    }

    /// Submits a job under a key, once, at one head.
    pub async fn submit(&self, head: usize, key: &str, job: &JobRequest) -> Tried<Submitted> {
        let request = self.http.post(self.url(head, "/jobs")).json(job);
        self.send(request.header(IDEMPOTENCY_KEY, key)).await
    }

    /// Submits a job under a key, once, at one head, and tells how it was refused.
    pub async fn offer(&self, head: usize, key: &str, job: &JobRequest) -> Offered {
        let request = self.http.post(self.url(head, "/jobs")).json(job);
        let request = request.header(IDEMPOTENCY_KEY, key);
        let sent = request
            .bearer_auth(&self.token)
            .timeout(OFFER_WITHIN)
            .send();
        let answer = match sent.await {
            Ok(answer) => answer,
            Err(error) if error.is_connect() => return Offered::Unsent,
            Err(error) => return Offered::Nothing(format!("{:#}", anyhow::Error::from(error))),
        };
        let status = answer.status();
        if status == 429 || status == 503 {
            let after = answer.headers().get("retry-after");
            let after = after.and_then(|after| after.to_str().ok()?.parse().ok());
            return Offered::Later(status.as_u16(), after);
        }
        match read(answer).await {
            Tried::Answered(submitted) => Offered::Taken(submitted),
            Tried::Again(why) | Tried::Refused(why) => Offered::Nothing(why),
        }
    }

    /// Begins to read what a path answers; the rest is up to whoever holds it.
    ///
    /// # Errors
    /// If it is not answered, or by something else.
    pub async fn begin(&self, head: usize, path: &str) -> anyhow::Result<reqwest::Response> {
        let request = self.http.get(self.url(head, path));
        let answer = request.bearer_auth(&self.token).send().await?;
        Ok(answer.error_for_status()?)
    }

    /// Asks with these headers, whatever is answered; the rest is up to whoever holds it.
    ///
    /// # Errors
    /// If it is not answered.
    pub async fn answer(
        &self,
        head: usize,
        path: &str,
        headers: &[(&str, &str)],
    ) -> anyhow::Result<reqwest::Response> {
        let mut request = self.http.get(self.url(head, path));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Ok(request.bearer_auth(&self.token).send().await?)
    }

    /// Asks for the end of a job, once, at one head.
    pub async fn cancel(&self, head: usize, job: u64) -> Tried<CancelResult> {
        let request = self
            .http
            .post(self.url(head, &format!("/jobs/{job}/cancel")));
        let body = CancelRequest {
            grace_seconds: Some(1),
            ..CancelRequest::default()
        };
        match self.send::<CancelAnswer>(request.json(&body)).await {
            Tried::Answered(answer) => match answer.items.first() {
                Some(item) => Tried::Answered(item.result),
                None => Tried::Refused("an answer without an item".into()),
            },
            Tried::Again(why) => Tried::Again(why),
            Tried::Refused(why) => Tried::Refused(why),
        }
    }

    /// Shows a job, after a barrier where a quorum answers.
    pub async fn show(&self, head: usize, job: u64) -> Tried<Shown> {
        let request = self.http.get(self.url(head, &format!("/jobs/{job}")));
        let sent = request.bearer_auth(&self.token).timeout(TRY_WITHIN).send();
        let answer = match sent.await {
            Ok(answer) => answer,
            Err(error) => return Tried::Again(format!("{error:#}")),
        };
        let stale = answer.headers().get(STALE).is_some_and(|v| v == "true");
        if answer.status() == 404 {
            return Tried::Answered(Shown { job: None, stale });
        }
        match read(answer).await {
            Tried::Answered(job) => Tried::Answered(Shown {
                job: Some(job),
                stale,
            }),
            Tried::Again(why) => Tried::Again(why),
            Tried::Refused(why) => Tried::Refused(why),
        }
    }

    /// How the log stands, as one head sees it.
    ///
    /// # Errors
    /// If it does not answer.
    pub async fn raft(&self, head: usize) -> anyhow::Result<RaftStatus> {
        self.get(head, "/raft").await
    }

    /// The digest of one head's state.
    ///
    /// # Errors
    /// If it does not answer.
    pub async fn hash(&self, head: usize) -> anyhow::Result<StateHash> {
        self.get(head, "/raft/hash").await
    }

    /// The head that leads in the highest term, of those that answer.
    ///
    /// # Errors
    /// If none of them leads.
    pub async fn leader(&self) -> anyhow::Result<usize> {
        let asked = (0..self.heads.len()).map(|head| self.raft(head));
        let answers = futures_util::future::join_all(asked).await;
        let leads = |(at, status): (usize, anyhow::Result<RaftStatus>)| {
            let status = status.ok().filter(|status| status.role == "leader");
            status.map(|status| (status.term, at))
        };
        let found = answers.into_iter().enumerate().filter_map(leads).max();
        Ok(found.context("nobody leads")?.1)
    }

    /// How many jobs one head believes to be live.
    ///
    /// # Errors
    /// If it does not answer.
    pub async fn live(&self, head: usize) -> anyhow::Result<u64> {
        let page: JobPage = self.get(head, "/jobs?all=true&limit=1").await?;
        page.live_total.context("a count of live jobs")
    }

    /// Every job that one head knows, live or ended, by number.
    ///
    /// # Errors
    /// If it does not answer.
    pub async fn all_jobs(&self, head: usize) -> anyhow::Result<Vec<Job>> {
        let mut jobs = Vec::new();
        let mut path = format!("/jobs?all=true&done=true&limit={PAGE}");
        loop {
            let page: JobPage = self.get(head, &path).await?;
            jobs.extend(page.items);
            let Some(next) = page.next else { break };
            path = format!("/jobs?all=true&done=true&limit={PAGE}&cursor={next}");
        }
        jobs.sort_by_key(|job: &Job| job.id);
        Ok(jobs)
    }

    /// Reads all news that a path of `/events` has by now.
    ///
    /// # Errors
    /// If it is not answered, or by something else.
    pub async fn news(&self, head: usize, path: &str) -> anyhow::Result<Vec<Event>> {
        let request = self.http.get(self.url(head, path)).timeout(READ_WITHIN);
        let answer = request.bearer_auth(&self.token).send().await?;
        let text = answer.error_for_status()?.text().await?;
        let news = text.lines().filter_map(|line| line.strip_prefix("data:"));
        let news = news.map(|data| serde_json::from_str(data).context("an event"));
        news.collect()
    }

    /// Reads what a path answers.
    ///
    /// # Errors
    /// If it is not answered, or by something else.
    pub async fn get<T: DeserializeOwned>(&self, head: usize, path: &str) -> anyhow::Result<T> {
        let request = self.http.get(self.url(head, path)).timeout(READ_WITHIN);
        let answer = request.bearer_auth(&self.token).send().await?;
        let status = answer.status();
        let body = answer.bytes().await?;
        ensure!(
            status.is_success(),
            "{path}: {status}: {}",
            String::from_utf8_lossy(&body)
        );
        Ok(serde_json::from_slice(&body)?)
    }

    /// Sends a body to a path.
    ///
    /// # Errors
    /// If it is not done.
    pub async fn post<T: DeserializeOwned>(
        &self,
        head: usize,
        path: &str,
        body: &Value,
    ) -> anyhow::Result<T> {
        let request = self.http.post(self.url(head, path)).json(body);
        match self.send(request).await {
            Tried::Answered(answer) => Ok(answer),
            Tried::Again(why) | Tried::Refused(why) => bail!("{path}: {why}"),
        }
    }

    /// Puts a body under a path.
    ///
    /// # Errors
    /// If it is not done.
    pub async fn put<T: DeserializeOwned>(
        &self,
        head: usize,
        path: &str,
        body: &Value,
    ) -> anyhow::Result<T> {
        let request = self.http.put(self.url(head, path)).json(body);
        match self.send(request).await {
            Tried::Answered(answer) => Ok(answer),
            Tried::Again(why) | Tried::Refused(why) => bail!("{path}: {why}"),
        }
    }

    fn url(&self, head: usize, path: &str) -> String {
        format!("{}{PREFIX}{path}", self.heads[head].url)
    }

    async fn send<T: DeserializeOwned>(&self, request: reqwest::RequestBuilder) -> Tried<T> {
        let request = request.bearer_auth(&self.token).timeout(TRY_WITHIN);
        match request.send().await {
            Ok(answer) => read(answer).await,
            Err(error) => Tried::Again(format!("{error:#}")),
        }
    }
}

fn builder(ca_pem: &[u8]) -> anyhow::Result<reqwest::ClientBuilder> {
    let ca = reqwest::Certificate::from_pem(ca_pem)?;
    let builder = reqwest::Client::builder().tls_certs_only([ca]);
    Ok(builder.no_proxy().connect_timeout(TRY_WITHIN))
}

/// What an answer means to somebody who wants it done.
async fn read<T: DeserializeOwned>(answer: reqwest::Response) -> Tried<T> {
    let status = answer.status();
    let body = match answer.bytes().await {
        Ok(body) => body,
        Err(error) => return Tried::Again(format!("{error:#}")),
    };
    let said = || format!("{status}: {}", String::from_utf8_lossy(&body));
    if status.is_success() {
        return match serde_json::from_slice(&body) {
            Ok(answer) => Tried::Answered(answer),
            Err(error) => Tried::Refused(format!("{error}: {}", said())),
        };
    }
    // Every server's fault, and too much of it, passes; see docs/api.md.
    if status.is_server_error() || status == 429 {
        Tried::Again(said())
    } else {
        Tried::Refused(said())
    }
}
