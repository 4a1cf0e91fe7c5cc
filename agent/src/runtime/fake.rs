//! The runtime in which nothing runs: an attempt is a record in a file and a moment at which it
//! will have ended.
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
//! | `echo WORDS` | it writes them to standard output |
//! | `trap '' TERM` | only KILL ends it |
//!
//! With a ledger, every begin and end is one appended line, `begin 12_0#1 FENCE` and
//! `end 12_0#1 FENCE`: several agents may share the file, and who reads it sees whether anything
//! ran twice.

mod record;

use std::io::Write;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use model::assignment::Assignment;
use model::job::{Exit, Started, Usage};
use model::log::Later;
use model::node::RuntimeKind;
use tokio::sync::watch;

use self::record::Record;
use super::{Place, Runtime, RuntimeError, Seen, Signal};
use crate::clock;

/// Runs nothing, and keeps account of it.
pub struct FakeRuntime {
    dir: PathBuf,
    ledger: Option<PathBuf>,
    /// Counts changes of records, for those who wait for an end.
    changed: watch::Sender<u64>,
    /// Held while a record is read, changed and written: an attempt's end is awaited by two, and
    /// one of them notes it.
    changing: Mutex<()>,
}

impl FakeRuntime {
    /// A runtime that keeps its records in `dir`, and writes begins and ends to `ledger`.
    ///
    /// # Errors
    /// [`RuntimeError::Disk`] if the directory cannot be made.
    pub fn new(dir: PathBuf, ledger: Option<PathBuf>) -> Result<FakeRuntime, RuntimeError> {
        let made = std::fs::create_dir_all(&dir);
        made.map_err(|source| RuntimeError::Disk {
            path: dir.clone(),
            source,
        })?;
        Ok(FakeRuntime {
            dir,
            ledger,
            changed: watch::Sender::new(0),
            changing: Mutex::new(()),
        })
    }

    fn changing(&self) -> MutexGuard<'_, ()> {
        // It guards files; a panic leaves each of them whole.
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn path(&self, place: &Place) -> PathBuf {
        self.dir.join(format!("{}.json", place.name()))
    }

    /// The place's record; one of another fence is not its own.
    fn own(&self, place: &Place) -> Result<Record, RuntimeError> {
        let found = Record::read(&self.path(place))?;
        found
            .filter(|record| record.fence == place.fence)
            .ok_or(RuntimeError::Gone)
    }

    fn keep(&self, place: &Place, record: &Record) -> Result<(), RuntimeError> {
        record.write(&self.path(place))?;
        self.changed
            .send_modify(|count| *count = count.wrapping_add(1));
        Ok(())
    }

    fn make(&self, assignment: &Assignment, place: &Place) -> Result<(), RuntimeError> {
        let _changing = self.changing();
        match Record::read(&self.path(place))? {
            Some(known) if known.fence == place.fence => Ok(()),
            Some(known) if known.fence > place.fence => Err(RuntimeError::Refused {
                why: format!("the name is taken by a later placement, {}", known.fence),
            }),
            Some(_) | None => self.keep(place, &Record::new(assignment)),
        }
    }

    fn begin(&self, place: &Place) -> Result<Started, RuntimeError> {
        let _changing = self.changing();
        let mut record = self.own(place)?;
        if record.start.is_none() {
            record.begin(clock::wall(), clock::since_boot(), clock::boot_id());
            // The record first: an agent that dies in between begins nothing a second time.
            self.keep(place, &record)?;
            self.note("begin", place)?;
        }
        Ok(record.started())
    }

    /// The end, once it has come; written to the ledger by the first who sees it.
    fn end(&self, place: &Place) -> Result<Option<Exit>, RuntimeError> {
        let _changing = self.changing();
        let mut record = self.own(place)?;
        let Some(exit) = record.exit(clock::since_boot(), clock::boot_id()) else {
            return Ok(None);
        };
        if !record.end_noted {
            record.end_noted = true;
            self.keep(place, &record)?;
            self.note("end", place)?;
        }
        Ok(Some(exit))
    }

    async fn wait_for_end(&self, place: &Place) -> Result<Exit, RuntimeError> {
        let mut changes = self.changed.subscribe();
        loop {
            changes.borrow_and_update();
            if let Some(exit) = self.end(place)? {
                return Ok(exit);
            }
            let left = self.own(place)?.left(clock::since_boot());
            tokio::select! {
                () = tokio::time::sleep(left) => {}
                // The sender lives in `self`.
                _ = changes.changed() => {}
            }
        }
    }

    fn note(&self, what: &str, place: &Place) -> Result<(), RuntimeError> {
        let Some(path) = &self.ledger else {
            return Ok(());
        };
        let line = format!("{what} {} {}\n", place.attempt, place.fence);
        let written = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)
            .and_then(|mut file| file.write_all(line.as_bytes()));
        written.map_err(|source| RuntimeError::Disk {
            path: path.clone(),
            source,
        })
    }

    fn write_output(&self, place: &Place) -> Result<(), RuntimeError> {
        let record = self.own(place)?;
        for (path, text) in [
            (place.stdout(), record.output.as_str()),
            (place.stderr(), ""),
        ] {
            let written = std::fs::write(&path, text);
            written.map_err(|source| RuntimeError::Disk { path, source })?;
        }
        Ok(())
    }

    fn interrupt(&self, place: &Place, signal: Signal) -> Result<(), RuntimeError> {
        let _changing = self.changing();
        let mut record = match self.own(place) {
            Ok(record) => record,
            Err(RuntimeError::Gone) => return Ok(()),
            Err(error) => return Err(error),
        };
        if record.interrupt(signal, clock::since_boot()) {
            self.keep(place, &record)?;
        }
        Ok(())
    }

    fn take_away(&self, place: &Place) -> Result<(), RuntimeError> {
        let _changing = self.changing();
        let path = self.path(place);
        match std::fs::remove_file(&path) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                Err(RuntimeError::Disk { path, source })
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }

    fn look_at_all(&self) -> Result<Vec<Seen>, RuntimeError> {
        let wrong = |source| RuntimeError::Disk {
            path: self.dir.clone(),
            source,
        };
        let mut seen = Vec::new();
        for entry in std::fs::read_dir(&self.dir).map_err(wrong)? {
            let path = entry.map_err(wrong)?.path();
            if path
                .extension()
                .is_some_and(|extension| extension == "json")
                && let Some(record) = Record::read(&path)?
            {
                seen.push(record.seen(clock::since_boot(), clock::boot_id()));
            }
        }
        Ok(seen)
    }
}

impl Runtime for FakeRuntime {
    fn kind(&self) -> RuntimeKind {
        RuntimeKind::Fake
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
        Box::pin(async move {
            match self.own(place) {
                Ok(record) => Ok(Some(record.seen(clock::since_boot(), clock::boot_id()))),
                Err(RuntimeError::Gone) => Ok(None),
                Err(error) => Err(error),
            }
        })
    }

    fn list(&self) -> Later<'_, Result<Vec<Seen>, RuntimeError>> {
        Box::pin(async move { self.look_at_all() })
    }

    fn usage<'a>(&'a self, place: &'a Place) -> Later<'a, Result<Usage, RuntimeError>> {
        Box::pin(async move { self.own(place).map(|_| Usage::default()) })
    }

    fn remove<'a>(&'a self, place: &'a Place) -> Later<'a, Result<(), RuntimeError>> {
        Box::pin(async move { self.take_away(place) })
    }
}
