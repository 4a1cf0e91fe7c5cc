//! What version 2 of the formats looked like, where it differs from today: jobs asked for no
//! secrets. Only ever read. Nothing here changes any more.

use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use super::{FormatError, read, v3};
use crate::assignment;
use crate::command::Command;
use crate::job;
use crate::policy::Network;
use crate::resource::Resources;
use crate::spec::{self, OnLost, Program, PullPolicy, VolumeUse};
use crate::unit::{Bytes, Millis};

/// See [`assignment::Assignment`]. Heads of version 2 send it.
pub type Assignment = v3::Order<JobSpec>;

pub(super) fn spec(bytes: &[u8]) -> Result<spec::JobSpec, FormatError> {
    read::<JobSpec>(bytes).map(Into::into)
}

pub(super) fn ended_job(bytes: &[u8]) -> Result<job::EndedJob, FormatError> {
    read::<v3::EndedJob<JobSpec>>(bytes).map(Into::into)
}

pub(super) fn assignment(bytes: &[u8]) -> Result<assignment::Assignment, FormatError> {
    read::<Assignment>(bytes).map(Into::into)
}

/// Of all commands only those that bring jobs differ from those of version 3.
pub(super) fn command(bytes: &[u8]) -> Result<Command, FormatError> {
    v3::signed(bytes, |bytes| match bytes.split_first() {
        Some((&v3::SUBMIT_JOBS, rest)) => v3::submit_jobs::<JobSpec>(rest),
        Some(_) | None => v3::plain(bytes),
    })
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
            ..spec::JobSpec::default()
        }
    }
}
