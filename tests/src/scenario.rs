//! Scenario scripts: text files of commands, each with the whole trace that it must print.
//!
//! A block is one or more command lines, a line `----`, and the expected trace up to the next
//! empty line. Lines between blocks are prose and stay as they are. With `UPDATE=1` in the
//! environment the traces are rewritten; the diff is then what a reviewer reads. A script cannot
//! pass by accident: every entry is also checked by [`simulation::invariants`], whatever is
//! expected.

mod commands;
mod print;
mod view;
mod words;
mod world;

use std::fmt::Write;
use std::path::Path;

use anyhow::{Context, Result, bail};
use world::World;

/// Between the commands of a block and their trace.
const RULE: &str = "----";

/// Runs one script.
///
/// # Errors
/// The first block whose trace differs, or that cannot be run: with its line.
pub fn check(path: &Path, update: bool) -> Result<()> {
    let text = std::fs::read_to_string(path)?;
    let (found, difference) = run(&text).with_context(|| path.display().to_string())?;
    if update {
        if found != text {
            std::fs::write(path, found)?;
        }
        return Ok(());
    }
    match difference {
        Some(difference) => bail!(
            "{}: {difference}\nif the new trace is right: UPDATE=1 cargo nextest run -p tests \
             --test scripts",
            path.display()
        ),
        None => Ok(()),
    }
}

/// Runs a script from its text: the text with the traces that were found, and the first
/// difference from those that were expected.
fn run(text: &str) -> Result<(String, Option<String>)> {
    let mut world = World::default();
    let (mut out, mut difference) = (String::new(), None);
    let mut lines = text.lines().enumerate().peekable();
    while let Some((at, line)) = lines.next() {
        writeln!(out, "{line}")?;
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let mut commands = vec![(at, line)];
        loop {
            let (at, line) = lines
                .next()
                .with_context(|| format!("line {}: no {RULE}", at + 1))?;
            writeln!(out, "{line}")?;
            if line == RULE {
                break;
            }
            commands.push((at, line));
        }
        let mut found = String::new();
        for (at, line) in commands {
            let place = || format!("line {}: {line}", at + 1);
            found += &world.run(line).with_context(place)?;
        }
        let mut expected = String::new();
        while let Some((_, line)) = lines.next_if(|(_, line)| !line.is_empty()) {
            writeln!(expected, "{line}")?;
        }
        if found != expected && difference.is_none() {
            difference = Some(format!(
                "line {}: {line}\nexpected:\n{expected}found:\n{found}",
                at + 1
            ));
        }
        out += &found;
    }
    Ok((out, difference))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_trace_is_found_and_rewritten() {
        let script = "# Claim.\n\ncluster\n----\nnonsense\n\nclock 5s\n----\n+5s\n";
        let (found, difference) = run(script).unwrap();
        let right = script.replace("nonsense", "root, ops, ada and bob; node 1 is h1");
        assert_eq!(found, right);
        assert!(difference.unwrap().starts_with("line 3: cluster"));
        assert_eq!(run(&right).unwrap(), (right, None));
    }

    #[test]
    fn an_unknown_command_is_an_error() {
        assert!(run("frobnicate\n----\n").is_err());
        assert!(run("cluster colour=red\n----\n").is_err());
        assert!(run("cluster\n").is_err());
    }
}
