//! One head, as a client speaks to it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, ensure};
use api_types::PREFIX;
use api_types::header::IDEMPOTENCY_KEY;
use api_types::job_request::{JobBatch, JobRequest, Submitted, SubmittedBatch};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tests::cluster::Cluster;

/// Jobs in one request, at most.
pub(crate) const BATCH_MAX: usize = 10_000;

pub(crate) struct Rest {
    http: reqwest::Client,
    url: String,
    token: String,
    next_key: AtomicU64,
}

impl Rest {
    /// A client of the head that leads now.
    pub(crate) fn of_leader(cluster: &Cluster) -> anyhow::Result<Rest> {
        Rest::new(cluster, &cluster.leader()?)
    }

    /// A client of one head.
    pub(crate) fn new(cluster: &Cluster, head: &str) -> anyhow::Result<Rest> {
        let text = std::fs::read_to_string(cluster.path().join("cluster.json"))?;
        let file: Value = serde_json::from_str(&text)?;
        let path = |key: &str| file[key].as_str().context("a path");
        let ca = reqwest::Certificate::from_pem(&std::fs::read(path("ca")?)?)?;
        let http = reqwest::Client::builder()
            .tls_certs_only([ca])
            .no_proxy()
            .timeout(Duration::from_secs(60))
            .build()?;
        let url = cluster.node(head)?.api.clone().context("not a head")? + PREFIX;
        let token = std::fs::read_to_string(path("admin_token_file")?)?;
        Ok(Rest {
            http,
            url,
            token: token.trim().into(),
            next_key: AtomicU64::new(0),
        })
    }

    async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl serde::Serialize,
    ) -> anyhow::Result<T> {
        let key = self.next_key.fetch_add(1, Ordering::Relaxed);
        let key = format!("{path}-{key}-{:p}-at-{}", self, self.url);
        let request = self
            .http
            .post(format!("{}{path}", self.url))
            .bearer_auth(&self.token)
            .header(IDEMPOTENCY_KEY, key);
        read(request.json(body).send().await?).await
    }

    /// Submits one job; its number.
    pub(crate) async fn submit(&self, job: &JobRequest) -> anyhow::Result<u64> {
        Ok(self.post::<Submitted>("/jobs", job).await?.id)
    }

    /// Submits so many jobs of a kind in one request.
    pub(crate) async fn submit_batch(&self, job: &JobRequest, count: usize) -> anyhow::Result<()> {
        let batch = JobBatch {
            jobs: vec![job.clone(); count],
        };
        let answer: SubmittedBatch = self.post("/jobs:batch", &batch).await?;
        ensure!(usize::try_from(answer.count)? == count, "{answer:?}");
        Ok(())
    }

    /// Whether any job is live.
    pub(crate) async fn has_live_jobs(&self) -> anyhow::Result<bool> {
        let request = self.http.get(format!("{}/jobs?all=true&limit=1", self.url));
        let page: Value = read(request.bearer_auth(&self.token).send().await?).await?;
        Ok(!page["items"].as_array().context("items")?.is_empty())
    }
}

async fn read<T: DeserializeOwned>(answer: reqwest::Response) -> anyhow::Result<T> {
    let status = answer.status();
    let body = answer.bytes().await?;
    let said = || String::from_utf8_lossy(&body);
    ensure!(status.is_success(), "{status}: {}", said());
    Ok(serde_json::from_slice(&body)?)
}

/// A small job that does nothing.
pub(crate) fn job() -> JobRequest {
    JobRequest {
        image: Some("none:1".into()),
        argv: vec!["true".into()],
        cpu: Some(0.1),
        memory_bytes: Some(8 << 20),
        ..JobRequest::default()
    }
}
