//! A Docker engine of a test's own, which may be harmed: its own data, socket, containerd and
//! container runtime. It needs root and disturbs no other engine.
//!
//! Dropping it ends its processes and its containers. A test declares it before the cluster that
//! uses it, so that the cluster goes first.

use std::fs::{File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::bench::{IMAGE, shared_engine};
use crate::cluster::until;

/// The container runtime of such engines: `runc`, but for a container with `UNLUCKY` in its
/// environment, which it does not make.
const RUNTIME: &str = r#"#!/bin/sh
bundle= before=
for word; do
    [ "$before" = --bundle ] && bundle=$word
    before=$word
done
case " $* " in
*" create "*) if grep -q UNLUCKY= "$bundle/config.json"; then exit 1; fi ;;
esac
exec runc "$@"
"#;

/// How an engine is set up.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Setup {
    /// Containers outlive the engine.
    pub live_restore: bool,
    /// Its containerd runs by itself, as on most machines; otherwise it is the engine's child and
    /// dies with it.
    pub own_containerd: bool,
}

/// One engine.
pub struct Dockerd {
    dir: TempDir,
    setup: Setup,
    containerd: Option<Child>,
    engine: Option<Child>,
}

impl Dockerd {
    /// An engine that answers and has the image of the tests.
    ///
    /// # Errors
    /// If it does not come up.
    pub fn start(setup: Setup) -> anyhow::Result<Dockerd> {
        ensure!(
            nix::unistd::geteuid().is_root(),
            "these tests start engines: run them as root"
        );
        let dir = tempfile::Builder::new().prefix("gd-engine-").tempdir()?;
        let runtime = dir.path().join("runtime");
        std::fs::write(&runtime, RUNTIME)?;
        std::fs::set_permissions(&runtime, Permissions::from_mode(0o755))?;
        let mut engine = Dockerd {
            dir,
            setup,
            containerd: None,
            engine: None,
        };
        if setup.own_containerd {
            engine.containerd = Some(engine.launch_containerd()?);
        }
        engine.start_again()?;
        engine.load_image()?;
        Ok(engine)
    }

    /// Where it listens, `unix:///path`.
    pub fn socket(&self) -> String {
        format!("unix://{}", self.at("docker.sock").display())
    }

    fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// What it has said of itself.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.at("log")).unwrap_or_default()
    }

    /// Runs the `docker` command on it; what it printed.
    ///
    /// # Errors
    /// If it fails, with what it said.
    pub fn docker(&self, args: &[&str]) -> anyhow::Result<String> {
        docker(&self.socket(), args)
    }

    /// Starts an engine that was killed, and waits until it answers.
    ///
    /// # Errors
    /// If it does not.
    pub fn start_again(&mut self) -> anyhow::Result<()> {
        let _ = std::fs::remove_file(self.at("dockerd.pid"));
        self.engine = Some(self.launch_engine()?);
        until("the engine answers", || self.docker(&["version"]).map(Some))
            .with_context(|| self.log())?;
        Ok(())
    }

    /// `kill -9`; a containerd that is its child goes with it.
    ///
    /// # Errors
    /// If it was dead before.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        let mut engine = self.engine.take().context("the engine runs")?;
        engine.kill()?;
        engine.wait()?;
        if self.setup.own_containerd {
            return Ok(());
        }
        // A new engine that still sees the old containerd would wait for it.
        let pid = std::fs::read_to_string(self.at("run/containerd/containerd.pid"))?;
        let process = Path::new("/proc").join(pid.trim());
        until("containerd is gone", || {
            Ok((!process.exists()).then_some(()))
        })
    }

    /// Sends the engine a signal.
    ///
    /// # Errors
    /// If it does not run.
    pub fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        send(self.engine.as_ref().context("the engine runs")?, signal)
    }

    /// Sends its containerd a signal.
    ///
    /// # Errors
    /// If it has none of its own.
    pub fn signal_containerd(&self, signal: Signal) -> anyhow::Result<()> {
        let containerd = self.containerd.as_ref();
        send(containerd.context("a containerd of its own")?, signal)
    }

    /// Takes its socket away, or puts it back: the engine goes on, and nobody reaches it.
    ///
    /// # Errors
    /// If it is so already.
    pub fn hide_socket(&self, hide: bool) -> anyhow::Result<()> {
        self.rename("docker.sock", hide)
    }

    /// Takes its container runtime away, or puts it back: it answers, and starts nothing.
    ///
    /// # Errors
    /// If it is so already.
    pub fn hide_runtime(&self, hide: bool) -> anyhow::Result<()> {
        self.rename("runtime", hide)
    }

    fn rename(&self, name: &str, hide: bool) -> anyhow::Result<()> {
        let (shown, hidden) = (self.at(name), self.at(&format!("{name}.hidden")));
        let (from, to) = if hide {
            (shown, hidden)
        } else {
            (hidden, shown)
        };
        std::fs::rename(&from, to).with_context(|| from.display().to_string())
    }

    fn launch_containerd(&self) -> anyhow::Result<Child> {
        let at = |name: &str| self.at(name).display().to_string();
        let text = format!(
            "version = 2\nroot = {:?}\nstate = {:?}\n\
             disabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n[grpc]\naddress = {:?}\n",
            at("containerd-root"),
            at("containerd-state"),
            at("containerd.sock")
        );
        let file = self.at("containerd.toml");
        std::fs::write(&file, text)?;
        let child = self.daemon("containerd").arg("--config").arg(file).spawn();
        let child = child.context("start containerd")?;
        until("containerd listens", || {
            Ok(self.at("containerd.sock").exists().then_some(()))
        })?;
        Ok(child)
    }

    fn launch_engine(&self) -> anyhow::Result<Child> {
        let at = |name: &str| self.at(name).display().to_string();
        let mut command = self.daemon("dockerd");
        command
            .args(["--host", &self.socket(), "--pidfile", &at("dockerd.pid")])
            .args(["--data-root", &at("data"), "--exec-root", &at("run")])
            .args(["--add-runtime", &format!("frail={}", at("runtime"))])
            .args(["--default-runtime", "frail"])
            .args(["--bridge=none", "--iptables=false", "--ip6tables=false"])
            .args(["--ip-masq=false", "--ip-forward=false"]);
        if self.setup.live_restore {
            command.arg("--live-restore");
        }
        if self.setup.own_containerd {
            command.args(["--containerd", &at("containerd.sock")]);
        }
        command.spawn().context("start dockerd")
    }

    fn daemon(&self, program: &str) -> Command {
        let path = std::env::var("PATH").unwrap_or_default();
        let mut command = Command::new(program);
        command
            .env("PATH", format!("{path}:/usr/sbin:/sbin"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.at("log"));
        if let Ok(log) = log {
            command.stderr(log);
        }
        command
    }

    fn load_image(&self) -> anyhow::Result<()> {
        let archive = self.at("image.tar").display().to_string();
        docker(&shared_engine()?, &["save", "--output", &archive, IMAGE])?;
        self.docker(&["load", "--input", &archive])?;
        Ok(())
    }
}

