//! What a client sends to have jobs run or ended.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

/// The description of a job: the body of `POST /jobs`, a job file of `goctl submit -f`, and what
/// `goctl show --spec` prints. Either `script` or `argv`, not both.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct JobRequest {
    /// A name for people. Left out: made from the program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Words to find the job by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// The container image. Only nodes with the `process` runtime can do without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// When the image is fetched. Left out: `missing`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pull: Option<PullPolicy>,
    /// The text of a script, started by its own `#!` line, or by `/bin/sh` without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub script: Option<String>,
    /// Arguments of the script.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
    /// Program and arguments, handed over as they are, never through a shell. Empty without a
    /// script: the image's own command.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub argv: Vec<String>,
    /// Environment variables.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// Processors, in steps of a thousandth: `1.5`. Left out: 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<f64>,
    /// Main memory in bytes. Left out: 1 GiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    /// The job is stopped when it has run this long. Left out: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wall_limit_seconds: Option<u64>,
    /// Seconds between TERM and KILL when the job is stopped. Left out: 30.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grace_seconds: Option<u64>,
    /// What happens when the node is lost. Left out: `hold`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_lost: Option<OnLost>,
    /// Named volumes to mount.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub volumes: Vec<VolumeUse>,
    /// The project that it is charged to. Left out: `default`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// The queue that it waits in. Left out: `default`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<String>,
    /// Replaces the image's entry point; for jobs with `argv`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entrypoint: Option<Vec<String>>,
    /// What it sees of the network. Left out: what the administrators have set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<Network>,
    /// Run as root inside the container, for those who may.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub root: bool,
    /// The job is stopped when it has written so much to its outputs. Left out: what the
    /// administrators have set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_max_bytes: Option<u64>,
    /// Secrets that it finds as files below `/run/secrets`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<SecretUse>,
    /// TCP ports of the container that are reached from outside, each by a port of the node that
    /// its attempt then tells. Such a job has the network `bridge`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<u16>,
    /// The job is stopped when its directory holds so much. Left out: what the administrators have
    /// set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk_max_bytes: Option<u64>,
}

/// What a container sees of the network.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Network {
    /// Only itself.
    #[default]
    None,
    /// The node's network for containers.
    Bridge,
}

/// What a job gets that does not say how many processors it needs.
pub const DEFAULT_CPU: f64 = 1.0;
/// What a job gets that does not say how much memory it needs.
pub const DEFAULT_MEMORY_BYTES: u64 = 1 << 30;
/// Seconds between TERM and KILL for a job that does not say.
pub const DEFAULT_GRACE_SECONDS: u64 = 30;

/// When an image is fetched from its registry.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PullPolicy {
    /// Only if the node does not have it.
    #[default]
    Missing,
    /// Before every start.
    Always,
    /// Never: a node without it fails the attempt.
    Never,
}

/// What happens to a job whose node is lost.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnLost {
    /// It waits for the node to return, or for an operator to give it up. It never runs twice.
    #[default]
    Hold,
    /// It is tried again elsewhere once the lost node has surely stopped it.
    Requeue,
}

/// A named volume that a job asks for.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VolumeUse {
    /// The administrator's name of the volume.
    pub name: String,
    /// Mount it read-only even if the volume is writable.
    #[serde(default)]
    pub read_only: bool,
    /// A directory below the volume's, relative. Left out: the volume itself.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub sub_path: String,
}

/// A secret that a job asks for.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SecretUse {
    /// Its name: of one of the owner's own, or else of the job's project.
    pub name: String,
    /// The name of the file. Left out: the secret's.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub file: String,
}

/// Body of `POST /jobs:batch`: all are admitted, or none.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct JobBatch {
    /// 1 to 10,000 jobs.
    #[serde(deserialize_with = "bounded")]
    pub jobs: Vec<JobRequest>,
}

/// Jobs of one batch, at most.
pub const BATCH_MAX: usize = 10_000;

/// Reads no more jobs than a batch may have: a short text can stand for very many empty ones.
fn bounded<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<JobRequest>, D::Error> {
    struct Jobs;

    impl<'de> Visitor<'de> for Jobs {
        type Value = Vec<JobRequest>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "a list of at most {BATCH_MAX} jobs")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            let mut jobs = Vec::new();
            while let Some(job) = list.next_element()? {
                if jobs.len() == BATCH_MAX {
                    return Err(A::Error::invalid_length(BATCH_MAX + 1, &self));
                }
                jobs.push(job);
            }
            Ok(jobs)
        }
    }

    from.deserialize_seq(Jobs)
}

/// Answer to `POST /jobs`: the job is on the disks of a quorum and will not be forgotten.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Submitted {
    /// The job's number.
    pub id: u64,
    /// Its name, given or made.
    pub name: String,
    /// The idempotency key was known: this is the job of the first time.
    pub replayed: bool,
}

/// Answer to `POST /jobs:batch`: the jobs have the ids `first`, `first + 1`, and so on.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct SubmittedBatch {
    /// The number of the first job.
    pub first: u64,
    /// How many jobs.
    pub count: u32,
    /// The idempotency key was known: these are the jobs of the first time.
    pub replayed: bool,
}

/// Body of `POST /jobs/{id}/cancel`; may be left out.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CancelRequest {
    /// Why, for those who look at the job later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Seconds between TERM and KILL, in place of the job's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grace_seconds: Option<u64>,
}

/// Body of `POST /jobs:cancel`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CancelBatch {
    /// 1 to 10,000 jobs.
    pub ids: Vec<u64>,
    /// Why, for those who look at the jobs later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Seconds between TERM and KILL, in place of the jobs' own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grace_seconds: Option<u64>,
}

/// Answer to both ways of cancelling: one line per job, in the order asked.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct CancelAnswer {
    /// What became of each job.
    pub items: Vec<CancelledJob>,
}

/// What a cancel did to one job.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct CancelledJob {
    /// Which.
    pub id: u64,
    /// What became of it.
    pub result: CancelResult,
}

/// See [`CancelledJob`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CancelResult {
    /// It was pending and is over.
    Ended,
    /// It is with a node and will be stopped.
    Stopping,
    /// It was over before.
    AlreadyEnded,
    /// No such job, or not this user's.
    NotFound,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_nobody_knows_is_refused() {
        let wrong = serde_json::from_str::<JobRequest>(r#"{"argv":["true"],"memroy_bytes":1}"#);
        assert!(wrong.unwrap_err().to_string().contains("memroy_bytes"));
    }

    #[test]
    fn what_was_left_out_stays_out() {
        let request = JobRequest {
            argv: vec!["true".into()],
            ..JobRequest::default()
        };
        assert_eq!(
            serde_json::to_string(&request).unwrap(),
            r#"{"argv":["true"]}"#
        );
    }
}
