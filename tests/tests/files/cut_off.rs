//! Transfers that are cut off because their node dies (`kill -9`): nobody takes a part for the
//! whole, nothing stays behind on a head, and what is missing comes once the node is back.

use std::path::Path;
use std::process::{Child, Stdio};

use anyhow::{Context, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tests::cluster::{Cluster, until};
use tests::tap::Tap;

use crate::raw::{Door, Download, End, content};
use crate::{process, run};

/// Numbers in the file that is read: some 69 MB, more than all buffers on the way.
const NUMBERS: u64 = 9_000_000;
/// Bytes that are read before the node dies.
const BEFORE: usize = 1 << 20;
/// Bytes that a tap lets through before the node dies.
const THROUGH: u64 = 8 << 20;
/// Bytes that TLS and HTTP add to what is missing of a file.
const OVERHEAD: u64 = 2 << 20;

/// A cluster with a job that left a large file; the node that has it.
struct Left {
    cluster: Cluster,
    job: String,
    node: String,
    /// What is in the file.
    numbers: Vec<u8>,
}

impl Left {
    fn new() -> anyhow::Result<Left> {
        let cluster = Cluster::start(&process())?;
        let job = run(&cluster, &format!("seq 1 {NUMBERS} > large"))?.to_string();
        let shown = cluster.goctl_json(&["show", &job])?;
        let node = shown["attempts"][0]["node"].as_str().context("a node")?;
        let node = node.to_owned();
        ensure!(!cluster.heads().contains(&node), "{node} is a head");
        let mut numbers = Vec::new();
        for number in 1..=NUMBERS {
            numbers.extend_from_slice(format!("{number}\n").as_bytes());
        }
        Ok(Left {
            cluster,
            job,
            node,
            numbers,
        })
    }

    fn until_away(&self) -> anyhow::Result<()> {
        until("the files are out of reach", || {
            let out = self.cluster.goctl_output(&["files", "ls", &self.job])?;
            Ok((!out.status.success()).then_some(()))
        })
    }

    fn until_back(&self) -> anyhow::Result<()> {
        until("the files are back", || {
            let out = self.cluster.goctl_output(&["files", "ls", &self.job])?;
            Ok(out.status.success().then_some(()))
        })
    }

    /// Not a whole file, and nothing but the beginning of it.
    fn is_part(&self, read: &[u8]) -> anyhow::Result<()> {
        ensure!(read.len() < self.numbers.len(), "all of it came");
        ensure!(self.numbers.starts_with(read), "other bytes came");
        Ok(())
    }
}

#[test]
fn a_download_whose_node_dies_breaks_off_and_is_resumed_by_a_range() -> anyhow::Result<()> {
    let mut left = Left::new()?;
    let door = Door::new(&left.cluster)?;
    let before = door.streams()?;
    let path = content(&left.job, "work/large");
    let archive = format!("/jobs/{}/files/archive?format=tar", left.job);
    let mut files: Vec<Download> = Vec::new();
    let mut archives: Vec<Download> = Vec::new();
    for _ in 0..2 {
        files.push(door.begin(&path, &[], 200)?);
        archives.push(door.begin(&archive, &[], 200)?);
    }
    for download in files.iter_mut().chain(&mut archives) {
        door.read(download, BEFORE)?;
    }
    door.until_streams(before + 4)?;

    left.cluster.kill(&left.node)?;
    for download in &mut files {
        ensure!(download.length()? == left.numbers.len() as u64);
        let end = door.read_on(download)?;
        ensure!(matches!(end, End::Broken), "it ended like a whole one");
        left.is_part(&download.read)?;
    }
    for download in &mut archives {
        let end = door.read_on(download)?;
        ensure!(matches!(end, End::Broken), "it ended like a whole one");
        ensure!(download.read.len() < left.numbers.len(), "all of it came");
    }
    door.until_streams(before)?;
    let mut refused = door.begin(&path, &[], 502)?;
    door.read_on(&mut refused)?;
    let told = String::from_utf8(refused.read)?;
    ensure!(told.contains(&left.node), "{told}");

    left.cluster.restart(&left.node)?;
    left.until_back()?;
    for mut part in files {
        let (from, tag) = (part.read.len(), part.header("etag")?);
        let range = format!("bytes={from}-");
        let headers = [("Range", range.as_str()), ("If-Range", tag.as_str())];
        let mut rest = door.begin(&path, &headers, 206)?;
        let whole = left.numbers.len();
        let told = rest.header("content-range")?;
        ensure!(
            told == format!("bytes {from}-{}/{whole}", whole - 1),
            "{told}"
        );
        ensure!(matches!(door.read_on(&mut rest)?, End::Whole));
        part.read.append(&mut rest.read);
        ensure!(part.read == left.numbers, "other bytes came");
    }
    door.until_streams(before)
}

/// A `goctl` in a directory of its own that asks through a tap.
struct Asking {
    tap: Tap,
    dir: tempfile::TempDir,
    /// What it writes to standard output: who does not take it would keep it from reading on.
    out: tempfile::NamedTempFile,
    child: Child,
}

/// What is left of one.
struct Ended {
    tap: Tap,
    dir: tempfile::TempDir,
    out: Vec<u8>,
    code: Option<i32>,
    told: String,
}

impl Asking {
    fn start(left: &Left, args: &[&str]) -> anyhow::Result<Asking> {
        let head = left.cluster.heads().remove(0);
        let head = left.cluster.node(&head)?.api.clone().context("a head")?;
        let tap = Tap::new(&head, THROUGH)?;
        Asking::again(left, args, tap, tempfile::tempdir()?)
    }

    fn again(
        left: &Left,
        args: &[&str],
        tap: Tap,
        dir: tempfile::TempDir,
    ) -> anyhow::Result<Asking> {
        let out = tempfile::NamedTempFile::new()?;
        let mut command = left.cluster.goctl_command(args)?;
        command.env("GOCTL_SERVER", tap.url()).current_dir(&dir);
        command.stdout(out.reopen()?).stderr(Stdio::piped());
        let child = command.spawn()?;
        Ok(Asking {
            tap,
            dir,
            out,
            child,
        })
    }

    fn ended(self) -> anyhow::Result<Ended> {
        let output = self.child.wait_with_output()?;
        Ok(Ended {
            tap: self.tap,
            dir: self.dir,
            out: std::fs::read(self.out.path())?,
            code: output.status.code(),
            told: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }
}

impl Ended {
    fn with(self, code: i32, words: &str) -> anyhow::Result<Ended> {
        let told = &self.told;
        ensure!(self.code == Some(code), "{:?}: {told}", self.code);
        ensure!(told.contains(words), "{told}");
        Ok(self)
    }

    /// All of the file is there under its name, and nothing else.
    fn has_all(&self, left: &Left) -> anyhow::Result<()> {
        let names: Vec<_> = std::fs::read_dir(&self.dir)?.collect::<Result<_, _>>()?;
        ensure!(names.len() == 1, "{names:?}");
        let got = std::fs::read(self.dir.path().join("large"))?;
        ensure!(got == left.numbers, "other bytes came");
        Ok(())
    }
}

/// The only file there is a part of a download; how many bytes it has.
fn only_a_part(left: &Left, dir: &Path) -> anyhow::Result<u64> {
    let names: Vec<_> = std::fs::read_dir(dir)?.collect::<Result<_, _>>()?;
    ensure!(names.len() == 1, "{names:?}");
    let name = names[0].file_name().into_string().unwrap_or_default();
    let part = name.starts_with("large.") && name.ends_with(".part");
    ensure!(part, "{name} is there");
    let bytes = std::fs::read(names[0].path())?;
    ensure!(!bytes.is_empty(), "{name} is empty");
    left.is_part(&bytes)?;
    Ok(bytes.len() as u64)
}

#[test]
fn goctl_leaves_no_short_file_and_goes_on_where_it_broke_off() -> anyhow::Result<()> {
    let mut left = Left::new()?;
    let job = left.job.clone();
    let get = ["files", "get", &job, "work/large"];
    let (patient, hasty) = (Asking::start(&left, &get)?, Asking::start(&left, &get)?);
    let to_stdout = [&get[..], &["-"]].concat();
    let shown = Asking::start(&left, &to_stdout)?;
    let pack = ["files", "archive", &job, "--to", "all.tar"];
    let packed = Asking::start(&left, &pack)?;
    let all = [&patient, &hasty, &shown, &packed];
    for asking in all {
        asking.tap.until_holding()?;
    }

    left.cluster.kill(&left.node)?;
    left.until_away()?;
    for asking in all {
        asking.tap.open();
    }
    let shown = shown.ended()?.with(7, "error: ")?;
    left.is_part(&shown.out)?;
    let packed = packed.ended()?.with(7, "an archive cannot be continued")?;
    let rest = std::fs::read_dir(&packed.dir)?.count();
    ensure!(rest == 0, "{rest} files are left of an archive");
    for asking in [&patient, &hasty] {
        until("a part is there", || {
            only_a_part(&left, asking.dir.path()).map(Some)
        })?;
    }
    let pid = i32::try_from(hasty.child.id())?;
    kill(Pid::from_raw(pid), Signal::SIGINT)?;
    let hasty = hasty.ended()?.with(130, "goes on where it was")?;
    let part = only_a_part(&left, hasty.dir.path())?;

    left.cluster.restart(&left.node)?;
    left.until_back()?;
    patient.ended()?.with(0, "")?.has_all(&left)?;
    // The same command again fetches what is missing, and only that.
    let before = hasty.tap.passed();
    let again = Asking::again(&left, &get, hasty.tap, hasty.dir)?;
    let again = again.ended()?.with(0, "")?;
    again.has_all(&left)?;
    let (fetched, missing) = (
        again.tap.passed() - before,
        left.numbers.len() as u64 - part,
    );
    ensure!(
        fetched < missing + OVERHEAD,
        "{fetched} bytes were fetched for {missing}"
    );
    Ok(())
}
