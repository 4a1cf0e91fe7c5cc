//! One cluster for all cases of a runtime: a head and an agent.

use anyhow::{Context, ensure};
use serde_json::Value;
use tests::cluster::{Cluster, Layout, until};

/// The image of jobs on the Docker runtime.
const IMAGE: &str = "godocker/busybox:1";

/// A cluster that really runs what it is given.
pub(crate) struct Bench {
    pub(crate) cluster: Cluster,
    docker: bool,
}

/// A job to submit: arguments of `goctl submit`, then the script.
pub(crate) struct Case<'a> {
    pub(crate) args: &'a [&'a str],
    pub(crate) program: Program<'a>,
}

/// What a job runs.
#[derive(Clone, Copy)]
pub(crate) enum Program<'a> {
    /// A script for a shell.
    Script(&'a str),
    /// An argument vector.
    Argv(&'a [&'a str]),
}

impl Bench {
    pub(crate) fn docker() -> anyhow::Result<Bench> {
        let engine = std::env::var("GODOCKER_TEST_DOCKER").ok();
        let engine = engine.context(
            "GODOCKER_TEST_DOCKER names no engine; use make test, or packaging/docker.sh start",
        )?;
        Bench::start("docker", vec!["--docker-socket".into(), engine])
    }

    pub(crate) fn process() -> anyhow::Result<Bench> {
        Bench::start("process", Vec::new())
    }

    fn start(runtime: &'static str, mut further: Vec<String>) -> anyhow::Result<Bench> {
        further.extend(["--cpus", "64", "--memory-mib", "8192"].map(String::from));
        let cluster = Cluster::start(&Layout {
            heads: 1,
            agents: 1,
            runtime,
            further,
        })?;
        Ok(Bench {
            cluster,
            docker: runtime == "docker",
        })
    }

    /// Whether a job's end by a signal is told from one by the code that a shell makes of it.
    pub(crate) fn tells_signals(&self) -> bool {
        !self.docker
    }

    /// Submits a job; its number.
    pub(crate) fn submit(&self, case: &Case<'_>) -> anyhow::Result<u64> {
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
    pub(crate) fn ended(&self, id: u64) -> anyhow::Result<Value> {
        until(&format!("job {id} has ended"), || {
            let job = self.show(id)?;
            Ok(job["ended_at"].is_string().then_some(job))
        })
    }

    /// Waits until a job runs.
    pub(crate) fn running(&self, id: u64) -> anyhow::Result<()> {
        until(&format!("job {id} runs"), || {
            let job = self.show(id)?;
            ensure!(!job["ended_at"].is_string(), "it has ended: {job}");
            Ok((job["state"] == "running").then_some(()))
        })
    }

    pub(crate) fn show(&self, id: u64) -> anyhow::Result<Value> {
        self.cluster.goctl_json(&["show", &id.to_string()])
    }

    /// What a job wrote, byte for byte.
    pub(crate) fn logs(&self, id: u64, further: &[&str]) -> anyhow::Result<Vec<u8>> {
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
