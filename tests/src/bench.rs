//! A cluster that really runs what it is given, and what users do with it: a head and agents on a
//! Docker engine or on the `process` runtime, jobs through `goctl`.

use crate::cluster::{Cluster, Layout, until};
use anyhow::{Context, ensure};
use serde_json::Value;

/// The image of jobs on the Docker runtime.
pub const IMAGE: &str = "godocker/busybox:1";

/// A cluster that really runs what it is given.
pub struct Bench {
    /// The cluster.
    pub cluster: Cluster,
    docker: bool,
}

/// A job to submit: arguments of `goctl submit`, then the script.
pub struct Case<'a> {
    /// Further arguments of `goctl submit`.
    pub args: &'a [&'a str],
    /// What it runs.
    pub program: Program<'a>,
}

/// What a job runs.
#[derive(Clone, Copy)]
pub enum Program<'a> {
    /// A script for a shell.
    Script(&'a str),
    /// An argument vector.
    Argv(&'a [&'a str]),
}

/// The socket of the engine that all tests share and none may harm.
///
/// # Errors
/// If the environment names none.
pub fn shared_engine() -> anyhow::Result<String> {
    std::env::var("GODOCKER_TEST_DOCKER").context(
        "GODOCKER_TEST_DOCKER names no engine; use make test, or packaging/docker.sh start",
    )
}

impl Bench {
    /// One agent on the engine that all tests share.
    ///
    /// # Errors
    /// If there is none, or the cluster does not start.
    pub fn docker() -> anyhow::Result<Bench> {
        Bench::on(&shared_engine()?, 1)
    }

    /// So many agents on this engine.
    ///
    /// # Errors
    /// If the cluster does not start.
    pub fn on(engine: &str, agents: u32) -> anyhow::Result<Bench> {
        let further = vec!["--docker-socket".into(), engine.into()];
        Bench::start("docker", agents, further)
    }

    /// So many heads and one agent on this engine, all with these variables.
    ///
    /// # Errors
    /// If the cluster does not start.
    pub fn with(engine: &str, heads: u32, env: &[(&str, &str)]) -> anyhow::Result<Bench> {
        let dir = tempfile::Builder::new()
            .prefix("godocker-test-")
            .tempdir()?;
        let further = ["--docker-socket", engine, "--cpus", "64"];
        let layout = Layout {
            heads,
            agents: 1,
            runtime: "docker",
            further: further.map(String::from).into(),
        };
        Ok(Bench {
            cluster: Cluster::start_in(dir, &layout, env)?,
            docker: true,
        })
    }

    /// One agent whose jobs are plain processes.
    ///
    /// # Errors
    /// If the cluster does not start.
    pub fn process() -> anyhow::Result<Bench> {
        Bench::start("process", 1, Vec::new())
    }

    fn start(
        runtime: &'static str,
        agents: u32,
        mut further: Vec<String>,
    ) -> anyhow::Result<Bench> {
        further.extend(["--cpus", "64", "--memory-mib", "8192"].map(String::from));
        let cluster = Cluster::start(&Layout {
            heads: 1,
            agents,
            runtime,
            further,
        })?;
        Ok(Bench {
            cluster,
            docker: runtime == "docker",
        })
    }

    /// Whether a job's end by a signal is told from one by the code that a shell makes of it.
    pub fn tells_signals(&self) -> bool {
        !self.docker
    }

    /// Submits a job; its number.
    ///
    /// # Errors
    /// If it is refused.
    pub fn submit(&self, case: &Case<'_>) -> anyhow::Result<u64> {
        let script = tempfile::NamedTempFile::new()?;
        let mut args = vec![
            "submit", "-q", "--cpu", "0.2", "--mem", "64M", "--grace", "1s",
        ];
        if self.docker {
            args.extend(["--image", IMAGE]);
        }
        args.extend(case.args);
        let path = script.path().to_str().context("a path")?;
        match case.program {
            Program::Script(text) => {
                std::fs::write(script.path(), text)?;
                args.push(path);
            }
            Program::Argv(argv) => {
                args.push("--");
                args.extend(argv);
            }
        }
        Ok(self.cluster.goctl(&args)?.trim().parse()?)
    }

    /// Waits until a job has ended; all that is known of it.
    ///
    /// # Errors
    /// If it does not end in time.
    pub fn ended(&self, id: u64) -> anyhow::Result<Value> {
        until(&format!("job {id} has ended"), || {
            let job = self.show(id)?;
            Ok(job["ended_at"].is_string().then_some(job))
        })
    }

    /// Waits until a job runs.
    ///
    /// # Errors
    /// If it does not, or has ended.
    pub fn running(&self, id: u64) -> anyhow::Result<()> {
        until(&format!("job {id} runs"), || {
            let job = self.show(id)?;
            ensure!(!job["ended_at"].is_string(), "it has ended: {job}");
            Ok((job["state"] == "running").then_some(()))
        })
    }

    /// All that is known of a job.
    ///
    /// # Errors
    /// If nobody answers.
    pub fn show(&self, id: u64) -> anyhow::Result<Value> {
        self.cluster.goctl_json(&["show", &id.to_string()])
    }

    /// What a job wrote, byte for byte.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn logs(&self, id: u64, further: &[&str]) -> anyhow::Result<Vec<u8>> {
        let id = id.to_string();
        let args: Vec<&str> = ["logs", &id].iter().chain(further).copied().collect();
        let output = self.cluster.goctl_output(&args)?;
        ensure!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(output.stdout)
    }
}
