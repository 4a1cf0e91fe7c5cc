//! The first session of README is what one really sees: its commands are run, and what they print
//! is compared line by line. `…` in README stands for what differs from run to run.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tests::cluster::binary;

/// One command of the session, and what it prints.
#[derive(Debug, Default)]
struct Step {
    command: String,
    expected: Vec<String>,
}

/// The steps of one fenced block: `$ ` begins a command; a here-document belongs to it.
fn steps(block: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut heredoc = false;
    for line in block.lines() {
        match (line.strip_prefix("$ "), steps.last_mut()) {
            (_, Some(step)) if heredoc => {
                step.command.push('\n');
                step.command.push_str(line);
                heredoc = line != "EOF";
            }
            (Some(command), _) => {
                heredoc = command.ends_with("<<'EOF'");
                steps.push(Step {
                    command: command.into(),
                    expected: Vec::new(),
                });
            }
            (None, Some(step)) => step.expected.push(line.into()),
            (None, None) => {}
        }
    }
    steps
}

/// The fenced blocks between the marks of the first session.
fn blocks(readme: &str) -> anyhow::Result<Vec<String>> {
    let (_, rest) = readme
        .split_once("<!-- session:begin -->")
        .context("no begin mark")?;
    let (session, _) = rest
        .split_once("<!-- session:end -->")
        .context("no end mark")?;
    let fenced = session
        .split("```")
        .enumerate()
        .filter(|(at, _)| at % 2 == 1);
    Ok(fenced
        .map(|(_, block)| block.trim_start_matches("console\n").to_owned())
        .collect())
}

/// Whether the line is as README has it: `…` matches any text.
fn same(expected: &str, found: &str) -> bool {
    let mut parts = expected.trim_end().split('…');
    let Some(mut rest) = found
        .trim_end()
        .strip_prefix(parts.next().unwrap_or_default())
    else {
        return false;
    };
    let mut open = false;
    for part in parts {
        let Some(at) = rest.find(part) else {
            return false;
        };
        open = part.is_empty();
        rest = &rest[at + part.len()..];
    }
    open || rest.is_empty()
}

fn compare(step: &Step, found: &[String]) -> anyhow::Result<()> {
    let fits = step.expected.len() == found.len()
        && step
            .expected
            .iter()
            .zip(found)
            .all(|(expected, found)| same(expected, found));
    ensure!(
        fits,
        "`{}` printed\n{}\nREADME has\n{}",
        step.command,
        found.join("\n"),
        step.expected.join("\n")
    );
    Ok(())
}

/// A shell command in the session's directory, with the programs under test on its path.
fn shell(dir: &Path, command: &str) -> anyhow::Result<Command> {
    let programs = binary("goctl")?
        .parent()
        .context("a directory")?
        .to_path_buf();
    let path = std::env::var("PATH").unwrap_or_default();
    let mut shell = Command::new("bash");
    shell
        .args(["-c", command])
        .current_dir(dir)
        .stdin(Stdio::null());
    shell
        .env("PATH", format!("{}:{path}", programs.display()))
        .env("TZ", "UTC");
    for name in [
        "GOCTL_CONFIG",
        "GOCTL_SERVER",
        "GOCTL_TOKEN",
        "GOCTL_CONTEXT",
        "DOCKER_HOST",
    ] {
        shell.env_remove(name);
    }
    Ok(shell)
}

/// The cluster of the first block; it ends with the test.
struct Serving(Child);

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = kill(Pid::from_raw(self.0.id().cast_signed()), Signal::SIGTERM);
        let _ = self.0.wait();
    }
}

fn serve(dir: &Path, step: &Step) -> anyhow::Result<Serving> {
    let mut child = shell(dir, &format!("exec {}", step.command))?
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()?;
    let stdout = child.stdout.take().context("its output")?;
    let serving = Serving(child);
    let mut found = Vec::new();
    for line in BufReader::new(stdout).lines().take(step.expected.len()) {
        found.push(line?);
    }
    compare(step, &found)?;
    Ok(serving)
}

fn run(dir: &Path, exports: &str, step: &Step) -> anyhow::Result<()> {
    let output = shell(dir, &format!("exec 2>&1\n{exports}{}", step.command))?.output()?;
    let text = String::from_utf8(output.stdout)?;
    compare(step, &text.lines().map(str::to_owned).collect::<Vec<_>>())
}

#[test]
fn the_first_session_is_what_one_sees() -> anyhow::Result<()> {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let blocks = blocks(&std::fs::read_to_string(readme)?)?;
    let [serving, using] = blocks.as_slice() else {
        bail!("{} blocks; one terminal serves, another uses", blocks.len());
    };
    let dir = tempfile::tempdir()?;
    let first = steps(serving);
    let [first] = first.as_slice() else {
        bail!("the first block is one command")
    };
    let _serving = serve(dir.path(), first)?;
    let mut exports = String::new();
    let steps = steps(using);
    ensure!(
        steps.len() > 3,
        "a session of {} commands shows nothing",
        steps.len()
    );
    for step in &steps {
        if step.command.starts_with("export ") {
            exports.push_str(&step.command);
            exports.push('\n');
        } else {
            run(dir.path(), &exports, step)?;
        }
    }
    Ok(())
}

#[test]
fn an_ellipsis_stands_for_any_text_and_nothing_else_does() {
    for (expected, found, fits) in [
        ("a b", "a b", true),
        ("a b", "a c", false),
        ("a…", "a", true),
        ("a…c", "abbc", true),
        ("a…c", "abbcd", false),
        ("…c", "abc", true),
        ("a… d …", "abc d e", true),
        ("a", "", false),
    ] {
        assert_eq!(same(expected, found), fits, "{expected} / {found}");
    }
}
