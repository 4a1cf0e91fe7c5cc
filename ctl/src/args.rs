//! What was typed, word for word. Nothing here knows what it means.
//!
//! Doc comments of fields are the help texts: completions and manual pages are made from them.

pub mod account;
pub mod admin;
pub mod files;
pub mod job;
pub mod look;
pub mod project;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::error::{Failure, Kind};
use crate::output::{self, Colour, Format};
use crate::parse;

/// The heading of options that every command takes.
const GLOBAL: &str = "Options of every command";

/// The subcommands as `goctl help` groups them.
const GROUPS: [(&str, &[&str]); 5] = [
    (
        "Jobs",
        &[
            "submit", "run", "ps", "show", "logs", "files", "wait", "cancel",
        ],
    ),
    (
        "Projects and bounds",
        &[
            "projects", "project", "queues", "queue", "quota", "usage", "eff",
        ],
    ),
    ("Cluster", &["nodes", "volumes", "events", "admin"]),
    (
        "You",
        &[
            "login", "logout", "whoami", "can-i", "passwd", "token", "key", "secret", "context",
            "config",
        ],
    ),
    ("About goctl", &["completions", "man", "version", "help"]),
];

/// What scripts may rely on.
const EXIT_CODES: &str = "Exit codes:
  0    it worked
  1    it failed for another reason; can-i: no
  2    the command line, a #GO line or a job file is wrong
  3    there is no such thing
  4    not logged in, or no longer
  5    not allowed, or a bound is reached
  7    no head answers, or none has a quorum
  8    --timeout has passed
  9    conflict, for example a key used for another job
  10   wait for several jobs: not all succeeded
  130  interrupted; jobs go on
run, submit --wait and wait for one job end as the job did: with its exit code, with 128 and the
number of its signal, with 124 when it reached its time limit. There 125 means that goctl or the
cluster failed, not the job (GOCTL_EXIT_ERROR puts another number in its place); 2, 8 and 130 mean
what they always mean.

Environment: GOCTL_CONFIG names the configuration file, GOCTL_CONTEXT the context. GOCTL_SERVER
(addresses of heads, separated by commas), GOCTL_TOKEN and GOCTL_CA_FILE replace what the context
says. GOCTL_OUTPUT, NO_COLOR and CLICOLOR_FORCE decide how things are printed.";

/// Submit jobs to a GO-Docker cluster, follow them, and run the cluster
#[derive(Parser, Debug)]
#[command(
    name = "goctl",
    version,
    args_override_self = true,
    arg_required_else_help = true
)]
#[command(max_term_width = 100, after_long_help = EXIT_CODES)]
pub struct Cli {
    /// Options of every command.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Options of every command.
#[derive(Args, Clone, Debug)]
pub struct Global {
    /// Cluster to speak to, in place of the current one
    #[arg(
        short,
        long,
        global = true,
        value_name = "NAME",
        env = "GOCTL_CONTEXT",
        hide_env_values = true
    )]
    #[arg(help_heading = GLOBAL)]
    pub context: Option<String>,
    /// Form of output: table, wide, json, jsonl, yaml, csv, name
    #[arg(short, long, global = true, value_name = "FORM", help_heading = GLOBAL)]
    #[arg(value_enum, default_value_t, hide_possible_values = true)]
    #[arg(env = "GOCTL_OUTPUT", hide_env_values = true)]
    pub output: Format,
    /// Only these columns; with + before a name, that one as well
    #[arg(long, global = true, value_name = "A,B", value_delimiter = ',', help_heading = GLOBAL)]
    pub columns: Vec<String>,
    /// Leave the header line out
    #[arg(long, global = true, help_heading = GLOBAL)]
    pub no_headers: bool,
    /// When to use colour: auto, always, never
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN")]
    #[arg(hide_possible_values = true, hide_default_value = true, help_heading = GLOBAL)]
    pub color: Colour,
    /// Print only what was asked for; submit: only the job's number
    #[arg(short, long, global = true, help_heading = GLOBAL)]
    pub quiet: bool,
    /// Tell each request and its answer
    #[arg(long, global = true, help_heading = GLOBAL)]
    pub verbose: bool,
    /// Give up after this time
    #[arg(long, global = true, value_name = "TIME", value_parser = duration)]
    #[arg(help_heading = GLOBAL)]
    pub timeout: Option<Duration>,
    /// Absolute times, in UTC
    #[arg(long, global = true, help_heading = GLOBAL)]
    pub utc: bool,
    /// Never ask anything
    #[arg(long, global = true, help_heading = GLOBAL)]
    pub no_input: bool,
}

