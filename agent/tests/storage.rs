//! Directories of attempts on storage that nodes share: whose, where, swept by whom, and what
//! happens while it is away.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use agent::files::shared::{Shared, mark};
use agent::files::storage::Storage;
use agent::journal::Journal;
use agent::runner::{Options, Runner};
use agent::runtime::fake::FakeRuntime;
use agent::runtime::{Place, Runtime, RuntimeError, Seen, Signal};
use agent::uplink::talk::Talk;
use model::assignment::{Assignment, Ending, Held, News};
use model::job::{Exit, Outcome, Started, Usage};
use model::log::Later;
use model::node::RuntimeKind;
use model::{AttemptId, ClusterId, Fence, JobId};
use support::order;
use tokio::sync::mpsc;

/// Longer than anything here may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// Old enough for what was written just now.
const AT_ONCE: Duration = Duration::ZERO;
const OURS: ClusterId = ClusterId([1; 16]);

/// The fake runtime, for attempts that have directories.
struct WithDirectory(FakeRuntime);

impl Runtime for WithDirectory {
    fn kind(&self) -> RuntimeKind {
        self.0.kind()
    }
    fn prepare<'a>(
        &'a self,
        assignment: &'a Assignment,
        place: &'a Place,
    ) -> Later<'a, Result<(), RuntimeError>> {
        assert!(place.work().is_dir(), "{place:?}");
        self.0.prepare(assignment, place)
    }
    fn start<'a>(&'a self, place: &'a Place) -> Later<'a, Result<Started, RuntimeError>> {
        self.0.start(place)
    }
    fn wait<'a>(&'a self, place: &'a Place) -> Later<'a, Result<Exit, RuntimeError>> {
        self.0.wait(place)
    }
    fn capture<'a>(&'a self, place: &'a Place) -> Later<'a, Result<(), RuntimeError>> {
        self.0.capture(place)
    }
    fn signal<'a>(
        &'a self,
        place: &'a Place,
        signal: Signal,
    ) -> Later<'a, Result<(), RuntimeError>> {
        self.0.signal(place, signal)
    }
    fn inspect<'a>(&'a self, place: &'a Place) -> Later<'a, Result<Option<Seen>, RuntimeError>> {
        self.0.inspect(place)
    }
    fn list(&self) -> Later<'_, Result<Vec<Seen>, RuntimeError>> {
        self.0.list()
    }
    fn usage<'a>(&'a self, place: &'a Place) -> Later<'a, Result<Usage, RuntimeError>> {
        self.0.usage(place)
    }
    fn remove<'a>(&'a self, place: &'a Place) -> Later<'a, Result<(), RuntimeError>> {
        self.0.remove(place)
    }
    fn probe(&self) -> Later<'_, Result<(), RuntimeError>> {
        self.0.probe()
    }
}

/// One node's disk, and storage that it shares with others.
struct Desk {
    node: tempfile::TempDir,
    storage: tempfile::TempDir,
}

impl Desk {
    fn new() -> Desk {
        Desk {
            node: tempfile::tempdir().unwrap(),
            storage: tempfile::tempdir().unwrap(),
        }
    }

    fn marked() -> Desk {
        let desk = Desk::new();
        assert!(mark(desk.root(), OURS).unwrap());
        desk
    }

    fn root(&self) -> &Path {
        self.storage.path()
    }

    fn local(&self) -> Storage {
        Storage::new(self.node.path().join("attempts"), OURS)
    }

    fn shared(&self) -> Storage {
        self.local().with_shared(Some(self.root().into()))
    }

    fn runner(&self, storage: Storage) -> Arc<Runner> {
        let inner = FakeRuntime::new(&self.node.path().join("fake"), None).unwrap();
        let (journal, found) = Journal::open(&self.node.path().join("journal")).unwrap();
        let options = Options {
            storage,
            default_ids: (65_534, 65_534),
            sample_every: Duration::from_secs(60),
            secrets: agent::secrets::Asking::new(),
            volumes: agent::volumes::Volumes::none(),
        };
        let (failed, _) = mpsc::channel(1);
        let runtime = Arc::new(WithDirectory(inner));
        Arc::new(Runner::start(runtime, journal, options, found, failed))
    }

