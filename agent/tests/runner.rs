//! The runner with a runtime that fails it: what it must not do meanwhile.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use agent::files::storage::Storage;
use agent::journal::Journal;
use agent::runner::{Options, Runner};
use agent::runtime::fake::FakeRuntime;
use agent::runtime::{Place, Runtime, RuntimeError, Seen, Signal};
use agent::uplink::talk::Talk;
use model::assignment::{Assignment, Held, News, Stop, StopCause};
use model::job::{Exit, Started, Usage};
use model::log::Later;
use model::node::RuntimeKind;
use model::port::Published;
use model::{ClusterId, Fence, JobId, Millis};
use support::order;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep};

/// Longer than anything here may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// The fake runtime, which heeds no signal while it is deaf, and counts those it was sent.
struct Deaf {
    inner: FakeRuntime,
    deaf: AtomicBool,
    heard: watch::Sender<u64>,
    /// How often it was asked for ports.
    asked: watch::Sender<u64>,
}

/// Where a port of every attempt is.
const PORT: Published = Published {
    container: 80,
    host: 20_001,
};

impl Runtime for Deaf {
    fn kind(&self) -> RuntimeKind {
        self.inner.kind()
    }
    fn prepare<'a>(
        &'a self,
        assignment: &'a Assignment,
        place: &'a Place,
    ) -> Later<'a, Result<(), RuntimeError>> {
        self.inner.prepare(assignment, place)
    }
    fn start<'a>(&'a self, place: &'a Place) -> Later<'a, Result<Started, RuntimeError>> {
        self.inner.start(place)
    }
    fn ports<'a>(&'a self, place: &'a Place) -> Later<'a, Result<Vec<Published>, RuntimeError>> {
        self.asked.send_modify(|count| *count += 1);
        if self.deaf.load(Ordering::Acquire) {
            let call = "inspect";
            return Box::pin(async move { Err(RuntimeError::TimedOut { call, seconds: 10 }) });
        }
        let _ = place;
        Box::pin(async { Ok(vec![PORT]) })
    }
    fn wait<'a>(&'a self, place: &'a Place) -> Later<'a, Result<Exit, RuntimeError>> {
        self.inner.wait(place)
    }
    fn capture<'a>(&'a self, place: &'a Place) -> Later<'a, Result<(), RuntimeError>> {
        self.inner.capture(place)
    }
    fn signal<'a>(
        &'a self,
        place: &'a Place,
        signal: Signal,
    ) -> Later<'a, Result<(), RuntimeError>> {
        self.heard.send_modify(|count| *count += 1);
        if self.deaf.load(Ordering::Acquire) {
            let call = "kill";
            return Box::pin(async move { Err(RuntimeError::TimedOut { call, seconds: 10 }) });
        }
        self.inner.signal(place, signal)
    }
    fn inspect<'a>(&'a self, place: &'a Place) -> Later<'a, Result<Option<Seen>, RuntimeError>> {
        self.inner.inspect(place)
    }
    fn list(&self) -> Later<'_, Result<Vec<Seen>, RuntimeError>> {
        self.inner.list()
    }
    fn usage<'a>(&'a self, place: &'a Place) -> Later<'a, Result<Usage, RuntimeError>> {
        self.inner.usage(place)
    }
    fn remove<'a>(&'a self, place: &'a Place) -> Later<'a, Result<(), RuntimeError>> {
        self.inner.remove(place)
    }
    fn probe(&self) -> Later<'_, Result<(), RuntimeError>> {
        self.inner.probe()
    }
}

fn start(dir: &Path, deaf: bool) -> (Runner, Arc<Deaf>) {
    let inner = FakeRuntime::new(&dir.join("fake"), Some(dir.join("ledger"))).unwrap();
    let runtime = Arc::new(Deaf {
        inner,
        deaf: AtomicBool::new(deaf),
        heard: watch::Sender::new(0),
        asked: watch::Sender::new(0),
    });
    let (journal, found) = Journal::open(&dir.join("journal")).unwrap();
    let options = Options {
        storage: Storage::new(dir.join("attempts"), ClusterId([1; 16])),
        default_ids: (
            nix::unistd::getuid().as_raw(),
            nix::unistd::getgid().as_raw(),
        ),
        sample_every: Duration::from_secs(60),
        secrets: agent::secrets::Asking::new(),
        volumes: agent::volumes::Volumes::none(),
    };
    let (failed, _) = mpsc::channel(1);
    let runner = Runner::start(runtime.clone(), journal, options, found, failed);
    (runner, runtime)
}

