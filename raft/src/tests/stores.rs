//! Log and table stores in directories of their own: opened, fed, crashed, looked into.
//!
//! A crash is a copy of the directory of a running store ([`image`]): the log keeps what is not
//! synced in its process, so the copy has exactly what was made durable.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use bytes::Bytes;
use futures_util::stream;
use model::account::Role;
use model::command::{CancelJobs, InitCluster, PutUser, SubmitJobs, SubmitKey};
use model::spec::{JobSpec, Program};
use model::unit::Millis;
use model::{ClusterId, Command, JobId, MilliCpus, Resources, Timestamp};
use openraft::RaftLogReader;
use openraft::storage::{IOFlushed, RaftLogStorage, RaftStateMachine};
use openraft::type_config::TypeConfigExt;
use tempfile::TempDir;
use tokio::sync::watch;

use crate::disk::{DiskPoint, Faults};
use crate::error::RaftError;
use crate::log_store::{LogStore, Opening};
use crate::outside::Outside;
use crate::table_store::TableStore;
use crate::types::{Entry, LogId, Proposal, TypeConfig, Vote};

/// Where a failure is told.
pub(super) type Failed = watch::Sender<Option<RaftError>>;

pub(super) fn log_id(term: u64, index: u64) -> LogId {
    openraft::testing::log_id::<TypeConfig>(term, 1, index)
}

pub(super) fn vote(term: u64) -> Vote {
    Vote::new(term, 1)
}

/// An entry with a command.
pub(super) fn entry(term: u64, index: u64, command: &Command) -> Entry {
    let bytes = Bytes::from(model::format::encode(command));
    let proposal = Proposal::new(Timestamp(1_000 + index), bytes);
    openraft::entry::RaftEntry::new_normal(log_id(term, index), proposal)
}

/// Entries `from..=to` of one term, each with a command of its own.
pub(super) fn entries(term: u64, from: u64, to: u64) -> Vec<Entry> {
    (from..=to)
        .map(|index| entry(term, index, &command(index)))
        .collect()
}

/// The command that entry `index` holds in these tests: the first makes the cluster, each other
/// one a user named after it, so that a state shows which entries are in it.
pub(super) fn command(index: u64) -> Command {
    if index == 0 {
        init()
    } else {
        user(&format!("user-{index}"))
    }
}

pub(super) fn init() -> Command {
    Command::InitCluster(InitCluster {
        cluster: ClusterId([7; 16]),
        name: "test".into(),
        head_name: "head-1".into(),
        head_key: [1; 32],
        head_facts: model::node::NodeFacts::default(),
        admin: "admin".into(),
        admin_password: String::new(),
        timings: model::policy::Timings::default(),
    })
}

pub(super) fn user(name: &str) -> Command {
    Command::PutUser(PutUser {
        name: name.into(),
        role: Role::User,
        ..PutUser::default()
    })
}

/// One job of the administrator's under an idempotency key, with a script of about `bytes`.
pub(super) fn submit(key: &str, bytes: usize) -> Command {
    let spec = JobSpec {
        name: key.into(),
        image: "busybox".into(),
        program: Program::Script {
            text: noise(key, bytes),
            args: Vec::new(),
        },
        resources: Resources {
            cpu: MilliCpus(1_000),
            memory: model::Bytes::mebi(64),
        },
        grace: Millis::seconds(10),
        ..JobSpec::default()
    };
    Command::SubmitJobs(SubmitJobs {
        by: "admin".into(),
        key: Some(SubmitKey {
            key: key.into(),
            digest: [0; 32],
        }),
        specs: vec![spec],
    })
}

/// The end of a pending job of the administrator's.
pub(super) fn cancel(job: u64) -> Command {
    Command::CancelJobs(CancelJobs {
        jobs: vec![JobId(job)],
        by: "admin".into(),
        reason: String::new(),
        grace: None,
    })
}

/// A script that does not compress.
fn noise(seed: &str, bytes: usize) -> String {
    let mut text = String::from("#!/bin/sh\n# ");
    let mut state = u64::from(crc32fast::hash(seed.as_bytes())) | 1 << 40;
    while text.len() < bytes {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        text.push_str(&format!("{:016x}", state ^ state >> 29));
    }
    text
}

pub(super) fn opening(faults: &Faults, failed: &Failed) -> Opening {
    Opening {
        node: 1,
        faults: faults.clone(),
        outside: Outside::default(),
        failed: failed.clone(),
        tables: None,
        anywhere: false,
    }
}

pub(super) fn failures() -> Failed {
    watch::channel(None).0
}

/// The log of node 1 in `dir`.
pub(super) fn open_log(dir: &Path) -> Result<LogStore, RaftError> {
    LogStore::open(dir, opening(&Faults::default(), &failures()))
}

pub(super) fn open_log_with(dir: &Path, faults: &Faults) -> LogStore {
    LogStore::open(dir, opening(faults, &failures())).unwrap()
}

