//! What version 1 of the formats looked like, where it differs from today, and what it means now.
//! Only ever read. Nothing here changes any more.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use super::{FormatError, Kept, read, v2, v3};
use crate::account::{self, Role, Scope, TokenId, UnixIds, UserName};
use crate::assignment;
use crate::change::Event;
use crate::command::{
    self, CancelJobs, Command, ConfirmLost, CreateJoinToken, DrainNode, ForgetEarlierLeases,
    InitCluster, MarkNodes, NoteTrouble, Placement, RecordStatus, RedeemJoinToken, RegisterNode,
    RemoveNode, Reply, RevokeToken, SetHeadIntent, SetPassword,
};
use crate::id::{AttemptId, Fence};
use crate::job::{self, AttemptEnd};
use crate::ledger;
use crate::policy::{self, EarlierLeases, Rules, Timings};
use crate::project::{DEFAULT, Grant};
use crate::quota;
use crate::resource::Resources;
use crate::spec::{self, OnLost, Program, PullPolicy};
use crate::unit::{Millis, Timestamp};

/// Reads a value of version 1 and turns it into what it means now.
fn older<Old: for<'a> Deserialize<'a>, Now: From<Old>>(bytes: &[u8]) -> Result<Now, FormatError> {
    read::<Old>(bytes).map(Now::from)
}

/// Declares that a type looked otherwise in version 1, and perhaps in 2 and 3 as well.
macro_rules! changed {
    ($($now:ty: $old:ty $(, in 2: $second:path)? $(, in 3: $third:path)?);+ $(;)?) => {
        $(impl Kept for $now {
            fn read_v1(bytes: &[u8]) -> Result<Self, FormatError> {
                older::<$old, $now>(bytes)
            }
            $(fn read_v2(bytes: &[u8]) -> Result<Self, FormatError> {
                $second(bytes)
            })?
            $(fn read_v3(bytes: &[u8]) -> Result<Self, FormatError> {
                $third(bytes)
            })?
        })+
    };
}

changed! {
    spec::JobSpec: JobSpec, in 2: v2::spec, in 3: v3::spec;
    account::User: User, in 3: v3::user;
    account::Token: Token;
    policy::Volume: Volume;
    policy::Policy: Policy, in 3: v3::policy;
    job::EndedJob: v3::EndedJob<JobSpec>, in 2: v2::ended_job, in 3: v3::ended_job;
    ledger::LedgerLine: LedgerLine;
    assignment::Assignment: Assignment, in 2: v2::assignment, in 3: v3::assignment;
    Command: OldCommand, in 2: v2::command, in 3: v3::command;
}

impl Kept for crate::project::Project {
    fn read_v3(bytes: &[u8]) -> Result<Self, FormatError> {
        v3::project(bytes)
    }
}

/// Declares types that are written as they were, or that are younger than version 1.
macro_rules! unchanged {
    ($($type:ty),+ $(,)?) => { $(impl Kept for $type {})+ };
}

unchanged! {
    crate::state::Meta, crate::state::SubmitRecord, account::JoinToken, crate::node::Node,
    job::Job, Event, Reply, String, u64, crate::project::Queue,
    quota::Spent, crate::secret::Secret, account::Directory, account::SshKey,
    ledger::AuditLine, job::TaskState, assignment::Report, crate::port::Ports,
    crate::stored::Stored,
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
}

/// See [`spec::VolumeUse`].
#[derive(Clone, PartialEq, Eq, Debug, Deserialize, Serialize)]
struct VolumeUse {
    name: String,
    read_only: bool,
}

impl From<JobSpec> for spec::JobSpec {
    fn from(old: JobSpec) -> Self {
        let volumes = old.volumes.into_iter().map(|volume| spec::VolumeUse {
            name: volume.name,
            read_only: volume.read_only,
            sub_path: String::new(),
        });
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
            volumes: volumes.collect(),
            project: DEFAULT.into(),
            queue: DEFAULT.into(),
            ..spec::JobSpec::default()
        }
    }
}

