//! What the supervisor and the agent tell each other, in the attempt's state directory.
//!
//! Each record is a file of its own that is written once: to a temporary name, synced, renamed,
//! and the directory synced. `begun` is made under its own name, and only if it is not there: it
//! is what keeps an attempt from being run twice, whatever raced before it. The supervisor holds
//! the lock from before it begins until its end is recorded; the kernel releases it if it dies.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use model::assignment::Mount;
use model::job::{Exit, Started, Usage};
use model::resource::Resources;
use model::{AttemptId, Fence};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// The version of the order that this release writes and obeys.
pub(crate) const ORDER_VERSION: u32 = 1;
const ORDER: &str = "shim.json";
const BEGUN: &str = "begun";
const STARTED: &str = "started";
const REFUSED: &str = "refused";
const EXIT: &str = "exit";
const LOCK: &str = "lock";
const ALIVE: &str = "alive";
/// Where the supervisor writes what went wrong with itself.
pub(crate) const LOG: &str = "shim.log";

/// Everything that the supervisor is told: nothing is left to ask.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Order {
    /// The version of this form.
    pub(crate) version: u32,
    /// The attempt.
    pub(crate) attempt: AttemptId,
    /// The log index that placed it.
    pub(crate) fence: Fence,
    /// The host name inside.
    pub(crate) hostname: String,
    /// The control group, below the root of every hierarchy.
    pub(crate) cgroup: String,
    /// Its limits.
    pub(crate) limits: Resources,
    /// The most processes and threads.
    pub(crate) processes: u32,
    /// The job's own directory, where it starts.
    pub(crate) work: PathBuf,
    /// Receives the standard output.
    pub(crate) stdout: PathBuf,
    /// Receives the standard error.
    pub(crate) stderr: PathBuf,
    /// What runs.
    pub(crate) argv: Vec<String>,
    /// Its whole environment.
    pub(crate) env: Vec<(String, String)>,
    /// User and group id.
    pub(crate) ids: (u32, u32),
    /// Secondary group ids.
    #[serde(default)]
    pub(crate) groups: Vec<u32>,
    /// Directories bound over others.
    pub(crate) mounts: Vec<Mount>,
    /// The agent's own directory, or the shared storage, whichever the job's directory lies in: not
    /// visible inside, but for that.
    pub(crate) hidden: PathBuf,
    /// The other of the two: not visible at all.
    #[serde(default)]
    pub(crate) closed: Option<PathBuf>,
    /// The job shares the machine's network; else it has a loopback of its own.
    pub(crate) host_network: bool,
}

/// The program runs.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct StartRecord {
    /// What is reported.
    pub(crate) started: Started,
    /// Process 1 of the attempt, in the machine's counting.
    pub(crate) init: i32,
    /// When the kernel started that process, in its ticks since boot: a reused number differs.
    pub(crate) init_ticks: u64,
}

/// The program could not be executed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct RefusedRecord {
    /// 126 or 127.
    pub(crate) code: i32,
    /// In the kernel's words.
    pub(crate) why: String,
}

/// The attempt is over.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct ExitRecord {
    /// How the program ended.
    pub(crate) exit: Exit,
    /// What it used.
    pub(crate) usage: Usage,
    /// The supervisor, or process 1, died before the program did.
    pub(crate) engine_failed: bool,
    /// Why output is missing, if it is.
    pub(crate) output_lost: Option<String>,
}

/// How far an attempt is, as its directory says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Standing {
    /// Ordered, never begun.
    Ordered,
    /// The supervisor is at it and has not said that the program runs.
    Starting,
    /// The program could not be executed.
    Refused(RefusedRecord),
    /// The program runs.
    Running(StartRecord),
    /// It is over.
    Ended(Option<StartRecord>, ExitRecord),
    /// The supervisor died before it recorded an end.
    Crashed(Option<StartRecord>),
}

/// An attempt's state directory.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct StateDir(pub(crate) PathBuf);

