//! A process runtime of its own for each test: directories, orders, and what to look at.
//!
//! Groups carry the test's own node number, so tests run side by side and leave nothing.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use agent::runtime::process::{ProcessConfig, ProcessRuntime};
use agent::runtime::{Place, Runtime, RuntimeError, Seen, Stage};
use model::account::UserName;
use model::assignment::Assignment;
use model::job::Exit;
use model::resource::Resources;
use model::spec::{JobSpec, Program};
use model::unit::{Bytes, MilliCpus};
use model::{ClusterId, Fence, JobId, NodeId};
use tempfile::TempDir;

/// Nothing here takes longer on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

static NODES: AtomicU64 = AtomicU64::new(1);

pub struct Desk {
    pub runtime: ProcessRuntime,
    pub config: ProcessConfig,
    pub dir: TempDir,
}

impl Desk {
    pub fn new() -> Desk {
        assert!(
            nix::unistd::geteuid().is_root(),
            "these tests make namespaces: run them as root"
        );
        let dir = tempfile::tempdir().unwrap();
        let node =
            NODES.fetch_add(1, Ordering::Relaxed) * 1_000_000 + u64::from(std::process::id());
        let mut config = ProcessConfig::new(dir.path(), ClusterId([0x7e; 16]), NodeId(node));
        config.program = PathBuf::from(env!("CARGO_BIN_EXE_goagent"));
        let runtime = ProcessRuntime::new(config.clone()).unwrap();
        Desk {
            runtime,
            config,
            dir,
        }
    }

    /// What a restarted agent would have.
    pub fn restarted(&self) -> ProcessRuntime {
        ProcessRuntime::new(self.config.clone()).unwrap()
    }

    pub fn place(&self, job: u64, fence: u64) -> Place {
        let attempt = JobId(job).task().attempt(1);
        let mut place = Place {
            attempt,
            fence: Fence(fence),
            dir: PathBuf::new(),
        };
        place.dir = self.dir.path().join("attempts").join(place.name());
        place
    }

    pub async fn prepare(&self, assignment: &Assignment) -> Result<Place, RuntimeError> {
        let place = self.place(assignment.attempt.task.job.0, assignment.fence.0);
        std::fs::create_dir_all(place.work()).unwrap();
        let ids = assignment.runs_as(self.config.default_ids);
        std::os::unix::fs::chown(place.work(), Some(ids.uid), Some(ids.gid)).unwrap();
        self.runtime
            .prepare(assignment, &place)
            .await
            .map(|()| place)
    }

    pub async fn start(&self, assignment: &Assignment) -> Place {
        let place = self.prepare(assignment).await.unwrap();
        self.runtime.start(&place).await.unwrap();
        place
    }

    pub async fn end(&self, place: &Place) -> Exit {
        let end = tokio::time::timeout(PATIENCE, self.runtime.wait(place)).await;
        end.expect("the attempt ends in time").unwrap()
    }

    /// Runs to the end; returns the exit and both streams as text.
    pub async fn run(&self, assignment: &Assignment) -> (Exit, String, String) {
        let place = self.start(assignment).await;
        let exit = self.end(&place).await;
        self.runtime.capture(&place).await.unwrap();
        let text =
            |path: PathBuf| String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned();
        let seen = (exit, text(place.stdout()), text(place.stderr()));
        self.leave_nothing(&place).await;
        seen
    }

    pub async fn stage(&self, place: &Place) -> Option<Stage> {
        self.runtime
            .inspect(place)
            .await
            .unwrap()
            .map(|Seen { stage, .. }| stage)
    }

    /// Removes the attempt and looks for anything that is left of it.
    pub async fn leave_nothing(&self, place: &Place) {
        self.runtime.remove(place).await.unwrap();
        self.runtime.remove(place).await.unwrap();
        assert_eq!(self.stage(place).await, None);
        assert_eq!(groups(&self.config.cgroup, place), Vec::<PathBuf>::new());
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
        let dir = self.dir.path().to_string_lossy().into_owned();
        assert!(!mounts.contains(&dir), "a mount is left: {mounts}");
        assert_eq!(self.supervisors(place), Vec::<String>::new());
    }

    /// Command lines of supervisors of this attempt. They have its directory as an argument, the
    /// whole path: other agents on this machine number their attempts alike.
    pub fn supervisors(&self, place: &Place) -> Vec<String> {
        let state = self.config.state.join(place.name());
        let needle = format!(" shim {}-", state.display());
        let mut found = Vec::new();
        for entry in std::fs::read_dir("/proc").unwrap() {
            let path = entry.unwrap().path().join("cmdline");
            let line = std::fs::read(path).unwrap_or_default();
            let line = String::from_utf8_lossy(&line).replace('\0', " ");
            if line.contains(&needle) {
                found.push(line);
            }
        }
        found
    }
}

/// The attempt's control groups that exist.
pub fn groups(parent: &str, place: &Place) -> Vec<PathBuf> {
    let name = format!("{parent}/{}-{}", place.name(), place.fence);
    let mut roots = vec![PathBuf::from("/sys/fs/cgroup")];
    roots.extend(
        std::fs::read_dir("/sys/fs/cgroup")
            .unwrap()
            .map(|entry| entry.unwrap().path()),
    );
    roots
        .iter()
        .map(|root| root.join(&name))
        .filter(|path| path.exists())
        .collect()
}

/// A shell script as a job, with a cpu and plenty of memory.
pub fn script(job: u64, text: &str) -> Assignment {
    program(
        job,
        Program::Script {
            text: text.into(),
            args: Vec::new(),
        },
    )
}

pub fn argv(job: u64, words: &[&str]) -> Assignment {
    program(
        job,
        Program::Argv(words.iter().map(ToString::to_string).collect()),
    )
}

fn program(job: u64, program: Program) -> Assignment {
    let resources = Resources {
        cpu: MilliCpus(1_000),
        memory: Bytes::mebi(128),
    };
    Assignment {
        attempt: JobId(job).task().attempt(1),
        fence: Fence(100 + job),
        owner: UserName::default(),
        ids: None,
        spec: Arc::new(JobSpec {
            program,
            resources,
            ..JobSpec::default()
        }),
        mounts: Vec::new(),
        exclusive: false,
    }
}

pub fn with_spec(mut assignment: Assignment, change: impl FnOnce(&mut JobSpec)) -> Assignment {
    change(Arc::make_mut(&mut assignment.spec));
    assignment
}

/// Waits until `path` holds `text`.
pub async fn says(path: &Path, text: &str) {
    let begun = std::time::Instant::now();
    while !std::fs::read_to_string(path)
        .unwrap_or_default()
        .contains(text)
    {
        assert!(
            begun.elapsed() < PATIENCE,
            "{} never says {text}",
            path.display()
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
