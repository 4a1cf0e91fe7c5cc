//! A real cluster for tests: `goagent dev` and its nodes as processes, spoken to with `goctl` as a
//! user would, hurt by process id.
//!
//! Dropping a cluster ends every process that it started.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;

/// How long a cluster may take until it is ready.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// How long a condition is awaited at the most.
pub const PATIENCE: Duration = Duration::from_secs(150);
/// How often a condition is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Where the binaries under test are: `GODOCKER_BIN_DIR`, or beside this test's own.
///
/// # Errors
/// If they are not there.
pub fn binary(name: &str) -> anyhow::Result<PathBuf> {
    let dir = match std::env::var_os("GODOCKER_BIN_DIR") {
        Some(dir) => PathBuf::from(dir),
        None => {
            let own = std::env::current_exe()?;
            let deps = own.parent().context("a directory")?;
            deps.parent().context("a target directory")?.to_path_buf()
        }
    };
    let path = dir.join(name);
    let remedy = "build it first: cargo build -p agent -p ctl, or use make test";
    ensure!(path.exists(), "{} is missing; {remedy}", path.display());
    Ok(path)
}

/// Waits until the condition gives a value.
///
/// # Errors
/// If it does not within [`PATIENCE`].
pub fn until<T>(
    what: &str,
    mut look: impl FnMut() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<T> {
    let began = Instant::now();
    loop {
        let last = look();
        if let Ok(Some(value)) = last {
            return Ok(value);
        }
        if began.elapsed() > PATIENCE {
            match last {
                Ok(_) => bail!("{what}: not within {PATIENCE:?}"),
                Err(error) => return Err(error.context(format!("{what}: not in time"))),
            }
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

/// What a cluster is made of.
#[derive(Clone, Debug)]
pub struct Layout {
    /// How many heads.
    pub heads: u32,
    /// How many agents.
    pub agents: u32,
    /// `docker`, `process`, `fake`.
    pub runtime: &'static str,
    /// Further arguments of `goagent dev`.
    pub further: Vec<String>,
}

/// A running cluster.
pub struct Cluster {
    dir: TempDir,
    dev: Child,
    nodes: BTreeMap<String, NodeProcess>,
    /// What every process is started with besides this test's own variables.
    env: Vec<(String, String)>,
}

/// One node of it.
#[derive(Debug)]
pub struct NodeProcess {
    /// Its id.
    pub id: u64,
    /// Whether it is a head.
    pub head: bool,
    /// Its process.
    pub pid: i32,
    /// Its configuration file.
    pub config: PathBuf,
    /// Its data directory.
    pub data_dir: PathBuf,
    /// Where its REST API listens; heads only.
    pub api: Option<String>,
    /// Where its peers reach it; heads only.
    pub peer: Option<String>,
    /// Set once this test has started it itself.
    child: Option<Child>,
}

impl Cluster {
    /// Starts a cluster and waits until all its heads vote and all its agents are up.
    ///
    /// # Errors
    /// What kept it from starting.
    pub fn start(layout: &Layout) -> anyhow::Result<Cluster> {
        let dir = tempfile::Builder::new()
            .prefix("godocker-test-")
            .tempdir()?;
        Cluster::start_in(dir, layout, &[])
    }

    /// Starts a cluster in a directory, in which `cluster/NAME` may be prepared already as the
    /// data directory of a node, with these variables for every process.
    ///
    /// # Errors
    /// What kept it from starting.
    pub fn start_in(
        dir: TempDir,
        layout: &Layout,
        env: &[(&str, &str)],
    ) -> anyhow::Result<Cluster> {
        let env: Vec<_> = env
            .iter()
            .map(|(k, v)| (k.to_string(), v.to_string()))
            .collect();
        let output = File::create(dir.path().join("dev.out"))?;
        let dev = Command::new(binary("goagent")?)
            .args(["dev", "--heads", &layout.heads.to_string()])
            .args(["--agents", &layout.agents.to_string()])
            .args(["--runtime", layout.runtime])
            .arg("--dir")
            .arg(dir.path().join("cluster"))
            .args(&layout.further)
            .envs(env.iter().cloned())
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()?;
        let mut cluster = Cluster {
            dir,
            dev,
            nodes: BTreeMap::new(),
            env,
        };
        cluster.wait_ready(layout)?;
        Ok(cluster)
    }

    fn wait_ready(&mut self, layout: &Layout) -> anyhow::Result<()> {
        let file = self.path().join("cluster.json");
        let began = Instant::now();
        while !file.exists() {
            if let Some(status) = self.dev.try_wait()? {
                bail!("goagent dev ended with {status}:\n{}", self.dev_output());
            }
            let waited = began.elapsed();
            ensure!(
                waited < READY_WITHIN,
                "not ready in time:\n{}",
                self.dev_output()
            );
            std::thread::sleep(LOOK_EVERY);
        }
        let text = std::fs::read_to_string(&file)?;
        self.nodes = read_nodes(&serde_json::from_str(&text)?)?;
        let voters = usize::try_from(layout.heads)?;
        until("all heads vote", || {
            Ok((self.voters()?.len() == voters).then_some(()))
        })?;
        let runners = if layout.agents == 0 {
            layout.heads
        } else {
            layout.agents
        };
        let agents = usize::try_from(runners)?;
        until("all agents are up", || {
            Ok((self.nodes_up()?.len() >= agents).then_some(()))
        })
    }

    /// The cluster's directory.
    pub fn path(&self) -> PathBuf {
        self.dir.path().join("cluster")
    }

    /// What `goagent dev` has said.
    pub fn dev_output(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("dev.out")).unwrap_or_default()
    }

    /// What a node has written about itself, also by earlier processes.
    pub fn log_of(&self, node: &str) -> String {
        std::fs::read_to_string(self.path().join(format!("{node}.log"))).unwrap_or_default()
    }

    /// A node by name.
    ///
    /// # Errors
    /// If there is none of that name.
    pub fn node(&self, name: &str) -> anyhow::Result<&NodeProcess> {
        self.nodes
            .get(name)
            .with_context(|| format!("no node {name}"))
    }

    /// The names of the heads.
    pub fn heads(&self) -> Vec<String> {
        self.nodes
            .iter()
            .filter(|(_, node)| node.head)
            .map(|(name, _)| name.clone())
            .collect()
    }

    /// Runs `goctl` as the administrator; whatever it answers.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn goctl_output(&self, args: &[&str]) -> anyhow::Result<Output> {
        self.goctl_command(args)?.output().context("start goctl")
    }

    /// `goctl` with this cluster's configuration, not started yet.
    ///
    /// # Errors
    /// If it was not built.
    pub fn goctl_command(&self, args: &[&str]) -> anyhow::Result<Command> {
        let mut command = Command::new(binary("goctl")?);
        command
            .args(args)
            .env("GOCTL_CONFIG", self.path().join("goctl.toml"));
        command.env("NO_COLOR", "1").stdin(Stdio::null());
        Ok(command)
    }

    /// Runs `goctl`; what it printed.
    ///
    /// # Errors
    /// If it failed: with what it said.
    pub fn goctl(&self, args: &[&str]) -> anyhow::Result<String> {
        succeed(args, self.goctl_output(args)?)
    }

    /// Runs `goctl` against one head only.
    ///
    /// # Errors
    /// If it failed: with what it said.
    pub fn goctl_at(&self, head: &str, args: &[&str]) -> anyhow::Result<String> {
        let api = self.node(head)?.api.clone().context("not a head")?;
        let output = self
            .goctl_command(args)?
            .env("GOCTL_SERVER", api)
            .output()?;
        succeed(args, output)
    }

    /// Runs `goctl … -o json`.
    ///
    /// # Errors
    /// If it failed, or did not print JSON.
    pub fn goctl_json(&self, args: &[&str]) -> anyhow::Result<Value> {
        let args: Vec<&str> = args.iter().copied().chain(["-o", "json"]).collect();
        let text = self.goctl(&args)?;
        serde_json::from_str(&text).with_context(|| format!("goctl {args:?} printed {text}"))
    }

    /// The name of the head that leads.
    ///
    /// # Errors
    /// If nobody leads in time.
    pub fn leader(&self) -> anyhow::Result<String> {
        until("somebody leads", || {
            let status = self.goctl_json(&["admin", "raft", "status"])?;
            let leader = status["leader"].as_u64();
            Ok(self
                .nodes
                .iter()
                .find(|(_, n)| Some(n.id) == leader)
                .map(|(name, _)| name.clone()))
        })
    }

    /// The ids of the voting heads.
    ///
    /// # Errors
    /// If nobody answers.
    pub fn voters(&self) -> anyhow::Result<Vec<u64>> {
        let status = self.goctl_json(&["admin", "raft", "status"])?;
        let members = status["members"].as_array().context("members")?;
        let voters = members
            .iter()
            .filter(|member| member["voter"] == Value::Bool(true));
        Ok(voters
            .filter_map(|member| member["node"].as_u64())
            .collect())
    }

    /// The names of nodes that run jobs and are up.
    ///
    /// # Errors
    /// If nobody answers.
    pub fn nodes_up(&self) -> anyhow::Result<Vec<String>> {
        let nodes = self.goctl_json(&["nodes"])?;
        let list = nodes
            .as_array()
            .or_else(|| nodes["nodes"].as_array())
            .context("nodes")?;
        let up = |node: &&Value| node["health"] == "up" && !node["capacity"].is_null();
        let names = list
            .iter()
            .filter(up)
            .filter_map(|node| node["name"].as_str());
        Ok(names.map(str::to_owned).collect())
    }

    /// Sends a node's process a signal.
    ///
    /// # Errors
    /// If it has ended.
    pub fn signal(&self, name: &str, signal: Signal) -> anyhow::Result<()> {
        let pid = self.node(name)?.pid;
        kill(Pid::from_raw(pid), signal).with_context(|| format!("{signal} to {name} ({pid})"))
    }

    /// `kill -9`, and waits until the process is gone.
    ///
    /// # Errors
    /// If it does not go.
    pub fn kill(&mut self, name: &str) -> anyhow::Result<()> {
        self.end(name, Signal::SIGKILL)
    }

    /// Sends a signal that ends a process, and waits until it is gone.
    ///
    /// # Errors
    /// If it does not go.
    pub fn end(&mut self, name: &str, signal: Signal) -> anyhow::Result<()> {
        self.signal(name, signal)?;
        let node = self.nodes.get_mut(name).context("a node")?;
        if let Some(mut child) = node.child.take() {
            child.wait()?;
            return Ok(());
        }
        let pid = Pid::from_raw(node.pid);
        until("the process is gone", || {
            Ok(kill(pid, None).is_err().then_some(()))
        })
    }

    /// Waits until a node's process has ended by itself; how long that took.
    ///
    /// # Errors
    /// If it does not end.
    pub fn ended(&mut self, name: &str) -> anyhow::Result<Duration> {
        let began = Instant::now();
        let node = self.nodes.get_mut(name).context("a node")?;
        let pid = Pid::from_raw(node.pid);
        until("the process ends", || {
            let gone = match &mut node.child {
                Some(child) => child.try_wait()?.is_some(),
                None => kill(pid, None).is_err(),
            };
            Ok(gone.then_some(began.elapsed()))
        })
    }

    /// Starts a node again that was killed.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn restart(&mut self, name: &str) -> anyhow::Result<()> {
        self.restart_with(name, &[])
    }

    /// Starts a node again with further variables.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn restart_with(&mut self, name: &str, env: &[(&str, &str)]) -> anyhow::Result<()> {
        let log = File::options()
            .append(true)
            .open(self.path().join(format!("{name}.log")))?;
        let node = self.nodes.get_mut(name).context("a node")?;
        let mut command = run_node(&node.config, log)?;
        command
            .envs(self.env.iter().cloned())
            .envs(env.iter().copied());
        let child = command.spawn().context("start goagent")?;
        node.pid = i32::try_from(child.id())?;
        node.child = Some(child);
        Ok(())
    }

    /// Adds a node that was joined by hand, and starts it.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn add(&mut self, name: &str, id: u64, config: &Path, head: bool) -> anyhow::Result<()> {
        let log = File::create(self.path().join(format!("{name}.log")))?;
        let mut command = run_node(config, log)?;
        let child = command.envs(self.env.iter().cloned()).spawn();
        let child = child.context("start goagent")?;
        let node = NodeProcess {
            id,
            head,
            pid: i32::try_from(child.id())?,
            config: config.to_path_buf(),
            data_dir: self.path().join(name),
            api: None,
            peer: None,
            child: Some(child),
        };
        self.nodes.insert(name.into(), node);
        Ok(())
    }
}

