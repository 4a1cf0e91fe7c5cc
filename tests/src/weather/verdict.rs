//! Was every promise kept? Asked after the weather, when nothing hurts any more.
//!
//! Nothing acknowledged is lost, nothing unasked was made, nothing ran twice, every job ended as it
//! had to, no client saw what one never failing head could not have shown, and all heads hold the
//! same state at the same index.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use api_types::job::{Job, JobState};
use tokio::runtime::Runtime;

use crate::client::Client;
use crate::cluster::PATIENCE;
use crate::ledger::{self, Ran, Submission};
use crate::weather::history::{self, Operation, Saw};
use crate::weather::load::Account;
use crate::weather::stalls::Stalls;

/// After the weather every job ends within this, on a calm machine.
const CALM_AFTER: Duration = Duration::from_secs(15);
/// On a busy one.
const BUSY_AFTER: Duration = Duration::from_secs(90);
/// Fewer reads than this prove nothing.
const READS_MIN: usize = 10;
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What the weather may have cost.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Allowed {
    /// Attempts whose begin the ledger may lack: one for each kill of an agent.
    pub unnoted: usize,
}

/// What was found, for people.
#[derive(Debug)]
pub struct Verdict {
    /// Acknowledged submissions.
    pub jobs: usize,
    /// Of them, those that had to be sent more than once.
    pub repeated: usize,
    /// Reads that promised to be complete.
    pub reads: usize,
    /// Reads that did not.
    pub stale_reads: usize,
    /// How long after the weather the last job ended.
    pub settled: Duration,
}

/// Waits until every job has ended, and judges.
///
/// # Errors
/// The first promise that was broken.
pub fn judge(
    runtime: &Runtime,
    client: &Client,
    account: &Account,
    ledger: &Path,
    stalls: &Stalls,
    allowed: Allowed,
) -> anyhow::Result<Verdict> {
    let began = Instant::now();
    let task = settled(client.clone());
    let settled = runtime.block_on(async { runtime.spawn(task).await })??;
    let bound = if stalls.calm() {
        CALM_AFTER
    } else {
        BUSY_AFTER
    };
    ensure!(
        settled <= bound,
        "the last job ended {settled:?} after the weather ({bound:?} allowed)"
    );
    let task = agree(client.clone());
    let jobs = runtime.block_on(async { runtime.spawn(task).await })??;
    let asked = ledger::by_id(&account.submissions)?;
    promised(&asked, &account.unanswered, &jobs)?;
    once_each(&asked, &jobs, &Ran::read(ledger)?, allowed)?;
    let reads = explained(account, &jobs, began)?;
    Ok(Verdict {
        jobs: asked.len(),
        repeated: asked.values().filter(|s| s.tries > 1).count(),
        reads,
        stale_reads: account.stale_reads,
        settled,
    })
}

