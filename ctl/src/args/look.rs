//! What is typed to look at jobs, machines and news, and to end jobs.

use api_types::usage::UsageBy;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand};

use crate::parse;
use crate::parse::selector::{Selector, job_number, one_job};

/// How jobs are named.
const SELECTORS: &str = "Jobs are named by number (42), range (40-50), age (last, last:3), name \
    (name:align*), tag (tag:nightly), all, or @- for numbers on standard input.";

/// `goctl ps`.
#[derive(Args, Debug, Default)]
#[command(after_help = SELECTORS)]
pub struct Ps {
    /// Only these jobs
    #[arg(value_name = "JOB")]
    pub jobs: Vec<Selector>,
    /// Ended jobs as well
    #[arg(short, long)]
    pub all: bool,
    /// Only ended jobs
    #[arg(long, conflicts_with_all = ["all", "state"])]
    pub done: bool,
    /// Everybody's jobs; for operators
    #[arg(short = 'A', long, conflicts_with = "user")]
    pub everybody: bool,
    /// Only in these states: pending, running, failed …
    #[arg(short, long, value_name = "STATE", value_delimiter = ',', value_parser = parse::state)]
    pub state: Vec<api_types::job::JobState>,
    /// Only of this user
    #[arg(short, long)]
    pub user: Option<String>,
    /// Only of this project: everybody's there, if you may see them
    #[arg(long)]
    pub project: Option<String>,
    /// Only of this queue
    #[arg(long)]
    pub queue: Option<String>,
    /// Only with this image, as it was asked for
    #[arg(long)]
    pub image: Option<String>,
    /// Only with this tag
    #[arg(long)]
    pub tag: Option<String>,
    /// Only with this text in the name
    #[arg(long, value_name = "TEXT")]
    pub grep: Option<String>,
    /// Only on this machine
    #[arg(long)]
    pub node: Option<String>,
    /// Only submitted, or if ended, ended since: -6h, 2026-11-01, 2026-11-01T12:00
    #[arg(long, value_name = "WHEN", allow_hyphen_values = true)]
    pub since: Option<String>,
    /// Only submitted, or if ended, ended before
    #[arg(long, value_name = "WHEN", allow_hyphen_values = true)]
    pub until: Option<String>,
    /// At most so many; 0: all [default: 50]
    #[arg(short = 'n', long, value_name = "COUNT")]
    pub limit: Option<usize>,
}

/// `goctl show`.
#[derive(Args, Debug)]
pub struct Show {
    /// The job's number, or last
    #[arg(value_parser = one_job)]
    pub job: Selector,
    /// Print a description that `goctl submit -f` takes
    #[arg(long)]
    pub spec: bool,
}

/// `goctl usage …`.
#[derive(Subcommand, Debug)]
pub enum Usage {
    /// Sum what attempts cost and used: yours, those of a project that you manage, or all for
    /// operators
    Report(Report),
}

/// `goctl usage report`.
#[derive(Args, Debug)]
pub struct Report {
    /// By what: user, project, queue, image, node, state, day
    #[arg(long, value_name = "WHAT", hide_possible_values = true, value_parser = usage_by())]
    pub by: Option<UsageBy>,
    /// Attempts that ended since: -7d, 2026-11-01, 2026-11-01T12:00 [default: 30 days ago]
    #[arg(long, value_name = "WHEN", allow_hyphen_values = true)]
    pub from: Option<String>,
    /// Attempts that ended before [default: now]
    #[arg(long, value_name = "WHEN", allow_hyphen_values = true)]
    pub to: Option<String>,
    /// Only of this user
    #[arg(short, long)]
    pub user: Option<String>,
    /// Only of this project
    #[arg(long)]
    pub project: Option<String>,
}

/// `goctl eff`.
#[derive(Args, Debug)]
pub struct Eff {
    /// Ended jobs
    #[arg(required = true, value_name = "JOB")]
    pub jobs: Vec<Selector>,
}

fn usage_by() -> impl TypedValueParser<Value = UsageBy> {
    let words = ["user", "project", "queue", "image", "node", "state", "day"];
    PossibleValuesParser::new(words).map(|word| match word.as_str() {
        "project" => UsageBy::Project,
        "queue" => UsageBy::Queue,
        "image" => UsageBy::Image,
        "node" => UsageBy::Node,
        "state" => UsageBy::State,
        "day" => UsageBy::Day,
        _ => UsageBy::User,
    })
}

/// `goctl logs`.
#[derive(Args, Debug)]
#[command(after_help = "Without --stdout or --stderr both are shown, each on its own stream.")]
pub struct Logs {
    /// The job's number, or last
    #[arg(value_parser = one_job)]
    pub job: Selector,
    /// Go on as the job writes, until it ends
    #[arg(short, long)]
    pub follow: bool,
    /// Only its standard output
    #[arg(long, visible_alias = "out")]
    pub stdout: bool,
    /// Only its standard error, on standard output
    #[arg(long, visible_alias = "err", conflicts_with = "stdout")]
    pub stderr: bool,
    /// From this byte on; negative: so many bytes before the end
    #[arg(
        long,
        value_name = "BYTES",
        allow_negative_numbers = true,
        default_value_t = 0
    )]
    #[arg(hide_default_value = true)]
    pub offset: i64,
    /// Of this attempt [default: the last]
    #[arg(long, value_name = "NUMBER")]
    pub attempt: Option<u32>,
}

/// `goctl wait`.
#[derive(Args, Debug)]
#[command(after_help = SELECTORS)]
pub struct Wait {
    /// Which jobs
    #[arg(required = true, value_name = "JOB")]
    pub jobs: Vec<Selector>,
    /// Until the first of them has ended
    #[arg(long)]
    pub any: bool,
}

/// `goctl cancel`.
#[derive(Args, Debug)]
#[command(after_help = SELECTORS)]
pub struct Cancel {
    /// Which jobs
    #[arg(required = true, value_name = "JOB")]
    pub jobs: Vec<Selector>,
    /// Why, for those who look at the job later
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// Time between TERM and KILL, in place of the job's own
    #[arg(long, value_name = "TIME", value_parser = parse::seconds)]
    pub grace: Option<u64>,
    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,
}

/// `goctl nodes`.
#[derive(Args, Debug)]
pub struct Nodes {
    /// Only these, by name or number; of one: all that is known
    #[arg(value_name = "NODE")]
    pub nodes: Vec<String>,
}

/// `goctl events`.
#[derive(Args, Debug)]
pub struct Events {
    /// Go on as things happen
    #[arg(short, long)]
    pub follow: bool,
    /// Only what happened behind this index of the log [default: the last thousand; with -f: now]
    #[arg(long, value_name = "INDEX")]
    pub after: Option<u64>,
    /// Only of this job
    #[arg(long, value_parser = job_number)]
    pub job: Option<u64>,
    /// Only these kinds: job, attempt, node, or one as job.ended
    #[arg(short, long = "type", value_name = "KIND", value_delimiter = ',')]
    pub kind: Vec<String>,
}
