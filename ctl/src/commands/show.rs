//! `show`: everything about one job, or the description that makes it again.

use api_types::job::{Attempt, Job, JobState, LiveUsage, Usage};
use api_types::job_request::{JobRequest, Network};

use super::outcome::{exit_words, started_of_last};
use crate::args::look::Show;
use crate::client::Request;
use crate::error::Failure;
use crate::output::{Format, View, cells, fields};
use crate::select;
use crate::session::Session;

/// `goctl show`.
///
/// # Errors
/// When there is no such job.
pub async fn show(session: &Session, args: &Show) -> Result<(), Failure> {
    let client = session.client()?;
    let mut job = select::job(client, select::one(client, &args.job).await?).await?;
    if args.spec {
        let spec = job
            .spec
            .ok_or_else(|| Failure::failed("the answer has no description"))?;
        let mut output = session.output.clone();
        if !output.is_document() {
            output.format = Format::Yaml;
        }
        return output.one(&spec, |_| String::new());
    }
    let mut unread = None;
    if matches!(job.state, JobState::Running | JobState::Stopping) {
        // A reading from the node itself; the job is shown even if the node is slow.
        let asked = Request::get(format!("/jobs/{}/usage", job.id));
        match client.ask::<LiveUsage>(&asked).await {
            Ok(now) => job.usage = now.usage,
            Err(failure) => unread = Some(failure.message),
        }
    }
    session
        .output
        .one(&job, |view| page(&job, unread.as_deref(), view))
}

fn page(job: &Job, unread: Option<&str>, view: &View) -> String {
    let spec = job.spec.as_ref();
    let cancel = job.cancel.as_ref().map(|cancel| {
        let why = if cancel.reason.is_empty() { "" } else { ": " };
        let at = cells::moment(&cancel.at, view);
        cells::safe(&format!(
            "asked by {}, {at}{why}{}",
            cancel.by, cancel.reason
        ))
    });
    let usage = job
        .usage
        .as_ref()
        .map(usage)
        .or(unread.map(|why| format!("not known: {why}")));
    let started = job.started_at.as_deref().or(started_of_last(job));
    let text = |text: &str| (!text.is_empty()).then(|| cells::safe(text));
    fields::page(&[
        (
            "job",
            Some(format!("{}  {}", job.id, cells::safe(&job.name))),
        ),
        ("state", Some(state(job, view))),
        ("reason", job.reason.as_deref().map(cells::safe)),
        (
            "exit",
            exit_words(job.state, job.exit_code, job.signal, job.oom_killed),
        ),
        ("message", job.message.as_deref().map(cells::safe)),
        ("cancel", cancel),
        ("owner", Some(cells::safe(&job.owner))),
        ("project", text(&job.project)),
        ("queue", text(&job.queue)),
        ("tags", text(&job.tags.join(", "))),
        ("image", text(&job.image)),
        ("runs", spec.map(runs)),
        ("container", spec.and_then(container)),
        ("needs", Some(needs(job))),
        ("volumes", spec.and_then(volumes)),
        ("secrets", spec.and_then(secrets)),
        ("ports", spec.and_then(|spec| ports(spec, job))),
        ("submitted", Some(cells::moment(&job.submitted_at, view))),
        ("started", started.map(|at| cells::moment(at, view))),
        (
            "ended",
            job.ended_at.as_deref().map(|at| cells::moment(at, view)),
        ),
        ("used", usage),
        ("attempts", attempts(&job.attempts)),
    ])
}

fn state(job: &Job, view: &View) -> String {
    let mut text = cells::state(job.state, "", view);
    let started = job.started_at.as_deref().or(started_of_last(job));
    let ended = job.ended_at.as_deref();
    if let Some(seconds) = started.and_then(|from| cells::between(from, ended, view.now)) {
        text.push_str(&format!(", {}", cells::length(seconds)));
    }
    if let Some(node) = &job.node {
        text.push_str(&format!(" on {}", cells::safe(node)));
    }
    text
}