/// Waits until some head says that no job is live.
async fn settled(client: Client) -> anyhow::Result<Duration> {
    let began = Instant::now();
    let mut head = 0;
    loop {
        let live = client.live(head).await;
        if matches!(live, Ok(0)) {
            return Ok(began.elapsed());
        }
        if began.elapsed() > BUSY_AFTER {
            let jobs = client.all_jobs(head).await?;
            let live: Vec<_> = jobs.iter().filter(|job| !job.state.is_ended()).collect();
            bail!(
                "{} jobs do not end, the first: {:?}",
                live.len(),
                live.first()
            );
        }
        head = (head + 1) % client.heads().len();
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Waits until all heads stand at the same index; then they must have the same state, and the
/// same jobs, which are returned.
async fn agree(client: Client) -> anyhow::Result<Vec<Job>> {
    let began = Instant::now();
    loop {
        let asked = (0..client.heads().len()).map(|head| client.hash(head));
        let hashes = futures_util::future::try_join_all(asked).await?;
        let first = hashes.first().context("a head")?;
        for other in &hashes {
            let same = other.sha256 == first.sha256;
            ensure!(
                other.index != first.index || same,
                "heads differ: {hashes:?}"
            );
        }
        if hashes.iter().all(|hash| hash.index == first.index) {
            break;
        }
        ensure!(began.elapsed() < PATIENCE, "heads stay apart: {hashes:?}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
    let jobs = client.all_jobs(0).await?;
    for head in 1..client.heads().len() {
        let theirs = client.all_jobs(head).await?;
        let differs = jobs.iter().zip(&theirs).find(|(a, b)| a != b);
        ensure!(
            theirs.len() == jobs.len() && differs.is_none(),
            "{} jobs and {} jobs; {differs:?}",
            jobs.len(),
            theirs.len()
        );
    }
    Ok(jobs)
}

/// Every job that was promised is there, no other is, and each ended as it had to.
fn promised(
    asked: &BTreeMap<u64, &Submission>,
    unanswered: &BTreeSet<String>,
    jobs: &[Job],
) -> anyhow::Result<()> {
    let there: BTreeMap<u64, &Job> = jobs.iter().map(|job| (job.id, job)).collect();
    for (id, submission) in asked {
        let key = &submission.key;
        let job = there
            .get(id)
            .with_context(|| format!("job {id}, {key}, is lost"))?;
        ensure!(job.name == *key, "job {id} is {}, not {key}", job.name);
        let ended = if submission.cancelled {
            job.state == JobState::Cancelled
        } else {
            job.exit_code == Some(submission.exit_code)
                && [JobState::Succeeded, JobState::Failed].contains(&job.state)
        };
        ensure!(ended, "{submission:?} ended so: {job:?}");
    }
    let mut perhaps = unanswered.clone();
    for (id, job) in there.iter().filter(|(id, _)| !asked.contains_key(id)) {
        // Once at most.
        let known = perhaps.remove(&job.name);
        ensure!(known, "nobody was told of job {id}, {}", job.name);
    }
    Ok(())
}

/// Each job that was not cancelled had one attempt, which began once and is the one reported.
fn once_each(
    asked: &BTreeMap<u64, &Submission>,
    jobs: &[Job],
    ran: &Ran,
    allowed: Allowed,
) -> anyhow::Result<()> {
    let mut unnoted = Vec::new();
    for job in jobs {
        let begun = ran.attempts_of(job.id);
        let first = format!("{}_0#1", job.id);
        ensure!(
            begun.iter().all(|attempt| *attempt == first),
            "job {} ran more than once: {begun:?}",
            job.id
        );
        let cancelled = asked.get(&job.id).is_some_and(|s| s.cancelled);
        if cancelled {
            continue;
        }
        ensure!(job.attempt.as_ref() == Some(&first), "tried again: {job:?}");
        if begun.is_empty() {
            unnoted.push(first);
        }
    }
    ensure!(
        unnoted.len() <= allowed.unnoted,
        "ended and never began: {unnoted:?}"
    );
    let known: BTreeSet<u64> = jobs.iter().map(|job| job.id).collect();
    let unknown = ran.begun.iter().find(|attempt| {
        let id = attempt.split_once('_').and_then(|(id, _)| id.parse().ok());
        !id.is_some_and(|id| known.contains(&id))
    });
    ensure!(unknown.is_none(), "nobody asked for {unknown:?}");
    Ok(())
}

/// Each job's history is linearizable, its end as it is now included; how many reads were judged.
fn explained(account: &Account, jobs: &[Job], now: Instant) -> anyhow::Result<usize> {
    let mut histories: BTreeMap<u64, Vec<Operation>> = BTreeMap::new();
    for (job, operation) in &account.operations {
        histories.entry(*job).or_default().push(operation.clone());
    }
    let ends: BTreeMap<u64, &Job> = jobs.iter().map(|job| (job.id, job)).collect();
    for (job, operations) in &mut histories {
        let end = ends
            .get(job)
            .with_context(|| format!("job {job} is lost"))?;
        operations.push(Operation {
            invoked: now,
            returned: Instant::now(),
            // A row of a list leaves the attempts out; of an ended job they do not matter.
            saw: Saw::read(Some(end)),
        });
        if let Err(why) = history::check(*job, operations) {
            bail!("not linearizable: {why}");
        }
    }
    let reads = account.reads;
    ensure!(reads >= READS_MIN, "only {reads} reads: they prove nothing");
    Ok(reads)
}
