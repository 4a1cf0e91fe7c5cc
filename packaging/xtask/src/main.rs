//! Chores that need the workspace and not a shell: `cargo xtask dist DIR` lays out the tree that a
//! package of any kind is made from.
//!
//! Manual pages and completions are asked of the very `goctl` that the tree holds, so they cannot
//! disagree with it. What is only for this repository stays in the scripts beside this crate.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, ensure};

const USAGE: &str = "usage: cargo xtask dist DIR [PROFILE]
  lays out in DIR what a package installs; PROFILE is cargo's, `dist` unless given";

/// The programs, below `usr/bin`.
const PROGRAMS: [&str; 2] = ["goagent", "goctl"];
/// The daemon's unit: where it lies here, and where it goes.
const UNIT: (&str, &str) = (
    "packaging/systemd/goagent.service",
    "usr/lib/systemd/system/goagent.service",
);
/// How PAM is asked whether a password is right, for sites that let it be asked.
const PAM: (&str, &str) = ("packaging/pam.d/godocker", "etc/pam.d/godocker");
const MANUAL: &str = "usr/share/man/man1";
/// What each shell reads.
const COMPLETIONS: [(&str, &str); 3] = [
    ("bash", "usr/share/bash-completion/completions/goctl"),
    ("zsh", "usr/share/zsh/vendor-completions/_goctl"),
    ("fish", "usr/share/fish/vendor_completions.d/goctl.fish"),
];
/// Prose, below `usr/share/doc/godocker`.
const DOCS: [&str; 7] = [
    "README.md",
    "CHANGELOG.md",
    "LICENSE",
    "docs/admin.md",
    "docs/directories.md",
    "docs/user.md",
    "docs/api.md",
];

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["dist", dir] => dist(Path::new(dir), "dist"),
        ["dist", dir, profile] => dist(Path::new(dir), profile),
        _ => {
            tell(USAGE);
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tell(&format!("xtask: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Builds the programs and lays out the tree; the directory must be new or empty.
fn dist(dir: &Path, profile: &str) -> anyhow::Result<()> {
    fs::create_dir_all(dir).with_context(|| dir.display().to_string())?;
    let empty = fs::read_dir(dir)?.next().is_none();
    ensure!(
        empty,
        "{} is not empty; name another directory",
        dir.display()
    );
    let built = build(profile)?;
    for program in PROGRAMS {
        install(
            &built.join(program),
            &dir.join("usr/bin").join(program),
            0o755,
        )?;
    }
    let root = root();
    install(&root.join(UNIT.0), &dir.join(UNIT.1), 0o644)?;
    install(&root.join(PAM.0), &dir.join(PAM.1), 0o644)?;
    for doc in DOCS {
        let name = Path::new(doc).file_name().context("a file")?;
        install(
            &root.join(doc),
            &dir.join("usr/share/doc/godocker").join(name),
            0o644,
        )?;
    }
    let goctl = dir.join("usr/bin/goctl");
    let manual = dir.join(MANUAL);
    ask(
        &goctl,
        ["--quiet".as_ref(), "man".as_ref(), manual.as_os_str()],
    )?;
    for (shell, place) in COMPLETIONS {
        let text = ask(&goctl, ["completions".as_ref(), shell.as_ref()])?;
        let place = dir.join(place);
        make_parent(&place)?;
        fs::write(&place, text).with_context(|| place.display().to_string())?;
    }
    tell(&format!("laid out in {}", dir.display()));
    Ok(())
}

/// Builds the programs; the directory that they are in.
fn build(profile: &str) -> anyhow::Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command
        .current_dir(root())
        .args(["build", "--locked", "--profile", profile]);
    command.args(["--package", "agent", "--package", "ctl", "--bins"]);
    let status = command.status().context("start cargo")?;
    ensure!(status.success(), "cargo build: {status}");
    let target = std::env::var_os("CARGO_TARGET_DIR");
    let target = target.map_or_else(|| root().join("target"), PathBuf::from);
    Ok(target.join(if profile == "dev" { "debug" } else { profile }))
}

fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_path_buf()
}

fn install(from: &Path, to: &Path, mode: u32) -> anyhow::Result<()> {
    make_parent(to)?;
    fs::copy(from, to).with_context(|| format!("{} to {}", from.display(), to.display()))?;
    fs::set_permissions(to, fs::Permissions::from_mode(mode))?;
    Ok(())
}

fn make_parent(path: &Path) -> anyhow::Result<()> {
    let parent = path.parent().context("a path with a parent")?;
    fs::create_dir_all(parent).with_context(|| parent.display().to_string())
}

/// Runs a program; what it printed.
fn ask<'a>(program: &Path, words: impl IntoIterator<Item = &'a OsStr>) -> anyhow::Result<Vec<u8>> {
    let mut command = Command::new(program);
    let output = command.args(words).stderr(Stdio::inherit()).output();
    let output = output.with_context(|| program.display().to_string())?;
    ensure!(output.status.success(), "{command:?}: {}", output.status);
    Ok(output.stdout)
}

#[allow(clippy::print_stderr, reason = "talk of a command line tool")]
fn tell(line: &str) {
    eprintln!("{line}");
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn the_unit_starts_what_is_installed() {
        let unit = fs::read_to_string(root().join(UNIT.0)).unwrap();
        let starts = unit
            .lines()
            .find_map(|line| line.strip_prefix("ExecStart=/"))
            .unwrap();
        let program = starts.split(' ').next().unwrap();
        assert!(
            PROGRAMS
                .iter()
                .any(|name| program == format!("usr/bin/{name}")),
            "{starts}"
        );
    }

    #[test]
    fn what_is_copied_is_there() {
        for file in DOCS.into_iter().chain([UNIT.0]) {
            assert!(root().join(file).is_file(), "{file}");
        }
    }
}
