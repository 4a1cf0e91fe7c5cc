//! What version 3 of the formats looked like, where it differs from today: jobs published no ports,
//! and nothing bounded their directories. Only ever read. Nothing here changes any more.
//!
//! What only carries a job's description is generic in it: versions 1 and 2 wrote it the same way.

use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{FormatError, read};
use crate::account::{self, Role, Source, UnixIds, UserName};
use crate::assignment;
use crate::command::{self, Audited, Command, SubmitKey, Who};
use crate::id::{AttemptId, Fence, JobId};
use crate::job::{self, AttemptEnd, Cancel, Outcome};
use crate::policy::{self, EarlierLeases, ImageRule, Network, OverQuota, RootVolumes, Timings};
use crate::project::{self, Grant};
use crate::quota;
use crate::resource::Resources;
use crate::spec::{self, OnLost, Program, PullPolicy, SecretUse, VolumeUse};
use crate::unit::{Bytes, MilliCpus, Millis, Timestamp};

/// The number of [`Command::SubmitJobs`] on disk.
pub(super) const SUBMIT_JOBS: u8 = 1;
/// The number of [`Command::PutProject`] on disk.
const PUT_PROJECT: u8 = 24;
/// The number of [`Command::SetQuota`] on disk.
const SET_QUOTA: u8 = 29;
/// The number of [`Command::SetRules`] on disk.
const SET_RULES: u8 = 31;
/// The number of [`Command::Audited`] on disk.
const AUDITED: u8 = 38;

/// See [`assignment::Assignment`]. Heads of version 3 send it.
pub type Assignment = Order<JobSpec>;

pub(super) fn spec(bytes: &[u8]) -> Result<spec::JobSpec, FormatError> {
    read::<JobSpec>(bytes).map(Into::into)
}

pub(super) fn user(bytes: &[u8]) -> Result<account::User, FormatError> {
    read::<User>(bytes).map(Into::into)
}

pub(super) fn project(bytes: &[u8]) -> Result<project::Project, FormatError> {
    read::<Project>(bytes).map(Into::into)
}

pub(super) fn policy(bytes: &[u8]) -> Result<policy::Policy, FormatError> {
    read::<Policy>(bytes).map(Into::into)
}

pub(super) fn ended_job(bytes: &[u8]) -> Result<job::EndedJob, FormatError> {
    read::<EndedJob<JobSpec>>(bytes).map(Into::into)
}

pub(super) fn assignment(bytes: &[u8]) -> Result<assignment::Assignment, FormatError> {
    read::<Assignment>(bytes).map(Into::into)
}

pub(super) fn command(bytes: &[u8]) -> Result<Command, FormatError> {
    signed(bytes, |bytes| match bytes.split_first() {
        Some((&SUBMIT_JOBS, rest)) => submit_jobs::<JobSpec>(rest),
        Some(_) | None => plain(bytes),
    })
}

/// A command that brings no jobs and is not signed.
pub(super) fn plain(bytes: &[u8]) -> Result<Command, FormatError> {
    match bytes.split_first() {
        Some((&PUT_PROJECT, rest)) => project(rest).map(Command::PutProject),
        Some((&SET_QUOTA, rest)) => read::<SetQuota>(rest).map(|old| {
            let (user, quota) = (old.user, old.quota.map(Into::into));
            Command::SetQuota(command::SetQuota { user, quota })
        }),
        Some((&SET_RULES, rest)) => read::<Rules>(rest).map(|old| Command::SetRules(old.into())),
        Some(_) | None => read(bytes),
    }
}

/// A command that brings jobs.
pub(super) fn submit_jobs<Spec>(bytes: &[u8]) -> Result<Command, FormatError>
where
    Spec: DeserializeOwned + Into<spec::JobSpec>,
{
    read::<SubmitJobs<Spec>>(bytes).map(|old| Command::SubmitJobs(old.into()))
}

/// A command that may be signed; `read_one` reads one that is not.
pub(super) fn signed(
    bytes: &[u8],
    read_one: impl Fn(&[u8]) -> Result<Command, FormatError>,
) -> Result<Command, FormatError> {
    let Some((&AUDITED, rest)) = bytes.split_first() else {
        return read_one(bytes);
    };
    let (who, rest) = first::<Who>(rest)?;
    let (what, rest) = first::<String>(rest)?;
    // It has no other one inside: that was refused before it was written.
    let command = match rest.first() {
        Some(&AUDITED) => read(rest)?,
        Some(_) | None => read_one(rest)?,
    };
    Ok(Command::Audited(Audited {
        who,
        what,
        command: Box::new(command),
    }))
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
    secrets: Vec<SecretUse>,
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
            secrets: old.secrets,
            ..spec::JobSpec::default()
        }
    }
}

