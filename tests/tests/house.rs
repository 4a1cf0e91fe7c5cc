//! The house rules that no compiler checks: who imports whom, one door for each outside thing,
//! sizes, names, and that ARCHITECTURE.md tells of files that exist. Each violation names the
//! file, the limit and the remedy; all of them are told at once.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::Path;
use std::process::Command;

use tests::house::{House, SourceFile};

/// Lines of a file.
const FILE_LINES_MAX: usize = 500;
/// Lines of a function, from `fn` to its closing brace.
const FUNCTION_LINES_MAX: usize = 70;
/// Characters of a line.
const LINE_CHARS_MAX: usize = 100;
/// Names that say nothing of what is in the file.
const EMPTY_NAMES: [&str; 6] = ["utils", "util", "common", "helpers", "helper", "misc"];

/// Outside things, and the packages through which each may enter.
const DOORS: [(&[&str], &[&str]); 15] = [
    (&["openraft", "rocksdb"], &["raft"]),
    (&["turmoil"], &["raft"]),
    (&["quinn", "ring", "x509-parser"], &["net"]),
    // In `directory` its tests only, which `tests` shares.
    (&["rcgen"], &["net", "directory", "tests"]),
    (&["tokio-rustls", "libloading"], &["directory"]),
    (
        &[
            "axum",
            "axum-server",
            "tower",
            "tower-http",
            "utoipa-axum",
            "argon2",
            "prometheus-client",
        ],
        &["api"],
    ),
    (&["utoipa"], &["api", "api-types"]),
    (&["bollard", "cgroups-rs", "redb"], &["agent"]),
    // In `raft` its tests only.
    (
        &["nix"],
        &["agent", "beneath", "directory", "raft", "tests"],
    ),
    (&["rustix", "tar", "zip", "flate2"], &["beneath"]),
    (&["clap"], &["ctl", "agent", "xtask"]),
    (
        &[
            "clap_complete",
            "clap_mangen",
            "rpassword",
            "shlex",
            "serde_norway",
        ],
        &["ctl"],
    ),
    // In `agent` to push to an InfluxDB.
    (&["reqwest"], &["agent", "ctl", "tests"]),
    (&["rustls"], &["net", "api", "directory", "ctl", "tests"]),
    (
        &["anyhow"],
        &["agent", "ctl", "xtask", "tests", "simulation"],
    ),
];
/// Packages that decide and do nothing else.
const PURE: [&str; 2] = ["model", "scheduler"];
/// All that they may be built from, beside each other.
const PURE_NEEDS: [&str; 4] = ["model", "postcard", "rpds", "serde"];

fn none(violations: &[String]) {
    assert!(
        violations.is_empty(),
        "{} violations:\n{}",
        violations.len(),
        violations.join("\n")
    );
}

#[test]
fn packages_import_only_whom_the_table_allows() {
    let house = House::read().unwrap();
    let table = house.imports().unwrap();
    let mut violations = Vec::new();
    for (name, package) in &house.packages {
        let Some(allowed) = table.get(name) else {
            violations.push(format!(
                "{name}: add it to the table of imports in ARCHITECTURE.md"
            ));
            continue;
        };
        let ours = package
            .dependencies
            .iter()
            .filter(|other| house.packages.contains_key(*other));
        for other in ours {
            let to_tests = other == "tests" && name != "tests";
            if to_tests
                || allowed
                    .as_ref()
                    .is_some_and(|allowed| !allowed.contains(other))
            {
                violations.push(format!(
                    "{}/Cargo.toml: {name} may not import {other} (table in ARCHITECTURE.md); \
                     move what it needs into a package that both may import",
                    package.dir.display()
                ));
            }
        }
    }
    for name in table
        .keys()
        .filter(|name| !house.packages.contains_key(*name))
    {
        violations.push(format!("ARCHITECTURE.md: there is no package {name}"));
    }
    none(&violations);
}

#[test]
fn each_outside_thing_has_its_door() {
    let house = House::read().unwrap();
    let mut violations = Vec::new();
    for (name, package) in &house.packages {
        for (things, doors) in DOORS {
            if doors.contains(&name.as_str()) {
                continue;
            }
            for thing in things
                .iter()
                .filter(|thing| package.dependencies.contains(**thing))
            {
                violations.push(format!(
                    "{}/Cargo.toml: {thing} enters through {} only; ask there for what {name} \
                     needs",
                    package.dir.display(),
                    doors.join(", ")
                ));
            }
        }
    }
    for thing in DOORS.iter().flat_map(|(things, _)| things.iter()) {
        let used = house
            .packages
            .values()
            .any(|package| package.dependencies.contains(*thing));
        if !used {
            violations.push(format!(
                "tests/tests/house.rs: nobody uses {thing}; remove its door"
            ));
        }
    }
    none(&violations);
}

#[test]
fn pure_packages_have_no_clock_no_files_and_no_maps_without_order() {
    let house = House::read().unwrap();
    let mut violations = Vec::new();
    for name in PURE {
        let package = &house.packages[name];
        for other in package
            .needed
            .iter()
            .filter(|other| !PURE_NEEDS.contains(&other.as_str()))
        {
            violations.push(format!(
                "{name} is pure and needs {other}; decide without it"
            ));
        }
        let dir = package.dir.join("src");
        for file in house
            .files
            .iter()
            .filter(|file| file.path.starts_with(&dir))
        {
            let path = file.path.display();
            if file.path == dir.join("lib.rs") && !file.code.contains("#![no_std]") {
                violations.push(format!("{path}: write #![no_std]: {name} is pure"));
            }
            for word in [
                "std::",
                "extern crate std",
                "HashMap",
                "f32",
                "f64",
                "static mut",
            ] {
                if let Some(line) = line_with_word(file, word) {
                    violations.push(format!("{path}:{line}: `{word}` has no place in {name}"));
                }
            }
            for (line, text) in (1..).zip(file.code.lines()) {
                if text.trim_start().starts_with("_ =>") {
                    violations.push(format!(
                        "{path}:{line}: `_ =>` hides new variants; name them"
                    ));
                }
            }
        }
    }
    none(&violations);
}

