//! What is typed to set what jobs may have, and to read the audit log.

use std::path::PathBuf;

use api_types::job_request::Network;
use api_types::settings::{OverQuota, RootVolumes};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand};

use super::project::{Bounds, Who};
use crate::args::job::network;
use crate::parse;
use crate::parse::change::{Change, Names, bound, count, hours, names};

/// `goctl admin rules …`.
#[derive(Subcommand, Debug)]
pub enum Rules {
    /// Show them
    #[command(visible_alias = "get")]
    Show,
    /// Change some; the others stay
    Set(Box<RulesSet>),
    /// Show or replace the rules about images
    #[command(
        after_help = "A rule is a line: `allow PATTERN` or `deny PATTERN`. The first that matches \
        the whole name of an image decides, as in docker.io/library/debian:12; * stands for any \
        characters. What no rule matches is denied. Without any rule every image may be used."
    )]
    Images {
        /// File with the new rules, in place of those before; - is standard input
        #[arg(long)]
        file: Option<PathBuf>,
        /// Forget all rules: every image may be used
        #[arg(long, conflicts_with = "file")]
        clear: bool,
    },
}

/// How rules are set.
#[derive(Args, Clone, PartialEq, Debug, Default)]
#[command(override_usage = "goctl admin rules set --user-core-hours HOURS …")]
pub struct RulesSet {
    /// Bounds of users that have none of their own.
    #[command(flatten)]
    pub user: UserBounds,
    /// Days over which hours are summed, today included [at first: 30]
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=366))]
    pub window_days: Option<u32>,
    /// What happens to a waiting job whose start would exceed a bound: wait, end
    #[arg(long, value_name = "WHAT", hide_possible_values = true, value_parser = over_quota())]
    pub over_quota: Option<OverQuota>,
    /// Network of jobs that ask for none: none, bridge
    #[arg(long, value_name = "WHAT", hide_possible_values = true, value_parser = network())]
    pub network: Option<Network>,
    /// Who may ask for the network bridge.
    #[command(flatten)]
    pub bridge: Bridge,
    /// Who may run as root inside the container.
    #[command(flatten)]
    pub root: Root,
    /// What jobs that run as root get of volumes: read-only, refused
    #[arg(long, value_name = "WHAT", hide_possible_values = true, value_parser = root_volumes())]
    pub root_volumes: Option<RootVolumes>,
    /// The most that one attempt may write to its outputs, or none
    #[arg(long, value_name = "SIZE", value_parser = bound(parse::bytes))]
    pub output_max: Option<Change<u64>>,
    /// The most that the directory of one attempt may hold, or none
    #[arg(long, value_name = "SIZE", value_parser = bound(parse::bytes))]
    pub disk_max: Option<Change<u64>>,
    /// Who may have ports published.
    #[command(flatten)]
    pub publish: Publish,
}

/// Bounds of users that have none of their own.
#[derive(Args, Clone, Copy, PartialEq, Debug, Default)]
pub struct UserBounds {
    /// Processors that running jobs of one user hold together, or none
    #[arg(long, value_name = "COUNT", value_parser = bound(parse::cpus))]
    pub user_cpu: Option<Change<f64>>,
    /// Memory that running jobs of one user hold together, or none
    #[arg(long, value_name = "SIZE", value_parser = bound(parse::bytes))]
    pub user_mem: Option<Change<u64>>,
    /// Running jobs of one user, or none
    #[arg(long, value_name = "COUNT", value_parser = bound(count))]
    pub user_running: Option<Change<u32>>,
    /// Waiting jobs of one user, or none
    #[arg(long, value_name = "COUNT", value_parser = bound(count))]
    pub user_pending: Option<Change<u32>>,
    /// Processors asked for times hours, for one user, or none
    #[arg(long, value_name = "HOURS", value_parser = bound(hours))]
    pub user_core_hours: Option<Change<f64>>,
    /// GiB of memory asked for times hours, for one user, or none
    #[arg(long, value_name = "HOURS", value_parser = bound(hours))]
    pub user_gib_hours: Option<Change<f64>>,
    /// What job directories of one user hold, or none
    #[arg(long, value_name = "SIZE", value_parser = bound(parse::bytes))]
    pub user_disk: Option<Change<u64>>,
}

