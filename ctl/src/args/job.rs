//! What a job is and needs, as typed with `submit` and `run` and written in `#GO` lines.

use std::path::PathBuf;

use api_types::job_request::{Network, OnLost, PullPolicy, SecretUse, VolumeUse};
use clap::builder::{NonEmptyStringValueParser, PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser};

use crate::parse;
use crate::parse::change::{Words, words};

/// `goctl submit`.
#[derive(Args, Debug)]
#[command(
    after_help = "A script may hold options itself, in comment lines at its top:\n  \
    #GO --image debian:12 --cpu 2 --mem 4G --time 1h\nWhat is typed goes first. Sizes are binary: \
    8G is 8 GiB."
)]
pub struct Submit {
    /// Wait for its end, and end with its exit code
    #[arg(long, conflicts_with = "dry_run")]
    pub wait: bool,
    /// Print what would be submitted; submit nothing
    #[arg(long)]
    pub dry_run: bool,
    /// What shall run, and what it needs.
    #[command(flatten)]
    pub work: Work,
}

/// `goctl run`.
#[derive(Args, Debug)]
#[command(
    after_help = "Ctrl-C leaves the job running and says how to come back; a second one \
    within two seconds ends the job."
)]
pub struct Run {
    /// What shall run, and what it needs.
    #[command(flatten)]
    pub work: Work,
}

/// What shall run, and what it needs.
#[derive(Args, Clone, Debug, Default)]
pub struct Work {
    /// A line for /bin/sh in place of a script
    #[arg(long, value_name = "LINE", conflicts_with_all = ["script", "file", "command"])]
    pub wrap: Option<String>,
    /// A description of the job in TOML, YAML or JSON, as `goctl show --spec` prints it; - is
    /// standard input
    #[arg(short, long, conflicts_with_all = ["script", "command"])]
    pub file: Option<PathBuf>,
    /// Do not read #GO lines
    #[arg(long)]
    pub no_directives: bool,
    /// Idempotency key: the same key again within a day gives the same job
    #[arg(long, value_parser = NonEmptyStringValueParser::new())]
    pub key: Option<String>,
    /// Script to run; - is standard input
    pub script: Option<String>,
    /// Arguments of the script
    #[arg(value_name = "ARG")]
    pub args: Vec<String>,
    /// Program and arguments, run without a shell; behind a script: more arguments of it
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<String>,
    /// What it needs.
    #[command(flatten)]
    pub options: JobOptions,
}

