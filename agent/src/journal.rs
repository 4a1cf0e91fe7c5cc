//! What an agent must not forget: its assignments, how far each is, the highest term it has
//! heard, and how long its lease runs.
//!
//! One file (redb), one writer thread. Many writes share one fsync; each is answered after it.
//! Every value carries a version byte and a checksum of its own, every page of the file is verified
//! when it is opened, and a mark beside it says how much of it was answered ([`mark`]): what does
//! not match is refused by name, never skipped.

mod mark;
mod writer;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::mpsc;

use model::AttemptId;
use model::assignment::{Assignment, StopCause};
use model::format::Kept;
use model::unit::Millis;
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use crate::step::Progress;
use mark::Mark;
use writer::Writer;

/// Writes that may wait for the writer thread.
const QUEUE_MAX: usize = 16 * 1_024;
const VERSION: u8 = 4;
/// What to do about a journal that cannot be trusted.
const REMEDY: &str = "this node must not run on it: remove the node \
    (`goctl admin node remove NAME`) and join it anew with an empty data directory";

const ASSIGNMENTS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("assignment");
const PROGRESS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("progress");
const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");

/// Why the journal cannot be used. The agent stops: it must not run what it cannot remember.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The file cannot be opened or written.
    #[error("journal {path}: {why}; if it is damaged, {REMEDY}")]
    Database {
        /// The file.
        path: PathBuf,
        /// In redb's words.
        why: String,
    },
    /// A value is damaged or of a later release.
    #[error("journal {path}: record `{record}` is damaged; {REMEDY}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Which record.
        record: String,
    },
    /// Writes that were answered are gone.
    #[error("journal {path} has {found} writes, but {answered} were answered; {REMEDY}")]
    Lost {
        /// The file.
        path: PathBuf,
        /// Writes in it.
        found: u64,
        /// Writes that were answered.
        answered: u64,
    },
    /// The writer has stopped after an earlier failure.
    #[error("the journal has stopped after a failed write")]
    Stopped,
}

/// How an attempt stands, as the journal keeps it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Standing {
    /// How far it is.
    pub progress: Progress,
    /// Its end was asked for.
    pub stop: Option<StopWish>,
}

/// A wish to end an attempt that the agent has taken on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct StopWish {
    /// Why.
    pub cause: StopCause,
    /// Time between TERM and KILL.
    pub grace: Millis,
}

/// How long the agent may keep attempts that may be requeued.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct LeaseMark {
    /// Milliseconds since boot at which it ends.
    pub until_boot_ms: u64,
    /// Which boot.
    pub boot_id: u128,
}

/// What was found at the start.
#[derive(Default)]
pub struct Found {
    /// Every attempt.
    pub attempts: Vec<(Assignment, Standing)>,
    /// The highest term heard.
    pub term: u64,
    /// The lease as it was written down last.
    pub lease: LeaseMark,
}

enum Write {
    Assign(Box<Assignment>),
    Stand(AttemptId, Box<Standing>),
    Forget(AttemptId),
    Term(u64),
    Lease(LeaseMark),
}

type Answer = oneshot::Sender<Result<(), JournalError>>;

/// A handle to the writer thread. Clones share it.
#[derive(Clone)]
pub struct Journal {
    sender: mpsc::SyncSender<(Vec<Write>, Answer)>,
}

impl Journal {
    /// Opens or makes the journal and reads all of it.
    ///
    /// # Errors
    /// [`JournalError`] if the file cannot be used, or is not all that it was.
    pub fn open(path: &Path) -> Result<(Journal, Found), JournalError> {
        let (mark, answered) = Mark::open(path).map_err(|error| database_error(path, &error))?;
        let database = Database::builder()
            .set_check_integrity_on_open(true)
            .create(path)
            .map_err(|error| database_error(path, &error))?;
        create_tables(&database).map_err(|error| database_error(path, &error))?;
        let (found, commits) = read_all(&database, path)?;
        if commits < answered {
            return Err(JournalError::Lost {
                path: path.to_path_buf(),
                found: commits,
                answered,
            });
        }
        let (sender, receiver) = mpsc::sync_channel(QUEUE_MAX);
        let mut writer = Writer {
            database,
            path: path.to_path_buf(),
            mark,
            commits,
        };
        std::thread::Builder::new()
            .name("journal".into())
            .spawn(move || writer.run(&receiver))
            .map_err(|error| JournalError::Database {
                path: PathBuf::from("thread"),
                why: error.to_string(),
            })?;
        Ok((Journal { sender }, found))
    }

