//! The runtime in which nothing runs: an attempt is a line in a file and a moment at which it will
//! have ended.
//!
//! It keeps the promises of the others (one record under one name, fences, adoption after a crash
//! of the agent), so the cluster above cannot tell it from a real one; it is for simulation and
//! for measuring everything but the containers. Of a job's command or script it understands these
//! lines, as a shell would; anything else takes no time and succeeds:
//!
//! | line | meaning |
//! |---|---|
//! | `sleep SECONDS` | it runs so much longer |
//! | `exit CODE` | it ends with this code |
//! | `echo WORDS` | it writes them to standard output; without, it leaves no files |
//! | `trap '' TERM` | only KILL ends it |
//!
//! With a ledger, every begin and end is one appended line, `begin 12_0#1 FENCE MICROSECONDS` and
//! `end 12_0#1 FENCE MICROSECONDS` (since boot): several agents of one machine may share the file,
//! and who reads it sees whether anything ran twice.

mod record;
mod records;

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use model::assignment::Assignment;
use model::job::{Exit, Started, Usage};
use model::log::Later;
use model::node::RuntimeKind;

use self::record::Record;
use self::records::Records;
use super::{Place, Runtime, RuntimeError, Seen, Signal};
use crate::clock;
use crate::files::owner::{Owner, beside};

/// Whom the files of jobs belong to that never ran.
const NOBODY: u32 = 65_534;

/// Runs nothing, and keeps account of it.
pub struct FakeRuntime {
    records: Mutex<Records>,
    boot: u128,
    ledger: Option<Ledger>,
}

/// The file of begins and ends.
struct Ledger {
    path: PathBuf,
    file: File,
}

impl FakeRuntime {
    /// A runtime that keeps its records in `dir`, and writes begins and ends to `ledger`.
    ///
    /// # Errors
    /// [`RuntimeError::Disk`] if a file cannot be made or read.
    pub fn new(dir: &Path, ledger: Option<PathBuf>) -> Result<FakeRuntime, RuntimeError> {
        let made = std::fs::create_dir_all(dir);
        made.map_err(|source| RuntimeError::Disk {
            path: dir.into(),
            source,
        })?;
        Ok(FakeRuntime {
            records: Mutex::new(Records::open(dir.join("records"))?),
            boot: clock::boot_id(),
            ledger: ledger.map(Ledger::open).transpose()?,
        })
    }

    /// Held while a record is looked at and changed: an attempt's end is awaited by two, and one
    /// of them notes it.
    fn records(&self) -> MutexGuard<'_, Records> {
        // A panic leaves each record whole.
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn make(&self, assignment: &Assignment, place: &Place) -> Result<(), RuntimeError> {
        let mut records = self.records();
        match records.get(place.attempt) {
            Some(known) if known.fence == place.fence => Ok(()),
            Some(known) if known.fence > place.fence => Err(RuntimeError::Refused {
                why: format!("the name is taken by a later placement, {}", known.fence),
            }),
            Some(_) | None => {
                records.make(Record::new(assignment));
                Ok(())
            }
        }
    }

    fn begin(&self, place: &Place) -> Result<Started, RuntimeError> {
        let mut records = self.records();
        let mut record = own(&records, place)?.clone();
        let started = record.start.is_some();
        if !started {
            record.begin(clock::wall(), clock::since_boot(), self.boot);
            // The record first: an agent that dies in between begins nothing a second time.
            records.put(record.clone())?;
            self.note("begin", place)?;
        }
        Ok(record.started())
    }

    /// The end, once it has come; written to the ledger by the first who sees it.
    fn end(&self, place: &Place) -> Result<Option<Exit>, RuntimeError> {
        let mut records = self.records();
        let record = own(&records, place)?;
        let Some(exit) = record.exit(clock::since_boot(), self.boot) else {
            return Ok(None);
        };
        if !record.end_noted {
            let mut record = record.clone();
            record.end_noted = true;
            records.put(record)?;
            self.note("end", place)?;
        }
        Ok(Some(exit))
    }

    async fn wait_for_end(&self, place: &Place) -> Result<Exit, RuntimeError> {
        let changes = self.records().changes(place.attempt);
        let changes = changes.ok_or(RuntimeError::Gone)?;
        loop {
            // Also told when the record is taken away; made before the look, so nothing is missed.
            let changed = changes.notified();
            if let Some(exit) = self.end(place)? {
                return Ok(exit);
            }
            let left = own(&self.records(), place)?.left(clock::since_boot());
            tokio::select! {
                () = tokio::time::sleep(left) => {}
                () = changed => {}
            }
        }
    }

    fn note(&self, what: &str, place: &Place) -> Result<(), RuntimeError> {
        match &self.ledger {
            Some(ledger) => ledger.note(what, place),
            None => Ok(()),
        }
    }

