//! Downloads, into files that appear whole under their name or not at all.
//!
//! What has arrived of a file lies beside it, with the version in its name (`NAME.VERSION.part`):
//! so a download that broke off goes on where it was, now or at the next call, and never mixes two
//! versions.

use std::fs::{self, OpenOptions};
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

use api_types::problem::code;
use reqwest::{Response, StatusCode};
use tokio::time::Instant;

use crate::client::{Client, Request, unreadable};
use crate::error::{Failure, Kind};
use crate::limits::{LOOK_FIRST, LOOK_MAX, OUTAGE_MAX, PROGRESS_EVERY, VERSIONS_MAX};
use crate::output::{cells, write_out};

/// What has arrived of a file.
struct Part {
    path: PathBuf,
    /// The version, as `ETag` has it.
    tag: String,
    bytes: u64,
}

/// Downloads to standard output; gives the bytes.
pub(super) async fn to_stdout(client: &Client, request: &Request) -> Result<u64, Failure> {
    let mut response = client.send(request).await?;
    let mut bytes = 0;
    while let Some(chunk) = response.chunk().await.map_err(|error| unreadable(&error))? {
        write_out(&chunk)?;
        bytes += chunk.len() as u64;
    }
    Ok(bytes)
}

/// Downloads what cannot be taken in parts.
pub(super) async fn whole_to_file(
    client: &Client,
    request: &Request,
    to: &Path,
) -> Result<u64, Failure> {
    let response = client.send(request).await?;
    let mut part = Part {
        path: beside(to, "new"),
        tag: String::new(),
        bytes: 0,
    };
    // What is left of it is no archive, whatever ends it.
    let unfinished = Unfinished(part.path.clone());
    let got = part.take(response).await;
    got.map_err(|failure| failure.hint("ask again: an archive cannot be continued"))?;
    rename(&part.path, to)?;
    drop(unfinished);
    Ok(part.bytes)
}

/// A file that is removed unless it has got its name by then.
struct Unfinished(PathBuf);

impl Drop for Unfinished {
    fn drop(&mut self) {
        // It may never have been made.
        let _ = fs::remove_file(&self.0);
    }
}

/// Downloads a file, through outages, from where an earlier download broke off.
pub(super) async fn to_file(
    client: &Client,
    request: impl Fn() -> Result<Request, Failure>,
    to: &Path,
) -> Result<u64, Failure> {
    let mut part = earlier(to);
    let (mut pause, mut quiet_since) = (LOOK_FIRST, Instant::now());
    let mut versions = 0;
    loop {
        let before = part.as_ref().map(|part| part.bytes);
        let version = part.as_ref().map(|part| part.tag.clone());
        let got = piece(client, request()?, to, &mut part).await;
        let now = part.as_ref().map(|part| &part.tag);
        versions += usize::from(version.as_ref().is_some_and(|one| Some(one) != now));
        match got {
            Ok(()) => break,
            Err(_) if versions >= VERSIONS_MAX => {
                let message = "the file changes again and again while it is read";
                let hint = "get it when the job has ended, or let the job make a copy of it";
                return Err(Failure::failed(message).hint(hint));
            }
            Err(failure) if failure.is(code::BAD_RANGE) && part.is_some() => {
                forget(part.take())?;
            }
            Err(failure) if !passes(&failure) || quiet_since.elapsed() > OUTAGE_MAX => {
                return Err(failure.hint("the same command goes on where it broke off"));
            }
            Err(_) if before != part.as_ref().map(|part| part.bytes) => {
                (pause, quiet_since) = (LOOK_FIRST, Instant::now());
            }
            Err(_) => {
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LOOK_MAX);
            }
        }
    }
    let part = part.ok_or_else(|| Failure::failed("nothing was received"))?;
    rename(&part.path, to)?;
    Ok(part.bytes)
}

/// One answer: what is missing of the part, or all if there is another version.
async fn piece(
    client: &Client,
    mut request: Request,
    to: &Path,
    part: &mut Option<Part>,
) -> Result<(), Failure> {
    if let Some(part) = part {
        request = request.header("Range", format!("bytes={}-", part.bytes));
        request = request.header("If-Range", format!("\"{}\"", part.tag));
    }
    let response = client.send(&request).await?;
    if response.status() != StatusCode::PARTIAL_CONTENT || part.is_none() {
        forget(part.take())?;
        let tag = tag(&response);
        let path = beside(to, &format!("{tag}.part"));
        fs::write(&path, b"").map_err(|error| failed(&path, &error))?;
        *part = Some(Part {
            path,
            tag,
            bytes: 0,
        });
    }
    match part {
        Some(part) => part.take(response).await,
        None => Ok(()),
    }
}