/// What to do.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Submit a job; prints its number once a quorum of heads has it on disk
    Submit(job::Submit),
    /// Submit a job, show its output, end with its exit code
    Run(job::Run),
    /// List jobs: yours that have not ended, newest first
    Ps(look::Ps),
    /// Show all that is known of a job
    Show(look::Show),
    /// Show what a job writes
    Logs(look::Logs),
    /// The files of jobs: list, download, upload, remove
    #[command(subcommand)]
    Files(files::Files),
    /// Wait for the end of jobs; of one: end with its exit code
    Wait(look::Wait),
    /// End jobs
    Cancel(look::Cancel),
    /// List the machines
    Nodes(look::Nodes),
    /// List the volumes that jobs may mount
    Volumes,
    /// Show or follow the news
    Events(look::Events),
    /// List the projects that you may charge jobs to
    Projects,
    /// One project, and who is in it
    #[command(subcommand)]
    Project(project::Project),
    /// List the queues that you may submit to
    Queues,
    /// One queue
    #[command(subcommand)]
    Queue(project::Queue),
    /// Show bounds, and what of them is taken
    Quota(project::Quota),
    /// What attempts cost and used
    #[command(subcommand)]
    Usage(look::Usage),
    /// Show what ended jobs used of what they asked for, and what to ask for next time
    Eff(look::Eff),
    /// Run the cluster
    #[command(subcommand)]
    Admin(admin::Admin),
    /// Log in, and remember the cluster as a context
    Login(account::Login),
    /// End the login of this context
    Logout,
    /// Show who you are, where, and what you may use
    Whoami,
    /// Ask whether you may do something; ends with 0 if so, with 1 if not
    CanI(account::CanI),
    /// Change your password
    Passwd(account::Passwd),
    /// Tokens for programs that speak in your name
    #[command(subcommand)]
    Token(account::Token),
    /// Your public keys, for interactive sessions
    #[command(visible_alias = "keys")]
    Key(account::Key),
    /// Secrets that jobs find as files, and passwords for registries
    #[command(visible_alias = "secrets")]
    Secret(account::Secret),
    /// The clusters that goctl knows
    #[command(subcommand, visible_alias = "contexts")]
    Context(account::Context),
    /// The files that goctl reads
    #[command(subcommand)]
    Config(account::Config),
    /// Print completions for a shell
    #[command(visible_alias = "completion")]
    Completions {
        /// bash, elvish, fish, powershell or zsh
        #[arg(value_enum, hide_possible_values = true)]
        shell: clap_complete::Shell,
    },
    /// Write the manual pages into a directory
    Man {
        /// Where to
        dir: PathBuf,
    },
    /// Print the versions of goctl and of the cluster
    Version,
}

impl Command {
    /// Whether the exit code is a job's own.
    pub fn ends_as_the_job(&self) -> bool {
        match self {
            Command::Run(_) | Command::Wait(_) => true,
            Command::Submit(submit) => submit.wait,
            Command::Ps(_)
            | Command::Show(_)
            | Command::Logs(_)
            | Command::Files(_)
            | Command::Cancel(_)
            | Command::Nodes(_)
            | Command::Volumes
            | Command::Events(_)
            | Command::Projects
            | Command::Project(_)
            | Command::Queues
            | Command::Queue(_)
            | Command::Quota(_)
            | Command::Usage(_)
            | Command::Eff(_)
            | Command::Admin(_)
            | Command::Login(_)
            | Command::Logout
            | Command::Whoami
            | Command::CanI(_)
            | Command::Passwd(_)
            | Command::Token(_)
            | Command::Key(_)
            | Command::Secret(_)
            | Command::Context(_)
            | Command::Config(_)
            | Command::Completions { .. }
            | Command::Man { .. }
            | Command::Version => false,
        }
    }
}

/// The whole command line as clap knows it, for completions and manual pages.
pub fn command() -> clap::Command {
    let command = Cli::command();
    let mut groups = String::new();
    for (title, names) in GROUPS {
        groups.push_str(&format!("{title}:\n"));
        for name in names {
            let about = command
                .find_subcommand(name)
                .and_then(|sub| sub.get_about());
            let about = about.map_or("Explain a command".into(), ToString::to_string);
            groups.push_str(&format!("  {name:<12} {about}\n"));
        }
        groups.push('\n');
    }
    command.help_template(format!(
        "{{about}}\n\n{{usage-heading}} {{usage}}\n\n{groups}Options:\n{{options}}\n\n\
         `goctl help COMMAND` explains one; `goctl --help` ends with the exit codes.\n\
         {{after-help}}"
    ))
}