impl StateDir {
    /// How far the attempt is; `None` if there is no order.
    pub(crate) fn standing(&self) -> io::Result<Option<Standing>> {
        // The lock is looked at first: whoever released it has recorded all it ever will.
        let held = self.is_locked()?;
        if self.order()?.is_none() {
            return Ok(None);
        }
        if let Some(refused) = self.read::<RefusedRecord>(REFUSED)? {
            return Ok(Some(Standing::Refused(refused)));
        }
        let started = self.read::<StartRecord>(STARTED)?;
        if let Some(exit) = self.read::<ExitRecord>(EXIT)? {
            return Ok(Some(Standing::Ended(started, exit)));
        }
        let begun = self.0.join(BEGUN).exists();
        Ok(Some(match (held, begun, started) {
            (true, _, Some(started)) => Standing::Running(started),
            (true, _, None) => Standing::Starting,
            (false, false, _) => Standing::Ordered,
            (false, true, started) => Standing::Crashed(started),
        }))
    }

    /// The order, if it was given.
    pub(crate) fn order(&self) -> io::Result<Option<Order>> {
        self.read(ORDER)
    }

    /// Gives the order, making the directory.
    pub(crate) fn write_order(&self, order: &Order) -> io::Result<()> {
        std::fs::create_dir_all(&self.0)?;
        if let Some(parent) = self.0.parent() {
            File::open(parent)?.sync_all()?;
        }
        self.write(ORDER, order)
    }

    /// Notes that the program is about to run. Fails if that was noted before.
    pub(crate) fn write_begun(&self) -> io::Result<()> {
        let path = self.0.join(BEGUN);
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(path)?
            .sync_all()?;
        File::open(&self.0)?.sync_all()
    }

    /// Notes that the program runs.
    pub(crate) fn write_started(&self, record: &StartRecord) -> io::Result<()> {
        self.write(STARTED, record)
    }

    /// Notes that the program cannot be executed.
    pub(crate) fn write_refused(&self, record: &RefusedRecord) -> io::Result<()> {
        self.write(REFUSED, record)
    }

    /// Notes the end.
    pub(crate) fn write_exit(&self, record: &ExitRecord) -> io::Result<()> {
        self.write(EXIT, record)
    }

    /// Whether the program was ever about to run.
    pub(crate) fn has_begun(&self) -> bool {
        self.0.join(BEGUN).exists()
    }

    /// Waits for the lock and takes it. The file returned holds it until its last copy is closed.
    ///
    /// # Errors
    /// Also if the directory was taken away meanwhile.
    pub(crate) fn lock(&self) -> io::Result<File> {
        let lock = self.open_lock()?;
        lock.lock()?;
        self.confirm(lock)
    }

