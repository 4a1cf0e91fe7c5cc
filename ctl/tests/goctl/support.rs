//! Runs `goctl` in an empty home, with nothing of the tester's own environment.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

/// A home directory for one test.
pub(crate) struct Home(TempDir);

/// What a run of `goctl` left.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Home {
    pub(crate) fn new() -> Home {
        Home(tempfile::tempdir().unwrap())
    }

    /// A home whose only context has these heads, spoken to in the clear.
    pub(crate) fn with_heads(heads: &[&str]) -> Home {
        let home = Home::new();
        let mut text = String::from("current = \"lab\"\n[context.lab]\nheads = [");
        for head in heads {
            write!(text, "\"{head}\",").unwrap();
        }
        home.write("config.toml", &format!("{text}]\n"));
        home.write("credentials.toml", "[lab]\ntoken = \"god_test_token\"\n");
        home
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    /// `goctl` with this home, not started yet.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_goctl"));
        command.args(args).current_dir(self.0.path()).env_clear();
        command.env("HOME", self.0.path()).env("TZ", "UTC");
        command.env("GOCTL_CONFIG", self.path("config.toml"));
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs `goctl` without input.
    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        finish(self.command(args), "")
    }

    /// Runs `goctl` with this on standard input.
    pub(crate) fn run_with(&self, args: &[&str], input: &str) -> Ran {
        finish(self.command(args), input)
    }
}

/// Runs a prepared `goctl` to its end.
pub(crate) fn finish(mut command: Command, input: &str) -> Ran {
    let mut child = command.spawn().unwrap();
    // A program that does not read its input may be gone already.
    drop(child.stdin.take().unwrap().write_all(input.as_bytes()));
    let output = child.wait_with_output().unwrap();
    Ran {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

impl Ran {
    /// The data, after a success.
    #[track_caller]
    pub(crate) fn data(&self) -> &str {
        assert_eq!(self.code, 0, "{self:?}");
        &self.out
    }

    /// Ended with this code, and the message or its hint says these words.
    #[track_caller]
    pub(crate) fn told(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code, code, "{self:?}");
        for words in words {
            assert!(self.err.contains(words), "no `{words}` in {}", self.err);
        }
    }

    /// The JSON error on standard error.
    #[track_caller]
    pub(crate) fn error(&self) -> Value {
        let last = self.err.lines().last().unwrap_or_default();
        let value: Value = serde_json::from_str(last).unwrap_or_else(|e| panic!("{e}: {self:?}"));
        value["error"].clone()
    }
}

/// A job as a head would show it.
pub(crate) fn job(id: u64, state: &str, further: &Value) -> Value {
    let mut job = json!({
        "id": id, "name": "align", "owner": "ada", "state": state, "image": "debian:12",
        "cpu": 0.5, "memory_bytes": 2_147_483_648_u64, "submitted_at": "2026-11-01T10:00:00Z",
    });
    for (name, value) in further.as_object().unwrap() {
        job[name] = value.clone();
    }
    job
}

/// A job that has ended on node-3 after 03:10.
pub(crate) fn ended(id: u64, state: &str, code: i32) -> Value {
    let further = json!({
        "started_at": "2026-11-01T10:00:10Z", "ended_at": "2026-11-01T10:03:20Z",
        "node": "node-3", "attempt": format!("{id}_0#1"), "exit_code": code,
        "attempts": [{
            "id": format!("{id}_0#1"), "number": 1, "node": "node-3", "state": state,
            "placed_at": "2026-11-01T10:00:05Z", "started_at": "2026-11-01T10:00:10Z",
            "ended_at": "2026-11-01T10:03:20Z", "exit_code": code,
        }],
    });
    job(id, state, &further)
}