/// See [`command::SubmitJobs`].
#[derive(Deserialize)]
pub(super) struct SubmitJobs<Spec> {
    by: UserName,
    key: Option<SubmitKey>,
    specs: Vec<Spec>,
}

impl<Spec: Into<spec::JobSpec>> From<SubmitJobs<Spec>> for command::SubmitJobs {
    fn from(old: SubmitJobs<Spec>) -> Self {
        command::SubmitJobs {
            by: old.by,
            key: old.key,
            specs: old.specs.into_iter().map(Into::into).collect(),
        }
    }
}

/// See [`job::EndedJob`].
#[derive(Deserialize)]
pub(super) struct EndedJob<Spec> {
    id: JobId,
    owner: UserName,
    submitted_at: Timestamp,
    ended_at: Timestamp,
    spec: Spec,
    cancel: Option<Cancel>,
    outcome: Outcome,
    attempts: Vec<AttemptEnd>,
}

impl<Spec: Into<spec::JobSpec>> From<EndedJob<Spec>> for job::EndedJob {
    fn from(old: EndedJob<Spec>) -> Self {
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

/// See [`assignment::Assignment`].
#[derive(Clone, PartialEq, Eq, Debug, Deserialize, Serialize)]
pub struct Order<Spec> {
    attempt: AttemptId,
    fence: Fence,
    owner: UserName,
    ids: Option<UnixIds>,
    spec: Arc<Spec>,
    mounts: Vec<assignment::Mount>,
    exclusive: bool,
}

impl<Spec: Clone + Into<spec::JobSpec>> From<Order<Spec>> for assignment::Assignment {
    fn from(old: Order<Spec>) -> Self {
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

#[derive(Clone, Copy, Deserialize)]
struct Quota {
    cpu: Option<MilliCpus>,
    memory: Option<Bytes>,
    running: Option<u32>,
    pending: Option<u32>,
    cpu_time: Option<u64>,
    memory_time: Option<u64>,
}

impl From<Quota> for quota::Quota {
    fn from(old: Quota) -> Self {
        quota::Quota {
            cpu: old.cpu,
            memory: old.memory,
            running: old.running,
            pending: old.pending,
            cpu_time: old.cpu_time,
            memory_time: old.memory_time,
            ..quota::Quota::default()
        }
    }
}

#[derive(Deserialize)]
struct SetQuota {
    user: UserName,
    quota: Option<Quota>,
}

#[derive(Deserialize)]
struct User {
    name: UserName,
    role: Role,
    password: String,
    one_time: bool,
    ids: Option<UnixIds>,
    disabled: bool,
    created_at: Timestamp,
    home: String,
    mail: String,
    source: Option<Source>,
    quota: Option<Quota>,
}

impl From<User> for account::User {
    fn from(old: User) -> Self {
        account::User {
            name: old.name,
            role: old.role,
            password: old.password,
            one_time: old.one_time,
            ids: old.ids,
            disabled: old.disabled,
            created_at: old.created_at,
            home: old.home,
            mail: old.mail,
            source: old.source,
            quota: old.quota.map(Into::into),
        }
    }
}

#[derive(Deserialize)]
struct Project {
    name: String,
    description: String,
    everybody: bool,
    members: BTreeSet<UserName>,
    managers: BTreeSet<UserName>,
    shared: bool,
    closed: bool,
    priority: u8,
    quota: Quota,
    created_at: Timestamp,
}

impl From<Project> for project::Project {
    fn from(old: Project) -> Self {
        project::Project {
            name: old.name,
            description: old.description,
            everybody: old.everybody,
            members: old.members,
            managers: old.managers,
            shared: old.shared,
            closed: old.closed,
            priority: old.priority,
            quota: old.quota.into(),
            created_at: old.created_at,
        }
    }
}

#[derive(Deserialize)]
struct Rules {
    user_quota: Quota,
    window_days: u32,
    over_quota: OverQuota,
    network: Network,
    bridge: Grant,
    root: Grant,
    root_volumes: RootVolumes,
    images: Vec<ImageRule>,
    output_max: Option<Bytes>,
}

impl From<Rules> for policy::Rules {
    fn from(old: Rules) -> Self {
        policy::Rules {
            user_quota: old.user_quota.into(),
            window_days: old.window_days,
            over_quota: old.over_quota,
            network: old.network,
            bridge: old.bridge,
            root: old.root,
            root_volumes: old.root_volumes,
            images: old.images,
            output_max: old.output_max,
            ..policy::Rules::default()
        }
    }
}

#[derive(Deserialize)]
struct Policy {
    timings: Timings,
    earlier: Option<EarlierLeases>,
    rules: Rules,
}

impl From<Policy> for policy::Policy {
    fn from(old: Policy) -> Self {
        policy::Policy {
            timings: old.timings,
            earlier: old.earlier,
            rules: old.rules.into(),
        }
    }
}
