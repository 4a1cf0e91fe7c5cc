//! What is typed to run a cluster.

pub mod directory;
pub mod project;
pub mod rules;

use std::path::PathBuf;

use api_types::node::NodeRole;
use api_types::user::Role;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand};

use crate::parse;
use crate::parse::change::{Groups, groups, home, mail};
use crate::parse::selector::job_number;

/// `goctl admin …`.
#[derive(Subcommand, Debug)]
pub enum Admin {
    /// The replicated log: where it stands, who leads
    #[command(subcommand)]
    Raft(Raft),
    /// Which machines keep the log
    #[command(subcommand, visible_alias = "heads")]
    Head(Head),
    /// Machines: take them out, put them back, remove them
    #[command(subcommand)]
    Node(Node),
    /// Permissions for machines to join
    #[command(subcommand)]
    JoinToken(JoinToken),
    /// Accounts
    #[command(subcommand)]
    User(User),
    /// Volumes that jobs may mount
    #[command(subcommand)]
    Volume(Volume),
    /// Jobs whose machine is lost
    #[command(subcommand)]
    Job(Job),
    /// Projects: make them, change them, forget them
    #[command(subcommand)]
    Project(project::Project),
    /// Queues: make them, change them, forget them
    #[command(subcommand)]
    Queue(project::Queue),
    /// Bounds of users
    #[command(subcommand)]
    Quota(project::Quota),
    /// What jobs may have: bounds, networks, root, images, output
    #[command(subcommand)]
    Rules(rules::Rules),
    /// How long silence is tolerated in the whole cluster
    Settings(Settings),
    /// Read who asked for what, newest first
    Audit(rules::Audit),
    /// Directories of users that the site has
    #[command(subcommand)]
    Directory(directory::Directory),
}

/// `goctl admin raft …`.
#[derive(Subcommand, Debug)]
pub enum Raft {
    /// Show term, leader, and how far each head is
    Status {
        /// As the head that answers sees it, not the leader
        #[arg(long)]
        local: bool,
    },
    /// Have another head lead
    Transfer {
        /// Which, by name or number [default: the one that is furthest]
        #[arg(value_name = "HEAD")]
        to: Option<String>,
    },
}

/// `goctl admin head …`.
#[derive(Subcommand, Debug)]
pub enum Head {
    /// List the heads
    #[command(visible_alias = "ls")]
    List,
    /// Let it vote; one that has left the quorum receives the log first
    #[command(visible_alias = "add")]
    Promote {
        /// Name or number
        head: String,
    },
    /// Let it receive the log without a vote
    Demote {
        /// Name or number
        head: String,
    },
    /// Take it out of the quorum; then `goctl admin node remove` forgets the machine
    Remove {
        /// Name or number
        head: String,
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
}

/// `goctl admin node …`.
#[derive(Subcommand, Debug)]
pub enum Node {
    /// Place nothing new on it; what runs there goes on
    Drain {
        /// Name or number
        node: String,
        /// Why, for everybody to see
        #[arg(
            long,
            value_name = "TEXT",
            default_value = "",
            hide_default_value = true
        )]
        reason: String,
    },
    /// Place jobs on it again
    #[command(visible_alias = "resume")]
    Undrain {
        /// Name or number
        node: String,
    },
    /// Forget a machine that holds no jobs; it is cut off at once
    Remove {
        /// Name or number
        node: String,
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
}

/// `goctl admin join-token …`.
#[derive(Subcommand, Debug)]
pub enum JoinToken {
    /// Allow one machine to join; prints the token, this once
    Create {
        /// What it becomes: head, agent
        #[arg(long, hide_possible_values = true, value_parser = node_role())]
        role: NodeRole,
        /// How long the permission lives [default: 1h]
        #[arg(long, value_name = "TIME", value_parser = parse::positive_seconds)]
        ttl: Option<u64>,
    },
    /// List the permissions that have not expired
    #[command(visible_alias = "ls")]
    List,
    /// Take a permission back
    Revoke {
        /// Its public half, as the list shows it
        id: String,
    },
}

/// `goctl admin user …`.
#[derive(Subcommand, Debug)]
pub enum User {
    /// List the accounts
    #[command(visible_alias = "ls")]
    List,
    /// Show an account
    Show {
        /// The login
        name: String,
    },
    /// Make an account; prints a password that opens one login
    Create {
        /// The login
        name: String,
        /// What they may do: user, operator, admin
        #[arg(long, hide_possible_values = true, default_value = "user", value_parser = role())]
        role: Role,
        /// Whom their jobs run as.
        #[command(flatten)]
        ids: UnixIds,
        /// More about them.
        #[command(flatten)]
        person: Person,
        /// Set no password: they cannot log in yet
        #[arg(long)]
        no_password: bool,
    },
    /// Change an account; what is left out stays
    Set {
        /// The login
        name: String,
        /// What they may do: user, operator, admin
        #[arg(long, hide_possible_values = true, value_parser = role())]
        role: Option<Role>,
        /// Whom their jobs run as.
        #[command(flatten)]
        ids: UnixIds,
        /// More about them.
        #[command(flatten)]
        person: Person,
    },
    /// Let neither their password nor their tokens open anything
    Disable {
        /// The login
        name: String,
    },
    /// Let them in again
    Enable {
        /// The login
        name: String,
    },
    /// Set a password that opens one login; prints it, unless it is given
    SetPassword {
        /// The login
        name: String,
        /// Read the password from standard input
        #[arg(long)]
        stdin: bool,
        /// The password is for more than one login
        #[arg(long)]
        lasting: bool,
    },
}

