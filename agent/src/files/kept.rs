//! How much the directories of attempts hold: what this node keeps of ended ones, by user and by
//! project, and when a running one holds as much as it may.
//!
//! An ended attempt is measured once, and again when somebody has changed its files through a head.
//! What was measured is noted where it is noted whose the attempt is, so that a new start of the
//! agent reads notes and walks through nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use beneath::{BeneathError, Tree};
use model::quota::Holder;
use model::stored::Stored;
use model::{AttemptId, Bytes, Fence};
use tokio::sync::watch;
use tokio::time::Instant;

use super::owner::Owner;
use super::storage::Storage;
use crate::runtime::Place;

/// Heads are told at once when so much has come or gone since they were told last.
const TOLD_AT_ONCE: u64 = 64 << 20;
/// How often they are told of less.
pub const TOLD_EVERY: Duration = Duration::from_secs(60);
/// How often a running attempt's directory is looked at, if that takes no time.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Looking takes this part of the time at most.
const LOOK_SHARE: u32 = 20;

/// What this node keeps of ended attempts.
pub struct Kept {
    storage: Storage,
    books: Mutex<Books>,
    told: watch::Sender<Option<Stored>>,
}

#[derive(Default)]
struct Books {
    attempts: BTreeMap<AttemptId, Ended>,
    totals: BTreeMap<Holder, u64>,
    /// What has come and gone since heads were told.
    moved: u64,
}

/// The directory of an ended attempt.
struct Ended {
    holders: Vec<Holder>,
    bytes: u64,
}

impl Kept {
    /// Nothing is known yet.
    pub fn new(storage: Storage) -> Kept {
        Kept {
            storage,
            books: Mutex::default(),
            told: watch::Sender::new(None),
        }
    }

    /// What heads are to be told; `None` until the notes have been read.
    pub fn told(&self) -> watch::Receiver<Option<Stored>> {
        self.told.subscribe()
    }

    /// Reads what was noted of every attempt that is not held. One that was never measured is.
    /// Blocks.
    pub fn read(&self, held: &BTreeSet<AttemptId>) {
        for attempt in self.storage.noted().filter(|one| !held.contains(one)) {
            let place = self.storage.place(attempt, Fence(0));
            match self.storage.owner(attempt) {
                Ok(Some(owner)) if owner.bytes.is_some() => self.put(attempt, &owner),
                Ok(Some(owner)) => self.measure_as(&place, owner),
                Ok(None) => {}
                Err(error) => tracing::warn!(%attempt, %error, "an unreadable note"),
            }
        }
        self.tell();
    }

    /// Measures the directory of an attempt that has ended. Blocks.
    pub fn measure(&self, place: &Place) {
        match self.storage.owner(place.attempt) {
            Ok(Some(owner)) => self.measure_as(place, owner),
            Ok(None) => {}
            Err(error) => tracing::warn!(attempt = %place.attempt, %error, "an unreadable note"),
        }
        if self.books().moved >= TOLD_AT_ONCE {
            self.tell();
        }
    }

    /// Measures it again, if it is that of an attempt which has ended. Blocks.
    pub fn measure_again(&self, place: &Place) {
        let known = self.books().attempts.contains_key(&place.attempt);
        if known {
            self.measure(place);
        }
    }

    fn measure_as(&self, place: &Place, mut owner: Owner) {
        if !place.dir.exists() {
            return;
        }
        match measured(place, &owner) {
            Ok(holds) => owner.bytes = Some(holds.at_least(owner.disk_max)),
            Err(error) => {
                tracing::warn!(attempt = %place.attempt, %error, "cannot measure a directory");
                return;
            }
        }
        if let Err(error) = self.storage.note(place.attempt, &owner) {
            tracing::warn!(attempt = %place.attempt, %error, "cannot note what it holds");
        }
        self.put(place.attempt, &owner);
    }

    fn put(&self, attempt: AttemptId, owner: &Owner) {
        let user = std::iter::once(Holder::User(owner.owner.as_str().into()));
        let project = (!owner.project.is_empty()).then(|| Holder::Project(owner.project.clone()));
        let ended = Ended {
            holders: user.chain(project).collect(),
            bytes: owner.bytes.unwrap_or(0),
        };
        let mut books = self.books();
        books.add(&ended);
        if let Some(before) = books.attempts.insert(attempt, ended) {
            books.take(&before);
        }
    }

