//! How fast the road is: from a submission to the disks of a quorum, and from there to an agent.
//!
//! Three heads and two agents on this one machine, sharing its processors and its disk; the `fake`
//! runtime, so no container is part of any figure. What limits submissions is the disk's sync,
//! therefore that is measured first, in the same directory. Every figure is of this run; a request
//! that is refused or fails ends the run, it is not left out of a median.
//!
//!     make bench                    optimised build
//!     make bench PROFILE=dev        the build that tests use

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use api_types::PREFIX;
use api_types::header::IDEMPOTENCY_KEY;
use api_types::job_request::{JobBatch, JobRequest, Submitted, SubmittedBatch};
use futures_util::{Stream, StreamExt};
use serde_json::Value;
use tests::cluster::{Cluster, Layout};

const SYNCS: usize = 200;
const SYNC_BYTES: usize = 4_096;
const STARTS: usize = 200;
const GOCTL_SUBMITS: usize = 30;
const SUBMITS: usize = 500;
const CLIENTS: usize = 64;
const PARALLEL_FOR: Duration = Duration::from_secs(5);
const BATCHES: usize = 10;
const BATCH_JOBS: usize = 1_000;
/// How long one job may take until it runs.
const START_WITHIN: Duration = Duration::from_secs(30);
/// How long all the jobs may take to come to their ends.
const DRAIN_WITHIN: Duration = Duration::from_secs(300);
const LOOK_EVERY: Duration = Duration::from_millis(50);

fn main() -> anyhow::Result<()> {
    net::tls::install_crypto();
    let further = ["--cpus", "1000", "--log", "warn"]
        .map(str::to_owned)
        .to_vec();
    let layout = Layout {
        heads: 3,
        agents: 2,
        runtime: "fake",
        further,
    };
    let cluster = Cluster::start(&layout)?;
    say_machine(&cluster.path())?;
    row("what", "median", "p99", "min", "max");
    let mut syncs = measure_syncs(&cluster.path())?;
    say_times("write and sync of 4 KiB", &mut syncs);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let leader = cluster.leader()?;
    let heads = cluster.heads();
    let follower = heads
        .iter()
        .find(|head| **head != leader)
        .context("a follower")?;
    let at_leader = Arc::new(Rest::new(&cluster, &leader)?);
    let at_follower = Arc::new(Rest::new(&cluster, follower)?);
    runtime.block_on(measure_starts(&at_leader))?;
    say_times(
        "goctl submit, its own start included",
        &mut goctl_submits(&cluster)?,
    );
    for (name, rest) in [
        ("submit at the leader", &at_leader),
        ("submit at a follower", &at_follower),
    ] {
        let mut times = runtime.block_on(submit_one_by_one(rest, SUBMITS))?;
        say_times(name, &mut times);
    }
    let began = Instant::now();
    let parallel = runtime.block_on(submit_in_parallel(&at_leader))?;
    let batched = runtime.block_on(submit_batches(&at_leader))?;
    runtime.block_on(drained(&at_leader))?;
    let jobs = parallel + batched;
    say_rate(
        "from the first of these submissions to the last job's end",
        jobs,
        began.elapsed(),
    );
    Ok(())
}

/// One head, as a client speaks to it.
struct Rest {
    http: reqwest::Client,
    url: String,
    token: String,
    next_key: AtomicU64,
}

