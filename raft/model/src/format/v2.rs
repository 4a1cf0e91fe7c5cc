//! What version 2 of the formats looked like, where it differs from today: jobs asked for no
//! secrets. Only ever read. Nothing here changes any more.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{FormatError, read};
use crate::account::{UnixIds, UserName};
use crate::assignment;
use crate::command::{self, Audited, Command, SubmitKey, Who};
use crate::id::{AttemptId, Fence, JobId};
use crate::job::{self, AttemptEnd, Cancel, Outcome};
use crate::policy::Network;
use crate::resource::Resources;
use crate::spec::{self, OnLost, Program, PullPolicy, VolumeUse};
use crate::unit::{Bytes, Millis, Timestamp};

/// The number of [`Command::SubmitJobs`] on disk.
const SUBMIT_JOBS: u8 = 1;
/// The number of [`Command::Audited`] on disk.
const AUDITED: u8 = 38;

pub(super) fn spec(bytes: &[u8]) -> Result<spec::JobSpec, FormatError> {
    read::<JobSpec>(bytes).map(Into::into)
}

pub(super) fn ended_job(bytes: &[u8]) -> Result<job::EndedJob, FormatError> {
    read::<EndedJob>(bytes).map(Into::into)
}

pub(super) fn assignment(bytes: &[u8]) -> Result<assignment::Assignment, FormatError> {
    read::<Assignment>(bytes).map(Into::into)
}

/// Of all commands only those that bring jobs have changed.
pub(super) fn command(bytes: &[u8]) -> Result<Command, FormatError> {
    match bytes.split_first() {
        Some((&SUBMIT_JOBS, rest)) => read::<SubmitJobs>(rest).map(|old| {
            Command::SubmitJobs(command::SubmitJobs {
                by: old.by,
                key: old.key,
                specs: old.specs.into_iter().map(Into::into).collect(),
            })
        }),
        Some((&AUDITED, rest)) => {
            let (who, rest) = first::<Who>(rest)?;
            let (what, rest) = first::<String>(rest)?;
            // It has no other one inside: that was refused before it was written.
            let command = match rest.first() {
                Some(&AUDITED) => read(rest)?,
                Some(_) | None => command(rest)?,
            };
            Ok(Command::Audited(Audited {
                who,
                what,
                command: Box::new(command),
            }))
        }
        Some(_) | None => read(bytes),
    }
}

fn first<T: DeserializeOwned>(bytes: &[u8]) -> Result<(T, &[u8]), FormatError> {
    postcard::take_from_bytes(bytes).map_err(|_| FormatError::Malformed)
}

/// See [`spec::JobSpec`].
#[derive(Clone, PartialEq, Eq, Debug, Deserialize, Serialize)]
pub struct JobSpec {
    name: String,
    tags: Vec<String>,
    image: String,
    pull: PullPolicy,
    program: Program,
    env: Vec<(String, String)>,
    resources: Resources,
    wall_limit: Option<Millis>,
    grace: Millis,
    on_lost: OnLost,
    volumes: Vec<VolumeUse>,
    project: String,
    queue: String,
    entrypoint: Option<Vec<String>>,
    network: Option<Network>,
    root: bool,
    output_max: Option<Bytes>,
}

impl From<JobSpec> for spec::JobSpec {
    fn from(old: JobSpec) -> Self {
        spec::JobSpec {
            name: old.name,
            tags: old.tags,
            image: old.image,
            pull: old.pull,
            program: old.program,
            env: old.env,
            resources: old.resources,
            wall_limit: old.wall_limit,
            grace: old.grace,
            on_lost: old.on_lost,
            volumes: old.volumes,
            project: old.project,
            queue: old.queue,
            entrypoint: old.entrypoint,
            network: old.network,
            root: old.root,
            output_max: old.output_max,
            secrets: Vec::new(),
        }
    }
}

#[derive(Deserialize)]
struct SubmitJobs {
    by: UserName,
    key: Option<SubmitKey>,
    specs: Vec<JobSpec>,
}

#[derive(Deserialize)]
struct EndedJob {
    id: JobId,
    owner: UserName,
    submitted_at: Timestamp,
    ended_at: Timestamp,
    spec: JobSpec,
    cancel: Option<Cancel>,
    outcome: Outcome,
    attempts: Vec<AttemptEnd>,
}

impl From<EndedJob> for job::EndedJob {
    fn from(old: EndedJob) -> Self {
        job::EndedJob {
            id: old.id,
            owner: old.owner,
            submitted_at: old.submitted_at,
            ended_at: old.ended_at,
            spec: Arc::new(old.spec.into()),
            cancel: old.cancel,
            outcome: old.outcome,
            attempts: old.attempts,
        }
    }
}

/// See [`assignment::Assignment`]. Heads of version 2 send it.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize, Serialize)]
pub struct Assignment {
    attempt: AttemptId,
    fence: Fence,
    owner: UserName,
    ids: Option<UnixIds>,
    spec: Arc<JobSpec>,
    mounts: Vec<assignment::Mount>,
    exclusive: bool,
}

impl From<Assignment> for assignment::Assignment {
    fn from(old: Assignment) -> Self {
        let spec = Arc::try_unwrap(old.spec).unwrap_or_else(|shared| (*shared).clone());
        assignment::Assignment {
            attempt: old.attempt,
            fence: old.fence,
            owner: old.owner,
            ids: old.ids,
            spec: Arc::new(spec.into()),
            mounts: old.mounts,
            exclusive: old.exclusive,
        }
    }
}
