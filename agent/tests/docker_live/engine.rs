//! What happens when the engine itself fails: never the end of an attempt without saying so.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use agent::runtime::docker::DockerRuntime;
use agent::runtime::{Runtime, RuntimeError, Stage};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::time::timeout;

use crate::bench::{Bench, IMAGE, PATIENCE, argv, docker, run, script, socket};

/// An engine of this test's own, which may be harmed.
struct OwnEngine {
    dir: tempfile::TempDir,
    socket: String,
    process: Child,
}

impl OwnEngine {
    fn start() -> OwnEngine {
        let dir = tempfile::Builder::new()
            .prefix("gd-engine")
            .tempdir()
            .unwrap();
        let socket = format!("unix://{}", dir.path().join("docker.sock").display());
        let process = launch(dir.path(), &socket);
        let engine = OwnEngine {
            dir,
            socket,
            process,
        };
        engine.until_up();
        let image = engine.dir.path().join("image.tar");
        let image = image.to_str().unwrap();
        run(docker(crate::bench::socket()).args(["save", "--output", image, IMAGE]));
        run(docker(&engine.socket).args(["load", "--input", image]));
        engine
    }

    fn signal(&self, signal: Signal) {
        kill(
            Pid::from_raw(i32::try_from(self.process.id()).unwrap()),
            signal,
        )
        .unwrap();
    }

    /// Dies without a word, and is up again; the containers it left are its own to deal with.
    fn crash_and_return(&mut self) {
        self.signal(Signal::SIGKILL);
        self.process.wait().unwrap();
        self.until_containerd_is_gone();
        let _ = std::fs::remove_file(self.dir.path().join("dockerd.pid"));
        self.process = launch(self.dir.path(), &self.socket);
        self.until_up();
    }

    /// The engine's containerd follows it; a new engine that still sees it would wait for it.
    fn until_containerd_is_gone(&self) {
        let file = self.dir.path().join("run/containerd/containerd.pid");
        let pid = std::fs::read_to_string(file).unwrap();
        let process = Path::new("/proc").join(pid.trim());
        let deadline = Instant::now() + PATIENCE;
        while process.exists() {
            assert!(Instant::now() < deadline, "containerd outlives its engine");
            std::thread::yield_now();
        }
    }

    fn until_up(&self) {
        let deadline = Instant::now() + PATIENCE;
        while !docker(&self.socket)
            .arg("version")
            .output()
            .is_ok_and(|done| done.status.success())
        {
            assert!(Instant::now() < deadline, "{}", self.log());
        }
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }
}

impl Drop for OwnEngine {
    fn drop(&mut self) {
        self.signal(Signal::SIGCONT);
        self.signal(Signal::SIGTERM);
        let _ = self.process.wait();
        // An engine that crashed has left its data directory mounted on itself, once each time.
        while nix::mount::umount(&self.dir.path().join("data")).is_ok() {}
    }
}

fn launch(dir: &Path, socket: &str) -> Child {
    let log = std::fs::File::options()
        .create(true)
        .append(true)
        .open(dir.join("log"))
        .unwrap();
    let at = |name: &str| dir.join(name).display().to_string();
    let path = format!(
        "{}:/usr/sbin:/sbin",
        std::env::var("PATH").unwrap_or_default()
    );
    let mut command = Command::new("dockerd");
    command
        .env("PATH", path)
        .args(["--host", socket, "--pidfile", &at("dockerd.pid")])
        .args(["--data-root", &at("data"), "--exec-root", &at("run")])
        .args(["--bridge=none", "--iptables=false", "--ip6tables=false"])
        .args(["--ip-masq=false", "--ip-forward=false"])
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log);
    command
        .spawn()
        .expect("these tests need dockerd and root: run packaging/setup.sh")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_engine_that_crashes_or_hangs_is_told_from_a_job_that_ends() {
    let mut engine = OwnEngine::start();
    let mut bench = Bench::on(&engine.socket.clone()).await;
    assert!(!bench.runtime.facts().live_restore);
    hang(&engine, &mut bench).await;

    let (victim, own) = (bench.place(1, 10), bench.place(2, 10));
    bench
        .launch(&victim, argv(&["sleep", "600"]))
        .await
        .unwrap();
    let until_told = "while [ ! -e go ]; do sleep 0.05; done; echo done; exit 5";
    bench.launch(&own, script(until_told)).await.unwrap();
    let waits = {
        let (runtime, victim, own) = (&bench.runtime, victim.clone(), own.clone());
        let crash = async {
            std::fs::write(own.work().join("go"), "").unwrap();
            tokio::task::block_in_place(|| engine.crash_and_return());
        };
        let waits = async { tokio::join!(runtime.wait(&victim), runtime.wait(&own)) };
        timeout(PATIENCE, async { tokio::join!(waits, crash).0 })
            .await
            .unwrap()
    };
    assert_eq!(
        waits.0.unwrap().code,
        Some(143),
        "the engine ended it as it came up"
    );
    assert_eq!(waits.1.unwrap().code, Some(5), "it ended by itself");
    bench.restart().await;
    let failed = |stage: Option<Stage>| match stage {
        Some(Stage::Exited { engine_failed, .. }) => engine_failed,
        other => panic!("not ended: {other:?}"),
    };
    assert!(failed(bench.stage(&victim).await));
    assert!(!failed(bench.stage(&own).await));
    drop(bench);
    drop(engine);
}

