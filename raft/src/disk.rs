//! Files that survive a crash: written whole, synced, renamed, their directory synced.
//!
//! [`Faults`] names the moments at which tests interfere; in production it does nothing.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

/// A moment around what the disk is asked for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum DiskPoint {
    /// Before a group of log writes, votes included, is written and synced.
    LogWrite,
    /// The group is durable; nobody has been told yet.
    LogSynced,
    /// [`DiskPoint::LogWrite`] of a group with a vote in it, and so on with each kind of write.
    VoteWrite,
    /// [`DiskPoint::LogSynced`] of a group with a vote in it, and so on.
    VoteSynced,
    /// Before entries are written.
    AppendWrite,
    /// The entries are durable.
    AppendSynced,
    /// Before entries at the end are removed; the mark is low already.
    TruncateWrite,
    /// They are removed durably.
    TruncateSynced,
    /// Before entries at the front are removed.
    PurgeWrite,
    /// They are removed durably.
    PurgeSynced,
    /// Before a batch of applied entries is written to the tables.
    TablesWrite,
    /// The checkpoint of a snapshot is complete, but not yet the newest one.
    SnapshotBuilt,
    /// A snapshot has its name, durably; nobody has been told yet.
    SnapshotKept,
    /// A received snapshot is whole and checked, but not adopted.
    SnapshotReceived,
    /// A received snapshot lies in its place; the marker still names the old tables.
    InstallBeforeMarker,
    /// The marker names the new tables; nobody has been told yet.
    InstallAfterMarker,
}

impl DiskPoint {
    /// Every point.
    pub const ALL: [DiskPoint; 16] = [
        DiskPoint::LogWrite,
        DiskPoint::LogSynced,
        DiskPoint::VoteWrite,
        DiskPoint::VoteSynced,
        DiskPoint::AppendWrite,
        DiskPoint::AppendSynced,
        DiskPoint::TruncateWrite,
        DiskPoint::TruncateSynced,
        DiskPoint::PurgeWrite,
        DiskPoint::PurgeSynced,
        DiskPoint::TablesWrite,
        DiskPoint::SnapshotBuilt,
        DiskPoint::SnapshotKept,
        DiskPoint::SnapshotReceived,
        DiskPoint::InstallBeforeMarker,
        DiskPoint::InstallAfterMarker,
    ];

    /// The point's name outside this program.
    pub fn name(self) -> &'static str {
        match self {
            DiskPoint::LogWrite => "log-write",
            DiskPoint::LogSynced => "log-synced",
            DiskPoint::VoteWrite => "vote-write",
            DiskPoint::VoteSynced => "vote-synced",
            DiskPoint::AppendWrite => "append-write",
            DiskPoint::AppendSynced => "append-synced",
            DiskPoint::TruncateWrite => "truncate-write",
            DiskPoint::TruncateSynced => "truncate-synced",
            DiskPoint::PurgeWrite => "purge-write",
            DiskPoint::PurgeSynced => "purge-synced",
            DiskPoint::TablesWrite => "tables-write",
            DiskPoint::SnapshotBuilt => "snapshot-built",
            DiskPoint::SnapshotKept => "snapshot-kept",
            DiskPoint::SnapshotReceived => "snapshot-received",
            DiskPoint::InstallBeforeMarker => "install-before-marker",
            DiskPoint::InstallAfterMarker => "install-after-marker",
        }
    }
}

type Hook = dyn Fn(DiskPoint) -> io::Result<()> + Send + Sync;

/// What happens at each [`DiskPoint`]: nothing, unless a test says so.
#[derive(Clone, Default)]
pub struct Faults(Option<Arc<Hook>>);

impl Faults {
    /// Calls `hook` at each point; its error is what the disk answers there.
    pub fn new(hook: impl Fn(DiskPoint) -> io::Result<()> + Send + Sync + 'static) -> Faults {
        Faults(Some(Arc::new(hook)))
    }

    pub(crate) fn at(&self, point: DiskPoint) -> io::Result<()> {
        match &self.0 {
            Some(hook) => hook(point),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() {
            "Faults(some)"
        } else {
            "Faults(none)"
        })
    }
}

/// Writes a small file so that after a crash it is the old one or the new one, never a part.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = path.with_extension("new");
    let mut file = File::create(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    drop(file);
    fs::rename(&temporary, path)?;
    match path.parent() {
        Some(parent) => sync_dir(parent),
        None => Ok(()),
    }
}

/// Makes names in a directory durable.
pub(crate) fn sync_dir(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Makes a directory that holds a RocksDB elsewhere, sharing its immutable files, all durable.
pub(crate) fn clone_db(from: &Path, to: &Path) -> io::Result<()> {
    remove_dir(to)?;
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (name, target) = (entry.file_name(), to.join(entry.file_name()));
        let immutable = Path::new(&name).extension().is_some_and(|end| end == "sst");
        if immutable {
            fs::hard_link(entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), &target)?;
            File::open(&target)?.sync_all()?;
        }
    }
    sync_dir(to)?;
    match to.parent() {
        Some(parent) => sync_dir(parent),
        None => Ok(()),
    }
}

/// Removes a directory with all it holds; none there is fine.
pub(crate) fn remove_dir(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Any error as the kind that openraft takes.
pub(crate) fn io_error(error: impl fmt::Display) -> io::Error {
    io::Error::other(error.to_string())
}
