//! The rules that administrators set. They live in the log, so a change of leader is not a
//! change of rules.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use crate::account::User;
use crate::limits;
use crate::project::Grant;
use crate::quota::Quota;
use crate::unit::{Bytes, Millis, Timestamp};

/// How long silence is tolerated. All lengths are measured on monotonic clocks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Timings {
    /// How often an agent says that it is there.
    pub heartbeat: Millis,
    /// Silence after which nothing new is placed on a node.
    pub suspect_after: Millis,
    /// How long after its last renewal an agent may keep attempts that may be requeued; then it
    /// stops them by itself.
    pub lease: Millis,
    /// What the leader waits beyond the lease before it calls a node lost: the kill itself and
    /// the drift of two clocks.
    pub lease_margin: Millis,
}

impl Default for Timings {
    /// Heartbeat 1 s, suspect after 15 s, lease 60 s, margin 15 s.
    fn default() -> Self {
        Timings {
            heartbeat: Millis::seconds(1),
            suspect_after: Millis::seconds(15),
            lease: Millis::seconds(60),
            lease_margin: Millis::seconds(15),
        }
    }
}

impl Timings {
    /// The silence after which a node is called lost, if its lease was given under these timings.
    pub fn lost_after(&self) -> Millis {
        self.lease.plus(self.lease_margin)
    }

    /// Whether the lengths make sense together; the text says which do not.
    pub fn validate(&self) -> Result<(), &'static str> {
        let longest = (self.lease.max(self.lease_margin)).max(self.suspect_after);
        if longest > limits::TIMING_MAX {
            return Err("suspect_after, lease, lease_margin: at most a day each");
        }
        if self.heartbeat.0 < 10 {
            return Err("heartbeat: at least 10 ms");
        }
        if self.suspect_after.0 < self.heartbeat.0.saturating_mul(3) {
            return Err("suspect_after: at least three heartbeats");
        }
        if self.lease < self.suspect_after {
            return Err("lease: at least suspect_after");
        }
        if self.lease_margin.0.saturating_mul(20) < self.lease.0 {
            return Err("lease_margin: at least a twentieth of the lease");
        }
        Ok(())
    }
}

/// A directory of the hosts that jobs may ask for by name.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Volume {
    /// The name users write.
    pub name: String,
    /// The directory on the node, absolute. `$USER`, `$UID` and `$PROJECT` stand for those of the
    /// job.
    pub host_path: String,
    /// Where it appears in the container, absolute.
    pub mount_path: String,
    /// Jobs may write to it.
    pub writable: bool,
    /// Who may ask for it.
    pub who: Grant,
}

/// What may stand in a volume's host path for something of the job.
const VARIABLES: [&str; 3] = ["USER", "UID", "PROJECT"];

impl Volume {
    /// The directory for jobs of this user in this project; `None` if it depends on a user id and
    /// the account has none.
    pub fn host_path_for(&self, user: &User, project: &str) -> Option<String> {
        let mut path = String::new();
        let mut parts = self.host_path.split('$');
        path.push_str(parts.next().unwrap_or_default());
        for part in parts {
            let (name, rest) = split_variable(part);
            match name {
                "USER" => path.push_str(&user.name.0),
                "UID" => path.push_str(&user.ids.as_ref()?.uid.to_string()),
                // Any other one than PROJECT was refused when the volume was made.
                _project => path.push_str(project),
            }
            path.push_str(rest);
        }
        Some(path)
    }

    /// A variable in the host path that stands for nothing.
    pub fn unknown_variable(&self) -> Option<&str> {
        let mut variables = self.host_path.split('$').skip(1).map(split_variable);
        variables
            .find(|(name, _)| !VARIABLES.contains(name))
            .map(|(name, _)| name)
    }
}

/// The capital letters that a text begins with, and the rest.
fn split_variable(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_uppercase());
    text.split_at(end.unwrap_or(text.len()))
}

/// What jobs may have, and what happens to those that want more.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Rules {
    /// The bounds of a user that has none of their own.
    pub user_quota: Quota,
    /// How many days back, today included, efforts are summed for bounds on them.
    pub window_days: u32,
    /// What happens to a waiting job that would exceed a bound.
    pub over_quota: OverQuota,
    /// The network of jobs that ask for none.
    pub network: Network,
    /// Who may ask for [`Network::Bridge`] when it is not what jobs get anyhow.
    pub bridge: Grant,
    /// Who may run as root inside the container.
    pub root: Grant,
    /// What jobs that run as root get of volumes.
    pub root_volumes: RootVolumes,
    /// Which images jobs may use: the first rule that matches decides. No rules: every image.
    /// No rule that matches: none.
    pub images: Vec<ImageRule>,
    /// The most that one attempt may write to its two outputs together; a job may ask for less.
    pub output_max: Option<Bytes>,
    /// The most that the directory of one attempt may hold; a job may ask for less.
    pub disk_max: Option<Bytes>,
    /// Who may have ports of their jobs published.
    pub publish: Grant,
}

impl Default for Rules {
    fn default() -> Self {
        Rules {
            user_quota: Quota::default(),
            window_days: 30,
            over_quota: OverQuota::Wait,
            network: Network::None,
            bridge: Grant::default(),
            root: Grant::default(),
            root_volumes: RootVolumes::Refused,
            images: Vec::new(),
            output_max: None,
            disk_max: None,
            publish: Grant::default(),
        }
    }
}

/// What happens to a waiting job whose start would exceed a bound.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum OverQuota {
    /// It waits, and says why.
    #[default]
    Wait,
    /// It is over, as the original did it.
    End,
}

/// What a container sees of the network.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
pub enum Network {
    /// Only itself.
    #[default]
    None,
    /// The engine's default bridge.
    Bridge,
}

/// What jobs that run as root get of volumes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum RootVolumes {
    /// All of them, read-only. Inside, what the files allow whom does not count.
    ReadOnly,
    /// None: a job that asks for both is refused.
    #[default]
    Refused,
}

/// Allows or denies images.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct ImageRule {
    /// Whether images that match may be used.
    pub allow: bool,
    /// What the whole reference (`registry/repository:tag@digest`, see [`crate::image`]) is held
    /// against; `*` stands for any characters.
    pub pattern: String,
}

/// The settings of the whole cluster.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Policy {
    /// Tolerated silences.
    pub timings: Timings,
    /// Longer leases that agents may still have from before.
    pub earlier: Option<EarlierLeases>,
    /// What jobs may have.
    pub rules: Rules,
}

/// Leases that were given before they were made shorter: an agent that is cut off since then does
/// not know of the change, and keeps its attempts for as long as it was told. They are kept until
/// a leader has waited them out on its own clock and says so
/// ([`crate::Command::ForgetEarlierLeases`]).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct EarlierLeases {
    /// The silence that they demand.
    pub lost_after: Millis,
    /// About when none of them holds any more; for people.
    pub until: Timestamp,
}

impl Policy {
    /// The policy once the timings are changed.
    pub(crate) fn with(&self, timings: Timings, now: Timestamp) -> Policy {
        let earlier = self.earlier.map_or(Millis(0), |earlier| earlier.lost_after);
        let lost_after = self.timings.lost_after().max(earlier);
        let shorter = timings.lost_after() < lost_after;
        let until = now.plus(lost_after);
        Policy {
            timings,
            earlier: shorter.then_some(EarlierLeases { lost_after, until }),
            rules: self.rules.clone(),
        }
    }
}
