//! Commands about jobs: submit, cancel, place, report, give up.

use anyhow::{Context, Result, bail};
use model::assignment::{Ending, News, Report};
use model::command::{
    CancelJobs, CommitPlan, ConfirmLost, Placement, RecordStatus, SubmitJobs, SubmitKey,
};
use model::job::{Exit, Outcome, Started, Usage};
use model::port::Published;
use model::spec::{JobSpec, OnLost, Program, PullPolicy, SecretUse, VolumeUse};
use model::{Bytes, Command, Fence, JobId, NodeId, TaskId};

use super::{World, digest, user};
use crate::scenario::words::{Words, expand, length, range};

/// The command of that name; `None` if there is none.
pub(super) fn parse(world: &World, name: &str, words: &mut Words) -> Result<Option<Command>> {
    Ok(Some(match name {
        "submit" => Command::SubmitJobs(submit(words)?),
        "cancel" => Command::CancelJobs(CancelJobs {
            jobs: jobs(words)?,
            by: user(words, "by", "ada"),
            reason: words.option_or("reason", ""),
            grace: words.length("grace")?,
        }),
        "plan" => Command::CommitPlan(scheduler::plan(
            &world.replica.state,
            &world.waiting(),
            world.now(),
        )),
        "place" => Command::CommitPlan(CommitPlan {
            placements: placements(world, words)?,
            over_quota: Vec::new(),
        }),
        "report" => {
            let repeat = words.number("times")?.unwrap_or(1);
            let line = words.next("reports in quotes")?;
            let mut reports = Vec::new();
            for one in line.split(';') {
                reports.push(report(world, &mut Words::parse(one.trim())?)?);
            }
            let reports = reports.iter().cloned().cycle().take(reports.len() * repeat);
            Command::RecordStatus(RecordStatus {
                reports: reports.collect(),
            })
        }
        "running" | "ended" => {
            let report = report_of(world, name, words)?;
            Command::RecordStatus(RecordStatus {
                reports: vec![report],
            })
        }
        "give-up" => Command::ConfirmLost(ConfirmLost {
            job: words.next("a job")?.parse()?,
            by: user(words, "by", "ops"),
        }),
        _ => return Ok(None),
    }))
}

fn submit(words: &mut Words) -> Result<SubmitJobs> {
    let by = user(words, "by", "ada");
    let request = words.option_or("digest", "the request");
    let key = words.option("key").map(|key| SubmitKey {
        key,
        digest: digest(&request),
    });
    let count = words.number("count")?.unwrap_or(1);
    Ok(SubmitJobs {
        by,
        key,
        specs: vec![spec(words)?; count],
    })
}

/// The description of a job; as small as it can be where nothing is said.
pub(in crate::scenario) fn spec(words: &mut Words) -> Result<JobSpec> {
    let list = |text: Option<String>| -> Vec<String> {
        let text = text.filter(|text| !text.is_empty());
        text.map(|text| text.split(',').map(str::to_owned).collect())
            .unwrap_or_default()
    };
    let on_lost = match words.option_or("lost", "hold").as_str() {
        "hold" => OnLost::Hold,
        "requeue" => OnLost::Requeue,
        other => bail!("`{other}` is neither hold nor requeue"),
    };
    let volumes = list(words.option("volumes")).into_iter().map(|text| {
        let name = text.strip_suffix(":ro");
        VolumeUse {
            name: name.unwrap_or(&text).into(),
            read_only: name.is_some(),
            sub_path: String::new(),
        }
    });
    let secrets = list(words.option("secrets")).into_iter().map(|text| {
        let (name, file) = text.split_once(':').unwrap_or((&text, ""));
        SecretUse {
            name: name.into(),
            file: file.into(),
            owner: None,
        }
    });
    let env = list(words.option("env")).into_iter().map(|text| {
        let (name, value) = text.split_once(':').unwrap_or((&text, ""));
        (name.to_owned(), value.to_owned())
    });
    let ports = list(words.option("ports")).into_iter();
    let ports = ports.map(|port| Ok(port.parse()?));
    let args = list(words.option("args"));
    let program = match words.option("script") {
        Some(text) => Program::Script { text, args },
        None => Program::Argv(args),
    };
    Ok(JobSpec {
        volumes: volumes.collect(),
        secrets: secrets.collect(),
        env: env.collect(),
        program,
        name: expand(&words.maybe_next().unwrap_or_else(|| "job".into())),
        tags: list(words.option("tags")),
        image: words.option_or("image", "debian"),
        pull: PullPolicy::Missing,
        resources: words.resources("1", "1G")?,
        wall_limit: words.length("wall")?,
        grace: length(&words.option_or("grace", "10s"))?,
        on_lost,
        project: words.option_or("project", ""),
        queue: words.option_or("queue", ""),
        ports: ports.collect::<Result<_>>()?,
        disk_max: words.size("disk")?,
        ..JobSpec::default()
    })
}

