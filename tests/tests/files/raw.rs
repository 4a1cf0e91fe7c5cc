//! Downloads that a test reads as far as it likes, and then not.

use std::time::Duration;

use anyhow::{Context, ensure};
use bytes::Bytes;
use reqwest::Response;
use tests::client::Client;
use tests::cluster::{Cluster, until};
use tokio::runtime::Runtime;
use tokio::time::timeout;

/// How long a download may take to go on or to break off.
const GOES_ON_WITHIN: Duration = Duration::from_secs(60);

/// Asks the heads of one cluster.
pub(crate) struct Door {
    runtime: Runtime,
    client: Client,
}

/// A download, as far as it was read.
pub(crate) struct Download {
    response: Response,
    pub(crate) read: Vec<u8>,
}

/// How a download ended.
#[derive(Debug)]
pub(crate) enum End {
    /// As a whole one does.
    Whole,
    /// With an error.
    Broken,
}

impl Door {
    pub(crate) fn new(cluster: &Cluster) -> anyhow::Result<Door> {
        Ok(Door {
            runtime: Runtime::new()?,
            client: Client::of(cluster)?.one_by_one()?,
        })
    }

    /// Begins a download; its answer must have this status.
    pub(crate) fn begin(
        &self,
        path: &str,
        headers: &[(&str, &str)],
        status: u16,
    ) -> anyhow::Result<Download> {
        let answer = self
            .runtime
            .block_on(self.client.answer(0, path, headers))?;
        let answered = answer.status().as_u16();
        if answered != status {
            let text = self.runtime.block_on(answer.text())?;
            anyhow::bail!("{path}: {answered}, not {status}: {text}");
        }
        let read = Vec::new();
        let response = answer;
        Ok(Download { response, read })
    }

    /// Reads on until at least so many bytes were read.
    pub(crate) fn read(&self, download: &mut Download, bytes: usize) -> anyhow::Result<()> {
        while download.read.len() < bytes {
            let chunk = self.next(download)?.context("it broke off")?;
            download
                .read
                .extend_from_slice(&chunk.context("it ended early")?);
        }
        Ok(())
    }

    /// Reads to the end, whatever it is.
    pub(crate) fn read_on(&self, download: &mut Download) -> anyhow::Result<End> {
        loop {
            match self.next(download)? {
                Ok(Some(chunk)) => download.read.extend_from_slice(&chunk),
                Ok(None) => return Ok(End::Whole),
                Err(_) => return Ok(End::Broken),
            }
        }
    }

    /// The next bytes, the end, or that it broke off.
    fn next(&self, download: &mut Download) -> anyhow::Result<reqwest::Result<Option<Bytes>>> {
        let next = async { timeout(GOES_ON_WITHIN, download.response.chunk()).await };
        let next = self.runtime.block_on(next);
        next.context("the download neither goes on nor ends")
    }

    /// How many streams the head has open, as it tells Prometheus.
    pub(crate) fn streams(&self) -> anyhow::Result<u64> {
        let answer = self.client.answer(0, "/metrics", &[]);
        let text = self
            .runtime
            .block_on(async { Ok::<_, anyhow::Error>(answer.await?.text().await?) })?;
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("godocker_api_streams "));
        // A gauge is written with a fraction.
        let count = line.context("godocker_api_streams")?;
        Ok(count.trim_end_matches(".0").parse()?)
    }

    /// Waits until so many streams are open and no more.
    pub(crate) fn until_streams(&self, count: u64) -> anyhow::Result<()> {
        until(&format!("{count} streams are open"), || {
            let open = self.streams()?;
            ensure!(open == count, "{open} are open");
            Ok(Some(()))
        })
    }
}

impl Download {
    /// How many bytes the answer announces.
    pub(crate) fn length(&self) -> anyhow::Result<u64> {
        let text = self.header("content-length")?;
        Ok(text.parse()?)
    }

    pub(crate) fn header(&self, name: &str) -> anyhow::Result<String> {
        let value = self.response.headers().get(name);
        let value = value.with_context(|| format!("no {name}"))?;
        Ok(value.to_str()?.to_owned())
    }
}

/// The path of a file's content.
pub(crate) fn content(job: &str, path: &str) -> String {
    format!("/jobs/{job}/files/content?path={path}")
}