fn assignment(number: u32, script: &str) -> Assignment {
    let fence = Fence(10 * u64::from(number));
    Assignment {
        exclusive: true,
        ..order(JobId(7).task().attempt(number), fence, script)
    }
}

/// Waits until the ledger is this, without its times.
async fn ledger(dir: &Path, expected: &str) {
    let until = Instant::now() + PATIENCE;
    loop {
        let text = std::fs::read_to_string(dir.join("ledger")).unwrap_or_default();
        let lines = text.lines().filter_map(|line| line.rsplit_once(' '));
        let found: String = lines.map(|(what, _)| format!("{what}\n")).collect();
        if found == expected {
            return;
        }
        assert!(expected.starts_with(&found), "{found}");
        assert!(Instant::now() < until, "{found}");
        sleep(Duration::from_millis(5)).await;
    }
}

/// A node was called lost, came back, and gets the next attempt of what it cannot kill.
#[tokio::test]
async fn the_next_attempt_begins_when_the_one_before_is_seen_gone() {
    let dir = tempfile::tempdir().unwrap();
    let (runner, runtime) = start(dir.path(), true);
    let mut heard = runtime.heard.subscribe();
    let first = assignment(1, "sleep 600");
    runner.assign(vec![first.clone()], || true).await.unwrap();
    ledger(dir.path(), "begin 7_0#1 10\n").await;

    // The order to end the first one needs not arrive for this.
    let second = assignment(2, "exit 3");
    runner.assign(vec![second.clone()], || true).await.unwrap();
    tokio::time::timeout(PATIENCE, heard.wait_for(|kills| *kills >= 2))
        .await
        .unwrap()
        .unwrap();
    let place = runner.place(Held {
        attempt: second.attempt,
        fence: second.fence,
    });
    assert_eq!(runtime.inspect(&place).await.unwrap(), None);
    ledger(dir.path(), "begin 7_0#1 10\n").await;

    runtime.deaf.store(false, Ordering::Release);
    let all = "begin 7_0#1 10\nend 7_0#1 10\nbegin 7_0#2 20\nend 7_0#2 20\n";
    ledger(dir.path(), all).await;
}

/// Heads hear of an attempt with ports once it is known where they are, and not before.
#[tokio::test]
async fn a_start_is_told_with_where_its_ports_are() {
    let dir = tempfile::tempdir().unwrap();
    let (runner, runtime) = start(dir.path(), true);
    let (mut asked, mut outbox) = (runtime.asked.subscribe(), runner.outbox_changes());
    let mut order = assignment(1, "sleep 600");
    let spec = Arc::make_mut(&mut order.spec);
    (spec.ports, spec.image) = (vec![80], "debian".into());
    runner.assign(vec![order], || true).await.unwrap();
    let twice = asked.wait_for(|count| *count >= 2);
    tokio::time::timeout(PATIENCE, twice)
        .await
        .unwrap()
        .unwrap();
    let mut talk = Talk::default();
    assert!(runner.untold(&mut talk).is_empty());

    runtime.deaf.store(false, Ordering::Release);
    tokio::time::timeout(PATIENCE, outbox.changed())
        .await
        .unwrap()
        .unwrap();
    let told: Vec<News> = runner
        .untold(&mut talk)
        .into_iter()
        .map(|report| report.news)
        .collect();
    assert!(
        matches!(&told[..], [News::Serving(_, ports)] if *ports == [PORT]),
        "{told:?}"
    );
}

/// An order that was overtaken by the next attempt's begins nothing, and a wait can be ended.
#[tokio::test]
async fn what_is_outdated_or_unwanted_ends_before_it_begins() {
    let dir = tempfile::tempdir().unwrap();
    let (runner, runtime) = start(dir.path(), true);
    runner
        .assign(vec![assignment(2, "sleep 600")], || true)
        .await
        .unwrap();
    ledger(dir.path(), "begin 7_0#2 20\n").await;
    let late = assignment(1, "exit 3");
    let third = assignment(3, "exit 3");
    runner
        .assign(vec![late, third.clone()], || true)
        .await
        .unwrap();
    runner.stop(&[Stop {
        attempt: third.attempt,
        fence: third.fence,
        cause: StopCause::Cancel,
        grace: Millis(0),
    }]);
    let ended = async {
        while runner.is_running(third.attempt) || runner.is_running(JobId(7).task().attempt(1)) {
            sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, ended).await.unwrap();
    runtime.deaf.store(false, Ordering::Release);
    ledger(dir.path(), "begin 7_0#2 20\nend 7_0#2 20\n").await;
}