fn runs(spec: &JobRequest) -> String {
    let quoted = |words: &[String]| {
        let words = words.iter().map(|word| match shlex::try_quote(word) {
            Ok(quoted) => cells::safe(&quoted),
            Err(_) => cells::safe(word),
        });
        words.collect::<Vec<_>>().join(" ")
    };
    match &spec.script {
        Some(script) => {
            let args = if spec.args.is_empty() { "" } else { " with " };
            let lines = script.lines().count();
            let plural = if lines == 1 { "line" } else { "lines" };
            format!("a script of {lines} {plural}{args}{}", quoted(&spec.args))
        }
        None => {
            let entrypoint = spec.entrypoint.as_deref().unwrap_or_default();
            let words = [entrypoint, &spec.argv].concat();
            if words.is_empty() {
                "the command of its image".into()
            } else {
                quoted(&words)
            }
        }
    }
}

/// What is unusual about its container.
fn container(spec: &JobRequest) -> Option<String> {
    let network = match spec.network {
        Some(Network::Bridge) => Some("network bridge".to_owned()),
        Some(Network::None) | None => None,
    };
    let output = spec.output_max_bytes.map(cells::size);
    let disk = spec.disk_max_bytes.map(cells::size);
    let parts = [
        spec.root.then(|| "root".to_owned()),
        network,
        output.map(|most| format!("at most {most} of output")),
        disk.map(|most| format!("at most {most} in its directory")),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

fn needs(job: &Job) -> String {
    let mut text = format!(
        "{} cpu, {} memory",
        cells::cpus(job.cpu),
        cells::size(job.memory_bytes)
    );
    if let Some(limit) = job.wall_limit_seconds {
        text.push_str(&format!(", at most {}", cells::length(limit)));
    }
    text
}

fn volumes(spec: &JobRequest) -> Option<String> {
    let name = |volume: &api_types::job_request::VolumeUse| {
        let mode = if volume.read_only { ":ro" } else { "" };
        let below = if volume.sub_path.is_empty() {
            String::new()
        } else {
            format!("/{}", volume.sub_path)
        };
        cells::safe(&format!("{}{below}{mode}", volume.name))
    };
    let names: Vec<String> = spec.volumes.iter().map(name).collect();
    (!names.is_empty()).then(|| names.join(", "))
}

/// The secrets that it finds as files, by the names of those.
fn secrets(spec: &JobRequest) -> Option<String> {
    let name = |secret: &api_types::job_request::SecretUse| match secret.file.as_str() {
        "" => cells::safe(&secret.name),
        file => cells::safe(&format!("{} as {file}", secret.name)),
    };
    let names: Vec<String> = spec.secrets.iter().map(name).collect();
    (!names.is_empty()).then(|| names.join(", "))
}

/// Its ports, each with where it is reached once that is known.
fn ports(spec: &JobRequest, job: &Job) -> Option<String> {
    let last = job.attempts.last();
    let place = |port: &u16| {
        let reached = last.and_then(|attempt| {
            let mut known = attempt.ports.iter();
            let known = known.find(|known| known.container == *port)?;
            Some(format!(" at {}:{}", cells::safe(&attempt.node), known.host))
        });
        format!("{port}{}", reached.unwrap_or_default())
    };
    let ports: Vec<String> = spec.ports.iter().map(place).collect();
    (!ports.is_empty()).then(|| ports.join(", "))
}

/// What an attempt used, in one line.
fn usage(usage: &Usage) -> String {
    let (cpu, peak) = (usage.cpu_seconds, cells::size(usage.memory_peak_bytes));
    let (read, written) = (
        cells::size(usage.io_read_bytes),
        cells::size(usage.io_written_bytes),
    );
    let processes = usage.processes_peak;
    format!(
        "{cpu:.1} s of cpu, {peak} memory at most, {processes} processes at most, \
         {read} read, {written} written"
    )
}

/// One line per attempt; the only one of a job that goes its usual way says nothing new.
fn attempts(attempts: &[Attempt]) -> Option<String> {
    let line = |attempt: &Attempt| {
        let exit = exit_words(
            attempt.state,
            attempt.exit_code,
            attempt.signal,
            attempt.oom_killed,
        );
        let more: Vec<String> = exit
            .into_iter()
            .chain(attempt.message.as_deref().map(cells::safe))
            .collect();
        let more = if more.is_empty() {
            String::new()
        } else {
            format!(": {}", more.join(", "))
        };
        format!(
            "{} {} on {}{more}",
            attempt.id,
            attempt.state.word(),
            cells::safe(&attempt.node)
        )
    };
    let lines: Vec<String> = attempts.iter().map(line).collect();
    (lines.len() > 1).then(|| lines.join("\n"))
}