    /// Takes assignments on; afterwards they survive a crash.
    ///
    /// # Errors
    /// [`JournalError`].
    pub async fn accept(&self, assignments: Vec<Assignment>) -> Result<(), JournalError> {
        let accepted = |assignment: Assignment| {
            let standing = Standing {
                progress: Progress::Accepted,
                stop: None,
            };
            let stand = Write::Stand(assignment.attempt, Box::new(standing));
            [Write::Assign(Box::new(assignment)), stand]
        };
        self.write(assignments.into_iter().flat_map(accepted).collect())
            .await
    }

    /// Notes how an attempt stands now.
    ///
    /// # Errors
    /// [`JournalError`].
    pub async fn stand(&self, attempt: AttemptId, now: Standing) -> Result<(), JournalError> {
        self.write(vec![Write::Stand(attempt, Box::new(now))]).await
    }

    /// Forgets an attempt.
    ///
    /// # Errors
    /// [`JournalError`].
    pub async fn forget(&self, attempt: AttemptId) -> Result<(), JournalError> {
        self.write(vec![Write::Forget(attempt)]).await
    }

    /// Notes the highest term heard.
    ///
    /// # Errors
    /// [`JournalError`].
    pub async fn term(&self, term: u64) -> Result<(), JournalError> {
        self.write(vec![Write::Term(term)]).await
    }

    /// Notes how long the lease runs.
    ///
    /// # Errors
    /// [`JournalError`].
    pub async fn lease(&self, lease: LeaseMark) -> Result<(), JournalError> {
        self.write(vec![Write::Lease(lease)]).await
    }

    async fn write(&self, writes: Vec<Write>) -> Result<(), JournalError> {
        let (answer, answered) = oneshot::channel();
        let mut job = (writes, answer);
        loop {
            match self.sender.try_send(job) {
                Ok(()) => break,
                Err(mpsc::TrySendError::Full(back)) => {
                    job = back;
                    tokio::time::sleep(std::time::Duration::from_millis(1)).await;
                }
                Err(mpsc::TrySendError::Disconnected(_)) => return Err(JournalError::Stopped),
            }
        }
        answered.await.unwrap_or(Err(JournalError::Stopped))
    }
}

fn database_error(path: &Path, error: &dyn std::fmt::Display) -> JournalError {
    JournalError::Database {
        path: path.to_path_buf(),
        why: error.to_string(),
    }
}

fn create_tables(database: &Database) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    for table in [ASSIGNMENTS, PROGRESS, META] {
        transaction.open_table(table)?;
    }
    transaction.commit()?;
    Ok(())
}

/// What is in it, and how many commits that were.
fn read_all(database: &Database, path: &Path) -> Result<(Found, u64), JournalError> {
    let transaction = database
        .begin_read()
        .map_err(|error| database_error(path, &error))?;
    let mut standings: BTreeMap<String, Standing> = read_table(&transaction, PROGRESS, path)?
        .into_iter()
        .collect();
    let mut found = Found::default();
    for (key, assignment) in read_table::<Assignment>(&transaction, ASSIGNMENTS, path)? {
        let damaged = || JournalError::Damaged {
            path: path.into(),
            record: key.clone(),
        };
        let standing = standings.remove(&key).ok_or_else(damaged)?;
        found.attempts.push((assignment, standing));
    }
    let table = transaction
        .open_table(META)
        .map_err(|error| database_error(path, &error))?;
    found.term = read_meta(&table, "term", path)?;
    found.lease = read_meta(&table, "lease", path)?;
    let commits = read_meta(&table, "commits", path)?;
    Ok((found, commits))
}

