//! What the words of `submit` and `run` mean: the request for one job.
//!
//! [`read`] fetches the texts that are named; [`compile`] is pure. Above all stands what was
//! typed, below it the `#GO` lines of the script, below those the job file.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use api_types::job_request::{JobRequest, SecretUse};
use clap::Parser;

use crate::args::explain;
use crate::args::job::{DirectiveLine, JobOptions, Work};
use crate::directive;
use crate::environment::Environment;
use crate::error::Failure;
use crate::limits::{JOB_FILE_BYTES_MAX, SCRIPT_BYTES_MAX};
use crate::text;

/// What to do with a file that is no script and no description.
const ELSEWHERE: &str =
    "data and programs go into the image or a volume, the name of a program behind --";

/// What shall run.
#[derive(Clone, PartialEq, Debug)]
pub enum Program {
    /// A script and its arguments.
    Script {
        /// What to call it in errors.
        origin: String,
        /// A name for the job, if the file has one.
        name: Option<String>,
        /// Its text.
        text: String,
        /// Its arguments.
        args: Vec<String>,
    },
    /// Program and arguments; empty for the image's own.
    Argv(Vec<String>),
    /// A description of everything.
    Description(Box<JobRequest>),
}

/// Fetches what shall run.
///
/// # Errors
/// When nothing is named, or what is named cannot be read.
pub fn read(work: &Work, stdin: &mut dyn Read) -> Result<Program, Failure> {
    if let Some(line) = &work.wrap {
        if line.trim().is_empty() {
            return Err(Failure::usage("--wrap is empty")
                .field("--wrap")
                .hint("give it a line"));
        }
        let text = format!("#!/bin/sh\n{line}\n");
        let origin = "--wrap".into();
        return Ok(Program::Script {
            origin,
            name: None,
            text,
            args: Vec::new(),
        });
    }
    if let Some(path) = &work.file {
        let text = text::whole(path, JOB_FILE_BYTES_MAX, ELSEWHERE, stdin)
            .map_err(|failure| failure.field("--file"))?;
        return description(path, &text).map(|request| Program::Description(Box::new(request)));
    }
    if let Some(path) = &work.script {
        return script(path, work, stdin);
    }
    if work.command.is_empty() && work.options.image.is_none() {
        return Err(Failure::usage("nothing to run")
            .field("SCRIPT")
            .hint("name a script, write a command behind --, or give --wrap LINE or --file FILE"));
    }
    Ok(Program::Argv(work.command.clone()))
}

fn script(path: &str, work: &Work, stdin: &mut dyn Read) -> Result<Program, Failure> {
    let text = text::whole(Path::new(path), SCRIPT_BYTES_MAX, ELSEWHERE, stdin);
    let text = text.map_err(|failure| {
        let failure = failure.field("SCRIPT");
        let looks_like_a_command = !Path::new(path).exists() && path != "-";
        match looks_like_a_command {
            true => failure.hint(format!("a command is written behind --: -- {path} …")),
            false => failure,
        }
    })?;
    if text.trim().is_empty() {
        return Err(Failure::usage(format!("{path} is empty")).field("SCRIPT"));
    }
    let stem = Path::new(path).file_stem().and_then(|stem| stem.to_str());
    let fits = |stem: &&str| *stem != "-" && stem.len() <= 128 && !stem.contains(char::is_control);
    Ok(Program::Script {
        origin: text::origin(Path::new(path)),
        name: stem.filter(fits).map(str::to_owned),
        text,
        args: work.args.iter().chain(&work.command).cloned().collect(),
    })
}

/// The description that a job file holds.
fn description(path: &Path, text: &str) -> Result<JobRequest, Failure> {
    let name = path.display();
    let wrong = |what: String| {
        Failure::usage(format!("{name}: {what}"))
            .field("--file")
            .hint("`goctl submit --dry-run …` and `goctl show --spec JOB` print one to start from")
    };
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("toml") => toml::from_str(text).map_err(|error| {
            let start = error.span().map_or(0, |span| span.start);
            let line = text[..start].matches('\n').count() + 1;
            wrong(format!("line {line}: {}", error.message()))
        }),
        Some("json") => serde_json::from_str(text).map_err(|error| wrong(error.to_string())),
        Some("yaml" | "yml") => yaml(text).map_err(wrong),
        // JSON is YAML; this is standard input.
        None if path == Path::new("-") => yaml(text).map_err(wrong),
        Some(_) | None => Err(
            Failure::usage(format!("{name}: neither TOML, YAML nor JSON"))
                .field("--file")
                .hint("let its name end in .toml, .yaml or .json; a script is given without -f"),
        ),
    }
}

