//! Runs every script in `tests/scripts`. Adding a case is adding a text file.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::Path;

/// Fewer scripts than this means that they were not found.
const SCRIPTS_MIN: usize = 25;

#[test]
fn scripts_print_what_they_expect() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts");
    let update = std::env::var_os("UPDATE").is_some_and(|value| value == "1");
    let entries = std::fs::read_dir(&dir).unwrap();
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(
        update || paths.len() >= SCRIPTS_MIN,
        "{} has {} files",
        dir.display(),
        paths.len()
    );
    let mut failures = Vec::new();
    for path in paths {
        assert_eq!(
            path.extension().unwrap(),
            "txt",
            "{} is no script",
            path.display()
        );
        if let Err(error) = tests::scenario::check(&path, update) {
            failures.push(format!("{error:#}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}