/// The first line with this at the beginning of a word.
fn line_with_word(file: &SourceFile, word: &str) -> Option<usize> {
    let begins = |text: &str| {
        text.match_indices(word).any(|(at, _)| {
            let before = text[..at].chars().next_back();
            !before.is_some_and(|letter| letter.is_alphanumeric() || letter == '_')
        })
    };
    file.code.lines().position(begins).map(|line| line + 1)
}

#[test]
fn files_functions_and_lines_are_small() {
    let house = House::read().unwrap();
    assert!(
        house.files.len() > 100,
        "the sources were not found: {} files",
        house.files.len()
    );
    let mut violations = Vec::new();
    for file in &house.files {
        let path = file.path.display();
        let lines = file.text.lines().count();
        if lines > FILE_LINES_MAX {
            violations.push(format!(
                "{path}: {lines} lines, at most {FILE_LINES_MAX}; split it by noun"
            ));
        }
        for function in file.functions() {
            if function.lines > FUNCTION_LINES_MAX {
                violations.push(format!(
                    "{path}:{}: fn {} has {} lines, at most {FUNCTION_LINES_MAX}; \
                     keep the decisions, move the steps out",
                    function.line, function.name, function.lines
                ));
            }
        }
        for (number, line) in (1..).zip(file.text.lines()) {
            let chars = line.chars().count();
            if chars > LINE_CHARS_MAX {
                violations.push(format!(
                    "{path}:{number}: {chars} characters, at most {LINE_CHARS_MAX}; break it"
                ));
            }
        }
    }
    none(&violations);
}

#[test]
fn every_file_says_what_it_is_for_and_has_a_name_that_says_it() {
    let house = House::read().unwrap();
    let mut violations = Vec::new();
    for file in &house.files {
        let path = file.path.display();
        let first = file.text.lines().next().unwrap_or_default();
        if !first.starts_with("//! ") {
            violations.push(format!(
                "{path}: open it with `//!`: what it holds, and what it does not"
            ));
        }
        let stem = file.path.file_stem().unwrap().to_string_lossy();
        let parent = file
            .path
            .parent()
            .and_then(Path::file_name)
            .unwrap_or_default();
        let empty = |name: &str| EMPTY_NAMES.contains(&name) || name.contains("manager");
        if empty(&stem) || empty(&parent.to_string_lossy()) {
            violations.push(format!("{path}: name it after what is in it"));
        }
        if let Some(line) = file.code.lines().position(|line| line.contains("#[ignore")) {
            violations.push(format!(
                "{path}:{}: a test is run or removed, not ignored",
                line + 1
            ));
        }
    }
    none(&violations);
}

#[test]
fn every_package_has_the_workspace_lints() {
    let house = House::read().unwrap();
    let mut violations = Vec::new();
    for package in house.packages.values() {
        let manifest = package.dir.join("Cargo.toml");
        let text = std::fs::read_to_string(house.root.join(&manifest)).unwrap();
        if !text.contains("[lints]\nworkspace = true") {
            let path = manifest.display();
            violations.push(format!("{path}: add [lints] with workspace = true"));
        }
    }
    none(&violations);
}

#[test]
fn the_architecture_tells_of_what_exists() {
    let house = House::read().unwrap();
    let mut violations = Vec::new();
    let map = house.map();
    for (folder, name) in &map {
        let known = house.packages.get(name);
        let same = known.is_some_and(|package| package.dir == Path::new(folder));
        if !same && name != "xtask" {
            violations.push(format!(
                "ARCHITECTURE.md: package {name} is not in {folder}"
            ));
        }
    }
    for name in house.packages.keys() {
        if !map.iter().any(|(_, mapped)| mapped == name) {
            violations.push(format!("ARCHITECTURE.md: the map lacks the package {name}"));
        }
    }
    let paths = house.named_paths();
    assert!(
        paths.len() > 10,
        "the walk of one job names more files than {paths:?}"
    );
    for path in paths.iter().filter(|path| !house.has(path)) {
        violations.push(format!(
            "ARCHITECTURE.md: there is no {path}; name what is there now"
        ));
    }
    none(&violations);
}

#[test]
fn every_bug_of_the_zoo_can_be_put_back() {
    let house = House::read().unwrap();
    let patches = std::fs::read_dir(house.root.join("tests/zoo")).unwrap();
    let paths = patches.map(|entry| entry.unwrap().path());
    let patches: Vec<_> = paths
        .filter(|path| path.extension().is_some_and(|end| end == "patch"))
        .collect();
    assert!(patches.len() >= 30, "{} bugs are left", patches.len());
    let mut violations = Vec::new();
    for path in patches {
        let mut git = Command::new("git");
        let git = git.args(["apply", "--check"]).arg(&path);
        let told = git.current_dir(&house.root).output().unwrap();
        if !told.status.success() {
            violations.push(format!(
                "{}: does not fit the code any more ({}); draw it anew, then `make zoo ARGS=NAME`",
                path.display(),
                String::from_utf8_lossy(&told.stderr).trim()
            ));
        }
    }
    none(&violations);
}