impl Part {
    /// Writes down what comes, behind what is there.
    async fn take(&mut self, mut response: Response) -> Result<(), Failure> {
        let total = response.content_length().map(|more| self.bytes + more);
        let mut options = OpenOptions::new();
        options.create(true).write(true);
        if self.bytes == 0 {
            options.truncate(true);
        } else {
            options.append(true);
        }
        let file = options.open(&self.path);
        let mut file = file.map_err(|error| failed(&self.path, &error))?;
        let mut progress = Progress::new(total);
        while let Some(chunk) = response.chunk().await.map_err(|error| unreadable(&error))? {
            file.write_all(&chunk)
                .map_err(|error| failed(&self.path, &error))?;
            self.bytes += chunk.len() as u64;
            progress.show(self.bytes);
        }
        Ok(())
    }
}

/// What an earlier download left.
fn earlier(to: &Path) -> Option<Part> {
    let name = format!("{}.", to.file_name()?.to_str()?);
    let dir = to.parent().filter(|dir| !dir.as_os_str().is_empty());
    let entries = fs::read_dir(dir.unwrap_or(Path::new("."))).ok()?;
    entries.flatten().find_map(|entry| {
        let found = entry.file_name();
        let tag = found.to_str()?.strip_prefix(&name)?.strip_suffix(".part")?;
        let plain = !tag.is_empty() && tag.bytes().all(|byte| byte.is_ascii_hexdigit());
        let about = entry.metadata().ok()?;
        (plain && about.is_file() && about.len() > 0).then(|| Part {
            path: entry.path(),
            tag: tag.into(),
            bytes: about.len(),
        })
    })
}

/// The version of an answer: letters and digits, as it becomes part of a name.
fn tag(response: &Response) -> String {
    let tag = response.headers().get("ETag");
    let tag = tag.and_then(|tag| tag.to_str().ok()).unwrap_or_default();
    let plain = tag.chars().filter(char::is_ascii_hexdigit);
    plain.take(64).collect()
}

fn forget(part: Option<Part>) -> Result<(), Failure> {
    let Some(part) = part else { return Ok(()) };
    fs::remove_file(&part.path).map_err(|error| failed(&part.path, &error))
}

fn rename(from: &Path, to: &Path) -> Result<(), Failure> {
    fs::rename(from, to).map_err(|error| failed(to, &error))
}

fn beside(to: &Path, ending: &str) -> PathBuf {
    let mut name = to.file_name().unwrap_or_default().to_os_string();
    name.push(".");
    name.push(ending);
    to.with_file_name(name)
}

fn failed(path: &Path, error: &std::io::Error) -> Failure {
    Failure::failed(format!("{}: {error}", path.display()))
}

/// Whether a failure may pass by itself.
fn passes(failure: &Failure) -> bool {
    failure.kind == Kind::Unreachable || failure.is(code::NODE_UNREACHABLE)
}

/// How far it is, on a terminal.
struct Progress {
    total: Option<u64>,
    shown: Option<Instant>,
    wanted: bool,
}

impl Progress {
    fn new(total: Option<u64>) -> Progress {
        Progress {
            total,
            shown: None,
            wanted: std::io::stderr().is_terminal(),
        }
    }

    fn show(&mut self, bytes: u64) {
        let recent = self.shown.is_some_and(|at| at.elapsed() < PROGRESS_EVERY);
        if !self.wanted || recent {
            return;
        }
        self.shown = Some(Instant::now());
        let line = match self.total {
            Some(total) if total > 0 => {
                let percent = bytes.saturating_mul(100) / total;
                format!(
                    "{} of {} ({percent} %)",
                    cells::size(bytes),
                    cells::size(total)
                )
            }
            Some(_) | None => cells::size(bytes),
        };
        // Nobody misses it.
        let _ = write!(std::io::stderr().lock(), "\r\x1b[K{line}");
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.shown.is_some() {
            let _ = write!(std::io::stderr().lock(), "\r\x1b[K");
        }
    }
}
