//! The fake runtime keeps the promises of a real one: one record under one name, fences, adoption
//! by a restarted agent, and a ledger that shows each begin and end once.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::PathBuf;
use std::sync::Arc;

use agent::files::storage::Storage;
use agent::runtime::fake::FakeRuntime;
use agent::runtime::{Place, Runtime, RuntimeError, Signal, Stage};
use model::assignment::Assignment;
use model::job::Exit;
use model::spec::{JobSpec, Program};
use model::{ClusterId, Fence, JobId};
use tempfile::TempDir;

struct Desk {
    dir: TempDir,
    runtime: FakeRuntime,
}

impl Desk {
    fn new() -> Desk {
        let dir = tempfile::tempdir().unwrap();
        let runtime = Desk::open(&dir);
        Desk { dir, runtime }
    }

    fn open(dir: &TempDir) -> FakeRuntime {
        FakeRuntime::new(&dir.path().join("fake"), Some(dir.path().join("ledger"))).unwrap()
    }

    /// What a restarted agent would have.
    fn restart(&mut self) {
        self.runtime = Desk::open(&self.dir);
    }

    async fn prepare(&self, fence: u64, script: &str) -> Result<Place, RuntimeError> {
        self.prepare_job(7, fence, script).await
    }

    async fn prepare_job(&self, job: u64, fence: u64, script: &str) -> Result<Place, RuntimeError> {
        let text = script.to_owned();
        let spec = JobSpec {
            program: Program::Script {
                text,
                args: Vec::new(),
            },
            ..JobSpec::default()
        };
        let assignment = Assignment {
            attempt: JobId(job).task().attempt(1),
            fence: Fence(fence),
            owner: "alice".into(),
            ids: None,
            spec: Arc::new(spec),
            mounts: Vec::new(),
            exclusive: false,
        };
        let storage = Storage::new(self.dir.path().into(), ClusterId([1; 16]));
        let place = storage.place(assignment.attempt, assignment.fence);
        std::fs::create_dir_all(&place.dir).unwrap();
        self.runtime
            .prepare(&assignment, &place)
            .await
            .map(|()| place)
    }

    /// Its lines without the times.
    fn ledger(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.path("ledger")).unwrap_or_default();
        let lines = text.lines().filter_map(|line| line.rsplit_once(' '));
        lines.map(|(what, _)| what.to_owned()).collect()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

fn code(code: i32) -> Exit {
    Exit {
        code: Some(code),
        ..Exit::default()
    }
}

#[tokio::test]
async fn a_script_says_how_it_ends_and_what_it_writes() {
    let cases = [
        ("", code(0), ""),
        ("exit 7\necho never", code(7), ""),
        ("echo a  b\nsleep 0.01\necho c", code(0), "a b\nc\n"),
        ("bwa mem ref.fa reads.fq", code(0), ""),
        ("exit 256", code(2), ""),
        ("sleep soon", code(0), ""),
    ];
    for (script, exit, output) in cases {
        let desk = Desk::new();
        let place = desk.prepare(1, script).await.unwrap();
        desk.runtime.start(&place).await.unwrap();
        assert_eq!(desk.runtime.wait(&place).await.unwrap(), exit, "{script}");
        desk.runtime.capture(&place).await.unwrap();
        assert_eq!(
            std::fs::read_to_string(place.stdout()).unwrap_or_default(),
            output,
            "{script}"
        );
    }
}

#[tokio::test]
async fn begin_and_end_are_in_the_ledger_once_however_often_the_agent_restarts() {
    let mut desk = Desk::new();
    let place = desk.prepare(3, "sleep 0.05\nexit 4").await.unwrap();
    for _ in 0..3 {
        desk.runtime.start(&place).await.unwrap();
        desk.restart();
        assert_eq!(desk.prepare(3, "exit 9").await.unwrap(), place);
    }
    for _ in 0..3 {
        assert_eq!(desk.runtime.wait(&place).await.unwrap(), code(4));
        desk.restart();
    }
    assert_eq!(desk.ledger(), ["begin 7_0#1 3", "end 7_0#1 3"]);
    let seen = desk.runtime.inspect(&place).await.unwrap().unwrap();
    assert!(
        matches!(
            seen.stage,
            Stage::Exited {
                engine_failed: false,
                ..
            }
        ),
        "{seen:?}"
    );
    desk.runtime.remove(&place).await.unwrap();
    desk.runtime.remove(&place).await.unwrap();
    assert_eq!(desk.runtime.inspect(&place).await.unwrap(), None);
}

#[tokio::test]
async fn a_restarted_agent_finds_what_has_begun_and_not_what_was_made_or_taken_away() {
    let mut desk = Desk::new();
    let begun = desk.prepare_job(1, 3, "sleep 600").await.unwrap();
    let removed = desk.prepare_job(2, 4, "").await.unwrap();
    let made = desk.prepare_job(3, 5, "").await.unwrap();
    desk.runtime.start(&removed).await.unwrap();
    desk.runtime.remove(&removed).await.unwrap();
    // Its line goes with this one's.
    desk.runtime.start(&begun).await.unwrap();
    desk.restart();
    assert_eq!(desk.runtime.inspect(&made).await.unwrap(), None);
    assert_eq!(desk.runtime.inspect(&removed).await.unwrap(), None);
    let seen = desk.runtime.list().await.unwrap();
    assert_eq!(seen.len(), 1, "{seen:?}");
    assert_eq!(seen[0].attempt, begun.attempt);
    assert!(matches!(seen[0].stage, Stage::Running(_)), "{seen:?}");
}

#[tokio::test]
async fn a_later_fence_replaces_an_earlier_one_and_never_the_other_way() {
    let desk = Desk::new();
    let old = desk.prepare(3, "sleep 600").await.unwrap();
    let new = desk.prepare(5, "exit 1").await.unwrap();
    assert!(matches!(
        desk.prepare(4, "").await,
        Err(RuntimeError::Refused { .. })
    ));
    assert!(matches!(
        desk.runtime.start(&old).await,
        Err(RuntimeError::Gone)
    ));
    desk.runtime.start(&new).await.unwrap();
    assert_eq!(desk.runtime.wait(&new).await.unwrap(), code(1));
    assert_eq!(desk.runtime.list().await.unwrap().len(), 1);
}

#[tokio::test]
async fn signals_end_what_runs_and_are_seen_by_who_waits() {
    let desk = Desk::new();
    let place = desk.prepare(1, "sleep 600").await.unwrap();
    desk.runtime.start(&place).await.unwrap();
    let (waited, signalled) = tokio::join!(
        desk.runtime.wait(&place),
        desk.runtime.signal(&place, Signal::Term)
    );
    signalled.unwrap();
    let exit = Exit {
        code: Some(143),
        signal: Some(15),
        oom_killed: false,
    };
    assert_eq!(waited.unwrap(), exit);

    let place = desk.prepare(2, "trap '' TERM\nsleep 600").await.unwrap();
    desk.runtime.start(&place).await.unwrap();
    desk.runtime.signal(&place, Signal::Term).await.unwrap();
    let seen = desk.runtime.inspect(&place).await.unwrap().unwrap();
    assert!(matches!(seen.stage, Stage::Running(_)), "{seen:?}");
    desk.runtime.signal(&place, Signal::Kill).await.unwrap();
    let exit = Exit {
        code: Some(137),
        signal: Some(9),
        oom_killed: false,
    };
    assert_eq!(desk.runtime.wait(&place).await.unwrap(), exit);
}
