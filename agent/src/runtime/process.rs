//! Attempts without a container engine: namespaces and control groups of the kernel itself.
//!
//! Each attempt has a supervisor of its own ([`crate::shim`]) that outlives the agent; this side
//! only gives orders and reads records, so it holds nothing in memory and a restarted agent goes
//! on where the last one stopped. Attempts see the machine's own files with the rights of an
//! unprivileged user, have no network but a loopback unless the configuration gives them the
//! machine's, and no capability at all. Needs root.

pub(crate) mod cgroup;
mod end;
mod order;
pub(crate) mod records;

use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use model::assignment::Assignment;
use model::job::{Exit, Started, Usage};
use model::log::Later;
use model::node::RuntimeKind;
use model::{ClusterId, NodeId};
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use tokio::process::Command;
use tokio::time::timeout;

use self::cgroup::Group;
use self::records::{Standing, StateDir};
use super::{Place, Runtime, RuntimeError, Seen, Signal, Stage};

/// How long a supervisor may take until the program runs.
const START_SECONDS: u64 = 30;
/// How long a call that only touches this machine's kernel and disk may take.
const LOCAL_SECONDS: u64 = 30;
/// Between two looks at a start that an earlier agent began.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// The longest wait for a supervisor's end before its records are looked at again.
const LOOK_AFTER: Duration = Duration::from_secs(5);
/// The most bytes of what a supervisor says that are read.
const WORDS_MAX: u64 = 4 << 10;

/// How attempts are run on this node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProcessConfig {
    /// Holds one directory per attempt, with its order and its records.
    pub state: PathBuf,
    /// The agent's own directory, which attempts do not see.
    pub hidden: PathBuf,
    /// Where jobs of all nodes have their directories, which attempts do not see either.
    pub shared: Option<PathBuf>,
    /// The parent of the attempts' control groups, below the root of every hierarchy.
    pub cgroup: String,
    /// The ids of attempts whose account has none.
    pub default_ids: (u32, u32),
    /// Attempts share the machine's network. Otherwise each has only a loopback of its own.
    pub host_network: bool,
    /// The most processes and threads of one attempt.
    pub processes_max: u32,
    /// The executable that has the `shim` command.
    pub program: PathBuf,
}

impl ProcessConfig {
    /// The usual arrangement below the agent's directory, for one node of one cluster.
    pub fn new(data_dir: &Path, cluster: ClusterId, node: NodeId) -> ProcessConfig {
        let cluster: String = cluster.to_string().chars().take(12).collect();
        ProcessConfig {
            state: data_dir.join("process"),
            hidden: data_dir.to_path_buf(),
            shared: None,
            cgroup: format!("godocker/{cluster}-{node}"),
            default_ids: (65_534, 65_534),
            host_network: false,
            processes_max: 4_096,
            // Not its name: the file of a running agent may be replaced by another release.
            program: PathBuf::from("/proc/self/exe"),
        }
    }
}

/// Runs attempts with the kernel's own means.
pub struct ProcessRuntime {
    config: ProcessConfig,
}

impl ProcessRuntime {
    /// A runtime with this arrangement.
    ///
    /// # Errors
    /// [`RuntimeError::Disk`] if the directory of states cannot be made.
    pub fn new(config: ProcessConfig) -> Result<ProcessRuntime, RuntimeError> {
        std::fs::create_dir_all(&config.state).map_err(|error| disk(&config.state, error))?;
        Ok(ProcessRuntime { config })
    }

    fn state(&self, place: &Place) -> StateDir {
        StateDir(
            self.config
                .state
                .join(format!("{}-{}", place.name(), place.fence)),
        )
    }

    async fn start_now(&self, place: &Place) -> Result<Started, RuntimeError> {
        let state = self.state(place);
        loop {
            match standing(&state).await?.ok_or(RuntimeError::Gone)? {
                Standing::Ordered => self.launch(&state).await?,
                Standing::Starting => tokio::time::sleep(LOOK_AGAIN).await,
                Standing::Refused(refused) => {
                    return Err(RuntimeError::CannotStart {
                        why: refused.why,
                        code: refused.code,
                    });
                }
                Standing::Running(record) => return Ok(record.started),
                Standing::Ended(record, _) | Standing::Crashed(record) => {
                    return Ok(record.map(|record| record.started).unwrap_or_default());
                }
            }
        }
    }