/// Whom the jobs of a user run as.
#[derive(Args, Clone, Copy, Debug)]
pub struct UnixIds {
    /// User id that their jobs run as
    #[arg(long, requires = "gid")]
    pub uid: Option<u32>,
    /// Group id that their jobs run as
    #[arg(long, requires = "uid")]
    pub gid: Option<u32>,
}

/// More about a person.
#[derive(Args, Clone, Debug, Default)]
pub struct Person {
    /// Other groups that their jobs are in, by number; or none
    #[arg(long, value_name = "GID,GID", value_parser = groups)]
    pub groups: Option<Groups>,
    /// Their home directory on the machines, or none
    #[arg(long, value_name = "DIR", value_parser = home)]
    pub home: Option<String>,
    /// Where they get mail, or none
    #[arg(long, value_name = "ADDRESS", value_parser = mail)]
    pub mail: Option<String>,
}

/// `goctl admin volume …`.
#[derive(Subcommand, Debug)]
pub enum Volume {
    /// List the volumes
    #[command(visible_alias = "ls")]
    List,
    /// Make a volume, or change it; what is left out stays
    Set {
        /// The name that jobs ask for
        name: String,
        /// How it is set.
        #[command(flatten)]
        wanted: VolumeSet,
    },
    /// Forget a volume; jobs that have it keep it
    #[command(visible_alias = "rm")]
    Remove {
        /// Its name
        name: String,
    },
}

/// How a volume is set.
#[derive(Args, Clone, Debug)]
pub struct VolumeSet {
    /// Directory on the machines; $USER, $UID and $PROJECT stand for those of the job
    #[arg(long, value_name = "DIR")]
    pub path: Option<PathBuf>,
    /// Where it appears in the container
    #[arg(long, value_name = "DIR")]
    pub mount: Option<PathBuf>,
    /// Jobs may write to it
    #[arg(long)]
    pub rw: bool,
    /// Jobs may only read it; so it is with a new one
    #[arg(long, conflicts_with = "rw")]
    pub ro: bool,
    /// Who may ask for it; at first: everybody.
    #[command(flatten)]
    pub who: project::Who,
}

/// `goctl admin job …`.
#[derive(Subcommand, Debug)]
pub enum Job {
    /// Your word that a job of a lost machine does not run any more: it ends, or is tried again
    GiveUp {
        /// The job's number
        #[arg(value_parser = job_number)]
        job: u64,
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
}

/// `goctl admin settings …`.
#[derive(Args, Debug)]
pub struct Settings {
    /// What to do [default: show]
    #[command(subcommand)]
    pub action: Option<SettingsAction>,
}

/// What to do with the settings.
#[derive(Subcommand, Debug)]
pub enum SettingsAction {
    /// Show them
    #[command(visible_alias = "get")]
    Show,
    /// Change some; the others stay
    Set(Timings),
}

/// How long silence is tolerated.
#[derive(Args, Clone, Copy, Debug)]
#[group(required = true, multiple = true)]
#[command(override_usage = "goctl admin settings set --lease TIME …")]
pub struct Timings {
    /// How often an agent says that it is there
    #[arg(long, value_name = "TIME", value_parser = parse::millis)]
    pub heartbeat: Option<u64>,
    /// Silence after which nothing new is placed on a machine
    #[arg(long, value_name = "TIME", value_parser = parse::millis)]
    pub suspect_after: Option<u64>,
    /// How long a cut-off agent keeps jobs that may be tried elsewhere
    #[arg(long, value_name = "TIME", value_parser = parse::millis)]
    pub lease: Option<u64>,
    /// What the leader waits beyond the lease before it calls a machine lost
    #[arg(long, value_name = "TIME", value_parser = parse::millis)]
    pub lease_margin: Option<u64>,
}

fn node_role() -> impl TypedValueParser<Value = NodeRole> {
    PossibleValuesParser::new(["head", "agent"]).map(|word| match word.as_str() {
        "head" => NodeRole::Head,
        _ => NodeRole::Agent,
    })
}

fn role() -> impl TypedValueParser<Value = Role> {
    PossibleValuesParser::new(["user", "operator", "admin"]).map(|word| match word.as_str() {
        "operator" => Role::Operator,
        "admin" => Role::Admin,
        _ => Role::User,
    })
}
