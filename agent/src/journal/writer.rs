//! The writer thread: what waits while it syncs shares the next sync.

use std::path::PathBuf;
use std::sync::mpsc;
use std::time::Instant;

use redb::Database;

use super::mark::Mark;
use super::{ASSIGNMENTS, Answer, META, PROGRESS, Write, database_error, seal};

/// Writes that share one fsync at the most.
const BATCH_MAX: usize = 1_024;

/// What the writer thread has in its hands.
pub(super) struct Writer {
    pub(super) database: Database,
    pub(super) path: PathBuf,
    pub(super) mark: Mark,
    /// How many there were.
    pub(super) commits: u64,
}

impl Writer {
    /// Serves writes until the last handle is gone or a write has failed; after a failure nothing
    /// is acknowledged any more.
    pub(super) fn run(&mut self, receiver: &mpsc::Receiver<(Vec<Write>, Answer)>) {
        while let Ok(first) = receiver.recv() {
            let mut batch = vec![first];
            while batch.len() < BATCH_MAX
                && let Ok(next) = receiver.try_recv()
            {
                batch.push(next);
            }
            let began = Instant::now();
            let result = self.commit(&batch);
            let took = began.elapsed();
            let alone = batch.len() == 1;
            let failed = result.is_err();
            for (_, answer) in batch {
                let answered = match &result {
                    Ok(()) => Ok(()),
                    Err(error) => Err(database_error(&self.path, error)),
                };
                // Who asked may have gone meanwhile; the write stands all the same.
                let _ = answer.send(answered);
            }
            if failed {
                return;
            }
            if !alone {
                // There is much to do: what comes in as long a time again shares the next sync.
                std::thread::sleep(took);
            }
        }
    }

    fn commit(&mut self, batch: &[(Vec<Write>, Answer)]) -> Result<(), redb::Error> {
        self.commits += 1;
        commit(&self.database, batch, self.commits)?;
        Ok(self.mark.raise(self.commits)?)
    }
}

fn commit(
    database: &Database,
    batch: &[(Vec<Write>, Answer)],
    commits: u64,
) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    {
        let mut assignments = transaction.open_table(ASSIGNMENTS)?;
        let mut progress = transaction.open_table(PROGRESS)?;
        let mut meta = transaction.open_table(META)?;
        meta.insert("commits", seal(&commits).as_slice())?;
        for write in batch.iter().flat_map(|(writes, _)| writes) {
            match write {
                Write::Assign(assignment) => {
                    let key = assignment.attempt.to_string();
                    assignments.insert(key.as_str(), seal(assignment).as_slice())?;
                }
                Write::Stand(attempt, standing) => {
                    progress.insert(attempt.to_string().as_str(), seal(standing).as_slice())?;
                }
                Write::Forget(attempt) => {
                    assignments.remove(attempt.to_string().as_str())?;
                    progress.remove(attempt.to_string().as_str())?;
                }
                Write::Term(term) => {
                    meta.insert("term", seal(term).as_slice())?;
                }
                Write::Lease(lease) => {
                    meta.insert("lease", seal(lease).as_slice())?;
                }
            }
        }
    }
    transaction.commit()?;
    Ok(())
}