pub(super) fn open_tables(dir: &Path) -> Result<TableStore, RaftError> {
    open_tables_with(dir, Faults::default())
}

pub(super) fn open_tables_with(dir: &Path, faults: Faults) -> Result<TableStore, RaftError> {
    TableStore::open(dir, faults, Outside::default(), false)
}

/// Closes a store, off the async threads.
pub(super) async fn close(close: impl FnOnce() + Send + 'static) {
    tokio::task::spawn_blocking(close).await.unwrap();
}

/// Appends, and waits for the word that it is durable.
pub(super) async fn append(log: &LogStore, entries: Vec<Entry>) -> io::Result<()> {
    queue_append(log, entries).await?.await.unwrap()
}

/// Appends; the receiver gets the word that it is durable.
pub(super) async fn queue_append(
    log: &LogStore,
    entries: Vec<Entry>,
) -> io::Result<tokio::sync::oneshot::Receiver<io::Result<()>>> {
    let (done, durable) = TypeConfig::oneshot();
    log.clone().append(entries, IOFlushed::signal(done)).await?;
    Ok(durable)
}

/// The indexes of all entries of a log.
pub(super) async fn indexes(log: &LogStore) -> Vec<u64> {
    let entries = log.clone().try_get_log_entries(..).await.unwrap();
    entries.iter().map(|entry| entry.log_id.index).collect()
}

/// Applies entries to tables.
pub(super) async fn apply(tables: &TableStore, entries: Vec<Entry>) -> io::Result<()> {
    let entries = entries.into_iter().map(|entry| Ok((entry, None)));
    let stream = Box::pin(stream::iter(entries));
    tables.clone().apply(stream).await
}

/// The users in a state, the administrator aside: which entries it holds.
pub(super) fn users(state: &model::State) -> Vec<u64> {
    let keys = state.users().map(|user| user.name.0.strip_prefix("user-"));
    let keys = keys.filter_map(|number| number?.parse().ok());
    let mut users: Vec<u64> = keys.collect();
    users.sort_unstable();
    users
}

/// What a crash at this moment would leave of a directory.
pub(super) fn image(dir: &Path) -> TempDir {
    loop {
        // Beside it, so that it can take its place.
        let copy = tempfile::tempdir_in(dir.parent().unwrap()).unwrap();
        let (before, ()) = (listing(dir), copy_into(dir, copy.path()));
        // A database that changes its files meanwhile would be copied from two moments.
        if before == listing(dir) {
            return copy;
        }
    }
}

fn copy_into(from: &Path, to: &Path) {
    for (path, _) in listing(from) {
        let target = to.join(path.strip_prefix(from).unwrap());
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        if let Err(error) = fs::copy(&path, &target) {
            // A running store removes files that it no longer needs.
            assert_eq!(error.kind(), io::ErrorKind::NotFound);
        }
    }
}

/// Every file below a directory with its size, RocksDB's own messages aside.
fn listing(dir: &Path) -> Vec<(PathBuf, u64)> {
    let mut found = Vec::new();
    let mut dirs = vec![dir.to_owned()];
    while let Some(dir) = dirs.pop() {
        let Ok(entries) = fs::read_dir(&dir) else {
            continue;
        };
        for entry in entries.flatten() {
            match entry.metadata() {
                Ok(meta) if meta.is_dir() => dirs.push(entry.path()),
                Ok(meta) if entry.file_name() != "LOG" => found.push((entry.path(), meta.len())),
                Ok(_) | Err(_) => {}
            }
        }
    }
    found.sort();
    found
}

/// The files of a RocksDB directory with this ending, oldest first.
pub(super) fn files(dir: &Path, ending: &str) -> Vec<PathBuf> {
    let paths = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut paths: Vec<PathBuf> = paths
        .filter(|path| path.extension().is_some_and(|found| found == ending))
        .collect();
    paths.sort();
    paths
}

/// Turns one bit of a file over.
pub(super) fn flip(path: &Path, byte: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[byte] ^= 0x10;
    fs::write(path, bytes).unwrap();
}

/// Faults that do nothing until they are told what.
pub(super) struct Switch(std::sync::Arc<Mutex<Option<(DiskPoint, io::ErrorKind)>>>);

impl Switch {
    pub(super) fn new() -> (Switch, Faults) {
        let now = std::sync::Arc::new(Mutex::new(None::<(DiskPoint, io::ErrorKind)>));
        let told = now.clone();
        let faults = Faults::new(move |point| match *told.lock().unwrap() {
            Some((at, kind)) if at == point => Err(kind.into()),
            Some(_) | None => Ok(()),
        });
        (Switch(now), faults)
    }

    /// From now on the disk refuses at `point`.
    pub(super) fn refuse(&self, point: DiskPoint, kind: io::ErrorKind) {
        *self.0.lock().unwrap() = Some((point, kind));
    }

    /// From now on the disk does what it is asked.
    pub(super) fn allow(&self) {
        *self.0.lock().unwrap() = None;
    }
}