/// What a job needs. What is left out is decided by the cluster.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "The job")]
pub struct JobOptions {
    /// Name, for people
    #[arg(short, long, value_parser = NonEmptyStringValueParser::new())]
    pub name: Option<String>,
    /// Container image
    #[arg(short, long, value_parser = NonEmptyStringValueParser::new())]
    pub image: Option<String>,
    /// When the image is fetched: missing, always, never
    #[arg(long, value_name = "WHEN", hide_possible_values = true, value_parser = pull())]
    pub pull: Option<PullPolicy>,
    /// Processors: 2, 0.5 [default: 1]
    #[arg(long, value_name = "COUNT", value_parser = parse::cpus)]
    pub cpu: Option<f64>,
    /// Memory: 512M, 8G [default: 1G]
    #[arg(long, value_name = "SIZE", value_parser = parse::bytes)]
    pub mem: Option<u64>,
    /// The job is stopped when it has run this long: 90s, 2h, 1h30m [default: no limit]
    #[arg(long, value_name = "TIME", value_parser = parse::positive_seconds)]
    pub time: Option<u64>,
    /// Time between TERM and KILL when it is stopped [default: 30s]
    #[arg(long, value_name = "TIME", value_parser = parse::seconds)]
    pub grace: Option<u64>,
    /// What happens if its machine is lost: hold, requeue [default: hold]
    #[arg(long, value_name = "WHAT", hide_possible_values = true, value_parser = on_lost())]
    pub on_lost: Option<OnLost>,
    /// Environment variable; without a value, the one of now. May be repeated
    #[arg(short, long, value_name = "NAME[=VALUE]", value_parser = parse::assignment)]
    pub env: Vec<(String, Option<String>)>,
    /// Volume to mount, by its name, or a directory in it. May be repeated
    #[arg(short, long, value_name = "NAME[/SUB/PATH][:ro]", value_parser = parse::volume)]
    pub volume: Vec<VolumeUse>,
    /// Word to find the job by. May be repeated
    #[arg(long, value_name = "WORD", value_parser = NonEmptyStringValueParser::new())]
    pub tag: Vec<String>,
    /// Project that it is charged to [default: default]
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    pub project: Option<String>,
    /// Queue that it waits in [default: default]
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    pub queue: Option<String>,
    /// What it sees of the network: none, bridge [default: as the administrators have set]
    #[arg(long, value_name = "WHAT", hide_possible_values = true, value_parser = network())]
    pub network: Option<Network>,
    /// Run as root inside the container, if you may
    #[arg(long)]
    pub root: bool,
    /// Replaces the image's entry point; in one word: '/bin/sh -c'
    #[arg(long, value_name = "WORDS", value_parser = words)]
    pub entrypoint: Option<Words>,
    /// The job is stopped when it has written so much output: 100M
    #[arg(long, value_name = "SIZE", value_parser = parse::bytes)]
    pub output_max: Option<u64>,
    /// Secret to find as a file in /run/secrets (goctl secret). May be repeated
    #[arg(long, value_name = "NAME[=FILE]", value_parser = parse::secret)]
    pub secret: Vec<SecretUse>,
    /// TCP port of the container to be reached from outside (goctl show tells how). May be repeated
    #[arg(short, long, value_name = "PORT", value_parser = port())]
    pub publish: Vec<u16>,
    /// The job is stopped when its directory holds so much: 10G
    #[arg(long, value_name = "SIZE", value_parser = parse::bytes)]
    pub disk_max: Option<u64>,
}

/// One `#GO` line.
#[derive(Parser, Debug)]
#[command(name = "#GO", no_binary_name = true, disable_help_flag = true)]
#[command(args_override_self = true)]
pub struct DirectiveLine {
    /// What the line asks for.
    #[command(flatten)]
    pub options: JobOptions,
}

impl JobOptions {
    /// These options over others: of single values these go first, lists hold both.
    pub fn over(self, below: JobOptions) -> JobOptions {
        fn both<T>(below: Vec<T>, above: Vec<T>) -> Vec<T> {
            below.into_iter().chain(above).collect()
        }
        JobOptions {
            name: self.name.or(below.name),
            image: self.image.or(below.image),
            pull: self.pull.or(below.pull),
            cpu: self.cpu.or(below.cpu),
            mem: self.mem.or(below.mem),
            time: self.time.or(below.time),
            grace: self.grace.or(below.grace),
            on_lost: self.on_lost.or(below.on_lost),
            env: both(below.env, self.env),
            volume: both(below.volume, self.volume),
            tag: both(below.tag, self.tag),
            project: self.project.or(below.project),
            queue: self.queue.or(below.queue),
            network: self.network.or(below.network),
            root: self.root || below.root,
            entrypoint: self.entrypoint.or(below.entrypoint),
            output_max: self.output_max.or(below.output_max),
            secret: both(below.secret, self.secret),
            publish: both(below.publish, self.publish),
            disk_max: self.disk_max.or(below.disk_max),
        }
    }
}

fn port() -> impl TypedValueParser<Value = u16> {
    clap::value_parser!(u16).range(1..)
}

fn pull() -> impl TypedValueParser<Value = PullPolicy> {
    PossibleValuesParser::new(["missing", "always", "never"]).map(|word| match word.as_str() {
        "always" => PullPolicy::Always,
        "never" => PullPolicy::Never,
        _ => PullPolicy::Missing,
    })
}

fn on_lost() -> impl TypedValueParser<Value = OnLost> {
    PossibleValuesParser::new(["hold", "requeue"]).map(|word| match word.as_str() {
        "requeue" => OnLost::Requeue,
        _ => OnLost::Hold,
    })
}

/// A network's word.
pub(crate) fn network() -> impl TypedValueParser<Value = Network> {
    PossibleValuesParser::new(["none", "bridge"]).map(|word| match word.as_str() {
        "bridge" => Network::Bridge,
        _ => Network::None,
    })
}
