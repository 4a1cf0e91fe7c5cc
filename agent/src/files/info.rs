//! `god.info`: what an attempt was and how it ended, as JSON beside its output.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{OpenOptionsExt, fchown};
use std::path::Path;
use std::sync::Arc;

use model::assignment::{Assignment, Ending};
use model::spec::Program;
use nix::fcntl::OFlag;
use serde::Serialize;

use super::owner::Owner;
use crate::runtime::Place;

/// Permissions of what the agent writes beside the job's own directory.
const MODE: u32 = 0o640;

/// What is told. Times are milliseconds since 1970.
#[derive(Serialize)]
struct Info<'a> {
    attempt: String,
    owner: &'a str,
    name: &'a str,
    tags: &'a [String],
    project: &'a str,
    queue: &'a str,
    image: &'a str,
    image_digest: Option<&'a str>,
    argv: Option<&'a [String]>,
    cpu_millis: u64,
    memory_bytes: u64,
    started_ms: Option<u64>,
    ended_ms: u64,
    outcome: &'a str,
    exit_code: Option<i32>,
    signal: Option<u8>,
    oom_killed: bool,
    message: &'a str,
    cpu_micros: u64,
    memory_peak_bytes: u64,
}

/// Leaves it beside the output, and gives both to the job's user. For people: a full disk does not
/// hold up the end.
pub async fn leave(place: &Place, assignment: &Arc<Assignment>, ending: &Ending, ids: (u32, u32)) {
    let owner = Owner::of(assignment, ids);
    let (place, assignment, ending) = (place.clone(), assignment.clone(), ending.clone());
    let attempt = place.attempt;
    let written = tokio::task::spawn_blocking(move || {
        if place.dir.exists() {
            return write(&place, &assignment, &ending, &owner);
        }
        Ok(())
    });
    let written = written
        .await
        .unwrap_or_else(|died| Err(io::Error::other(died)));
    if let Err(error) = written {
        tracing::warn!(%attempt, %error, "cannot write god.info");
    }
}

fn write(place: &Place, assignment: &Assignment, ending: &Ending, owner: &Owner) -> io::Result<()> {
    let path = place.dir.join("god.info");
    match fs::remove_file(&path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        Err(_) | Ok(()) => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(MODE)
        .open(path)?;
    file.write_all(&text(assignment, ending)?)?;
    give(&file, owner)?;
    for output in [place.stdout(), place.stderr()] {
        give_output(&output, owner)?;
    }
    Ok(())
}

fn text(assignment: &Assignment, ending: &Ending) -> io::Result<Vec<u8>> {
    let (spec, started) = (&assignment.spec, ending.started.as_ref());
    let info = Info {
        attempt: assignment.attempt.to_string(),
        owner: &assignment.owner.0,
        name: &spec.name,
        tags: &spec.tags,
        project: &spec.project,
        queue: &spec.queue,
        image: &spec.image,
        image_digest: started
            .map(|started| &*started.image_digest)
            .filter(|digest| !digest.is_empty()),
        argv: match &spec.program {
            Program::Script { .. } => None,
            Program::Argv(argv) => Some(argv),
        },
        cpu_millis: spec.resources.cpu.0,
        memory_bytes: spec.resources.memory.0,
        started_ms: started.map(|started| started.at.0),
        ended_ms: ending.at.0,
        outcome: ending.outcome.word(),
        exit_code: ending.exit.code,
        signal: ending.exit.signal,
        oom_killed: ending.exit.oom_killed,
        message: &ending.message,
        cpu_micros: ending.usage.cpu_micros,
        memory_peak_bytes: ending.usage.memory_peak.0,
    };
    let mut text = serde_json::to_vec_pretty(&info)?;
    text.push(b'\n');
    Ok(text)
}

fn give_output(path: &Path, owner: &Owner) -> io::Result<()> {
    let opened = OpenOptions::new()
        .read(true)
        .custom_flags((OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK).bits())
        .open(path);
    match opened {
        Ok(file) => give(&file, owner),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Only root may give files away; an agent that is not root runs jobs as itself.
fn give(file: &File, owner: &Owner) -> io::Result<()> {
    if nix::unistd::geteuid().is_root() {
        fchown(file, Some(owner.uid), Some(owner.gid))
    } else {
        Ok(())
    }
}
