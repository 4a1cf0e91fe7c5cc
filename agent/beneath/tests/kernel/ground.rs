//! The ground that each test stands on: a file system of its own, a user's tree, and next to it
//! what must stay untouched. That belongs to the user too: only this package keeps him out.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, lchown, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use beneath::{Ids, Tree};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use rustix::fs::{CWD, RenameFlags, renameat_with};

/// The user of the tests.
pub(crate) const USER: u32 = 30_001;
/// A group that the user is in beside the first one.
pub(crate) const GROUP: u32 = 30_002;
/// Somebody else.
pub(crate) const OTHER: u32 = 30_003;
/// What must never be read.
pub(crate) const CANARY: &str = "CANARY-c7e1";

/// Where a test stands.
pub(crate) struct Ground {
    /// The file system; closed to nobody.
    pub(crate) top: PathBuf,
    /// An administrator's directory.
    pub(crate) volume: PathBuf,
    /// The user's directory in it.
    pub(crate) home: PathBuf,
    /// A job's directory.
    pub(crate) job: PathBuf,
    /// What nobody may get to.
    pub(crate) outside: PathBuf,
}

/// Runs a test in a thread with a mount namespace of its own.
pub(crate) fn on_ground(test: impl FnOnce(&Ground) + Send) {
    assert!(
        nix::unistd::geteuid().is_root(),
        "these tests act as other users and mount file systems: run them as root"
    );
    thread::scope(|scope| {
        let done = scope.spawn(|| {
            unshare(CloneFlags::CLONE_NEWNS).unwrap();
            let none = None::<&str>;
            let private = MsFlags::MS_PRIVATE | MsFlags::MS_REC;
            mount(none, "/", none, private, none).unwrap();
            let dir = tempfile::tempdir().unwrap();
            let _mounted = Mounted::new(dir.path(), "size=512m,mode=0755");
            test(&Ground::new(dir.path()));
        });
        done.join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    });
}

/// A tmpfs that goes away with this.
pub(crate) struct Mounted(PathBuf);

impl Mounted {
    pub(crate) fn new(at: &Path, options: &str) -> Mounted {
        let (name, none) = (Some("tmpfs"), MsFlags::empty());
        mount(name, at, name, none, Some(options)).unwrap();
        Mounted(at.to_path_buf())
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = umount2(&self.0, MntFlags::MNT_DETACH);
    }
}

impl Ground {
    fn new(top: &Path) -> Ground {
        let ground = Ground {
            top: top.to_path_buf(),
            volume: top.join("volume"),
            home: top.join("volume/home"),
            job: top.join("job"),
            outside: top.join("outside"),
        };
        directory(&ground.volume, 0);
        directory(&ground.home, USER);
        directory(&ground.job, USER);
        directory(&ground.outside, USER);
        directory(&ground.outside.join("deep"), USER);
        for path in ["canary", "mark", "deep/mark"] {
            file(&ground.outside.join(path), CANARY, USER);
        }
        ground
    }

    pub(crate) fn tree(&self) -> Tree {
        Tree::open(&self.job, user()).unwrap()
    }
}

pub(crate) fn user() -> Ids {
    Ids::new(USER, USER, vec![GROUP]).unwrap()
}

pub(crate) fn directory(path: &Path, owner: u32) {
    fs::create_dir(path).unwrap();
    chown(path, Some(owner), Some(owner)).unwrap();
    mode(path, 0o755);
}

pub(crate) fn file(path: &Path, content: &str, owner: u32) {
    fs::write(path, content).unwrap();
    chown(path, Some(owner), Some(owner)).unwrap();
    mode(path, 0o644);
}

pub(crate) fn link(path: &Path, target: impl AsRef<Path>) {
    symlink(target, path).unwrap();
    lchown(path, Some(USER), Some(USER)).unwrap();
}

pub(crate) fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Everything below a directory: path, mode, owner, links, size, time of change, content.
pub(crate) type Picture = Vec<(OsString, u32, u32, u64, u64, i64, Vec<u8>)>;

/// What there is. Two equal pictures: nothing was touched.
pub(crate) fn picture(dir: &Path) -> Picture {
    let mut all = Vec::new();
    let mut left = vec![dir.to_path_buf()];
    while let Some(path) = left.pop() {
        let about = fs::symlink_metadata(&path).unwrap();
        let content = if about.is_dir() {
            left.extend(
                fs::read_dir(&path)
                    .unwrap()
                    .map(|entry| entry.unwrap().path()),
            );
            Vec::new()
        } else if about.is_symlink() {
            fs::read_link(&path)
                .unwrap()
                .as_os_str()
                .as_bytes()
                .to_vec()
        } else if about.is_file() {
            fs::read(&path).unwrap()
        } else {
            Vec::new()
        };
        let name = path.strip_prefix(dir).unwrap().as_os_str().to_owned();
        let links = if about.is_dir() { 0 } else { about.nlink() };
        let time = about.mtime() * 1_000_000_000 + about.mtime_nsec();
        let size = if about.is_dir() { 0 } else { about.size() };
        all.push((name, about.mode(), about.uid(), links, size, time, content));
    }
    all.sort();
    all
}

/// Whether some bytes contain what must never be read.
pub(crate) fn leaks(bytes: &[u8]) -> bool {
    let canary = CANARY.as_bytes();
    bytes.windows(canary.len()).any(|window| window == canary)
}

/// Exchanges two names without pause while something is done. Returns how often.
pub(crate) fn while_swapping<T>(one: &Path, two: &Path, work: impl FnOnce() -> T) -> (T, u64) {
    let (over, swaps) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                let swapped = renameat_with(CWD, one, CWD, two, RenameFlags::EXCHANGE);
                if swapped.is_ok() {
                    swaps.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
        let stop = Stop(&over);
        while swaps.load(Ordering::Relaxed) == 0 {
            thread::yield_now();
        }
        let done = work();
        drop(stop);
        (done, swaps.load(Ordering::Relaxed))
    })
}

/// Ends the racer even if the work panics.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
