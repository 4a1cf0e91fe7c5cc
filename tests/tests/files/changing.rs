//! Files and directories that change while they are read: what comes is well-formed and as long as
//! it says, or it ends in an error.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use tests::cluster::{Cluster, until};
use tests::tap::Tap;

use crate::raw::{Door, End, content};
use crate::{one_node, submit};

/// Bytes of the files that change: more than all buffers on the way.
const FILE_BYTES: usize = 64 << 20;
/// Bytes that a tap lets through before the file changes.
const THROUGH: u64 = 8 << 20;
/// Archives of each kind that are made of a directory that changes.
const ARCHIVES: usize = 8;
/// How long one of them may take.
const ARCHIVED_WITHIN: Duration = Duration::from_secs(60);

/// Makes three files of the letter `a`, waits for the file `go`, then changes each in its way.
fn changes() -> String {
    format!(
        "head -c {FILE_BYTES} /dev/zero | tr '\\0' a > grows; cp grows shrinks; cp grows replaced; \
         cp grows taken; touch ready; until test -e go; do sleep 0.05; done; \
         echo more >> grows; echo short > shrinks; echo new > taken; \
         tr a b < replaced > new; mv new replaced; touch done; sleep 600"
    )
}

/// Waits until a job has made a file.
fn made(cluster: &Cluster, job: &str, name: &str) -> anyhow::Result<()> {
    let path = format!("work/{name}");
    until(&format!("{path} is there"), || {
        let out = cluster.goctl_output(&["files", "get", job, &path, "-"])?;
        Ok(out.status.success().then_some(()))
    })
}

/// Puts an empty file into a job's directory, which waits for it.
fn say(cluster: &Cluster, job: &str, name: &str) -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let file = dir.path().join(name);
    std::fs::write(&file, "")?;
    let file = file.to_str().context("a path")?;
    cluster.goctl(&["files", "put", job, file]).map(drop)
}

#[test]
fn a_file_that_changes_is_as_long_as_it_was_or_breaks_off() -> anyhow::Result<()> {
    let cluster = Cluster::start(&one_node())?;
    let job = submit(&cluster, &changes())?.to_string();
    made(&cluster, &job, "ready")?;
    let door = Door::new(&cluster)?;
    let before = door.streams()?;
    let names = ["grows", "replaced", "shrinks"];
    let mut begun = Vec::new();
    for name in names {
        let path = content(&job, &format!("work/{name}"));
        let mut download = door.begin(&path, &[], 200)?;
        ensure!(download.length()? == FILE_BYTES as u64);
        door.read(&mut download, 1)?;
        begun.push((name, path, download));
    }
    let head = cluster.heads().remove(0);
    let head = cluster.node(&head)?.api.clone().context("a head")?;
    let (tap, here) = (Tap::new(&head, THROUGH)?, tempfile::tempdir()?);
    let mut goctl = cluster.goctl_command(&["files", "get", &job, "work/taken"])?;
    goctl
        .env("GOCTL_SERVER", tap.url())
        .current_dir(here.path());
    let mut goctl = goctl.spawn()?;
    tap.until_holding()?;

    say(&cluster, &job, "go")?;
    made(&cluster, &job, "done")?;
    tap.open();
    for (name, path, mut download) in begun {
        let end = door.read_on(&mut download)?;
        let (read, tag) = (&download.read, download.header("etag")?);
        ensure!(read.iter().all(|byte| *byte == b'a'), "{name}: other bytes");
        match name {
            "shrinks" => {
                ensure!(matches!(end, End::Broken), "{name} ended like a whole one");
                ensure!(read.len() < FILE_BYTES, "{name}: {} bytes", read.len());
            }
            _ => {
                ensure!(matches!(end, End::Whole), "{name}: {end:?}");
                ensure!(read.len() == FILE_BYTES, "{name}: {} bytes", read.len());
            }
        }
        // Who goes on with what was begun gets the other version from its beginning.
        let headers = [("Range", "bytes=1000-"), ("If-Range", tag.as_str())];
        let mut now = door.begin(&path, &headers, 200)?;
        ensure!(now.header("etag")? != tag, "{name} has the same tag");
        ensure!(matches!(door.read_on(&mut now)?, End::Whole));
        ensure!(now.length()? == now.read.len() as u64);
        match name {
            "grows" => ensure!(now.read.ends_with(b"amore\n")),
            "shrinks" => ensure!(now.read == b"short\n"),
            _ => ensure!(now.read.iter().all(|byte| *byte == b'b')),
        }
    }
    ensure!(goctl.wait()?.success(), "goctl failed");
    let taken: Vec<_> = std::fs::read_dir(here.path())?.collect::<Result<_, _>>()?;
    ensure!(taken.len() == 1, "{taken:?}");
    ensure!(std::fs::read(here.path().join("taken"))? == b"new\n");
    door.until_streams(before)?;
    cluster.goctl(&["cancel", &job, "--grace", "0s"])?;
    Ok(())
}

