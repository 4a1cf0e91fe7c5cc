//! Containers: jobs of `true` through the whole road on one node, beside the same containers made,
//! started, awaited and removed by a plain loop straight on the same engine. Rounds of both take
//! turns, so that a machine that slows down slows both.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use api_types::job_request::JobRequest;
use serde_json::{Value, json};
use tests::cluster::{Cluster, Layout};
use tokio::task::JoinSet;

use crate::Bench;
use crate::report::{Better, rate, say};
use crate::rest::Rest;
use crate::work::drained;

const IMAGE: &str = "godocker/busybox:1";
/// Containers in one round.
const ROUND: usize = 64;
const ROUNDS: usize = 3;
/// Containers at the same time: what the node's two processors allow jobs of this size.
const AT_ONCE: usize = 8;
const JOB_CPUS: f64 = 0.25;
const NODE_CPUS: &str = "2";
const JOB_MIB: u64 = 64;
/// How long one call may take.
const CALL_WITHIN: Duration = Duration::from_secs(60);

pub(crate) fn measure(bench: &mut Bench) -> anyhow::Result<()> {
    let socket = std::env::var("GODOCKER_TEST_DOCKER")
        .context("GODOCKER_TEST_DOCKER names no engine; use make bench")?;
    let further = [
        "--cpus",
        NODE_CPUS,
        "--log",
        "warn",
        "--docker-socket",
        &socket,
    ];
    let cluster = Cluster::start(&Layout {
        heads: 1,
        agents: 0,
        runtime: "docker",
        further: further.map(str::to_owned).to_vec(),
    })?;
    let rest = Rest::of_leader(&cluster)?;
    let plain = Arc::new(Plain::new(&socket)?);
    let (mut ours, mut straight) = (Duration::ZERO, Duration::ZERO);
    for _ in 0..ROUNDS {
        straight += bench.runtime.block_on(Plain::round(&plain))?;
        ours += bench.runtime.block_on(our_round(&rest))?;
    }
    let (ours, straight) = (rate(ROUND * ROUNDS, ours), rate(ROUND * ROUNDS, straight));
    say(&format!(
        "containers of `true`, {AT_ONCE} at once: {ours:.2}/s through us, {straight:.2}/s straight"
    ));
    let metric = "docker_rate_ratio";
    bench
        .report
        .add(metric, ours / straight, "", Better::Higher);
    Ok(())
}

async fn our_round(rest: &Rest) -> anyhow::Result<Duration> {
    let job = JobRequest {
        image: Some(IMAGE.into()),
        argv: vec!["true".into()],
        cpu: Some(JOB_CPUS),
        memory_bytes: Some(JOB_MIB << 20),
        ..JobRequest::default()
    };
    let began = Instant::now();
    rest.submit_batch(&job, ROUND).await?;
    drained(rest).await?;
    Ok(began.elapsed())
}

/// The engine without us.
struct Plain {
    http: reqwest::Client,
    dir: tempfile::TempDir,
    next: AtomicUsize,
}

impl Plain {
    fn new(socket: &str) -> anyhow::Result<Plain> {
        let path = PathBuf::from(socket.trim_start_matches("unix://"));
        let http = reqwest::Client::builder()
            .unix_socket(path)
            .no_proxy()
            .timeout(CALL_WITHIN)
            .build()?;
        Ok(Plain {
            http,
            dir: tempfile::tempdir()?,
            next: AtomicUsize::new(0),
        })
    }

    async fn round(this: &Arc<Plain>) -> anyhow::Result<Duration> {
        let began = Instant::now();
        let left = Arc::new(AtomicUsize::new(ROUND));
        let mut loops = JoinSet::new();
        for _ in 0..AT_ONCE {
            let (this, left) = (Arc::clone(this), Arc::clone(&left));
            loops.spawn(async move {
                let take = |left: usize| left.checked_sub(1);
                while left
                    .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take)
                    .is_ok()
                {
                    this.one().await?;
                }
                anyhow::Ok(())
            });
        }
        while let Some(ended) = loops.join_next().await {
            ended??;
        }
        Ok(began.elapsed())
    }

    /// One container from its creation to its removal.
    async fn one(&self) -> anyhow::Result<()> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let name = format!("plain-{}-{number}", std::process::id());
        let work = self.dir.path().join(&name);
        std::fs::create_dir(&work)?;
        let post = |path: String| {
            self.http
                .post(format!("http://engine/v1.41/containers/{path}"))
        };
        let create = post(format!("create?name={name}")).json(&body(&work.to_string_lossy()));
        said(create).await?;
        said(post(format!("{name}/start"))).await?;
        let ended = said(post(format!("{name}/wait"))).await?;
        ensure!(ended["StatusCode"] == 0, "{name}: {ended}");
        let url = format!("http://engine/v1.41/containers/{name}?v=1&force=1");
        said(self.http.delete(url)).await?;
        Ok(())
    }
}

async fn said(request: reqwest::RequestBuilder) -> anyhow::Result<Value> {
    let answer = request.send().await?;
    let status = answer.status();
    let text = answer.text().await?;
    ensure!(status.is_success(), "the engine: {status}: {text}");
    Ok(serde_json::from_str(&text).unwrap_or_default())
}

/// What a job of the same size is given by the agent.
fn body(work: &str) -> Value {
    json!({
        "Image": IMAGE,
        "Cmd": ["true"],
        "User": "65534:65534",
        "WorkingDir": "/mnt/go-docker",
        "HostConfig": {
            "Memory": JOB_MIB << 20,
            "MemorySwap": JOB_MIB << 20,
            "NanoCpus": 250_000_000,
            "PidsLimit": 4096,
            "CgroupnsMode": "private",
            "Mounts": [{"Type": "bind", "Source": work, "Target": "/mnt/go-docker"}],
            "NetworkMode": "none",
            "IpcMode": "private",
            "CapDrop": ["ALL"],
            "SecurityOpt": ["no-new-privileges"],
            "Init": true,
            "LogConfig": {"Type": "local", "Config": {"max-file": "1", "compress": "false"}},
        },
    })
}
