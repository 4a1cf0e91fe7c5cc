//! What a user asks for: the description of a job, and the check that it is one.

mod validate;

use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use crate::limits;
use crate::policy::Network;
use crate::quota::Holder;
use crate::resource::Resources;
use crate::unit::{Bytes, Millis};

/// The whole description of a job, as it was submitted. Never changed afterwards.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct JobSpec {
    /// A name for people; need not be unique.
    pub name: String,
    /// Words to find the job by.
    pub tags: Vec<String>,
    /// The container image, as the engine resolves it. Empty only for the `process` runtime.
    pub image: String,
    /// When the image is fetched from its registry.
    pub pull: PullPolicy,
    /// What runs.
    pub program: Program,
    /// Environment variables, in the order given; a later one of the same name wins.
    pub env: Vec<(String, String)>,
    /// What the job may use, and what a node must have free for it.
    pub resources: Resources,
    /// The job is stopped when it has run this long. `None`: no limit.
    pub wall_limit: Option<Millis>,
    /// Time between TERM and KILL when the job is stopped.
    pub grace: Millis,
    /// What happens when the node is lost.
    pub on_lost: OnLost,
    /// Named volumes to mount.
    pub volumes: Vec<VolumeUse>,
    /// The project that it is charged to.
    pub project: String,
    /// The queue that it waits in.
    pub queue: String,
    /// Replaces the image's entry point; `None` leaves it.
    pub entrypoint: Option<Vec<String>>,
    /// `None`: what the administrator has set for all jobs.
    pub network: Option<Network>,
    /// Run as root inside the container.
    pub root: bool,
    /// The attempt is stopped when it has written so much to its two outputs together.
    pub output_max: Option<Bytes>,
    /// Secrets that it gets as files.
    pub secrets: Vec<SecretUse>,
    /// TCP ports of the container that are reached from outside, by a port of the node.
    pub ports: Vec<u16>,
    /// The attempt is stopped when its directory holds so much.
    pub disk_max: Option<Bytes>,
}

/// The program of a job: a script with its own interpreter line, or an argument vector.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Program {
    /// A file that is made executable in the job directory and started with these arguments.
    /// Without a `#!` line it is given to `/bin/sh`.
    Script {
        /// The file's text.
        text: String,
        /// Arguments behind the script.
        args: Vec<String>,
    },
    /// Handed to the kernel as it is; never through a shell. Empty: the image's own command.
    Argv(Vec<String>),
}

impl Default for Program {
    fn default() -> Self {
        Program::Argv(Vec::new())
    }
}

/// When an image is fetched.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum PullPolicy {
    /// Only if the node does not have it.
    #[default]
    Missing,
    /// Before every start.
    Always,
    /// Never: a node without it fails the attempt.
    Never,
}

/// What happens to a task whose node is lost.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum OnLost {
    /// It stays with the node, unknown, until the node returns or an operator gives it up. It
    /// never runs twice.
    #[default]
    Hold,
    /// A new attempt is placed once the old one's lease has run out; a cut-off agent has stopped
    /// it by then.
    Requeue,
}

/// A named volume that the job asks for.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct VolumeUse {
    /// The administrator's name of the volume.
    pub name: String,
    /// Ask for less than the volume allows.
    pub read_only: bool,
    /// A directory below the volume's, relative; empty: the volume itself.
    pub sub_path: String,
}

/// A secret that the job asks for.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct SecretUse {
    /// Its name.
    pub name: String,
    /// The name of the file that it becomes; empty: the secret's.
    pub file: String,
    /// Whose it is; set when the job is admitted.
    pub owner: Option<Holder>,
}

impl SecretUse {
    /// The name of the file that it becomes.
    pub fn file_name(&self) -> &str {
        match self.file.as_str() {
            "" => &self.name,
            file => file,
        }
    }
}

/// One thing wrong with a description: which field, what is wrong, what to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problem {
    /// The field, as a path into the job: `resources.memory`, `env[3]`.
    pub field: String,
    /// What is wrong, with the limit.
    pub message: String,
    /// What to do about it.
    pub remedy: String,
}

impl JobSpec {
    /// Whether the job has the named volume.
    pub fn asks_for(&self, volume: &str) -> bool {
        self.volumes.iter().any(|wanted| wanted.name == volume)
    }
}

/// Printable, not empty, not too long, no space at the ends.
pub fn is_label(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= limits::NAME_BYTES_MAX
        && text.trim() == text
        && !text.chars().any(char::is_control)
}

/// A word that names an account, node or volume: letters, digits, `.`, `_`, `-`.
pub fn is_plain_name(text: &str) -> bool {
    let first = text
        .bytes()
        .next()
        .is_some_and(|b| b.is_ascii_alphanumeric() || b == b'_');
    let rest = text
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
    first && rest && text.len() <= limits::NAME_BYTES_MAX
}