    /// Starts a supervisor and waits until it says that the program runs, or why not.
    async fn launch(&self, state: &StateDir) -> Result<(), RuntimeError> {
        let failed = |error: io::Error| engine("start", &error);
        let mut child = Command::new(&self.config.program)
            .arg("shim")
            .arg(&state.0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(failed)?;
        let mut words = String::new();
        if let Some(stdout) = child.stdout.take() {
            stdout
                .take(WORDS_MAX)
                .read_to_string(&mut words)
                .await
                .map_err(failed)?;
        }
        let ended = child.wait().await.map_err(failed)?;
        match words.trim() {
            "" if ended.success() => Ok(()),
            "" => Err(engine(
                "start",
                &format!("the supervisor ended with {ended}"),
            )),
            why => Err(engine("start", &why)),
        }
    }

    async fn wait_for_end(&self, place: &Place) -> Result<Exit, RuntimeError> {
        let state = self.state(place);
        loop {
            // Opened before the look: from then on the supervisor's end is not missed.
            let sign = sign_of_life(&state)?;
            match standing(&state).await?.ok_or(RuntimeError::Gone)? {
                Standing::Ordered | Standing::Refused(_) => {
                    return Err(engine("wait", &"the attempt was never started"));
                }
                Standing::Ended(_, record) => return Ok(record.exit),
                Standing::Crashed(_) => {
                    let record = end::bury(&state).await?;
                    return Ok(record.exit);
                }
                Standing::Starting | Standing::Running(_) => silence(sign).await?,
            }
        }
    }

    async fn look(&self, state: &StateDir) -> Result<Option<Seen>, RuntimeError> {
        let Some(standing) = settled(state).await? else {
            return Ok(None);
        };
        let Some(order) = order_of(state).await? else {
            return Ok(None);
        };
        let started = |record: Option<records::StartRecord>| {
            record.map(|record| record.started).unwrap_or_default()
        };
        let stage = match standing {
            // A refused one is created, too: its start says why it is not running.
            Standing::Ordered | Standing::Starting | Standing::Refused(_) => Stage::Created,
            Standing::Running(record) => Stage::Running(record.started),
            Standing::Ended(record, end) => Stage::Exited {
                started: started(record),
                exit: end.exit,
                engine_failed: end.engine_failed,
            },
            Standing::Crashed(record) => {
                let end = end::bury(state).await?;
                let started = started(record);
                Stage::Exited {
                    started,
                    exit: end.exit,
                    engine_failed: end.engine_failed,
                }
            }
        };
        Ok(Some(Seen {
            attempt: order.attempt,
            fence: order.fence,
            stage,
        }))
    }

    async fn list_all(&self) -> Result<Vec<Seen>, RuntimeError> {
        let path = self.config.state.clone();
        let dirs = blocking("list", move || {
            let entries = std::fs::read_dir(&path).map_err(|error| disk(&path, error))?;
            let dirs = entries.map(|entry| entry.map(|entry| StateDir(entry.path())));
            dirs.collect::<io::Result<Vec<_>>>()
                .map_err(|error| disk(&path, error))
        });
        let mut all = Vec::new();
        for state in dirs.await? {
            all.extend(self.look(&state).await?);
        }
        Ok(all)
    }

    async fn read_usage(&self, place: &Place) -> Result<Usage, RuntimeError> {
        let state = self.state(place);
        match standing(&state).await?.ok_or(RuntimeError::Gone)? {
            Standing::Ordered | Standing::Refused(_) => Ok(Usage::default()),
            Standing::Ended(_, record) => Ok(record.usage),
            Standing::Starting | Standing::Running(_) | Standing::Crashed(_) => {
                blocking("usage", move || {
                    let order = read_order(&state)?.ok_or(RuntimeError::Gone)?;
                    let paths = Group::open(&order.cgroup).paths();
                    let usage = paths.and_then(|paths| paths.read());
                    usage.map_err(|error| engine("usage", &error))
                })
                .await
            }
        }
    }

    async fn complete(&self, place: &Place) -> Result<(), RuntimeError> {
        match self.wait_for_end(place).await {
            Ok(_) => {}
            Err(RuntimeError::Gone) => return Ok(()),
            Err(error) => return Err(error),
        }
        let lost = match standing(&self.state(place)).await? {
            Some(Standing::Ended(_, record)) => record.output_lost,
            Some(_) | None => None,
        };
        match lost {
            Some(why) => Err(disk(&place.dir, io::Error::other(why))),
            None => Ok(()),
        }
    }
}

impl Runtime for ProcessRuntime {
    fn kind(&self) -> RuntimeKind {
        RuntimeKind::Process
    }

