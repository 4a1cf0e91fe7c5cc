//! One bit turns over in what a head or an agent keeps: it is refused by the name of the file,
//! with what to do; turned back, nothing was made worse; and a head that is not turned back is
//! replaced as docs/admin.md says, also by a leader whose own snapshot is damaged.

use std::path::Path;
use std::process::Command;

use agent::journal::{Found, Journal};
use anyhow::{Context, ensure};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tests::cluster::{binary, until};
use tests::power::flip::{Flip, files, find};
use tests::power::grid::{Grid, Sizes, open};
use tests::weather::site::{Judge, Site, say};
use tests::weather::verdict::Allowed;

/// What every refusal says, whoever reads it.
const REMEDY: [&str; 2] = ["goctl admin node remove", "join it anew"];

/// Entries behind a snapshot that will be the newest for a while.
const YOUNG: u64 = 60;

#[test]
fn a_bit_that_turns_over_is_refused_by_name_and_the_head_replaced() -> anyhow::Result<()> {
    let mut site = open(Sizes::default())?;
    site.before_fault()?;
    site.worked(200)?;
    let head = follower(&site)?;
    for place in [write_ahead_log, log_table, state_table] {
        let data = site.cluster.cluster.node(&head)?.data_dir.clone();
        until("the head has one set of tables", || {
            Ok((tables(&data)?.len() == 1).then_some(()))
        })?;
        site.cluster.cluster.kill(&head)?;
        let flip = place(&data)?;
        refused(&mut site.cluster, &head, &flip)?;
        flip.undo()?;
        site.cluster.cluster.restart(&head)?;
        site.caught_up(&head)?;
    }
    journal_of_an_agent(&mut site)?;
    site.cluster.cluster.kill(&head)?;
    let flip = write_ahead_log(&site.cluster.cluster.node(&head)?.data_dir)?;
    refused(&mut site.cluster, &head, &flip)?;
    let (mut grid, judge) = site.calm()?;
    let leader = fresh_snapshot(&judge)?;
    let flip = snapshot(&grid.cluster.node(&leader)?.data_dir)?;
    replace(&mut grid, &head)?;
    let log = grid.cluster.log_of(&leader);
    ensure!(
        log.contains("a snapshot is damaged") && log.contains(&flip.name()),
        "the leader sent a damaged {}: {}",
        flip.name(),
        grid.last_words(&leader)
    );
    judge.judge(Allowed { unnoted: 1 })
}

fn follower(site: &Site<Grid>) -> anyhow::Result<String> {
    let leader = site.leader()?;
    let mut others = site
        .cluster
        .heads()
        .into_iter()
        .filter(|head| *head != leader);
    others.next().context("a follower")
}

/// Waits until no job is live and the leader's snapshot is so young that it is the one which a new
/// head gets; the leader's name.
fn fresh_snapshot(judge: &Judge) -> anyhow::Result<String> {
    let mut number = 0;
    until("a young snapshot", || {
        number += 1;
        let (client, path) = (judge.client().clone(), format!("/users/filler-{number}"));
        judge.ask(async move {
            let leader = client.leader().await?;
            let status = client.raft(leader).await?;
            let age = status.last_log - status.snapshot.unwrap_or(0);
            if client.live(leader).await? == 0 && age < YOUNG {
                return Ok(Some(client.heads()[leader].name.clone()));
            }
            // Entries make it older, until there is another one.
            client.put::<Value>(leader, &path, &json!({})).await?;
            Ok(None)
        })
    })
}

/// The middle of the newest entries.
fn write_ahead_log(data: &Path) -> anyhow::Result<Flip> {
    let file = files(&data.join("log"), "log")?.remove(0);
    let middle = std::fs::metadata(&file)?.len() / 2;
    Flip::make(file, middle)
}

/// The first block of a file of the log.
fn log_table(data: &Path) -> anyhow::Result<Flip> {
    Flip::make(files(&data.join("log"), "sst")?.remove(0), 20)
}

/// The administrator's record in the tables.
fn state_table(data: &Path) -> anyhow::Result<Flip> {
    let mut dirs = tables(data)?;
    ensure!(dirs.len() == 1, "{dirs:?}");
    for file in files(&dirs.remove(0), "sst")? {
        if let Some(at) = find(&file, b"$argon2")? {
            return Flip::make(file, at);
        }
    }
    anyhow::bail!("no file has the administrator's password")
}

/// The directories of tables: the ones in use, and for a moment those that a snapshot replaced.
fn tables(data: &Path) -> anyhow::Result<Vec<std::path::PathBuf>> {
    let mut dirs = Vec::new();
    for entry in std::fs::read_dir(data.join("tables"))? {
        let path = entry?.path();
        dirs.extend(path.is_dir().then_some(path));
    }
    Ok(dirs)
}

/// The first block of the newest snapshot, in a file of its own.
fn snapshot(data: &Path) -> anyhow::Result<Flip> {
    let mut dirs = Vec::new();
    for entry in std::fs::read_dir(data.join("snapshots"))? {
        let path = entry?.path();
        dirs.extend(path.extension().is_none().then_some(path));
    }
    dirs.sort();
    let file = files(&dirs.pop().context("a snapshot")?, "sst")?.remove(0);
    // The tables share it as long as they have it too; then they would be damaged as well.
    let bytes = std::fs::read(&file)?;
    std::fs::remove_file(&file)?;
    std::fs::write(&file, bytes)?;
    Flip::make(file, 20)
}