impl Drop for Dockerd {
    fn drop(&mut self) {
        let daemons = [&self.engine, &self.containerd];
        for daemon in daemons.into_iter().flatten() {
            let _ = send(daemon, Signal::SIGCONT);
        }
        let left = self.docker(&["ps", "--all", "--quiet"]).unwrap_or_default();
        for container in left.split_whitespace() {
            let _ = self.docker(&["rm", "--force", container]);
        }
        for daemon in [&mut self.engine, &mut self.containerd] {
            if let Some(mut daemon) = daemon.take() {
                let _ = send(&daemon, Signal::SIGTERM);
                let _ = daemon.wait();
            }
        }
        // A shim whose engine crashed may have been taken back by none.
        for shim in shims(self.dir.path()) {
            let children = std::fs::read_to_string(format!("/proc/{shim}/task/{shim}/children"));
            let children = children.unwrap_or_default();
            let children = children
                .split_whitespace()
                .filter_map(|pid| pid.parse().ok());
            for pid in children.chain([shim]) {
                let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            }
        }
        // An engine that crashed has left its data directory mounted on itself, once each time.
        while nix::mount::umount(&self.at("data")).is_ok() {}
    }
}

/// The processes that hold the containers of the engine in this directory.
fn shims(dir: &Path) -> Vec<i32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let dir = dir.display().to_string();
    let is_ours = |pid: &i32| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line);
        line.contains("containerd-shim") && line.contains(&dir)
    };
    pids.filter(is_ours).collect()
}

fn send(child: &Child, signal: Signal) -> anyhow::Result<()> {
    Ok(kill(Pid::from_raw(child.id().cast_signed()), signal)?)
}

/// Runs the `docker` command on an engine; what it printed.
///
/// # Errors
/// If it fails, with what it said.
pub fn docker(socket: &str, args: &[&str]) -> anyhow::Result<String> {
    let done = Command::new("docker")
        .env_remove("DOCKER_HOST")
        .args(["--host", socket])
        .args(args)
        .stdin(Stdio::null())
        .output()
        .context("start docker")?;
    let said = String::from_utf8_lossy(&done.stderr);
    ensure!(done.status.success(), "docker {args:?}: {said}");
    Ok(String::from_utf8(done.stdout)?)
}