    /// Takes the lock if it is free.
    pub(crate) fn try_lock(&self) -> io::Result<Option<File>> {
        let lock = self.open_lock()?;
        match lock.try_lock() {
            Ok(()) => self.confirm(lock).map(Some),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Whether a supervisor is alive.
    pub(crate) fn is_locked(&self) -> io::Result<bool> {
        let lock = match File::open(self.0.join(LOCK)) {
            Ok(lock) => lock,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error),
        };
        match lock.try_lock_shared() {
            Ok(()) => Ok(false),
            Err(TryLockError::WouldBlock) => Ok(true),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    fn open_lock(&self) -> io::Result<File> {
        let path = self.0.join(LOCK);
        OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(path)
    }

    /// A lock on a file that is no longer in the directory guards nothing.
    fn confirm(&self, lock: File) -> io::Result<File> {
        let (held, here) = (lock.metadata()?, std::fs::metadata(self.0.join(LOCK))?);
        if (held.dev(), held.ino()) == (here.dev(), here.ino()) {
            return Ok(lock);
        }
        Err(io::Error::other("the attempt was taken away meanwhile"))
    }

    /// A pipe that the supervisor keeps open for writing as long as it lives, so that its end can
    /// be awaited. Made if it is not there.
    pub(crate) fn alive(&self) -> io::Result<PathBuf> {
        let path = self.0.join(ALIVE);
        let mode = nix::sys::stat::Mode::from_bits_truncate(0o600);
        match nix::unistd::mkfifo(&path, mode) {
            Ok(()) | Err(nix::errno::Errno::EEXIST) => Ok(path),
            Err(error) => Err(error.into()),
        }
    }

    fn read<T: DeserializeOwned>(&self, name: &str) -> io::Result<Option<T>> {
        let path = self.0.join(name);
        match std::fs::read(&path) {
            Ok(bytes) => match serde_json::from_slice(&bytes) {
                Ok(record) => Ok(Some(record)),
                Err(error) => Err(damaged(&path, &error)),
            },
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn write<T: Serialize>(&self, name: &str, record: &T) -> io::Result<()> {
        let temporary = self.0.join(format!("{name}.new"));
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&temporary)?;
        file.write_all(&serde_json::to_vec(record)?)?;
        file.sync_all()?;
        std::fs::rename(&temporary, self.0.join(name))?;
        File::open(&self.0)?.sync_all()
    }
}

fn damaged(path: &Path, error: &serde_json::Error) -> io::Error {
    let text = format!("record {} is damaged: {error}", path.display());
    io::Error::new(ErrorKind::InvalidData, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order() -> Order {
        Order {
            version: ORDER_VERSION,
            attempt: AttemptId::default(),
            fence: Fence(7),
            hostname: "h".into(),
            cgroup: "g".into(),
            limits: Resources::default(),
            processes: 1,
            work: "/".into(),
            stdout: "/dev/null".into(),
            stderr: "/dev/null".into(),
            argv: vec!["true".into()],
            env: Vec::new(),
            groups: Vec::new(),
            ids: (1, 1),
            mounts: Vec::new(),
            hidden: PathBuf::new(),
            closed: None,
            host_network: false,
        }
    }

    #[test]
    fn the_records_and_the_lock_say_how_far_an_attempt_is() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir(dir.path().join("1-0-1-7"));
        assert_eq!(state.standing().unwrap(), None);
        state.write_order(&order()).unwrap();
        assert_eq!(state.standing().unwrap(), Some(Standing::Ordered));
        let lock = state.lock().unwrap();
        assert_eq!(state.standing().unwrap(), Some(Standing::Starting));
        state.write_begun().unwrap();
        let record = StartRecord {
            started: Started::default(),
            init: 3,
            init_ticks: 4,
        };
        state.write_started(&record).unwrap();
        assert_eq!(
            state.standing().unwrap(),
            Some(Standing::Running(record.clone()))
        );
        drop(lock);
        assert_eq!(
            state.standing().unwrap(),
            Some(Standing::Crashed(Some(record.clone())))
        );
        let exit = ExitRecord {
            exit: Exit {
                code: Some(3),
                ..Exit::default()
            },
            usage: Usage::default(),
            engine_failed: false,
            output_lost: None,
        };
        state.write_exit(&exit).unwrap();
        assert_eq!(
            state.standing().unwrap(),
            Some(Standing::Ended(Some(record), exit))
        );
    }

    #[test]
    fn an_attempt_begins_once() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir(dir.path().to_path_buf());
        state.write_begun().unwrap();
        assert_eq!(
            state.write_begun().unwrap_err().kind(),
            ErrorKind::AlreadyExists
        );
    }

    #[test]
    fn a_lock_on_a_directory_that_was_made_anew_is_worth_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir(dir.path().join("x"));
        state.write_order(&order()).unwrap();
        let old = state.open_lock().unwrap();
        std::fs::remove_dir_all(&state.0).unwrap();
        state.write_order(&order()).unwrap();
        let _new = state.open_lock().unwrap();
        old.lock().unwrap();
        assert!(state.confirm(old).is_err());
    }

    #[test]
    fn a_damaged_record_is_named_and_not_taken_for_absent() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir(dir.path().to_path_buf());
        std::fs::write(dir.path().join("shim.json"), b"{").unwrap();
        assert!(
            state
                .standing()
                .unwrap_err()
                .to_string()
                .contains("shim.json")
        );
    }
}