#[derive(Deserialize)]
struct User {
    name: UserName,
    role: Role,
    password: String,
    one_time: bool,
    unix_ids: Option<(u32, u32)>,
    disabled: bool,
    created_at: Timestamp,
}

/// Version 1 knew no secondary groups.
fn ids((uid, gid): (u32, u32)) -> UnixIds {
    UnixIds {
        uid,
        gid,
        groups: Vec::new(),
    }
}

impl From<User> for account::User {
    fn from(old: User) -> Self {
        account::User {
            name: old.name,
            role: old.role,
            password: old.password,
            one_time: old.one_time,
            ids: old.unix_ids.map(ids),
            disabled: old.disabled,
            created_at: old.created_at,
            ..account::User::default()
        }
    }
}

#[derive(Deserialize)]
struct Token {
    id: TokenId,
    hash: [u8; 32],
    user: UserName,
    label: String,
    created_at: Timestamp,
    expires_at: Timestamp,
}

impl From<Token> for account::Token {
    fn from(old: Token) -> Self {
        account::Token {
            id: old.id,
            hash: old.hash,
            user: old.user,
            label: old.label,
            created_at: old.created_at,
            expires_at: old.expires_at,
            scopes: Scope::ALL.into(),
        }
    }
}

#[derive(Deserialize)]
struct Volume {
    name: String,
    host_path: String,
    mount_path: String,
    writable: bool,
}

impl From<Volume> for policy::Volume {
    fn from(old: Volume) -> Self {
        policy::Volume {
            name: old.name,
            host_path: old.host_path,
            mount_path: old.mount_path,
            writable: old.writable,
            who: Grant::to_all(),
        }
    }
}

#[derive(Deserialize)]
struct Policy {
    timings: Timings,
    earlier: Option<EarlierLeases>,
}

impl From<Policy> for policy::Policy {
    fn from(old: Policy) -> Self {
        policy::Policy {
            timings: old.timings,
            earlier: old.earlier,
            rules: Rules::default(),
        }
    }
}

#[derive(Deserialize)]
struct LedgerLine {
    attempt: AttemptId,
    owner: UserName,
    asked: Resources,
    image: String,
    submitted_at: Timestamp,
    end: AttemptEnd,
}

impl From<LedgerLine> for ledger::LedgerLine {
    /// Nothing was charged then; what it would have been is reckoned from what was kept.
    fn from(old: LedgerLine) -> Self {
        let since = old.end.started.as_ref().map(|started| started.at);
        let ran = since.map_or(Millis(0), |since| old.end.ended_at.since(since));
        ledger::LedgerLine {
            attempt: old.attempt,
            owner: old.owner,
            project: DEFAULT.into(),
            queue: DEFAULT.into(),
            name: String::new(),
            charged: crate::resource::Effort::of(&old.asked, ran),
            asked: old.asked,
            image: old.image,
            submitted_at: old.submitted_at,
            waited_since: old.submitted_at,
            end: old.end,
        }
    }
}

/// See [`assignment::Assignment`]. Heads of version 1 send it.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize, Serialize)]
pub struct Assignment {
    attempt: AttemptId,
    fence: Fence,
    owner: UserName,
    unix_ids: Option<(u32, u32)>,
    spec: Arc<JobSpec>,
    mounts: Vec<Mount>,
    exclusive: bool,
}

/// See [`assignment::Mount`].
#[derive(Clone, PartialEq, Eq, Debug, Deserialize, Serialize)]
struct Mount {
    host_path: String,
    mount_path: String,
    writable: bool,
}

impl From<Assignment> for assignment::Assignment {
    fn from(old: Assignment) -> Self {
        let mounts = old.mounts.into_iter().map(|mount| assignment::Mount {
            host_path: mount.host_path,
            sub_path: String::new(),
            mount_path: mount.mount_path,
            writable: mount.writable,
        });
        let spec = Arc::try_unwrap(old.spec).unwrap_or_else(|shared| (*shared).clone());
        assignment::Assignment {
            attempt: old.attempt,
            fence: old.fence,
            owner: old.owner,
            ids: old.unix_ids.map(ids),
            spec: Arc::new(spec.into()),
            mounts: mounts.collect(),
            exclusive: old.exclusive,
        }
    }
}

