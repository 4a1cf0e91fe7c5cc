//! Where attempts have their directories: on this node's own disk, or on storage that nodes share.
//!
//! What an agent writes down of an attempt ([`Owner`]) lies on its own disk in any case, where no
//! user ever writes. It also says where the directory is. So nothing moves when the configuration
//! changes, and of shared storage each agent sweeps what it has made itself and nothing else.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use model::assignment::Assignment;
use model::{AttemptId, ClusterId, Fence, JobId};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::owner::{self, Owner};
use super::shared::Shared;
use super::{DIRECTORY_MODE, WORK_MODE, give, set_mode};
use crate::runtime::{Place, RuntimeError, name};

/// How long shared storage may take to answer a trial.
const TRIAL_WITHIN: Duration = Duration::from_secs(15);

/// Where attempts have their directories.
#[derive(Clone, Debug)]
pub struct Storage {
    /// On this node's disk: directories, and what is written down of all.
    attempts: PathBuf,
    cluster: ClusterId,
    /// Where new attempts get theirs, if not there.
    shared: Option<Shared>,
    /// Storage that hangs holds the thread that tries it: one at a time.
    trials: Arc<Semaphore>,
}

impl Storage {
    /// On the node's own disk, below this directory.
    pub fn new(attempts: PathBuf, cluster: ClusterId) -> Storage {
        Storage {
            attempts,
            cluster,
            shared: None,
            trials: Arc::new(Semaphore::new(1)),
        }
    }

    /// With directories of new attempts on shared storage, if there is a root of one.
    #[must_use]
    pub fn with_shared(mut self, root: Option<PathBuf>) -> Storage {
        self.shared = root.map(|root| self.at(root));
        self
    }

    /// Whether new attempts get directories on shared storage.
    pub fn is_shared(&self) -> bool {
        self.shared.is_some()
    }

    /// Where an attempt's files lie, or would.
    pub fn place(&self, attempt: AttemptId, fence: Fence) -> Place {
        let dir = match self.shared_of(attempt) {
            Some(shared) => shared.dir(attempt),
            None => self.own(attempt),
        };
        Place {
            attempt,
            fence,
            dir,
        }
    }

    /// Where the files of an attempt lie that has no directory made for it.
    pub fn without_directory(&self, attempt: AttemptId, fence: Fence) -> Place {
        Place {
            attempt,
            fence,
            dir: self.own(attempt),
        }
    }

