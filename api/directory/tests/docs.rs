//! The examples of docs/directories.md are settings that are accepted.
#![allow(clippy::unwrap_used, reason = "tests")]

use directory::Settings;

const PAGE: &str = include_str!("../../../docs/directories.md");

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    directory: Settings,
}

#[test]
fn the_examples_of_the_page_are_accepted() {
    let blocks = PAGE.split("```toml\n").skip(1);
    let blocks: Vec<&str> = blocks
        .map(|rest| rest.split("```").next().unwrap())
        .collect();
    assert!(blocks.len() >= 4, "{} examples", blocks.len());
    for block in blocks {
        let file: File = toml::from_str(block).unwrap_or_else(|error| panic!("{error}\n{block}"));
        file.directory.validate().unwrap();
    }
}

#[test]
fn the_page_tells_the_minimums_that_hold() {
    for id in [directory::limits::UID_MIN, directory::limits::GID_MIN] {
        assert!(PAGE.contains(&format!("_min = {id} ")), "{id}");
    }
}