fn read_table<T: Kept>(
    transaction: &redb::ReadTransaction,
    table: TableDefinition<'_, &str, &[u8]>,
    path: &Path,
) -> Result<Vec<(String, T)>, JournalError> {
    let wrong = |error: redb::Error| database_error(path, &error);
    let table = transaction
        .open_table(table)
        .map_err(|error| wrong(error.into()))?;
    let mut rows = Vec::new();
    for row in table.iter().map_err(|error| wrong(error.into()))? {
        let (key, value) = row.map_err(|error| wrong(error.into()))?;
        let key = key.value().to_owned();
        let damaged = || JournalError::Damaged {
            path: path.into(),
            record: key.clone(),
        };
        let value = unseal(value.value()).ok_or_else(damaged)?;
        rows.push((key, value));
    }
    Ok(rows)
}

fn read_meta<T: Kept + Default>(
    table: &redb::ReadOnlyTable<&'static str, &'static [u8]>,
    key: &'static str,
    path: &Path,
) -> Result<T, JournalError> {
    match table
        .get(key)
        .map_err(|error| database_error(path, &error))?
    {
        None => Ok(T::default()),
        Some(value) => unseal(value.value()).ok_or_else(|| JournalError::Damaged {
            path: path.into(),
            record: key.into(),
        }),
    }
}

impl Kept for Standing {}
impl Kept for LeaseMark {}

/// Version, CRC-32 of the rest, postcard.
fn seal<T: Serialize>(value: &T) -> Vec<u8> {
    let body = model::format::encode(value);
    let mut sealed = vec![VERSION];
    sealed.extend_from_slice(&sum(VERSION, &body).to_le_bytes());
    sealed.extend_from_slice(&body);
    sealed
}

/// The checksum of a record; from version 3 on also of the version itself, which would else turn
/// into an older one unnoticed.
fn sum(version: u8, body: &[u8]) -> u32 {
    let mut sum = crc32fast::Hasher::new();
    if version >= 3 {
        sum.update(&[version]);
    }
    sum.update(body);
    sum.finalize()
}

fn unseal<T: Kept>(sealed: &[u8]) -> Option<T> {
    let (version, rest) = sealed.split_first()?;
    let (written, body) = rest.split_first_chunk::<4>()?;
    let known = (1..=VERSION).contains(version);
    let intact = known && u32::from_le_bytes(*written) == sum(*version, body);
    if intact {
        model::format::decode(body).ok()
    } else {
        None
    }
}

#[cfg(test)]
mod damage;
#[cfg(test)]
mod golden;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use model::{Fence, JobId};

    fn assignment(job: u64) -> Assignment {
        Assignment {
            attempt: JobId(job).task().attempt(1),
            fence: Fence(job),
            owner: "alice".into(),
            ids: None,
            spec: std::sync::Arc::default(),
            mounts: Vec::new(),
            exclusive: false,
        }
    }

    #[tokio::test]
    async fn what_was_answered_is_there_after_reopening() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.redb");
        let (journal, found) = Journal::open(&path).unwrap();
        assert!(found.attempts.is_empty());
        journal
            .accept(vec![assignment(1), assignment(2)])
            .await
            .unwrap();
        let stop = Some(StopWish {
            cause: StopCause::Cancel,
            grace: Millis(5),
        });
        let standing = Standing {
            progress: Progress::Accepted,
            stop,
        };
        journal
            .stand(assignment(2).attempt, standing.clone())
            .await
            .unwrap();
        journal.forget(assignment(1).attempt).await.unwrap();
        journal.term(7).await.unwrap();
        drop(journal);
        // redb holds the file until its thread has let go of it.
        let found = loop {
            match Journal::open(&path) {
                Ok((_, found)) => break found,
                Err(JournalError::Database { .. }) => tokio::task::yield_now().await,
                Err(other) => panic!("{other}"),
            }
        };
        assert_eq!(found.attempts, vec![(assignment(2), standing)]);
        assert_eq!(found.term, 7);
    }

    #[test]
    fn a_flipped_bit_is_noticed() {
        let sealed = seal(&assignment(3));
        for at in 0..sealed.len() {
            let mut bad = sealed.clone();
            bad[at] ^= 1;
            assert_eq!(unseal::<Assignment>(&bad), None, "byte {at}");
        }
    }
}
