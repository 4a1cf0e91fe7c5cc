//! Readers of large files that take nothing for a while: what they cost, that they keep nobody
//! waiting, and that all is given back when they go.

use std::fs;
use std::path::Path;

use anyhow::{Context, ensure};
use tests::cluster::{Cluster, until};
use tests::weather::memory::Memory;

use crate::raw::{Door, Download, content};
use crate::{one_node, run};

/// Readers of one file; one owner's files have 16 places on a node.
const READERS: usize = 10;
/// Readers of an archive with that file in it.
const ARCHIVES: usize = 2;
/// Bytes of the file, which takes no room: far more than all readers may keep.
const FILE_BYTES: u64 = 1 << 30;
/// Bytes that one reader may keep in a head or an agent: what may be sent ahead of it
/// (`net::limits`), and once more as much for TLS, HTTP and the frame at hand.
const READER_BYTES: u64 =
    2 * net::limits::FILE_FRAMES_AHEAD as u64 * net::limits::FILE_FRAME_MAX as u64;
/// Bytes by which a process grows meanwhile for other reasons.
const OTHER_BYTES: u64 = 24 << 20;
/// Bytes that one reader may be ahead in the kernel's buffers of its connection besides.
const KERNEL_BYTES: u64 = 16 << 20;

/// The flag of a descriptor that is open for its place in the tree only (`open(2)`).
const O_PATH: u32 = 0o10_000_000;

/// How far a process has read the files of that name which it has open.
fn positions(pid: i32, name: &str) -> anyhow::Result<Vec<u64>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(format!("/proc/{pid}/fd"))? {
        let entry = entry?;
        // It may be closed by now.
        let Ok(target) = fs::read_link(entry.path()) else {
            continue;
        };
        if target.file_name() != Path::new(name).file_name() {
            continue;
        }
        let about = format!("/proc/{pid}/fdinfo/{}", entry.file_name().to_string_lossy());
        let Ok(text) = fs::read_to_string(about) else {
            continue;
        };
        let number = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            line.map(str::trim).with_context(|| name.to_owned())
        };
        // What only holds a place reads nothing.
        if u32::from_str_radix(number("flags:")?, 8)? & O_PATH == 0 {
            found.push(number("pos:")?.parse()?);
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// Waits until nothing more is read, and says how far that went.
fn still(pid: i32, name: &str, readers: usize) -> anyhow::Result<Vec<u64>> {
    let (mut last, mut same) = (Vec::new(), 0);
    until("the readers stand still", || {
        let now = positions(pid, name)?;
        same = if now == last && now.len() == readers {
            same + 1
        } else {
            0
        };
        last = now;
        // Looked at every 20 ms.
        Ok((same >= 50).then(|| last.clone()))
    })
}

#[test]
fn readers_that_stand_still_cost_little_and_keep_nobody_waiting() -> anyhow::Result<()> {
    let cluster = Cluster::start(&one_node())?;
    let script = format!("truncate -s {FILE_BYTES} large; echo small > small");
    let job = run(&cluster, &script)?.to_string();
    let door = Door::new(&cluster)?;
    let (head, agent) = (cluster.heads().remove(0), "agent-1");
    let pid = cluster.node(agent)?.pid;
    // Whatever is needed once is there before it is measured.
    cluster.goctl(&["files", "get", &job, "work/small", "-"])?;
    let before = door.streams()?;
    let pids = [cluster.node(&head)?.pid, pid].map(i32::cast_unsigned);
    let memory = Memory::watch(&pids)?;

    let path = content(&job, "work/large");
    let archive = format!("/jobs/{job}/files/archive?format=tar");
    let mut readers: Vec<Download> = Vec::new();
    for _ in 0..READERS {
        readers.push(door.begin(&path, &[], 200)?);
    }
    for _ in 0..ARCHIVES {
        readers.push(door.begin(&archive, &[], 200)?);
    }
    for reader in &mut readers {
        door.read(reader, 1)?;
    }
    let far = still(pid, "large", readers.len())?;
    let ahead = READER_BYTES + KERNEL_BYTES;
    ensure!(far.iter().all(|far| *far < ahead), "{far:?}");
    door.until_streams(before + readers.len() as u64)?;

    // Others go on at the same head and the same node.
    let small = cluster.goctl(&["files", "get", &job, "work/small", "-"])?;
    ensure!(small == "small\n", "{small}");
    let other = run(&cluster, "echo other > file")?.to_string();
    let log = cluster.goctl(&["files", "get", &other, "work/file", "-"])?;
    ensure!(log == "other\n", "{log}");
    cluster.goctl(&["logs", &other])?;

    let most = readers.len() as u64 * READER_BYTES + OTHER_BYTES;
    let growth = memory.growth();
    ensure!(
        growth < most,
        "{growth} bytes for {} readers, at most {most}",
        readers.len()
    );
    let mut one = readers.swap_remove(0);
    let further = one.read.len() + (64 << 20);
    door.read(&mut one, further)?;
    ensure!(one.read.iter().all(|byte| *byte == 0));

    drop(one);
    drop(readers);
    door.until_streams(before)?;
    until("the agent has closed the file", || {
        Ok(positions(pid, "large")?.is_empty().then_some(()))
    })?;
    let growth = memory.growth();
    ensure!(growth < most, "{growth} bytes, at most {most}");
    Ok(())
}