impl Drop for Cluster {
    #[allow(
        clippy::print_stderr,
        reason = "said to whoever looks at a failed test"
    )]
    fn drop(&mut self) {
        if std::thread::panicking() {
            let kept = self.dir.path().with_extension("failed");
            if std::fs::rename(self.dir.path(), &kept).is_ok() {
                eprintln!("the cluster's files are kept in {}", kept.display());
            }
        }
        // Children of this test first: `dev` knows the others.
        for node in self.nodes.values_mut() {
            if let Some(child) = &mut node.child {
                let _ = child.kill();
                let _ = child.wait();
            }
        }
        let _ = kill(Pid::from_raw(self.dev.id().cast_signed()), Signal::SIGTERM);
        let _ = self.dev.wait();
    }
}

fn run_node(config: &Path, log: File) -> anyhow::Result<Command> {
    let mut command = Command::new(binary("goagent")?);
    command.arg("--config").arg(config).arg("run");
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log);
    Ok(command)
}

fn succeed(args: &[&str], output: Output) -> anyhow::Result<String> {
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "goctl {args:?}: {}: {said}",
        output.status
    );
    Ok(String::from_utf8(output.stdout)?)
}

fn read_nodes(file: &Value) -> anyhow::Result<BTreeMap<String, NodeProcess>> {
    let mut nodes = BTreeMap::new();
    for (list, head) in [("heads", true), ("agents", false)] {
        for node in file[list].as_array().context(list)? {
            let text = |key: &str| node[key].as_str().map(str::to_owned);
            let process = NodeProcess {
                id: node["id"].as_u64().context("id")?,
                head,
                pid: i32::try_from(node["pid"].as_u64().context("pid")?)?,
                config: text("config").context("config")?.into(),
                data_dir: text("data_dir").context("data_dir")?.into(),
                api: text("api"),
                peer: text("peer"),
                child: None,
            };
            nodes.insert(text("name").context("name")?, process);
        }
    }
    Ok(nodes)
}