/// A stopped engine: every call comes back in time, and nothing is believed to have ended.
async fn hang(engine: &OwnEngine, bench: &mut Bench) {
    let place = bench.place(7, 10);
    bench.launch(&place, argv(&["sleep", "600"])).await.unwrap();
    let mut quick = bench.config.clone();
    quick.timeouts.call = Duration::from_secs(1);
    quick.timeouts.create = Duration::from_secs(1);
    quick.timeouts.start = Duration::from_secs(1);
    quick.timeouts.patience = Duration::from_secs(2);
    let runtime = DockerRuntime::connect(quick.clone()).await.unwrap();
    engine.signal(Signal::SIGSTOP);
    let begun = Instant::now();
    let answers = [
        runtime.inspect(&place).await.map(|_| ()),
        runtime.start(&place).await.map(|_| ()),
        runtime.signal(&place, agent::runtime::Signal::Kill).await,
        runtime.list().await.map(|_| ()),
        runtime.remove(&place).await,
        runtime.wait(&place).await.map(|_| ()),
        runtime.capture(&place).await,
        DockerRuntime::connect(quick).await.map(|_| ()),
    ];
    for answer in answers {
        assert!(
            matches!(answer, Err(RuntimeError::TimedOut { .. })),
            "{answer:?}"
        );
    }
    assert!(
        begun.elapsed() < Duration::from_secs(30),
        "{:?}",
        begun.elapsed()
    );
    engine.signal(Signal::SIGCONT);
    // The kill and the removal may have been carried out late: both are a sight, not a belief.
    let seen = timeout(PATIENCE, async {
        loop {
            if let Ok(seen) = runtime.inspect(&place).await {
                return seen;
            }
        }
    });
    seen.await.unwrap();
    runtime.remove(&place).await.unwrap();
}

#[tokio::test]
async fn an_engine_that_is_not_there_is_an_error_in_time() {
    let mut config = Bench::new().await.config.clone();
    config.socket = "unix:///nonexistent/docker.sock".into();
    let begun = Instant::now();
    let refused = DockerRuntime::connect(config).await.map(|_| ());
    assert!(
        matches!(refused, Err(RuntimeError::Engine { .. })),
        "{refused:?}"
    );
    assert!(begun.elapsed() < Duration::from_secs(5));
}

/// The socket goes away and comes back while an attempt is waited for: the wait goes on.
#[tokio::test]
async fn a_wait_outlives_a_socket_that_goes_away() {
    let dir = tempfile::tempdir().unwrap();
    let path: PathBuf = dir.path().join("docker.sock");
    let real = socket().trim_start_matches("unix://").to_owned();
    std::os::unix::fs::symlink(&real, &path).unwrap();
    let mut bench = Bench::new().await;
    bench.config.socket = format!("unix://{}", path.display());
    bench.restart().await;
    let place = bench.place(1, 10);
    bench
        .launch(
            &place,
            script("while [ ! -e go ]; do sleep 0.05; done; exit 3"),
        )
        .await
        .unwrap();

    std::fs::remove_file(&path).unwrap();
    let gone = bench.runtime.inspect(&place).await;
    assert!(matches!(gone, Err(RuntimeError::Engine { .. })), "{gone:?}");
    let wait = bench.runtime.wait(&place);
    tokio::pin!(wait);
    assert!(
        timeout(Duration::from_secs(1), &mut wait).await.is_err(),
        "it must bear that"
    );
    std::os::unix::fs::symlink(&real, &path).unwrap();
    std::fs::write(place.work().join("go"), "").unwrap();
    assert_eq!(
        timeout(PATIENCE, wait).await.unwrap().unwrap().code,
        Some(3)
    );
}
