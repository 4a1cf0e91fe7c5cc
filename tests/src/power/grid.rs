//! Three heads, each with its data directory on a disk of its own, and two agents that only
//! pretend. The grid cuts and restores; what must hold afterwards is asked elsewhere.

use std::collections::BTreeMap;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use nix::sys::signal::Signal;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::disk::Disk;
use super::leftovers;
use crate::client::Client;
use crate::cluster::{Cluster, Layout, until};
use crate::weather::site::Site;

/// How often the heads copy their tables and shorten their logs: all the time, so that cuts hit
/// these moments too.
const ENV: [(&str, &str); 2] = [
    ("GODOCKER_HEAD__SNAPSHOT_EVERY", "200"),
    ("GODOCKER_HEAD__KEEP_LOGS", "100"),
];

/// The cluster and its disks.
pub struct Grid {
    /// First, so that processes end before their disks go.
    pub cluster: Cluster,
    disks: BTreeMap<String, Disk>,
    /// Where all of it lies.
    root: TempDir,
}

/// How the disks are made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sizes {
    /// Of each disk.
    pub disk_mib: u64,
    /// What each head keeps for itself.
    pub reserve_mib: u64,
}

impl Default for Sizes {
    fn default() -> Self {
        Sizes {
            disk_mib: 1_024,
            reserve_mib: 16,
        }
    }
}

/// A grid under load.
///
/// # Errors
/// What kept it from starting.
pub fn open(sizes: Sizes) -> anyhow::Result<Site<Grid>> {
    let grid = Grid::start(sizes)?;
    let client = Client::of(&grid.cluster)?;
    let runtime = Arc::new(Runtime::new()?);
    let ledger_dir = tempfile::tempdir_in(grid.root.path())?;
    let ledger = grid.ledger();
    Ok(Site::begin(grid, client, runtime, ledger_dir, ledger))
}

impl Grid {
    fn start(sizes: Sizes) -> anyhow::Result<Grid> {
        let root = leftovers::fresh_dir()?;
        let dir = tempfile::tempdir_in(root.path())?;
        let cluster = dir.path().join("cluster");
        std::fs::create_dir(&cluster)?;
        let mut disks = BTreeMap::new();
        for number in 1..=3 {
            let name = format!("head-{number}");
            let disk = Disk::make(root.path().join(&name), sizes.disk_mib)?;
            // What is removed with the cluster must not be what is mounted.
            symlink(disk.path(), cluster.join(&name))?;
            disks.insert(name, disk);
        }
        let ledger = root.path().join("ledger");
        let words = ["--cpus", "64", "--log", "warn", "--fake-ledger"];
        let mut further = words.map(str::to_owned).to_vec();
        further.push(ledger.display().to_string());
        let layout = Layout {
            heads: 3,
            agents: 2,
            runtime: "fake",
            further,
        };
        let reserve = sizes.reserve_mib.to_string();
        let env = [
            &ENV[..],
            &[("GODOCKER_HEAD__RESERVE_MIB", reserve.as_str())],
        ]
        .concat();
        Ok(Grid {
            cluster: Cluster::start_in(dir, &layout, &env)?,
            disks,
            root,
        })
    }

    fn ledger(&self) -> PathBuf {
        self.root.path().join("ledger")
    }

    /// A head's disk.
    ///
    /// # Errors
    /// If there is no such head.
    pub fn disk(&self, head: &str) -> anyhow::Result<&Disk> {
        self.disks
            .get(head)
            .with_context(|| format!("no disk of {head}"))
    }

    /// The names of the heads.
    pub fn heads(&self) -> Vec<String> {
        self.disks.keys().cloned().collect()
    }

    /// The power of these heads fails: they stand still, all of them, then what they had not synced
    /// is gone, then they are.
    ///
    /// # Errors
    /// If one of them was gone before.
    pub fn fail(&mut self, heads: &[String]) -> anyhow::Result<()> {
        for head in heads {
            self.cluster.signal(head, Signal::SIGSTOP)?;
        }
        for head in heads {
            self.disk(head)?.cut()?;
        }
        for head in heads {
            self.cluster.kill(head)?;
        }
        Ok(())
    }

    /// The power is back: the disks are mounted again, and the heads start.
    ///
    /// # Errors
    /// If a disk cannot be mounted.
    pub fn restore(&mut self, heads: &[String]) -> anyhow::Result<()> {
        for head in heads {
            self.disk(head)?.remount()?;
            self.cluster.restart(head)?;
        }
        Ok(())
    }

    /// Whether a head stands still, at a failpoint or because it was told to.
    ///
    /// # Errors
    /// If it has ended.
    pub fn stands_still(&self, head: &str) -> anyhow::Result<bool> {
        let pid = self.cluster.node(head)?.pid;
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))
            .with_context(|| format!("{head} has ended: {}", self.last_words(head)))?;
        let (_, rest) = stat.rsplit_once(')').context("a state")?;
        Ok(rest.trim_start().starts_with('T'))
    }

    /// The end of what a head has written about itself.
    pub fn last_words(&self, head: &str) -> String {
        let log = self.cluster.log_of(head);
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(12)..].join("\n")
    }

    /// Looks at every file system, with the heads stopped meanwhile, one after the other.
    ///
    /// # Errors
    /// If one is not as it should be.
    pub fn check_disks(&mut self) -> anyhow::Result<()> {
        for head in self.heads() {
            self.cluster.kill(&head)?;
            self.disk(&head)?.check()?;
            self.cluster.restart(&head)?;
        }
        Ok(())
    }
}

/// Waits until a head stands still at the failpoint that it was started with.
///
/// # Errors
/// If it does not come there.
pub fn reached(grid: &Grid, head: &str) -> anyhow::Result<()> {
    until("the head comes to its failpoint", || {
        Ok(grid.stands_still(head)?.then_some(()))
    })
}