fn jobs(words: &mut Words) -> Result<Vec<JobId>> {
    let mut jobs = Vec::new();
    for word in words.rest() {
        jobs.extend(range(&word)?.map(JobId));
    }
    Ok(jobs)
}

/// `1@n1`, `1..3@n1`, `1_5@n1` for a task that does not exist.
fn placements(world: &World, words: &mut Words) -> Result<Vec<Placement>> {
    let mut placements = Vec::new();
    for word in words.rest() {
        let (tasks, node) = word.split_once('@').with_context(|| word.clone())?;
        let node = world.node(node)?;
        if tasks.contains('_') {
            placements.push(Placement {
                task: tasks.parse()?,
                node,
            });
            continue;
        }
        placements.extend(range(tasks)?.map(|job| Placement {
            task: JobId(job).task(),
            node,
        }));
    }
    Ok(placements)
}

fn report(world: &World, words: &mut Words) -> Result<(NodeId, Report)> {
    let name = words.next("running or ended")?;
    report_of(world, &name, words)
}

/// A report as the node of the live attempt would give it; `number=`, `fence=` and `node=` say
/// otherwise.
fn report_of(world: &World, name: &str, words: &mut Words) -> Result<(NodeId, Report)> {
    let job: JobId = words.next("a job")?.parse()?;
    let task = TaskId {
        job,
        index: words.number("task")?.unwrap_or(0),
    };
    let live = world.replica.state.job(job).and_then(|job| job.attempt());
    let number = words.number("number")?.or(live.map(|live| live.number));
    let fence = words.number("fence")?.or(live.map(|live| live.fence.0));
    let node = match words.option("node") {
        Some(node) => world.node(&node)?,
        None => live
            .map(|live| live.node)
            .context("it is with no node: say node=")?,
    };
    let news = match name {
        "running" => match published(words)? {
            ports if ports.is_empty() => News::Running(started(world, words)?),
            ports => News::Serving(started(world, words)?, ports),
        },
        "ended" => News::Ended(ending(world, words)?),
        other => bail!("`{other}` is neither running nor ended"),
    };
    let attempt = task.attempt(number.context("say number=")?);
    Ok((
        node,
        Report {
            attempt,
            fence: Fence(fence.context("say fence=")?),
            news,
        },
    ))
}

/// `at=80:20001,443:20002`: ports of the container, and those of the node that lead there.
fn published(words: &mut Words) -> Result<Vec<Published>> {
    let text = words.option("at").unwrap_or_default();
    let pairs = text.split(',').filter(|pair| !pair.is_empty());
    let port = |pair: &str| {
        let (container, host) = pair.split_once(':').context("container:host")?;
        Ok(Published {
            container: container.parse()?,
            host: host.parse()?,
        })
    };
    pairs.map(port).collect()
}

fn started(world: &World, words: &mut Words) -> Result<Started> {
    let at = world.now();
    let container = words.option_or("container", "c1");
    Ok(Started {
        at,
        container,
        image_digest: String::new(),
    })
}

fn ending(world: &World, words: &mut Words) -> Result<Ending> {
    let outcome = match words.maybe_next().as_deref().unwrap_or("succeeded") {
        "succeeded" => Outcome::Succeeded,
        "failed" => Outcome::Failed,
        "cancelled" => Outcome::Cancelled,
        "timed_out" => Outcome::TimedOut,
        "out_of_memory" => Outcome::OutOfMemory,
        "image_unavailable" => Outcome::ImageUnavailable,
        "cannot_start" => Outcome::CannotStart,
        "infrastructure" => Outcome::Infrastructure,
        "node_lost" => Outcome::NodeLost,
        "not_begun" => Outcome::NotBegun,
        "disk_limit" => Outcome::DiskLimit,
        other => bail!("there is no outcome `{other}`"),
    };
    let exit = Exit {
        code: words.number("code")?,
        signal: words.number("signal")?,
        oom_killed: words.option("oom").is_some(),
    };
    let cpu_micros = words.number("cpu_us")?.unwrap_or(0);
    let memory_peak = Bytes(words.number("peak")?.unwrap_or(0));
    let started = words.option("started").map(|container| Started {
        at: world.now(),
        container,
        image_digest: String::new(),
    });
    let usage = Usage {
        cpu_micros,
        memory_peak,
        ..Usage::default()
    };
    let message = words.option_or("message", "");
    Ok(Ending {
        started,
        at: world.now(),
        outcome,
        exit,
        usage,
        message,
    })
}
