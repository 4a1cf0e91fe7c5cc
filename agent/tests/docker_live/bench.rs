//! What the tests stand on: an engine with a small image, and a runtime with a cluster of its own
//! whose containers are taken away afterwards.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use agent::runtime::docker::{DockerConfig, DockerRuntime, Timeouts};
use agent::runtime::{Place, Runtime, RuntimeError, Stage};
use model::assignment::Assignment;
use model::job::{Exit, Started};
use model::spec::{JobSpec, Program};
use model::{Bytes, ClusterId, Fence, JobId, MilliCpus, NodeId, Resources};
use tokio::time::timeout;

/// The image that jobs run in.
pub(crate) const IMAGE: &str = "godocker/busybox:1";
/// Nothing here takes longer, on the slowest machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// The socket of the engine under test, with the image in it.
pub(crate) fn socket() -> &'static str {
    static SOCKET: OnceLock<String> = OnceLock::new();
    SOCKET.get_or_init(|| {
        let packaging = Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging");
        let socket = std::env::var("GODOCKER_TEST_DOCKER").unwrap_or_else(|_| {
            let said = run(Command::new(packaging.join("docker.sh")).arg("start"));
            let host = said
                .lines()
                .find_map(|line| line.strip_prefix("DOCKER_HOST="));
            host.expect("packaging/docker.sh start names no DOCKER_HOST")
                .to_owned()
        });
        let mut images = Command::new(packaging.join("images.sh"));
        run(images.arg(IMAGE).env("DOCKER_HOST", &socket));
        socket
    })
}

/// Runs a command that must succeed, and returns what it wrote.
pub(crate) fn run(command: &mut Command) -> String {
    let done = command
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| {
            panic!("{command:?} cannot be run: {error}; these tests need a Docker engine")
        });
    let words = String::from_utf8_lossy(&done.stderr);
    assert!(
        done.status.success(),
        "{command:?} failed ({}): {words}",
        done.status
    );
    String::from_utf8_lossy(&done.stdout).into_owned()
}

/// The command line client of an engine.
pub(crate) fn docker(socket: &str) -> Command {
    let mut command = Command::new("docker");
    command.env_remove("DOCKER_HOST").args(["--host", socket]);
    command
}

/// A number that no other test and no other run has.
fn unique() -> u64 {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_nanos();
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let mixed = u64::try_from(now & u128::from(u64::MAX)).unwrap();
    (mixed ^ (u64::from(std::process::id()) << 40)).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ count
}

/// A node's runtime and the directory of its attempts.
pub(crate) struct Bench {
    pub(crate) runtime: DockerRuntime,
    pub(crate) config: DockerConfig,
    pub(crate) attempts: tempfile::TempDir,
}

impl Bench {
    pub(crate) async fn new() -> Bench {
        Bench::on(socket()).await
    }

    pub(crate) async fn on(socket: &str) -> Bench {
        let mut cluster = [0; 16];
        cluster[..8].copy_from_slice(&unique().to_be_bytes());
        let config = DockerConfig {
            timeouts: Timeouts {
                call: Duration::from_secs(30),
                ..Timeouts::default()
            },
            ..DockerConfig::new(socket.into(), ClusterId(cluster), NodeId(3))
        };
        let runtime = DockerRuntime::connect(config.clone()).await.unwrap();
        let attempts = tempfile::tempdir().unwrap();
        Bench {
            runtime,
            config,
            attempts,
        }
    }

    /// The runtime as a restarted agent would have it: a new one that remembers nothing.
    pub(crate) async fn restart(&mut self) {
        self.runtime = DockerRuntime::connect(self.config.clone()).await.unwrap();
    }

    /// The first attempt of a job, under this fence.
    pub(crate) fn place(&self, job: u64, fence: u64) -> Place {
        let attempt = JobId(job).task().attempt(1);
        let mut place = Place {
            attempt,
            fence: Fence(fence),
            dir: PathBuf::new(),
        };
        place.dir = self.attempts.path().join(place.name());
        std::fs::create_dir_all(place.work()).unwrap();
        place
    }

    /// Prepares and starts.
    pub(crate) async fn launch(
        &self,
        place: &Place,
        spec: JobSpec,
    ) -> Result<Started, RuntimeError> {
        self.runtime
            .prepare(&assignment(place, spec), place)
            .await?;
        self.runtime.start(place).await
    }

    /// Runs to the end, output included.
    pub(crate) async fn run(&self, place: &Place, spec: JobSpec) -> Exit {
        self.launch(place, spec).await.unwrap();
        let exit = timeout(PATIENCE, self.runtime.wait(place))
            .await
            .unwrap()
            .unwrap();
        timeout(PATIENCE, self.runtime.capture(place))
            .await
            .unwrap()
            .unwrap();
        exit
    }

    /// How far the attempt is seen to be.
    pub(crate) async fn stage(&self, place: &Place) -> Option<Stage> {
        self.runtime
            .inspect(place)
            .await
            .unwrap()
            .map(|seen| seen.stage)
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let label = format!("label=godocker.cluster={}", self.config.cluster);
        let mut list = docker(&self.config.socket);
        let Ok(found) = list.args(["ps", "-aq", "--filter", &label]).output() else {
            return;
        };
        for id in String::from_utf8_lossy(&found.stdout).split_whitespace() {
            let _ = docker(&self.config.socket).args(["rm", "-f", id]).output();
        }
        let root = format!("godocker-{}", &self.config.cluster.to_string()[..8]);
        let hierarchies = std::fs::read_dir("/sys/fs/cgroup")
            .into_iter()
            .flatten()
            .flatten();
        for group in hierarchies.map(|one| one.path().join(&root)) {
            for inner in std::fs::read_dir(&group).into_iter().flatten().flatten() {
                let _ = std::fs::remove_dir(inner.path());
            }
            let _ = std::fs::remove_dir(&group);
        }
    }
}

/// A job of this script.
pub(crate) fn script(text: &str) -> JobSpec {
    program(Program::Script {
        text: text.into(),
        args: Vec::new(),
    })
}

/// A job of this argument vector.
pub(crate) fn argv(words: &[&str]) -> JobSpec {
    program(Program::Argv(
        words.iter().map(|word| (*word).to_owned()).collect(),
    ))
}

pub(crate) fn program(program: Program) -> JobSpec {
    JobSpec {
        name: "test".into(),
        image: IMAGE.into(),
        program,
        resources: Resources {
            cpu: MilliCpus(1000),
            memory: Bytes::mebi(64),
        },
        ..JobSpec::default()
    }
}

pub(crate) fn assignment(place: &Place, spec: JobSpec) -> Assignment {
    Assignment {
        attempt: place.attempt,
        fence: place.fence,
        owner: serde_json::from_str("\"ada\"").unwrap(),
        ids: None,
        spec: Arc::new(spec),
        mounts: Vec::new(),
        exclusive: false,
    }
}

/// What the attempt wrote, as text.
pub(crate) fn text(path: &Path) -> String {
    String::from_utf8(std::fs::read(path).unwrap()).unwrap()
}