impl From<UserBounds> for Bounds {
    fn from(user: UserBounds) -> Bounds {
        Bounds {
            cpu: user.user_cpu,
            mem: user.user_mem,
            running: user.user_running,
            pending: user.user_pending,
            core_hours: user.user_core_hours,
            gib_hours: user.user_gib_hours,
            disk: user.user_disk,
        }
    }
}

/// Who may ask for the network bridge.
#[derive(Args, Clone, PartialEq, Debug, Default)]
pub struct Bridge {
    /// Everybody may ask for the network bridge
    #[arg(long, conflicts_with_all = ["bridge_users", "bridge_projects"])]
    pub bridge_everybody: bool,
    /// These users may ask for bridge, in place of those before; or none
    #[arg(long, value_name = "A,B", value_parser = names)]
    pub bridge_users: Option<Names>,
    /// Jobs of these projects may ask for bridge, in place of those before; or none
    #[arg(long, value_name = "A,B", value_parser = names)]
    pub bridge_projects: Option<Names>,
}

impl From<Bridge> for Who {
    fn from(bridge: Bridge) -> Who {
        Who {
            everybody: bridge.bridge_everybody,
            users: bridge.bridge_users,
            projects: bridge.bridge_projects,
        }
    }
}

/// Who may run as root inside the container.
#[derive(Args, Clone, PartialEq, Debug, Default)]
pub struct Root {
    /// Everybody may run as root inside the container
    #[arg(long, conflicts_with_all = ["root_users", "root_projects"])]
    pub root_everybody: bool,
    /// These users may run as root, in place of those before; or none
    #[arg(long, value_name = "A,B", value_parser = names)]
    pub root_users: Option<Names>,
    /// Jobs of these projects may run as root, in place of those before; or none
    #[arg(long, value_name = "A,B", value_parser = names)]
    pub root_projects: Option<Names>,
}

impl From<Root> for Who {
    fn from(root: Root) -> Who {
        Who {
            everybody: root.root_everybody,
            users: root.root_users,
            projects: root.root_projects,
        }
    }
}

/// Who may have ports published.
#[derive(Args, Clone, PartialEq, Debug, Default)]
pub struct Publish {
    /// Everybody may have ports published
    #[arg(long, conflicts_with_all = ["publish_users", "publish_projects"])]
    pub publish_everybody: bool,
    /// These users may have ports published, in place of those before; or none
    #[arg(long, value_name = "A,B", value_parser = names)]
    pub publish_users: Option<Names>,
    /// Jobs of these projects may have ports published, in place of those before; or none
    #[arg(long, value_name = "A,B", value_parser = names)]
    pub publish_projects: Option<Names>,
}

impl From<Publish> for Who {
    fn from(publish: Publish) -> Who {
        Who {
            everybody: publish.publish_everybody,
            users: publish.publish_users,
            projects: publish.publish_projects,
        }
    }
}

/// `goctl admin audit`.
#[derive(Args, Debug)]
pub struct Audit {
    /// Only what this user asked
    #[arg(short, long, value_name = "NAME")]
    pub user: Option<String>,
    /// At most so many lines, up to 1000 [default: 100]
    #[arg(short = 'n', long, value_name = "COUNT")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub limit: Option<u32>,
    /// Only entries before this one, by the number in the first column
    #[arg(long, value_name = "ENTRY")]
    pub before: Option<u64>,
}

fn over_quota() -> impl TypedValueParser<Value = OverQuota> {
    PossibleValuesParser::new(["wait", "end"]).map(|word| match word.as_str() {
        "end" => OverQuota::End,
        _ => OverQuota::Wait,
    })
}

fn root_volumes() -> impl TypedValueParser<Value = RootVolumes> {
    PossibleValuesParser::new(["read-only", "refused"]).map(|word| match word.as_str() {
        "refused" => RootVolumes::Refused,
        _ => RootVolumes::ReadOnly,
    })
}