    /// Forgets those of which nothing is noted any more: they were swept. What lies on storage that
    /// is away is still kept. Blocks.
    pub fn forget_gone(&self) {
        // First: what ends meanwhile is noted already.
        let known: Vec<AttemptId> = self.books().attempts.keys().copied().collect();
        let noted: BTreeSet<AttemptId> = self.storage.noted().collect();
        let mut books = self.books();
        for attempt in known.iter().filter(|attempt| !noted.contains(attempt)) {
            if let Some(gone) = books.attempts.remove(attempt) {
                books.take(&gone);
            }
        }
    }

    /// Tells heads what is kept, if that is something else than they were told.
    pub fn tell(&self) {
        let stored = self.books().stored();
        self.told.send_if_modified(|known| {
            let new = known.as_ref() != Some(&stored);
            if new {
                *known = Some(stored);
            }
            new
        });
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Books {
    fn add(&mut self, ended: &Ended) {
        self.moved = self.moved.saturating_add(ended.bytes);
        for holder in &ended.holders {
            let total = self.totals.entry(holder.clone()).or_default();
            *total = total.saturating_add(ended.bytes);
        }
    }

    fn take(&mut self, ended: &Ended) {
        self.moved = self.moved.saturating_add(ended.bytes);
        for holder in &ended.holders {
            let total = self.totals.entry(holder.clone()).or_default();
            *total = total.saturating_sub(ended.bytes);
            if *total == 0 {
                self.totals.remove(holder);
            }
        }
    }

    /// The totals to be told.
    fn stored(&mut self) -> Stored {
        self.moved = 0;
        let totals = self.totals.iter();
        let holders = totals.map(|(holder, bytes)| (holder.clone(), Bytes(*bytes)));
        Stored {
            holders: holders.collect(),
        }
        .bounded()
    }
}

/// What an attempt's directory holds on the disk.
struct Holds {
    bytes: u64,
    /// There is more: directories too deep in each other, or too many entries to be counted.
    more: bool,
}

impl Holds {
    /// Nobody evades a bound by what cannot be counted: it counts as all that was allowed.
    fn at_least(&self, disk_max: Option<u64>) -> u64 {
        match disk_max {
            Some(most) if self.more => self.bytes.max(most),
            Some(_) | None => self.bytes,
        }
    }
}

fn measured(place: &Place, owner: &Owner) -> Result<Holds, BeneathError> {
    match Tree::open(&place.dir, owner.ids()?)?.usage() {
        Ok(usage) => Ok(Holds {
            bytes: usage.bytes,
            more: !usage.complete,
        }),
        Err(BeneathError::TooMany { .. }) => Ok(Holds {
            bytes: 0,
            more: true,
        }),
        Err(error) => Err(error),
    }
}

/// Why a directory could not be measured.
#[derive(Debug, thiserror::Error)]
enum Unmeasured {
    #[error(transparent)]
    Tree(BeneathError),
    #[error("whose it is cannot be read: {0}")]
    Note(std::io::Error),
}

/// Returns when a running attempt's directory holds a bound, or what cannot be counted; never,
/// without a bound.
pub async fn overflows(storage: &Storage, place: &Place, most: Option<Bytes>) {
    let Some(most) = most else {
        return std::future::pending().await;
    };
    loop {
        let (began, storage, place) = (Instant::now(), storage.clone(), place.clone());
        let looked = tokio::task::spawn_blocking(move || match storage.owner(place.attempt) {
            Ok(Some(owner)) => measured(&place, &owner).map_err(Unmeasured::Tree),
            Ok(None) => Ok(Holds {
                bytes: 0,
                more: false,
            }),
            Err(error) => Err(Unmeasured::Note(error)),
        });
        match looked.await {
            Ok(Ok(holds)) if holds.bytes < most.0 && !holds.more => {}
            Ok(Ok(_)) => return,
            Ok(Err(error)) => tracing::warn!(%error, "cannot measure a running attempt"),
            Err(error) => tracing::error!(%error, "measuring failed"),
        }
        tokio::time::sleep(LOOK_EVERY.max(began.elapsed() * LOOK_SHARE)).await;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::fs;
    use std::path::Path;

    use model::{ClusterId, JobId};

    use super::*;

    const KIB: u64 = 1 << 10;

    fn storage(dir: &Path) -> Storage {
        Storage::new(dir.to_owned(), ClusterId([7; 16]))
    }

    /// The directory of an ended attempt of somebody's, with a file of so many bytes.
    fn attempt(dir: &Path, job: u64, user: &str, project: &str, bytes: u64) -> Place {
        let place = storage(dir).place(JobId(job).task().attempt(1), Fence(job));
        fs::create_dir_all(place.work()).unwrap();
        write(&place, bytes);
        let owner = Owner {
            owner: user.into(),
            uid: nix::unistd::geteuid().as_raw().max(1),
            gid: nix::unistd::getegid().as_raw().max(1),
            groups: Vec::new(),
            project: project.into(),
            bytes: None,
            disk_max: None,
            shared: None,
        };
        storage(dir).note(place.attempt, &owner).unwrap();
        place
    }

    fn write(place: &Place, bytes: u64) {
        let content = vec![7; usize::try_from(bytes).unwrap()];
        fs::write(place.work().join("out"), content).unwrap();
    }

    fn told(kept: &Kept) -> BTreeMap<String, u64> {
        let told = kept.told().borrow().clone().unwrap();
        let lines = told.holders.into_iter();
        lines
            .map(|(holder, bytes)| (holder.to_string(), bytes.0 / KIB))
            .collect()
    }

    #[test]
    fn what_is_kept_is_summed_by_user_and_project_and_noted() {
        let dir = tempfile::tempdir().unwrap();
        let first = attempt(dir.path(), 1, "ada", "lab", 300 * KIB);
        attempt(dir.path(), 2, "bob", "lab", 500 * KIB);
        let third = [attempt(dir.path(), 3, "ada", "other", 100 * KIB).attempt].into();
        let kept = Kept::new(storage(dir.path()));
        assert_eq!(*kept.told().borrow(), None);
        kept.read(&third);
        let before = told(&kept);
        assert!((300..330).contains(&before["user ada"]), "{before:?}");
        assert!((500..530).contains(&before["user bob"]), "{before:?}");
        assert!((800..860).contains(&before["project lab"]), "{before:?}");
        assert!(!before.contains_key("project other"), "it still runs");

        // A file larger than was noted is not seen by reading notes, but by measuring again.
        write(&first, 900 * KIB);
        let again = Kept::new(storage(dir.path()));
        again.read(&third);
        assert_eq!(told(&again), before);
        again.measure_again(&first);
        again.tell();
        assert!((900..930).contains(&told(&again)["user ada"]));

        again.forget_gone();
        assert!(again.books().attempts.contains_key(&first.attempt));
        fs::remove_dir_all(&first.dir).unwrap();
        fs::remove_file(first.dir.with_extension("owner")).unwrap();
        again.forget_gone();
        again.tell();
        assert!(!told(&again).contains_key("user ada"));
    }

    #[test]
    fn much_is_told_at_once_and_little_later() {
        let dir = tempfile::tempdir().unwrap();
        let kept = Kept::new(storage(dir.path()));
        kept.read(&BTreeSet::new());
        let small = attempt(dir.path(), 1, "ada", "lab", 4 * KIB);
        kept.measure(&small);
        assert!(told(&kept).is_empty());
        let large = attempt(dir.path(), 2, "bob", "lab", TOLD_AT_ONCE);
        kept.measure(&large);
        assert_eq!(told(&kept).len(), 3);
    }

    #[tokio::test]
    async fn a_directory_that_holds_its_bound_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let place = attempt(dir.path(), 1, "ada", "lab", 300 * KIB);
        overflows(&storage(dir.path()), &place, Some(Bytes(256 * KIB))).await;
        let storage = storage(dir.path());
        let enough = overflows(&storage, &place, Some(Bytes(900 * KIB)));
        let waited = tokio::time::timeout(Duration::from_millis(100), enough);
        assert!(waited.await.is_err());
    }

    #[tokio::test]
    async fn what_is_too_deep_to_be_counted_counts_as_all_that_is_allowed() {
        let dir = tempfile::tempdir().unwrap();
        let place = attempt(dir.path(), 1, "ada", "lab", 4 * KIB);
        let deep = "d/".repeat(beneath::limits::WALK_DEPTH_MAX + 1);
        fs::create_dir_all(place.work().join(deep)).unwrap();
        let storage = storage(dir.path());
        overflows(&storage, &place, Some(Bytes(900_000 * KIB))).await;

        let kept = Kept::new(storage.clone());
        kept.read(&BTreeSet::new());
        let unbounded = told(&kept)["user ada"];
        assert!(unbounded < 900, "{unbounded}: no bound was broken");
        let mut owner = storage.owner(place.attempt).unwrap().unwrap();
        owner.disk_max = Some(900_000 * KIB);
        storage.note(place.attempt, &owner).unwrap();
        kept.measure_again(&place);
        kept.tell();
        assert_eq!(told(&kept)["user ada"], 900_000);
    }
}
