//! A directory with one node's configuration, and running `goagent` on it.

use std::fs::File;
use std::net::{TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, ensure};
use tempfile::TempDir;
use tests::cluster::{binary, until};

/// What `goagent` said, and whether it succeeded.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) success: bool,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// One node that is not running, or is run for a moment.
pub(crate) struct Desk {
    pub(crate) dir: TempDir,
}

impl Desk {
    pub(crate) fn new() -> anyhow::Result<Desk> {
        let desk = Desk {
            dir: tempfile::tempdir()?,
        };
        desk.configure("")?;
        Ok(desk)
    }

    /// A desk at which `goagent init` was run.
    pub(crate) fn initialised() -> anyhow::Result<Desk> {
        let desk = Desk::new()?;
        let said = desk.goagent(&["init"], &[])?;
        ensure!(said.success, "{said:?}");
        Ok(desk)
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.dir.path().join("goagent.toml")
    }

    /// Writes a configuration with ports of its own, and `more` behind it.
    pub(crate) fn configure(&self, more: &str) -> anyhow::Result<()> {
        let (udp, tcp) = (
            UdpSocket::bind("127.0.0.1:0")?,
            TcpListener::bind("127.0.0.1:0")?,
        );
        let text = format!(
            "[node]\nname = \"desk\"\ndata_dir = {:?}\nadvertise = \"127.0.0.1\"\n\
             peer_listen = \"{}\"\napi_listen = \"{}\"\n{more}",
            self.data(),
            udp.local_addr()?,
            tcp.local_addr()?
        );
        std::fs::write(self.config(), text)?;
        Ok(())
    }

    /// Runs `goagent` to its end.
    pub(crate) fn goagent(&self, args: &[&str], env: &[(&str, &str)]) -> anyhow::Result<Said> {
        let output = command(&self.config(), args)?
            .envs(env.iter().copied())
            .output()?;
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
        Ok(Said {
            success: output.status.success(),
            stdout,
            stderr,
        })
    }

    /// Starts `goagent run` and returns once it serves.
    pub(crate) fn serve(&self) -> anyhow::Result<Serving> {
        let (ready, log) = (self.dir.path().join("ready"), self.dir.path().join("log"));
        if ready.exists() {
            std::fs::remove_file(&ready)?;
        }
        let file = File::options().create(true).append(true).open(&log)?;
        let ready_arg = ready.to_str().context("a path")?;
        let mut command = command(&self.config(), &["run", "--ready-file", ready_arg])?;
        let child = command.stdout(Stdio::null()).stderr(file).spawn()?;
        let mut serving = Serving { child, log };
        until("the node serves", || {
            ensure!(
                serving.child.try_wait()?.is_none(),
                "it ended: {}",
                serving.log()
            );
            Ok(ready.exists().then_some(()))
        })?;
        Ok(serving)
    }
}

fn command(config: &Path, args: &[&str]) -> anyhow::Result<Command> {
    let mut command = Command::new(binary("goagent")?);
    command
        .arg("--config")
        .arg(config)
        .args(args)
        .stdin(Stdio::null());
    Ok(command)
}

/// A running node; it ends with the test.
pub(crate) struct Serving {
    pub(crate) child: Child,
    log: PathBuf,
}

impl Serving {
    /// What it has written about itself.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