    fn prepare<'a>(
        &'a self,
        assignment: &'a Assignment,
        place: &'a Place,
    ) -> Later<'a, Result<(), RuntimeError>> {
        Box::pin(bounded("prepare", LOCAL_SECONDS, async {
            order::check(assignment)?;
            end::clear_older(&self.config.state, place).await?;
            order::give(&self.config, &self.state(place), assignment, place).await
        }))
    }

    fn start<'a>(&'a self, place: &'a Place) -> Later<'a, Result<Started, RuntimeError>> {
        Box::pin(bounded("start", START_SECONDS, self.start_now(place)))
    }

    fn wait<'a>(&'a self, place: &'a Place) -> Later<'a, Result<Exit, RuntimeError>> {
        Box::pin(self.wait_for_end(place))
    }

    fn capture<'a>(&'a self, place: &'a Place) -> Later<'a, Result<(), RuntimeError>> {
        // The supervisor copies; when it has ended, it has copied everything.
        Box::pin(self.complete(place))
    }

    fn signal<'a>(
        &'a self,
        place: &'a Place,
        signal: Signal,
    ) -> Later<'a, Result<(), RuntimeError>> {
        Box::pin(bounded(
            "signal",
            LOCAL_SECONDS,
            end::signal(self.state(place), signal),
        ))
    }

    fn inspect<'a>(&'a self, place: &'a Place) -> Later<'a, Result<Option<Seen>, RuntimeError>> {
        Box::pin(bounded("inspect", LOCAL_SECONDS, async {
            self.look(&self.state(place)).await
        }))
    }

    fn list(&self) -> Later<'_, Result<Vec<Seen>, RuntimeError>> {
        Box::pin(bounded("list", LOCAL_SECONDS, self.list_all()))
    }

    fn usage<'a>(&'a self, place: &'a Place) -> Later<'a, Result<Usage, RuntimeError>> {
        Box::pin(bounded("usage", LOCAL_SECONDS, self.read_usage(place)))
    }

    fn remove<'a>(&'a self, place: &'a Place) -> Later<'a, Result<(), RuntimeError>> {
        Box::pin(bounded(
            "remove",
            LOCAL_SECONDS,
            end::remove(self.state(place)),
        ))
    }

    fn probe(&self) -> Later<'_, Result<(), RuntimeError>> {
        // There is nothing between us and the kernel that could fail by itself.
        Box::pin(async { Ok(()) })
    }
}

/// When the kernel started a process, in its ticks since boot; `None` if there is none.
pub(crate) fn ticks(pid: i32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may hold anything; the twentieth word behind it is the start.
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(19)?.parse().ok()
}

async fn standing(state: &StateDir) -> Result<Option<Standing>, RuntimeError> {
    let state = state.clone();
    blocking("look", move || {
        state.standing().map_err(|error| disk(&state.0, error))
    })
    .await
}

/// How far it is, once a start under way has come to something.
async fn settled(state: &StateDir) -> Result<Option<Standing>, RuntimeError> {
    loop {
        match standing(state).await? {
            Some(Standing::Starting) => tokio::time::sleep(LOOK_AGAIN).await,
            standing => return Ok(standing),
        }
    }
}

async fn order_of(state: &StateDir) -> Result<Option<records::Order>, RuntimeError> {
    let state = state.clone();
    blocking("look", move || read_order(&state)).await
}

fn read_order(state: &StateDir) -> Result<Option<records::Order>, RuntimeError> {
    state.order().map_err(|error| disk(&state.0, error))
}

/// The reading end of the pipe that a living supervisor holds; `None` if there is none yet.
fn sign_of_life(state: &StateDir) -> Result<Option<pipe::Receiver>, RuntimeError> {
    if !state.0.is_dir() {
        return Ok(None);
    }
    let opened = state
        .alive()
        .and_then(|path| pipe::OpenOptions::new().open_receiver(path));
    opened.map(Some).map_err(|error| disk(&state.0, error))
}

/// Returns when nobody holds the pipe any more, or it is time to look again.
async fn silence(sign: Option<pipe::Receiver>) -> Result<(), RuntimeError> {
    let Some(mut sign) = sign else { return Ok(()) };
    match timeout(LOOK_AFTER, sign.read(&mut [0])).await {
        Ok(Err(error)) => Err(engine("wait", &error)),
        Ok(Ok(_)) | Err(_) => Ok(()),
    }
}

async fn blocking<T: Send + 'static>(
    call: &'static str,
    work: impl FnOnce() -> Result<T, RuntimeError> + Send + 'static,
) -> Result<T, RuntimeError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(engine(call, &error)),
    }
}

async fn bounded<T>(
    call: &'static str,
    seconds: u64,
    work: impl Future<Output = Result<T, RuntimeError>>,
) -> Result<T, RuntimeError> {
    match timeout(Duration::from_secs(seconds), work).await {
        Ok(result) => result,
        Err(_) => Err(RuntimeError::TimedOut { call, seconds }),
    }
}

fn engine(call: &'static str, why: &dyn std::fmt::Display) -> RuntimeError {
    RuntimeError::Engine {
        call,
        why: why.to_string(),
    }
}

fn disk(path: &Path, source: io::Error) -> RuntimeError {
    RuntimeError::Disk {
        path: path.to_path_buf(),
        source,
    }
}