impl Rest {
    fn new(cluster: &Cluster, head: &str) -> anyhow::Result<Rest> {
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

    async fn post<T: serde::de::DeserializeOwned>(
        &self,
        path: &str,
        body: &impl serde::Serialize,
    ) -> anyhow::Result<T> {
        let key = self.next_key.fetch_add(1, Ordering::Relaxed);
        let request = self
            .http
            .post(format!("{}{path}", self.url))
            .bearer_auth(&self.token);
        let request = request.header(IDEMPOTENCY_KEY, format!("{path}-{key}-at-{}", self.url));
        read(request.json(body).send().await?).await
    }

    async fn get(&self, path: &str) -> anyhow::Result<Value> {
        let request = self
            .http
            .get(format!("{}{path}", self.url))
            .bearer_auth(&self.token);
        read(request.send().await?).await
    }

    async fn submit(&self, job: &JobRequest) -> anyhow::Result<u64> {
        Ok(self.post::<Submitted>("/jobs", job).await?.id)
    }

    /// The numbers of jobs, each as the news comes that it runs.
    async fn starts(&self) -> anyhow::Result<impl Stream<Item = anyhow::Result<u64>> + use<>> {
        let request = self
            .http
            .get(format!("{}/events?type=attempt.started", self.url));
        // A stream outlasts the time-out of a request.
        let request = request.timeout(DRAIN_WITHIN).bearer_auth(&self.token);
        let chunks = request.send().await?.error_for_status()?.bytes_stream();
        let mut rest = Vec::new();
        Ok(chunks.flat_map(move |chunk| {
            let found = chunk.map_err(anyhow::Error::from).map(|chunk| {
                rest.extend_from_slice(&chunk);
                jobs_of_lines(&mut rest)
            });
            futures_util::stream::iter(match found {
                Ok(jobs) => jobs.into_iter().map(Ok).collect(),
                Err(error) => vec![Err(error)],
            })
        }))
    }
}

async fn read<T: serde::de::DeserializeOwned>(answer: reqwest::Response) -> anyhow::Result<T> {
    let status = answer.status();
    let body = answer.bytes().await?;
    ensure!(
        status.is_success(),
        "{status}: {}",
        String::from_utf8_lossy(&body)
    );
    Ok(serde_json::from_slice(&body)?)
}

/// Takes whole lines out of the buffer; the jobs that those with data are about.
fn jobs_of_lines(buffer: &mut Vec<u8>) -> Vec<u64> {
    let whole = buffer
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |at| at + 1);
    let lines: Vec<u8> = buffer.drain(..whole).collect();
    let text = String::from_utf8_lossy(&lines).into_owned();
    let data = text.lines().filter_map(|line| line.strip_prefix("data:"));
    let events = data.filter_map(|data| serde_json::from_str::<Value>(data.trim()).ok());
    events.filter_map(|event| event["job"].as_u64()).collect()
}

fn job() -> JobRequest {
    JobRequest {
        image: Some("none:1".into()),
        argv: vec!["true".into()],
        cpu: Some(0.1),
        memory_bytes: Some(8 << 20),
        ..JobRequest::default()
    }
}

fn measure_syncs(dir: &Path) -> anyhow::Result<Vec<Duration>> {
    let path = dir.join("sync-measure");
    let file = File::create(&path)?;
    let mut times = Vec::with_capacity(SYNCS);
    for at in 0..SYNCS {
        let began = Instant::now();
        file.write_all_at(&[7; SYNC_BYTES], (at * SYNC_BYTES) as u64)?;
        file.sync_data()?;
        times.push(began.elapsed());
    }
    std::fs::remove_file(path)?;
    Ok(times)
}

/// On an idle cluster: how long from before a submission to the news that the job runs.
async fn measure_starts(rest: &Rest) -> anyhow::Result<()> {
    let mut news = std::pin::pin!(rest.starts().await?);
    let mut times = Vec::with_capacity(STARTS);
    // What has ended before its start was reported is never news as running.
    let job = JobRequest {
        argv: vec!["sleep".into(), "1".into()],
        ..job()
    };
    for _ in 0..STARTS {
        let began = Instant::now();
        let id = rest.submit(&job).await?;
        let started = async {
            while news.next().await.context("the stream of events ended")?? != id {}
            anyhow::Ok(())
        };
        let in_time = tokio::time::timeout(START_WITHIN, started).await;
        in_time.with_context(|| format!("job {id} does not run"))??;
        times.push(began.elapsed());
    }
    say_times("submit until the news that it runs, idle", &mut times);
    Ok(())
}

fn goctl_submits(cluster: &Cluster) -> anyhow::Result<Vec<Duration>> {
    let args = [
        "submit", "-q", "--image", "none:1", "--cpu", "0.1", "--mem", "8M", "--", "true",
    ];
    let mut times = Vec::with_capacity(GOCTL_SUBMITS);
    for _ in 0..GOCTL_SUBMITS {
        let began = Instant::now();
        cluster.goctl(&args)?;
        times.push(began.elapsed());
    }
    Ok(times)
}

async fn submit_one_by_one(rest: &Rest, count: usize) -> anyhow::Result<Vec<Duration>> {
    let mut times = Vec::with_capacity(count);
    for _ in 0..count {
        let began = Instant::now();
        rest.submit(&job()).await?;
        times.push(began.elapsed());
    }
    Ok(times)
}