/// Reads the command line.
///
/// # Errors
/// What clap says of it; also for `--help` and `--version`.
pub fn parse(words: &[OsString]) -> Result<Cli, clap::Error> {
    let mut command = command();
    let matches = command.try_get_matches_from_mut(words)?;
    Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut command))
}

/// Tells the user what is wrong with the command line; gives the exit code.
pub fn refuse(error: &clap::Error, words: &[OsString]) -> u8 {
    if error.use_stderr() && wants_json(words) {
        output::failure(&explain(error), Format::Json, Kind::Usage.exit_code());
    } else {
        // That nobody reads it is no reason for another exit code.
        drop(error.print());
    }
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => 0,
        // Help is also what a command line without a command gets; clap's kinds are open.
        _ => Kind::Usage.exit_code(),
    }
}

/// Whether JSON was asked for on a command line that could not be read.
fn wants_json(words: &[OsString]) -> bool {
    let words: Vec<&str> = words.iter().filter_map(|word| word.to_str()).collect();
    let json = |form: &str| matches!(form, "json" | "jsonl");
    let pair = |two: &[&str]| matches!(two[0], "-o" | "--output") && json(two[1]);
    words.windows(2).any(pair)
        || words.iter().any(|word| {
            let form = word.strip_prefix("--output=").or(word.strip_prefix("-o"));
            form.is_some_and(|form| json(form.trim_start_matches('=')))
        })
}

/// What clap says of words, as a failure of ours.
pub fn explain(error: &clap::Error) -> Failure {
    let text = error.render().to_string();
    let mut lines = text.lines();
    let first = lines.next().unwrap_or_default();
    let mut message = first.strip_prefix("error: ").unwrap_or(first).to_owned();
    let mut hint = None;
    for line in lines {
        let line = line.trim();
        if let Some(tip) = line.strip_prefix("tip: ") {
            // The first is about what is most likely meant.
            hint.get_or_insert_with(|| tip.to_owned());
        } else if line.starts_with("[possible values:") {
            hint = Some(line.trim_matches(['[', ']']).to_owned());
        } else if line.starts_with("Usage:") {
            break;
        } else if !line.is_empty() && message.ends_with(':') {
            message = format!("{message} {line}");
        }
    }
    let mut failure = Failure::usage(message);
    failure.hint = hint;
    let plain = |name: &String| {
        let word = name.split([' ', '=', '|']).next().unwrap_or_default();
        word.trim_matches(['<', '>', '[', ']', '.']).to_owned()
    };
    failure.field = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(name)) => Some(plain(name)),
        Some(ContextValue::Strings(names)) => names.first().map(plain),
        // clap's kinds of context are open.
        Some(_) | None => None,
    };
    failure
}

fn duration(text: &str) -> Result<Duration, String> {
    parse::millis(text).map(Duration::from_millis)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

    use super::*;

    #[test]
    fn every_command_stands_in_one_group_of_the_help() {
        let mut command = command();
        command.build();
        let known = command
            .get_subcommands()
            .map(|sub| sub.get_name().to_owned());
        let mut known: Vec<String> = known.collect();
        let mut shown: Vec<&str> = GROUPS
            .iter()
            .flat_map(|(_, names)| *names)
            .copied()
            .collect();
        known.sort();
        shown.sort_unstable();
        assert_eq!(known, shown);
    }

    #[test]
    fn the_command_line_is_consistent() {
        command().debug_assert();
    }

    #[test]
    fn the_last_of_two_values_holds_and_lists_grow() {
        let words = "goctl submit --cpu 2 --cpu 3 -e A=1 -e B=2 --tag x -- true";
        let words: Vec<OsString> = words.split(' ').map(OsString::from).collect();
        let Command::Submit(submit) = parse(&words).unwrap().command else {
            panic!("another command");
        };
        assert_eq!(submit.work.options.cpu, Some(3.0));
        assert_eq!(submit.work.options.env.len(), 2);
        assert_eq!(submit.work.command, ["true"]);
    }

    #[test]
    fn json_is_seen_on_a_line_that_cannot_be_read() {
        let line = |text: &str| text.split(' ').map(OsString::from).collect::<Vec<_>>();
        assert!(wants_json(&line("goctl ps -o json --wrong")));
        assert!(wants_json(&line("goctl --output=jsonl ps")));
        assert!(wants_json(&line("goctl ps -ojson")));
        assert!(!wants_json(&line("goctl ps -o yaml json")));
    }
}
