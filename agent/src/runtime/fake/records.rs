//! All records of one agent's pretended engine: in memory, and in a file to which what matters is
//! appended, a line a change.
//!
//! Begins, signals and ends are written before they are shown. An attempt that was only made is not
//! written at all, and one that was taken away goes with the next line: an agent that dies before
//! makes the first again, and has a record more of which nobody asks. A change is one write, so an
//! agent that dies leaves it whole or not at all; a torn last line, as a machine that dies may
//! leave, is passed over. The file is written anew when it is opened, and once most of it is about
//! what was removed.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use model::AttemptId;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use super::record::Record;
use crate::runtime::RuntimeError;

/// Lines beyond four for each record that the file may have.
const LINES_SPARE: usize = 100_000;

/// The records, by attempt.
pub(super) struct Records {
    path: PathBuf,
    file: File,
    lines: usize,
    slots: BTreeMap<AttemptId, Slot>,
    /// Taken away, and still in the file.
    removed: Vec<AttemptId>,
}

struct Slot {
    record: Record,
    /// Tells of changes of it, and of its end.
    changed: Arc<Notify>,
}

/// A line of the file: what has become of an attempt's record.
#[derive(Serialize, Deserialize)]
struct Line {
    attempt: AttemptId,
    record: Option<Record>,
}

impl Records {
    /// The records in the file; none if there is no such file.
    pub(super) fn open(path: PathBuf) -> Result<Records, RuntimeError> {
        let disk = |source| RuntimeError::Disk {
            path: path.clone(),
            source,
        };
        let text = match std::fs::read_to_string(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            read => read.map_err(disk)?,
        };
        let mut slots = BTreeMap::new();
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        for line in whole.lines() {
            let line: Line = serde_json::from_str(line).map_err(|e| disk(e.into()))?;
            match line.record {
                Some(record) => slots.insert(line.attempt, Slot::new(record)),
                None => slots.remove(&line.attempt),
            };
        }
        let file = rewrite(&path, &slots).map_err(disk)?;
        let lines = slots.len();
        Ok(Records {
            path,
            file,
            lines,
            slots,
            removed: Vec::new(),
        })
    }

    pub(super) fn get(&self, attempt: AttemptId) -> Option<&Record> {
        self.slots.get(&attempt).map(|slot| &slot.record)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Record> {
        self.slots.values().map(|slot| &slot.record)
    }

    /// Tells of changes of a record.
    pub(super) fn changes(&self, attempt: AttemptId) -> Option<Arc<Notify>> {
        self.slots.get(&attempt).map(|slot| slot.changed.clone())
    }

    /// Shows a record of what has not begun.
    pub(super) fn make(&mut self, record: Record) {
        self.show(record);
    }

    /// Writes a record down, then shows it.
    pub(super) fn put(&mut self, record: Record) -> Result<(), RuntimeError> {
        self.append(&record)?;
        self.show(record);
        Ok(())
    }

    fn show(&mut self, record: Record) {
        match self.slots.get_mut(&record.attempt) {
            Some(slot) => {
                slot.record = record;
                slot.changed.notify_waiters();
            }
            None => {
                self.slots.insert(record.attempt, Slot::new(record));
            }
        }
    }

    /// Takes a record away; whoever waits for a change of it is told.
    pub(super) fn remove(&mut self, attempt: AttemptId) {
        if let Some(slot) = self.slots.remove(&attempt) {
            slot.changed.notify_waiters();
            self.removed.push(attempt);
        }
    }

    fn append(&mut self, record: &Record) -> Result<(), RuntimeError> {
        let appended = self.try_append(record);
        appended.map_err(|source| RuntimeError::Disk {
            path: self.path.clone(),
            source,
        })
    }

    fn try_append(&mut self, record: &Record) -> io::Result<()> {
        if self.lines > 4 * self.slots.len() + LINES_SPARE {
            self.file = rewrite(&self.path, &self.slots)?;
            self.lines = self.slots.len();
            self.removed.clear();
        }
        let mut text = Vec::new();
        for attempt in &self.removed {
            line(&mut text, *attempt, None)?;
        }
        line(&mut text, record.attempt, Some(record))?;
        self.file.write_all(&text)?;
        self.lines += self.removed.len() + 1;
        self.removed.clear();
        Ok(())
    }
}

impl Slot {
    fn new(record: Record) -> Slot {
        Slot {
            record,
            changed: Arc::default(),
        }
    }
}

fn line(text: &mut Vec<u8>, attempt: AttemptId, record: Option<&Record>) -> io::Result<()> {
    #[derive(Serialize)]
    struct Borrowed<'a> {
        attempt: AttemptId,
        record: Option<&'a Record>,
    }
    serde_json::to_writer(&mut *text, &Borrowed { attempt, record })?;
    text.push(b'\n');
    Ok(())
}

/// Replaces the file by one that holds these records only.
fn rewrite(path: &Path, slots: &BTreeMap<AttemptId, Slot>) -> io::Result<File> {
    let beside = path.with_extension("new");
    let mut text = Vec::new();
    for (attempt, slot) in slots {
        line(&mut text, *attempt, Some(&slot.record))?;
    }
    std::fs::write(&beside, text)?;
    std::fs::rename(&beside, path)?;
    File::options().append(true).open(path)
}