/// Many clients, each with one submission under way; returns how many jobs there are then.
async fn submit_in_parallel(rest: &Arc<Rest>) -> anyhow::Result<usize> {
    let began = Instant::now();
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..CLIENTS {
        let rest = Arc::clone(rest);
        clients.spawn(async move {
            let mut times = Vec::new();
            while began.elapsed() < PARALLEL_FOR {
                times.extend(submit_one_by_one(&rest, 1).await?);
            }
            anyhow::Ok(times)
        });
    }
    let mut times = Vec::new();
    while let Some(client) = clients.join_next().await {
        times.extend(client??);
    }
    let elapsed = began.elapsed();
    say_times(&format!("submit, {CLIENTS} at a time"), &mut times);
    say_rate(
        &format!("submissions, {CLIENTS} at a time"),
        times.len(),
        elapsed,
    );
    Ok(times.len())
}

async fn submit_batches(rest: &Rest) -> anyhow::Result<usize> {
    let batch = JobBatch {
        jobs: vec![job(); BATCH_JOBS],
    };
    let began = Instant::now();
    for _ in 0..BATCHES {
        let answer: SubmittedBatch = rest.post("/jobs:batch", &batch).await?;
        ensure!(usize::try_from(answer.count)? == BATCH_JOBS, "{answer:?}");
    }
    let jobs = BATCHES * BATCH_JOBS;
    say_rate(
        &format!("submissions, {BATCH_JOBS} in a request"),
        jobs,
        began.elapsed(),
    );
    Ok(jobs)
}

/// Returns once no job is live.
async fn drained(rest: &Rest) -> anyhow::Result<()> {
    let began = Instant::now();
    loop {
        let page = rest.get("/jobs?all=true&limit=1").await?;
        if page["items"].as_array().context("items")?.is_empty() {
            return Ok(());
        }
        if began.elapsed() > DRAIN_WITHIN {
            bail!("jobs are left after {DRAIN_WITHIN:?}");
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn say_machine(dir: &Path) -> anyhow::Result<()> {
    let mut cpuinfo = String::new();
    File::open("/proc/cpuinfo")?.read_to_string(&mut cpuinfo)?;
    let models = || {
        cpuinfo
            .lines()
            .filter_map(|line| line.strip_prefix("model name"))
    };
    let model = models()
        .next()
        .map_or("unknown", |text| text.trim_start_matches(['\t', ':', ' ']));
    let memory = std::fs::read_to_string("/proc/meminfo")?;
    let memory = memory
        .lines()
        .next()
        .and_then(|line| line.split_whitespace().nth(1));
    let gib = memory
        .and_then(|kib| kib.parse::<u64>().ok())
        .map_or(0, |kib| kib >> 20);
    let cores = std::thread::available_parallelism()?;
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let found = Command::new("findmnt")
        .args(["-no", "FSTYPE", "-T"])
        .arg(dir)
        .output();
    let disk = found.map(|found| String::from_utf8_lossy(&found.stdout).trim().to_owned());
    let build = if cfg!(debug_assertions) {
        "development build"
    } else {
        "optimised build"
    };
    let disk = disk.unwrap_or_else(|_| "unknown".into());
    say("three heads and two agents on one machine, fake runtime");
    say(&format!(
        "{cores} cores of {model}, {gib} GiB, Linux {}",
        kernel.trim()
    ));
    say(&format!("{build}; data on {disk} in {}", dir.display()));
    say("");
    Ok(())
}

/// Prints minimum, median, 99th percentile and maximum.
fn say_times(what: &str, times: &mut [Duration]) {
    times.sort_unstable();
    // The smallest time that at least this share of the times does not exceed.
    let share = |percent: usize| times[(times.len() * percent).div_ceil(100).max(1) - 1];
    let text = |time: Duration| format!("{:.2} ms", time.as_secs_f64() * 1e3);
    row(
        what,
        &text(share(50)),
        &text(share(99)),
        &text(share(0)),
        &text(share(100)),
    );
}

fn say_rate(what: &str, count: usize, elapsed: Duration) {
    #[allow(clippy::cast_precision_loss, reason = "a count of jobs")]
    let rate = count as f64 / elapsed.as_secs_f64();
    let took = format!("{count} jobs in {:.1} s", elapsed.as_secs_f64());
    row(what, &format!("{rate:.0}/s"), "", "", &took);
}

fn row(what: &str, median: &str, p99: &str, min: &str, max: &str) {
    let line = format!("{what:<58} {median:>10} {p99:>10} {min:>10} {max:>10}");
    say(line.trim_end());
}

#[allow(clippy::print_stdout, reason = "the figures")]
fn say(line: &str) {
    let _ = std::io::stdout().flush();
    println!("{line}");
}