/// Starts a node, which must not start, and must say why.
fn refused(grid: &mut Grid, node: &str, flip: &Flip) -> anyhow::Result<()> {
    let before = grid.cluster.log_of(node).len();
    grid.cluster.restart(node)?;
    let took = grid.cluster.ended(node)?;
    let said = grid.cluster.log_of(node).split_off(before);
    let last = said.trim().lines().last().unwrap_or_default().to_owned();
    say(&format!(
        "{}: refused after {} ms: {last}",
        flip.file.display(),
        took.as_millis()
    ));
    for word in REMEDY.iter().copied().chain([flip.name().as_str()]) {
        ensure!(
            last.contains(word),
            "no `{word}` in what {node} says: {said}"
        );
    }
    Ok(())
}

/// An agent with a damaged journal runs nothing and reports nothing.
fn journal_of_an_agent(site: &mut Site<Grid>) -> anyhow::Result<()> {
    let agent = "agent-1";
    site.before_fault()?;
    let data = site.cluster.cluster.node(agent)?.data_dir.clone();
    let file = data.join("journal.redb");
    until("it died with every write answered", || {
        site.worked(1)?;
        site.cluster.cluster.end(agent, Signal::SIGKILL)?;
        if every_write_was_answered(&file)? {
            return Ok(Some(()));
        }
        site.cluster.cluster.restart(agent)?;
        Ok(None)
    })?;
    // Looking at a damaged journal may change it.
    let kept = tempfile::NamedTempFile::new()?;
    std::fs::copy(&file, kept.path())?;
    // An attempt that it holds; older pages beside the one in use have its name, too.
    let found = look(&file)?;
    let (held, _) = found
        .attempts
        .first()
        .context("an attempt in the journal")?;
    let (text, name) = (std::fs::read(&file)?, held.spec.name.as_bytes());
    let windows = text.windows(name.len()).enumerate();
    let places = windows.filter(|(_, word)| *word == name);
    let mut met = None;
    for (at, _) in places {
        let flip = Flip::make(file.clone(), at as u64)?;
        if look(&file).is_err() {
            met = Some(flip);
            break;
        }
        flip.undo()?;
    }
    let flip = met.context("no attempt's record is in the journal")?;
    refused(&mut site.cluster, agent, &flip)?;
    std::fs::copy(kept.path(), &file)?;
    site.cluster.cluster.restart(agent)?;
    Ok(())
}

/// Whether the last write of a journal was answered. If it was not, it may be damaged, and the one
/// before is as good. One more that was answered than there are is refused.
fn every_write_was_answered(journal: &Path) -> anyhow::Result<bool> {
    look(journal)?;
    let mark = std::fs::read(journal.with_extension("answered"))?;
    let (count, _) = mark.split_first_chunk().context("a count")?;
    let more = (u64::from_le_bytes(*count) + 1).to_le_bytes();
    let sum = crc32fast::hash(&more).to_le_bytes();
    Ok(look_at(journal, &[&more[..], &sum].concat()).is_err())
}

/// What a copy of a journal and of its mark holds, if it is not refused. Without the mark, redb
/// would go back to the commit before the damaged one.
fn look(journal: &Path) -> anyhow::Result<Found> {
    look_at(journal, &std::fs::read(journal.with_extension("answered"))?)
}

fn look_at(journal: &Path, mark: &[u8]) -> anyhow::Result<Found> {
    let dir = tempfile::tempdir()?;
    let copy = dir.path().join("journal.redb");
    std::fs::copy(journal, &copy)?;
    std::fs::write(copy.with_extension("answered"), mark)?;
    Ok(Journal::open(&copy)?.1)
}

/// Replaces a head as docs/admin.md says, on the same machine under the same name.
fn replace(grid: &mut Grid, head: &str) -> anyhow::Result<()> {
    let (id, config, data) = {
        let node = grid.cluster.node(head)?;
        (node.id, node.config.clone(), node.data_dir.clone())
    };
    grid.cluster
        .goctl(&["admin", "head", "remove", head, "--yes"])?;
    until("it has left the quorum", || {
        Ok((!grid.cluster.voters()?.contains(&id)).then_some(()))
    })?;
    grid.cluster
        .goctl(&["admin", "node", "remove", head, "--yes"])?;
    for entry in std::fs::read_dir(&data)? {
        let path = entry?.path();
        if path.is_dir() {
            std::fs::remove_dir_all(path)?;
        } else {
            std::fs::remove_file(path)?;
        }
    }
    let token = grid
        .cluster
        .goctl(&["admin", "join-token", "create", "--role", "head", "-q"])?;
    let mut join = Command::new(binary("goagent")?);
    join.arg("--config")
        .arg(&config)
        .args(["join", token.trim()]);
    let output = join.output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "join: {said}");
    let file = std::fs::read_to_string(data.join("node.json"))?;
    let id = serde_json::from_str::<Value>(&file)?["node"]
        .as_u64()
        .context("node")?;
    grid.cluster.restart(head)?;
    until("the new head votes", || {
        Ok(grid.cluster.voters()?.contains(&id).then_some(()))
    })
}
