//! What is typed to set projects, queues and bounds, and who may use something.

use clap::{Args, Subcommand};

use crate::parse;
use crate::parse::change::{Change, Names, bound, count, hours, names};

/// `goctl admin project …`.
#[derive(Subcommand, Debug)]
pub enum Project {
    /// Make a project, or change it; what is left out stays
    Set {
        /// Its name
        name: String,
        /// How it is set.
        #[command(flatten)]
        wanted: ProjectSet,
    },
    /// Forget a project that no live job is charged to
    #[command(visible_alias = "rm")]
    Remove {
        /// Its name
        name: String,
    },
    /// Forget the hours that a project has spent
    Reset {
        /// Its name
        name: String,
    },
}

/// How a project is set.
#[derive(Args, Clone, Debug, Default)]
pub struct ProjectSet {
    /// What it is, for people
    #[arg(long, value_name = "TEXT")]
    pub description: Option<String>,
    /// Everybody may charge jobs to it; =no: its members only
    #[arg(long, value_name = "yes|no", num_args = 0..=1, require_equals = true)]
    #[arg(default_missing_value = "yes", value_parser = parse::yes_no)]
    pub everybody: Option<bool>,
    /// Members see each other's jobs; =no: their own only
    #[arg(long, value_name = "yes|no", num_args = 0..=1, require_equals = true)]
    #[arg(default_missing_value = "yes", value_parser = parse::yes_no)]
    pub shared: Option<bool>,
    /// Refuse new jobs
    #[arg(long, alias = "close", conflicts_with = "open")]
    pub closed: bool,
    /// Take new jobs again
    #[arg(long)]
    pub open: bool,
    /// 0 to 100; 50 is usual, and jobs of projects with a higher one are placed first
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u8).range(0..=100))]
    pub priority: Option<u8>,
    /// Its bounds.
    #[command(flatten)]
    pub bounds: Bounds,
}

/// `goctl admin queue …`.
#[derive(Subcommand, Debug)]
pub enum Queue {
    /// Make a queue, or change it; what is left out stays
    Set {
        /// Its name
        name: String,
        /// How it is set.
        #[command(flatten)]
        wanted: Box<QueueSet>,
    },
    /// Forget a queue that no live job is in; `default` goes back to what it was
    #[command(visible_alias = "rm")]
    Remove {
        /// Its name
        name: String,
    },
}

/// How a queue is set.
#[derive(Args, Clone, Debug, Default)]
pub struct QueueSet {
    /// What it is, for people
    #[arg(long, value_name = "TEXT")]
    pub description: Option<String>,
    /// Who may submit to it.
    #[command(flatten)]
    pub who: Who,
    /// Refuse new jobs
    #[arg(long, alias = "closed", conflicts_with = "open")]
    pub close: bool,
    /// Take new jobs again
    #[arg(long)]
    pub open: bool,
    /// Start no jobs
    #[arg(long, alias = "stopped", conflicts_with = "start")]
    pub stop: bool,
    /// Start jobs again
    #[arg(long)]
    pub start: bool,
    /// The longest time limit of a job, or none
    #[arg(long, value_name = "TIME", value_parser = bound(parse::positive_seconds))]
    pub time_max: Option<Change<u64>>,
    /// The time limit of a job that brings none; none: the longest
    #[arg(long, value_name = "TIME", value_parser = bound(parse::positive_seconds))]
    pub time_default: Option<Change<u64>>,
    /// The most processors of one job, or none
    #[arg(long, value_name = "COUNT", value_parser = bound(parse::cpus))]
    pub cpu_max: Option<Change<f64>>,
    /// The most memory of one job, or none
    #[arg(long, value_name = "SIZE", value_parser = bound(parse::bytes))]
    pub mem_max: Option<Change<u64>>,
    /// Jobs that one user may have running, or none
    #[arg(long, value_name = "COUNT", value_parser = bound(count))]
    pub running_per_user: Option<Change<u32>>,
    /// Jobs that one user may have waiting, or none
    #[arg(long, value_name = "COUNT", value_parser = bound(count))]
    pub pending_per_user: Option<Change<u32>>,
}

/// `goctl admin quota …`.
#[derive(Subcommand, Debug)]
pub enum Quota {
    /// Bound what a user may have; what is left out stays
    Set {
        /// The login
        user: String,
        /// The bounds.
        #[command(flatten)]
        bounds: Bounds,
    },
    /// Forget the hours that a user has spent
    Reset {
        /// The login
        user: String,
    },
    /// Give a user the bounds that everybody has
    Clear {
        /// The login
        user: String,
    },
}

/// Bounds of a user or of a project.
#[derive(Args, Clone, Copy, PartialEq, Debug, Default)]
#[command(next_help_heading = "Bounds (none takes one away)")]
pub struct Bounds {
    /// Processors that running jobs hold together
    #[arg(long, value_name = "COUNT", value_parser = bound(parse::cpus))]
    pub cpu: Option<Change<f64>>,
    /// Memory that running jobs hold together
    #[arg(long, value_name = "SIZE", value_parser = bound(parse::bytes))]
    pub mem: Option<Change<u64>>,
    /// Running jobs
    #[arg(long, value_name = "COUNT", value_parser = bound(count))]
    pub running: Option<Change<u32>>,
    /// Waiting jobs; more are refused
    #[arg(long, value_name = "COUNT", value_parser = bound(count))]
    pub pending: Option<Change<u32>>,
    /// Processors asked for times hours, over the days of `goctl admin rules`
    #[arg(long, value_name = "HOURS", value_parser = bound(hours))]
    pub core_hours: Option<Change<f64>>,
    /// GiB of memory asked for times hours, over the same days
    #[arg(long, value_name = "HOURS", value_parser = bound(hours))]
    pub gib_hours: Option<Change<f64>>,
    /// What job directories hold: kept ones, and the bounds of running jobs
    #[arg(long, value_name = "SIZE", value_parser = bound(parse::bytes))]
    pub disk: Option<Change<u64>>,
}

/// Who may use something.
#[derive(Args, Clone, PartialEq, Debug, Default)]
pub struct Who {
    /// Everybody may use it
    #[arg(long, conflicts_with_all = ["users", "projects"])]
    pub everybody: bool,
    /// These users may, in place of those before; or none
    #[arg(long, value_name = "A,B", value_parser = names)]
    pub users: Option<Names>,
    /// Jobs of these projects may, in place of those before; or none
    #[arg(long, value_name = "A,B", value_parser = names)]
    pub projects: Option<Names>,
}