    /// What there is on the storage, but for what its root has of its own.
    fn on_storage(&self) -> Vec<String> {
        names(self.root())
            .into_iter()
            .filter(|name| !name.starts_with('.'))
            .collect()
    }
}

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).into_iter().flatten();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn attempt(job: u64) -> AttemptId {
    JobId(job).task().attempt(1)
}

fn assignment(job: u64, script: &str) -> Assignment {
    order(attempt(job), Fence(job), script)
}

/// Makes the directory of a job's first attempt.
fn make(storage: &Storage, job: u64) -> Result<PathBuf, RuntimeError> {
    let place = storage.place(attempt(job), Fence(job));
    storage.make(&place, &assignment(job, ""), (65_534, 65_534))?;
    Ok(place.dir)
}

/// How an attempt ended, once it has.
async fn end(runner: &Runner, attempt: AttemptId) -> Ending {
    let told = async {
        loop {
            let reports = runner.untold(&mut Talk::default());
            let end = reports.into_iter().find_map(|report| match report.news {
                News::Ended(ending) if report.attempt == attempt => Some(ending),
                News::Ended(_) | News::Running(_) | News::Serving(..) => None,
            });
            match end {
                Some(ending) => return ending,
                None => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    };
    tokio::time::timeout(PATIENCE, told).await.unwrap()
}

#[test]
fn the_tree_is_made_of_pairs_of_digits_and_no_attempt_lies_in_another() {
    let shared = Shared {
        root: "/srv/godocker".into(),
        cluster: OURS,
    };
    let cases = [
        (5, "5/job/0/1"),
        (72, "72/job/0/1"),
        (123, "12/3/job/0/1"),
        (1_234, "12/34/job/0/1"),
        (12_345, "12/34/5/job/0/1"),
        (u64::MAX, "18/44/67/44/07/37/09/55/16/15/job/0/1"),
    ];
    for (job, expected) in cases {
        let expected = Path::new("/srv/godocker").join(expected);
        assert_eq!(shared.dir(attempt(job)), expected);
    }
    let mut task = JobId(12).task();
    task.index = 34;
    let last = shared.dir(task.attempt(5));
    assert_eq!(last, Path::new("/srv/godocker/12/job/34/5"));

    let mut dirs = BTreeSet::new();
    for job in (0..3_000).chain([u64::MAX - 1, u64::MAX]) {
        for index in [0, 1, 12] {
            let mut task = JobId(job).task();
            task.index = index;
            for number in [1, 2, 12] {
                assert!(dirs.insert(shared.dir(task.attempt(number))));
            }
        }
    }
    for dir in &dirs {
        let mut above = dir.ancestors().skip(1);
        assert!(!above.any(|above| dirs.contains(above)), "{dir:?}");
    }
}

#[test]
fn a_directory_is_marked_once_if_it_is_empty_and_nobody_elses() {
    let desk = Desk::new();
    let root = desk.root();
    fs::create_dir(root.join("lost+found")).unwrap();
    assert!(mark(root, OURS).unwrap());
    assert!(!mark(root, OURS).unwrap(), "marked before");
    let refused = |at: &Path, cluster| mark(at, cluster).unwrap_err().to_string();
    let other = refused(root, ClusterId([2; 16]));
    assert!(other.contains(&OURS.to_string()), "{other}");

    let used = tempfile::tempdir().unwrap();
    fs::create_dir(used.path().join("12")).unwrap();
    let words = refused(used.path(), OURS);
    assert!(
        words.contains("`12`") && words.contains("files.shared"),
        "{words}"
    );

    let open = tempfile::tempdir().unwrap();
    fs::set_permissions(open.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let words = refused(open.path(), OURS);
    assert!(words.contains("chmod go-w"), "{words}");
    let words = refused(&used.path().join("none"), OURS);
    assert!(words.contains("files.shared"), "{words}");
}

#[test]
fn storage_that_is_away_or_somebody_elses_gets_nothing() {
    type Hurt = fn(&Desk);
    let cases: [(Hurt, &str); 5] = [
        (
            |desk| fs::remove_file(desk.root().join(".godocker-storage")).unwrap(),
            "mount it",
        ),
        (|desk| fs::remove_dir_all(desk.root()).unwrap(), "mount it"),
        (
            |desk| {
                fs::remove_file(desk.root().join(".godocker-storage")).unwrap();
                mark(desk.root(), ClusterId([2; 16])).unwrap();
            },
            "of its own",
        ),
        (
            |desk| {
                let open = fs::Permissions::from_mode(0o777);
                fs::set_permissions(desk.root(), open).unwrap();
            },
            "chmod go-w",
        ),
        (
            |desk| {
                let open = fs::Permissions::from_mode(0o666);
                let mark = desk.root().join(".godocker-storage");
                fs::set_permissions(mark, open).unwrap();
            },
            "chmod go-w",
        ),
    ];
    for (hurt, expected) in cases {
        let desk = Desk::marked();
        hurt(&desk);
        let refused = make(&desk.shared(), 12).unwrap_err().to_string();
        assert!(refused.starts_with("files.shared: "), "{refused}");
        assert!(refused.contains(expected), "{refused}");
        assert!(desk.on_storage().is_empty());
        assert!(names(&desk.node.path().join("attempts")).is_empty());
    }
}

#[test]
fn the_way_to_a_directory_can_be_passed_and_not_listed() {
    let desk = Desk::marked();
    let dir = make(&desk.shared(), 1_234).unwrap();
    assert_eq!(dir, desk.root().join("12/34/job/0/1"));
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    for above in dir.ancestors().skip(1).take(4) {
        assert_eq!(mode(above), 0o711, "{above:?}");
    }
    assert_eq!((mode(&dir), mode(&dir.join("work"))), (0o2750, 0o750));
    let owner = desk.shared().owner(attempt(1_234)).unwrap().unwrap();
    assert!(owner.is(&"alice".into()));
    assert_eq!(
        names(&desk.node.path().join("attempts")),
        ["1234-0-1.owner"]
    );
}

/// Whatever the configuration says later, a directory is where it was made.
#[test]
fn a_directory_stays_where_it_was_made() {
    let desk = Desk::marked();
    let (here, there) = (
        make(&desk.local(), 1).unwrap(),
        make(&desk.shared(), 2).unwrap(),
    );
    for storage in [desk.local(), desk.shared()] {
        assert_eq!(storage.place(attempt(1), Fence(1)).dir, here);
        assert_eq!(storage.place(attempt(2), Fence(1)).dir, there);
        assert_eq!(make(&storage, 1).unwrap(), here);
        assert_eq!(make(&storage, 2).unwrap(), there);
    }
    // Of an agent that wrote nothing down.
    fs::remove_file(here.with_extension("owner")).unwrap();
    assert_eq!(desk.shared().place(attempt(1), Fence(1)).dir, here);
    assert_eq!(
        desk.local().place(attempt(3), Fence(1)).dir.parent(),
        here.parent()
    );
    assert!(
        desk.shared()
            .place(attempt(3), Fence(1))
            .dir
            .starts_with(desk.root())
    );
}

#[test]
fn each_agent_sweeps_its_own() {
    let desk = Desk::marked();
    let other = Desk::new();
    let others = other.local().with_shared(Some(desk.root().into()));
    let theirs = make(&others, 1_233).unwrap();
    let ours = make(&desk.shared(), 1_234).unwrap();
    let held = make(&desk.shared(), 1_235).unwrap();
    let here = make(&desk.local(), 9).unwrap();
    let is_held = |name: &str| name == "1235-0-1";
    let hour = Duration::from_secs(3_600);
    assert_eq!(desk.shared().sweep(hour, is_held).unwrap(), 0);
    assert!(
        [&theirs, &ours, &held, &here]
            .iter()
            .all(|dir| dir.exists())
    );

    // Swept whatever the configuration is now.
    assert_eq!(desk.local().sweep(AT_ONCE, is_held).unwrap(), 2);
    assert!(theirs.exists() && held.exists() && !ours.exists() && !here.exists());
    assert!(!desk.root().join("12/34").exists(), "empty without it");
    let left = names(&desk.node.path().join("attempts"));
    assert_eq!(left, ["1235-0-1.owner"]);

    assert_eq!(others.sweep(AT_ONCE, |_| false).unwrap(), 1);
    assert_eq!(desk.shared().sweep(AT_ONCE, |_| false).unwrap(), 1);
    assert!(desk.on_storage().is_empty());
    assert!(names(&desk.node.path().join("attempts")).is_empty());
}

#[test]
fn what_lies_on_storage_that_is_away_is_not_forgotten() {
    let desk = Desk::marked();
    let dir = make(&desk.shared(), 12).unwrap();
    let mark_file = desk.root().join(".godocker-storage");
    let kept = fs::read(&mark_file).unwrap();
    fs::remove_file(&mark_file).unwrap();
    assert_eq!(desk.shared().sweep(AT_ONCE, |_| false).unwrap(), 0);
    assert!(dir.exists());
    fs::write(&mark_file, kept).unwrap();
    assert_eq!(desk.shared().sweep(AT_ONCE, |_| false).unwrap(), 1);
    // What somebody else has removed is no more to be swept.
    let dir = make(&desk.shared(), 13).unwrap();
    fs::remove_dir_all(dir).unwrap();
    assert_eq!(desk.shared().sweep(AT_ONCE, |_| false).unwrap(), 0);
    assert!(names(&desk.node.path().join("attempts")).is_empty());
}

#[tokio::test]
async fn an_attempt_runs_in_its_directory_on_the_storage() {
    let desk = Desk::marked();
    let runner = desk.runner(desk.shared());
    let job = assignment(77, "exit 3");
    runner.assign(vec![job.clone()], || true).await.unwrap();
    let ending = end(&runner, job.attempt).await;
    assert_eq!(
        (ending.outcome, ending.exit.code),
        (Outcome::Failed, Some(3))
    );
    let held = Held {
        attempt: job.attempt,
        fence: job.fence,
    };
    let dir = runner.place(held).dir;
    assert_eq!(dir, desk.root().join("77/job/0/1"));
    assert!(dir.join("god.info").exists());
    assert!(runner.is_of(job.attempt, &"alice".into()).await);
    runner.sweep(AT_ONCE);
    assert!(dir.exists(), "held");
}

#[tokio::test]
async fn without_its_storage_a_node_says_so_and_runs_nothing_on_its_own_disk() {
    let desk = Desk::new();
    let runner = desk.runner(desk.shared());
    let minded = tokio::spawn(runner.clone().mind_health());
    let mut trouble = runner.trouble();
    let said = trouble.wait_for(|trouble| {
        trouble
            .as_ref()
            .is_some_and(|words| words.starts_with("files.shared: "))
    });
    tokio::time::timeout(PATIENCE, said).await.unwrap().unwrap();

    let job = assignment(5, "exit 0");
    runner.assign(vec![job.clone()], || true).await.unwrap();
    let ending = end(&runner, job.attempt).await;
    assert_eq!(ending.outcome, Outcome::NotBegun);
    assert!(
        ending.message.contains("files.shared: "),
        "{}",
        ending.message
    );
    assert!(desk.on_storage().is_empty());
    assert!(names(&desk.node.path().join("attempts")).is_empty());

    mark(desk.root(), OURS).unwrap();
    let well = trouble.wait_for(Option::is_none);
    tokio::time::timeout(PATIENCE, well).await.unwrap().unwrap();
    let job = assignment(6, "exit 0");
    runner.assign(vec![job.clone()], || true).await.unwrap();
    assert_eq!(end(&runner, job.attempt).await.outcome, Outcome::Succeeded);
    assert!(desk.root().join("6/job/0/1/work").is_dir());
    minded.abort();
}