/// See [`Command`]: the variants that there were, in their order.
#[derive(Deserialize)]
enum OldCommand {
    InitCluster(InitCluster),
    SubmitJobs(v3::SubmitJobs<JobSpec>),
    CancelJobs(CancelJobs),
    CommitPlan(CommitPlan),
    RecordStatus(RecordStatus),
    ConfirmLost(ConfirmLost),
    RegisterNode(RegisterNode),
    MarkNodes(MarkNodes),
    DrainNode(DrainNode),
    SetHeadIntent(SetHeadIntent),
    RemoveNode(RemoveNode),
    CreateJoinToken(CreateJoinToken),
    RedeemJoinToken(RedeemJoinToken),
    PutUser(PutUser),
    SetPassword(SetPassword),
    CreateToken(Token),
    RevokeToken(RevokeToken),
    PutVolume(Volume),
    RemoveVolume(String),
    SetTimings(Timings),
    Expire,
    RevokeJoinToken(TokenId),
    ForgetEarlierLeases(ForgetEarlierLeases),
    NoteTrouble(NoteTrouble),
}

#[derive(Deserialize)]
struct CommitPlan {
    placements: Vec<Placement>,
}

#[derive(Deserialize)]
struct PutUser {
    name: UserName,
    role: Role,
    unix_ids: Option<(u32, u32)>,
    disabled: bool,
}

impl From<OldCommand> for Command {
    fn from(old: OldCommand) -> Self {
        match old {
            OldCommand::InitCluster(same) => Command::InitCluster(same),
            OldCommand::SubmitJobs(old) => Command::SubmitJobs(old.into()),
            OldCommand::CancelJobs(same) => Command::CancelJobs(same),
            OldCommand::CommitPlan(old) => Command::CommitPlan(command::CommitPlan {
                placements: old.placements,
                over_quota: Vec::new(),
            }),
            OldCommand::RecordStatus(same) => Command::RecordStatus(same),
            OldCommand::ConfirmLost(same) => Command::ConfirmLost(same),
            OldCommand::RegisterNode(same) => Command::RegisterNode(same),
            OldCommand::MarkNodes(same) => Command::MarkNodes(same),
            OldCommand::DrainNode(same) => Command::DrainNode(same),
            OldCommand::SetHeadIntent(same) => Command::SetHeadIntent(same),
            OldCommand::RemoveNode(same) => Command::RemoveNode(same),
            OldCommand::CreateJoinToken(same) => Command::CreateJoinToken(same),
            OldCommand::RedeemJoinToken(same) => Command::RedeemJoinToken(same),
            OldCommand::PutUser(old) => Command::PutUser(command::PutUser {
                name: old.name,
                role: old.role,
                ids: old.unix_ids.map(ids),
                disabled: old.disabled,
                home: String::new(),
                mail: String::new(),
            }),
            OldCommand::SetPassword(same) => Command::SetPassword(same),
            OldCommand::CreateToken(old) => Command::CreateToken(old.into()),
            OldCommand::RevokeToken(same) => Command::RevokeToken(same),
            OldCommand::PutVolume(old) => Command::PutVolume(old.into()),
            OldCommand::RemoveVolume(same) => Command::RemoveVolume(same),
            OldCommand::SetTimings(same) => Command::SetTimings(same),
            OldCommand::Expire => Command::Expire,
            OldCommand::RevokeJoinToken(same) => Command::RevokeJoinToken(same),
            OldCommand::ForgetEarlierLeases(same) => Command::ForgetEarlierLeases(same),
            OldCommand::NoteTrouble(same) => Command::NoteTrouble(same),
        }
    }
}