fn yaml(text: &str) -> Result<JobRequest, String> {
    serde_norway::from_str(text).map_err(|error| error.to_string())
}

/// The request for the job.
///
/// # Errors
/// When a directive is wrong, or a variable is asked for that is not set.
pub fn compile(
    program: Program,
    typed: JobOptions,
    directives: bool,
    environment: &Environment,
) -> Result<JobRequest, Failure> {
    let mut options = typed;
    let mut request = JobRequest::default();
    match program {
        Program::Description(description) => request = *description,
        Program::Argv(argv) => request.argv = argv,
        Program::Script {
            origin,
            name,
            text,
            args,
        } => {
            if directives {
                options = options.over(written(&origin, &text)?);
            }
            request.name = name;
            request.script = Some(text);
            request.args = args;
        }
    }
    if request.script.is_some() && !request.argv.is_empty() {
        return Err(Failure::usage("the job file has both a script and an argv")
            .field("argv")
            .hint("leave one of them out"));
    }
    put(options, &mut request, &environment.variables)?;
    if request.script.is_some() && request.entrypoint.is_some() {
        return Err(Failure::usage("a script takes the entry point's place")
            .field("--entrypoint")
            .hint("leave it out, or write a command behind --"));
    }
    Ok(request)
}

/// What the `#GO` lines of a script ask for, later lines over earlier ones.
fn written(origin: &str, text: &str) -> Result<JobOptions, Failure> {
    let lines = directive::read(text).map_err(|(line, what)| {
        Failure::usage(format!("{origin}:{line}: {what}"))
            .field("#GO")
            .hint("write options as for goctl submit, or take the line out")
    })?;
    let mut options = JobOptions::default();
    for line in lines {
        let read = DirectiveLine::try_parse_from(&line.words).map_err(|error| {
            let mut failure = explain(&error);
            failure.message = format!("{origin}:{}: {}", line.line, failure.message);
            let hint = "options of a job are allowed here: goctl help submit";
            failure.hint.get_or_insert_with(|| hint.into());
            failure
        })?;
        options = read.options.over(options);
    }
    Ok(options)
}

/// Writes options over a request.
fn put(
    options: JobOptions,
    request: &mut JobRequest,
    variables: &BTreeMap<String, String>,
) -> Result<(), Failure> {
    for (name, value) in options.env {
        let value = value
            .or_else(|| variables.get(&name).cloned())
            .ok_or_else(|| {
                Failure::usage(format!("--env {name}: {name} is not set here"))
                    .field("--env")
                    .hint(format!("write --env {name}=VALUE"))
            })?;
        request.env.insert(name, value);
    }
    request.name = options.name.or(request.name.take());
    request.image = options.image.or(request.image.take());
    request.pull = options.pull.or(request.pull);
    request.cpu = options.cpu.or(request.cpu);
    request.memory_bytes = options.mem.or(request.memory_bytes);
    request.wall_limit_seconds = options.time.or(request.wall_limit_seconds);
    request.grace_seconds = options.grace.or(request.grace_seconds);
    request.on_lost = options.on_lost.or(request.on_lost);
    request.project = options.project.or(request.project.take());
    request.queue = options.queue.or(request.queue.take());
    request.network = options.network.or(request.network);
    request.root |= options.root;
    let entrypoint = options.entrypoint.map(|words| words.0);
    request.entrypoint = entrypoint.or(request.entrypoint.take());
    request.output_max_bytes = options.output_max.or(request.output_max_bytes);
    request.disk_max_bytes = options.disk_max.or(request.disk_max_bytes);
    for port in options.publish {
        if !request.ports.contains(&port) {
            request.ports.push(port);
        }
    }
    for volume in options.volume {
        request.volumes.retain(|known| known.name != volume.name);
        request.volumes.push(volume);
    }
    for secret in options.secret {
        let file = |secret: &SecretUse| match secret.file.as_str() {
            "" => secret.name.clone(),
            file => file.to_owned(),
        };
        request.secrets.retain(|known| file(known) != file(&secret));
        request.secrets.push(secret);
    }
    for tag in options.tag {
        if !request.tags.contains(&tag) {
            request.tags.push(tag);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