/// Makes, fills, empties, renames and removes without pause, and counts its rounds.
const CHURN: &str = "i=0; until test -e stop; do i=$((i+1)); \
    mkdir -p d$((i%7))/e; \
    head -c $((i*7919%300000)) /dev/zero | tr '\\0' x > d$((i%7))/f$((i%13)); \
    test -e d$((i%5))/f1 && : > d$((i%5))/f1; \
    mv d$((i%7))/f$((i%13)) d$((i%7))/e/g$((i%11)); \
    ln -sf ../d$((i%7)) d$((i%7))/link; \
    test $((i%3)) = 0 && rm -rf d$(((i+3)%7)); \
    echo $i > rounds.new; mv rounds.new rounds; done; exit 0";

/// How many rounds the job has made.
fn rounds(cluster: &Cluster, job: &str) -> anyhow::Result<u64> {
    let text = cluster.goctl(&["files", "get", job, "work/rounds", "-"])?;
    Ok(text.trim().parse()?)
}

/// An archive is one to the programs of the system.
fn is_well_formed(archive: &Path, name: &str) -> anyhow::Result<()> {
    let (program, args): (&str, &[&str]) = match name.rsplit('.').next() {
        Some("zip") => ("unzip", &["-tq"]),
        Some("gz") => ("tar", &["-tzf"]),
        _ => ("tar", &["-tf"]),
    };
    let out = Command::new(program).args(args).arg(archive).output()?;
    let told = String::from_utf8_lossy(&out.stderr);
    ensure!(
        out.status.success() && told.is_empty(),
        "{name}: {told} {:?}",
        out.stdout
    );
    Ok(())
}

#[test]
fn archives_of_a_directory_that_changes_all_the_time_are_well_formed() -> anyhow::Result<()> {
    let cluster = Cluster::start(&one_node())?;
    let job = submit(&cluster, CHURN)?.to_string();
    made(&cluster, &job, "rounds")?;
    let here = tempfile::tempdir()?;
    let mut whole = 0;
    for number in 0..ARCHIVES {
        for ending in ["tar", "tar.gz", "zip"] {
            let name = format!("{number}.{ending}");
            let to = here.path().join(&name);
            let before = rounds(&cluster, &job)?;
            until("the job goes on", || {
                Ok((rounds(&cluster, &job)? > before).then_some(()))
            })?;
            let began = Instant::now();
            let args = [
                "files",
                "archive",
                &job,
                "work",
                "--to",
                to.to_str().unwrap(),
            ];
            let out = cluster.goctl_output(&args)?;
            ensure!(
                began.elapsed() < ARCHIVED_WITHIN,
                "{name} took {:?}",
                began.elapsed()
            );
            if out.status.success() {
                is_well_formed(&to, &name)?;
                whole += 1;
            } else {
                let told = String::from_utf8_lossy(&out.stderr);
                ensure!(told.contains("error: "), "{name}: {told}");
                ensure!(!to.exists(), "{name} is left of a failure: {told}");
            }
        }
    }
    // Most are whole: a directory that changes is no reason to give up.
    ensure!(
        whole * 2 > 3 * ARCHIVES,
        "{whole} of {} are whole",
        3 * ARCHIVES
    );
    say(&cluster, &job, "stop")?;
    cluster.goctl(&["wait", &job])?;
    Ok(())
}
