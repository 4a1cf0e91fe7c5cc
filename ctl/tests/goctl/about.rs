//! What goctl says about itself.

use std::collections::BTreeSet;

use crate::support::Home;

/// Every command with all its parents, as words.
fn commands() -> Vec<Vec<String>> {
    fn collect(command: &clap::Command, path: &[String], all: &mut Vec<Vec<String>>) {
        for sub in command
            .get_subcommands()
            .filter(|sub| sub.get_name() != "help")
        {
            let path = [path, &[sub.get_name().to_owned()]].concat();
            collect(sub, &path, all);
            all.push(path);
        }
    }
    let mut all = Vec::new();
    collect(&ctl::command(), &[], &mut all);
    all
}

#[test]
fn every_command_has_a_help_that_fits_the_page() {
    let home = Home::new();
    let all = commands();
    assert!(all.len() > 50, "only {} commands", all.len());
    for path in all {
        let mut args: Vec<&str> = path.iter().map(String::as_str).collect();
        args.push("--help");
        let ran = home.run(&args);
        let help = ran.data();
        assert!(help.contains("Usage: goctl "), "{path:?}: {help}");
        for line in help.lines() {
            assert!(line.chars().count() <= 100, "{path:?}: {line}");
        }
    }
}

#[test]
fn every_option_is_explained() {
    fn check(command: &clap::Command) {
        for argument in command.get_arguments() {
            let name = format!("{} {}", command.get_name(), argument.get_id());
            assert!(argument.get_help().is_some(), "{name} is not explained");
        }
        assert!(
            command.get_about().is_some(),
            "{} is not explained",
            command.get_name()
        );
        command.get_subcommands().for_each(check);
    }
    check(&ctl::command());
}

#[test]
fn without_a_command_the_help_comes_on_standard_error() {
    let ran = Home::new().run(&[]);
    assert_eq!((ran.code, ran.out.as_str()), (2, ""));
    assert!(ran.err.contains("Jobs:\n  submit "), "{}", ran.err);
}

#[test]
fn the_version_is_told_with_and_without_a_cluster() {
    let home = Home::new();
    let version = format!("goctl {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(home.run(&["--version"]).data(), version);
    let text = home.run(&["version"]);
    assert!(text.data().contains("cluster  not known"), "{text:?}");
}

#[test]
fn completions_know_every_command() {
    let home = Home::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ran = home.run(&["completions", shell]);
        for word in ["submit", "join-token", "--on-lost", "give-up"] {
            assert!(
                ran.data().contains(word.trim_start_matches("--")),
                "{shell}: {word}"
            );
        }
    }
}

#[test]
fn the_completions_for_bash_are_a_script() {
    let home = Home::new();
    home.write("goctl.bash", home.run(&["completions", "bash"]).data());
    let mut bash = std::process::Command::new("bash");
    bash.args(["-n", "goctl.bash"]).current_dir(home.path(""));
    assert!(bash.status().unwrap().success());
}

#[test]
fn each_command_has_a_manual_page() {
    let home = Home::new();
    home.run(&["--quiet", "man", "man1"]).data();
    let names = std::fs::read_dir(home.path("man1")).unwrap();
    let names: BTreeSet<String> = names
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    for path in commands() {
        let name = format!("goctl-{}.1", path.join("-"));
        assert!(names.contains(&name), "{name} is missing");
    }
    let page = home.read("man1/goctl.1");
    assert!(
        page.contains(".TH goctl 1") && page.contains("Exit codes"),
        "{page}"
    );
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let home = Home::new();
    let mut goctl = home.command(&["completions", "bash"]);
    let mut child = goctl.spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(141));
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
}
