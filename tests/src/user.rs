//! Somebody who uses `goctl` with a configuration of their own.

use std::io::Write;
use std::process::{Command, Output, Stdio};

use anyhow::{Context, ensure};
use tempfile::TempDir;

use crate::cluster::binary;

/// A user at a terminal of their own.
pub struct User {
    home: TempDir,
}

impl User {
    /// Somebody who is logged in nowhere.
    ///
    /// # Errors
    /// If no directory can be made.
    pub fn new() -> anyhow::Result<User> {
        let home = tempfile::tempdir()?;
        Ok(User { home })
    }

    /// Runs `goctl` with this input; whatever it answers.
    ///
    /// # Errors
    /// If it cannot be run.
    pub fn answer(&self, args: &[&str], input: &str) -> anyhow::Result<Output> {
        let mut command = Command::new(binary("goctl")?);
        command
            .args(args)
            .env("GOCTL_CONFIG", self.home.path().join("goctl.toml"))
            .env("NO_COLOR", "1");
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn()?;
        let mut stdin = child.stdin.take().context("its input")?;
        // Who does not read to the end has decided before.
        let _ = stdin.write_all(input.as_bytes());
        drop(stdin);
        Ok(child.wait_with_output()?)
    }

    /// Runs `goctl`; what it printed.
    ///
    /// # Errors
    /// If it failed: with what it said.
    pub fn goctl(&self, args: &[&str]) -> anyhow::Result<String> {
        let output = self.answer(args, "")?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "goctl {args:?}: {said}");
        Ok(String::from_utf8(output.stdout)?)
    }

    /// The token that their login left with them.
    ///
    /// # Errors
    /// If they are logged in nowhere.
    pub fn token(&self) -> anyhow::Result<String> {
        let text = std::fs::read_to_string(self.home.path().join("credentials.toml"))?;
        let from = text.find("god_").context("a token")?;
        let end = text[from..].find('"').context("its end")?;
        Ok(text[from..from + end].to_owned())
    }
}