    /// Whose an attempt is, as it was written down; `None` if it never had a directory here.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn owner(&self, attempt: AttemptId) -> io::Result<Option<Owner>> {
        Owner::read(&owner::beside(&self.own(attempt)))
    }

    /// Writes that down anew.
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn note(&self, attempt: AttemptId, owner: &Owner) -> io::Result<()> {
        owner.note(&owner::beside(&self.own(attempt)))
    }

    /// Every attempt of which something was written down.
    pub fn noted(&self) -> impl Iterator<Item = AttemptId> + use<> {
        let entries = fs::read_dir(&self.attempts).into_iter().flatten().flatten();
        entries.filter_map(|entry| {
            let path = entry.path();
            let name = path.file_stem()?.to_string_lossy().into_owned();
            (path == owner::beside(&path)).then(|| parsed(&name))?
        })
    }

    /// Whether attempts can have directories.
    ///
    /// # Errors
    /// [`RuntimeError::Storage`] says what to do about it.
    pub async fn try_out(&self) -> Result<(), RuntimeError> {
        let Some(shared) = self.shared.clone() else {
            return Ok(());
        };
        let silent = || {
            let seconds = TRIAL_WITHIN.as_secs();
            self.at(shared.root.clone())
                .away(&format!("no answer in {seconds} s"))
        };
        let Ok(permit) = self.trials.clone().try_acquire_owned() else {
            return Err(silent());
        };
        let tried = shared.clone();
        let tried = spawn_blocking(move || {
            let _permit = permit;
            tried.try_out()
        });
        match timeout(TRIAL_WITHIN, tried).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(panicked)) => Err(shared.away(&panicked.to_string())),
            Err(_) => Err(silent()),
        }
    }

    /// Makes an attempt's directory: its own for output, `work` inside for the job.
    ///
    /// # Errors
    /// [`RuntimeError::Disk`] names the path, [`RuntimeError::Storage`] the storage.
    pub fn make(
        &self,
        place: &Place,
        assignment: &Assignment,
        ids: (u32, u32),
    ) -> Result<(), RuntimeError> {
        let mut owner = Owner::of(assignment, ids);
        let Some(shared) = self.shared_of(place.attempt) else {
            let made = fs::create_dir_all(place.work());
            let made = made.and_then(|()| self.furnish(place, &owner));
            return made.map_err(|source| RuntimeError::Disk {
                path: place.work(),
                source,
            });
        };
        shared.ready()?;
        owner.shared = Some(shared.root.clone());
        let made = fs::create_dir_all(&self.attempts)
            // First of all: what is not written down is nobody's to sweep.
            .and_then(|()| self.note(place.attempt, &owner))
            .and_then(|()| shared.make_dir(&place.work()))
            .and_then(|()| self.furnish(place, &owner));
        made.map_err(|error| shared.away(&format!("{}: {error}", place.work().display())))?;
        // Unmounted meanwhile, it would have been made below.
        shared.ready()
    }

    /// Writes down whose the directories are, and gives the owner what is theirs.
    fn furnish(&self, place: &Place, owner: &Owner) -> io::Result<()> {
        let work = place.work();
        self.note(place.attempt, owner)?;
        give(&place.dir, None, owner.gid)?;
        // Behind giving it away, which takes the set-group bit.
        set_mode(&place.dir, DIRECTORY_MODE)?;
        set_mode(&work, WORK_MODE)?;
        give(&work, Some(owner.uid), owner.gid)
    }

    /// Removes directories of attempts that nobody holds and that were not written to for `age`.
    /// Returns how many are gone.
    ///
    /// # Errors
    /// If the directory of attempts cannot be read.
    pub fn sweep(&self, age: Duration, held: impl Fn(&str) -> bool) -> io::Result<usize> {
        let mut gone = 0;
        for entry in fs::read_dir(&self.attempts)? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if let Some((attempt, _)) = name.split_once('.') {
                if !held(attempt) && !self.attempts.join(attempt).exists() {
                    gone += usize::from(self.sweep_elsewhere(&path, attempt, age)?);
                }
            } else if is_old(&path, age) && !held(&name) && fs::remove_dir_all(&path).is_ok() {
                gone += 1;
                match fs::remove_file(owner::beside(&path)) {
                    Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                    Err(_) | Ok(()) => {}
                }
            }
        }
        Ok(gone)
    }

    /// What is written down of an attempt that has no directory beside it goes with the one that
    /// it has elsewhere, or at once if it has none. Storage that is away keeps what it has.
    fn sweep_elsewhere(&self, note: &Path, name: &str, age: Duration) -> io::Result<bool> {
        let shared = Owner::read(note).ok().flatten();
        let shared = shared.and_then(|owner| owner.shared).zip(parsed(name));
        let Some((root, attempt)) = shared else {
            return fs::remove_file(note).map(|()| false);
        };
        let shared = self.at(root);
        if let Err(error) = shared.ready() {
            tracing::debug!(%attempt, %error, "not swept");
            return Ok(false);
        }
        let dir = shared.dir(attempt);
        match dir.try_exists() {
            Ok(false) => fs::remove_file(note).map(|()| false),
            Ok(true) if is_old(&dir, age) && shared.remove_dir(&dir).is_ok() => {
                fs::remove_file(note).map(|()| true)
            }
            Ok(true) | Err(_) => Ok(false),
        }
    }

    /// The shared storage on which an attempt has its directory, or would get it.
    fn shared_of(&self, attempt: AttemptId) -> Option<Shared> {
        match self.owner(attempt) {
            Ok(Some(owner)) => owner.shared.map(|root| self.at(root)),
            // Made by an agent that wrote nothing down.
            Ok(None) if self.own(attempt).exists() => None,
            Ok(None) | Err(_) => self.shared.clone(),
        }
    }

    fn own(&self, attempt: AttemptId) -> PathBuf {
        self.attempts.join(name(attempt))
    }

    fn at(&self, root: PathBuf) -> Shared {
        Shared {
            root,
            cluster: self.cluster,
        }
    }
}

/// The attempt with this name.
fn parsed(name: &str) -> Option<AttemptId> {
    let mut parts = name.split('-');
    let (job, index, number) = (parts.next()?, parts.next()?, parts.next()?);
    let mut task = JobId(job.parse().ok()?).task();
    task.index = index.parse().ok()?;
    let attempt = task.attempt(number.parse().ok()?);
    parts.next().is_none().then_some(attempt)
}

fn is_old(dir: &Path, age: Duration) -> bool {
    let written = newest(dir).and_then(|at| at.elapsed().ok());
    written.is_some_and(|passed| passed > age)
}

fn newest(dir: &Path) -> Option<SystemTime> {
    let files = [dir.to_path_buf(), dir.join("god.log"), dir.join("god.err")];
    files
        .iter()
        .filter_map(|path| path.metadata().ok()?.modified().ok())
        .max()
}