    fn write_output(&self, place: &Place) -> Result<(), RuntimeError> {
        let (output, owner) = {
            let records = self.records();
            let record = own(&records, place)?;
            if record.output.is_empty() {
                return Ok(());
            }
            (record.output.clone(), record.owner.clone())
        };
        let owner = Owner {
            owner,
            uid: NOBODY,
            gid: NOBODY,
            groups: Vec::new(),
            project: String::new(),
            bytes: None,
            disk_max: None,
            shared: None,
        };
        let made =
            std::fs::create_dir_all(&place.dir).and_then(|()| owner.note(&beside(&place.dir)));
        made.map_err(|source| RuntimeError::Disk {
            path: place.dir.clone(),
            source,
        })?;
        for (path, text) in [(place.stdout(), output.as_str()), (place.stderr(), "")] {
            let written = std::fs::write(&path, text);
            written.map_err(|source| RuntimeError::Disk { path, source })?;
        }
        Ok(())
    }

    fn interrupt(&self, place: &Place, signal: Signal) -> Result<(), RuntimeError> {
        let mut records = self.records();
        let mut record = match own(&records, place) {
            Ok(record) => record.clone(),
            Err(RuntimeError::Gone) => return Ok(()),
            Err(error) => return Err(error),
        };
        if record.interrupt(signal, clock::since_boot()) {
            records.put(record)?;
        }
        Ok(())
    }

    fn take_away(&self, place: &Place) {
        let mut records = self.records();
        let known = records.get(place.attempt);
        if known.is_some_and(|record| record.fence <= place.fence) {
            records.remove(place.attempt);
        }
    }

    fn look_at(&self, place: &Place) -> Result<Option<Seen>, RuntimeError> {
        match own(&self.records(), place) {
            Ok(record) => Ok(Some(record.seen(clock::since_boot(), self.boot))),
            Err(RuntimeError::Gone) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn look_at_all(&self) -> Vec<Seen> {
        let seen = |record: &Record| record.seen(clock::since_boot(), self.boot);
        self.records().all().map(seen).collect()
    }
}

/// The place's record; one of another fence is not its own.
fn own<'a>(records: &'a Records, place: &Place) -> Result<&'a Record, RuntimeError> {
    let found = records.get(place.attempt);
    found
        .filter(|record| record.fence == place.fence)
        .ok_or(RuntimeError::Gone)
}

impl Ledger {
    fn open(path: PathBuf) -> Result<Ledger, RuntimeError> {
        let opened = File::options().create(true).append(true).open(&path);
        match opened {
            Ok(file) => Ok(Ledger { path, file }),
            Err(source) => Err(RuntimeError::Disk { path, source }),
        }
    }

    /// One write: the file may be shared.
    fn note(&self, what: &str, place: &Place) -> Result<(), RuntimeError> {
        let micros = clock::since_boot_micros();
        let line = format!("{what} {} {} {micros}\n", place.attempt, place.fence);
        let written = (&self.file).write_all(line.as_bytes());
        written.map_err(|source| RuntimeError::Disk {
            path: self.path.clone(),
            source,
        })
    }
}

impl Runtime for FakeRuntime {
    fn kind(&self) -> RuntimeKind {
        RuntimeKind::Fake
    }

    /// Most attempts write nothing, and what is measured here is not the file system.
    fn needs_directory(&self) -> bool {
        false
    }

    fn prepare<'a>(
        &'a self,
        assignment: &'a Assignment,
        place: &'a Place,
    ) -> Later<'a, Result<(), RuntimeError>> {
        Box::pin(async move { self.make(assignment, place) })
    }

    fn start<'a>(&'a self, place: &'a Place) -> Later<'a, Result<Started, RuntimeError>> {
        Box::pin(async move { self.begin(place) })
    }

    fn wait<'a>(&'a self, place: &'a Place) -> Later<'a, Result<Exit, RuntimeError>> {
        Box::pin(self.wait_for_end(place))
    }

    fn capture<'a>(&'a self, place: &'a Place) -> Later<'a, Result<(), RuntimeError>> {
        Box::pin(async move {
            self.write_output(place)?;
            self.wait_for_end(place).await.map(drop)
        })
    }

    fn signal<'a>(
        &'a self,
        place: &'a Place,
        signal: Signal,
    ) -> Later<'a, Result<(), RuntimeError>> {
        Box::pin(async move { self.interrupt(place, signal) })
    }

    fn inspect<'a>(&'a self, place: &'a Place) -> Later<'a, Result<Option<Seen>, RuntimeError>> {
        Box::pin(async move { self.look_at(place) })
    }

    fn list(&self) -> Later<'_, Result<Vec<Seen>, RuntimeError>> {
        Box::pin(async move { Ok(self.look_at_all()) })
    }

    fn usage<'a>(&'a self, place: &'a Place) -> Later<'a, Result<Usage, RuntimeError>> {
        Box::pin(async move { own(&self.records(), place).map(|_| Usage::default()) })
    }

    fn remove<'a>(&'a self, place: &'a Place) -> Later<'a, Result<(), RuntimeError>> {
        Box::pin(async move {
            self.take_away(place);
            Ok(())
        })
    }

    fn probe(&self) -> Later<'_, Result<(), RuntimeError>> {
        Box::pin(async { Ok(()) })
    }
}
