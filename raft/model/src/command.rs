//! Every way to change the state, and every answer.
//!
//! Commands are imperative. `apply` is total: what cannot be done is answered with a
//! [`Rejection`], never with a panic, whoever proposed it.

mod answer;
mod audit;
mod secret;
mod stored;

use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

pub use answer::{CancelResult, Refusal, Rejection, Reply};
pub use audit::{Audited, Deed, Refused, Who};
pub use secret::RemoveSecret;
pub use stored::NoteStored;

use crate::account::{Directory, Role, SshKey, Token, TokenId, UnixIds, UserName};
use crate::assignment::Report;
use crate::id::{ClusterId, JobId, NodeId, TaskId};
use crate::node::{HeadIntent, NodeFacts, NodeHealth, NodeRole};
use crate::policy::{EarlierLeases, Rules, Timings, Volume};
use crate::project::{Project, Queue};
use crate::quota::{Holder, Quota};
use crate::secret::Secret;
use crate::spec::JobSpec;
use crate::unit::{Millis, Timestamp};

/// One entry of the log.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Command {
    /// The first entry: names the cluster, its first head and its administrator.
    InitCluster(InitCluster),
    /// Admit the jobs, all or none.
    SubmitJobs(SubmitJobs),
    /// Ask for the end of jobs.
    CancelJobs(CancelJobs),
    /// Give tasks to nodes, as the scheduler proposes; each is checked again.
    CommitPlan(CommitPlan),
    /// Take what nodes reported.
    RecordStatus(RecordStatus),
    /// Give up an attempt whose node is lost: an operator's word that it does not run any more.
    ConfirmLost(ConfirmLost),
    /// Note what a node says of itself and that it is in session.
    RegisterNode(RegisterNode),
    /// Note that nodes are silent.
    MarkNodes(MarkNodes),
    /// Stop or resume placing on a node.
    DrainNode(DrainNode),
    /// Say which part of the quorum a head shall have.
    SetHeadIntent(SetHeadIntent),
    /// Forget a node that holds nothing; its certificate is refused from then on.
    RemoveNode(RemoveNode),
    /// Allow one node to join.
    CreateJoinToken(CreateJoinToken),
    /// Admit a node.
    RedeemJoinToken(RedeemJoinToken),
    /// Make or change an account.
    PutUser(PutUser),
    /// Replace a password.
    SetPassword(SetPassword),
    /// Let a token speak for a user.
    CreateToken(Token),
    /// End a token.
    RevokeToken(RevokeToken),
    /// Make or change a named volume.
    PutVolume(Volume),
    /// Forget a named volume that no live job asks for.
    RemoveVolume(String),
    /// Change the tolerated silences.
    SetTimings(Timings),
    /// Remove what has expired: tokens, join tokens, idempotency keys.
    Expire,
    /// Take a permission to join back.
    RevokeJoinToken(TokenId),
    /// Stop reckoning with leases from before the timings were changed.
    ForgetEarlierLeases(ForgetEarlierLeases),
    /// Note what an agent says of its node: that it starts nothing, or does again.
    NoteTrouble(NoteTrouble),
    /// Make or change a project.
    PutProject(Project),
    /// Forget a project that no live job is charged to.
    RemoveProject(String),
    /// Say what a user is in a project.
    PutMember(PutMember),
    /// Make or change a queue.
    PutQueue(Queue),
    /// Forget a queue that no live job waits in.
    RemoveQueue(String),
    /// Bound what a user may have.
    SetQuota(SetQuota),
    /// Forget what a user or project has spent.
    ResetSpent(Holder),
    /// Change what jobs may have.
    SetRules(Rules),
    /// Take what a directory says of a user; makes the account if there is none.
    ConfirmUser(ConfirmUser),
    /// Make or change a directory of users.
    PutDirectory(Directory),
    /// Forget a directory; its users keep their accounts and cannot log in.
    RemoveDirectory(String),
    /// Let a public key open a user's interactive sessions.
    PutSshKey(SshKey),
    /// Take that back.
    RemoveSshKey(RemoveSshKey),
    /// Replace a token by one with another secret and the same purpose.
    RotateToken(RotateToken),
    /// Do something that somebody asked for at the door, and note who and from where.
    Audited(Audited),
    /// Note what was refused at the door.
    NoteRefusals(Vec<Refused>),
    /// Make a secret, or give it another value.
    PutSecret(Secret),
    /// Forget a secret.
    RemoveSecret(RemoveSecret),
    /// Note what a node keeps of ended attempts.
    NoteStored(NoteStored),
    /// Note what was done, or tried, at nodes.
    NoteDeeds(Vec<Deed>),
}

impl Command {
    /// Whether it gives the cluster more to do and to keep. Such commands are refused first when
    /// room is short: what settles and ends work must still be taken.
    pub fn adds_work(&self) -> bool {
        match self {
            Command::SubmitJobs(_) => true,
            Command::Audited(audited) => audited.command.adds_work(),
            Command::InitCluster(_)
            | Command::CancelJobs(_)
            | Command::CommitPlan(_)
            | Command::RecordStatus(_)
            | Command::ConfirmLost(_)
            | Command::RegisterNode(_)
            | Command::MarkNodes(_)
            | Command::DrainNode(_)
            | Command::SetHeadIntent(_)
            | Command::RemoveNode(_)
            | Command::CreateJoinToken(_)
            | Command::RedeemJoinToken(_)
            | Command::PutUser(_)
            | Command::SetPassword(_)
            | Command::CreateToken(_)
            | Command::RevokeToken(_)
            | Command::PutVolume(_)
            | Command::RemoveVolume(_)
            | Command::SetTimings(_)
            | Command::Expire
            | Command::RevokeJoinToken(_)
            | Command::ForgetEarlierLeases(_)
            | Command::NoteTrouble(_)
            | Command::PutProject(_)
            | Command::RemoveProject(_)
            | Command::PutMember(_)
            | Command::PutQueue(_)
            | Command::RemoveQueue(_)
            | Command::SetQuota(_)
            | Command::ResetSpent(_)
            | Command::SetRules(_)
            | Command::ConfirmUser(_)
            | Command::PutDirectory(_)
            | Command::RemoveDirectory(_)
            | Command::PutSshKey(_)
            | Command::RemoveSshKey(_)
            | Command::RotateToken(_)
            | Command::NoteRefusals(_)
            | Command::PutSecret(_)
            | Command::RemoveSecret(_)
            | Command::NoteStored(_)
            | Command::NoteDeeds(_) => false,
        }
    }
}

/// See [`Command::InitCluster`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct InitCluster {
    /// Random, made by `goagent init`.
    pub cluster: ClusterId,
    /// For people.
    pub name: String,
    /// The first head's name.
    pub head_name: String,
    /// SHA-256 of the first head's public key.
    pub head_key: [u8; 32],
    /// What the first head says of itself.
    pub head_facts: NodeFacts,
    /// The administrator's login.
    pub admin: UserName,
    /// Argon2 string of their one-time password.
    pub admin_password: String,
    /// Tolerated silences to begin with.
    pub timings: Timings,
}

/// See [`Command::SubmitJobs`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SubmitJobs {
    /// Who submits.
    pub by: UserName,
    /// The same key again gives the same jobs again.
    pub key: Option<SubmitKey>,
    /// What; 1 to [`crate::limits::SUBMIT_BATCH_MAX`].
    pub specs: Vec<JobSpec>,
}

/// An idempotency key with the digest of what it was used for.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SubmitKey {
    /// Chosen by the client, unique per user.
    pub key: String,
    /// SHA-256 of the request: the same key with another request is a conflict.
    pub digest: [u8; 32],
}

/// See [`Command::CancelJobs`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CancelJobs {
    /// Which.
    pub jobs: Vec<JobId>,
    /// Who asks; must own them or be an operator.
    pub by: UserName,
    /// Why; may be empty.
    pub reason: String,
    /// Overrides the jobs' own grace.
    pub grace: Option<Millis>,
}

/// See [`Command::CommitPlan`].
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct CommitPlan {
    /// What goes where, in the order of decision.
    pub placements: Vec<Placement>,
    /// Waiting jobs that are over because their start would exceed a quota; see
    /// [`crate::policy::OverQuota::End`].
    pub over_quota: Vec<JobId>,
}

/// A task that shall go to a node.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Placement {
    /// What.
    pub task: TaskId,
    /// Where.
    pub node: NodeId,
}

/// See [`Command::RecordStatus`].
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct RecordStatus {
    /// What each node said, in the order it said it.
    pub reports: Vec<(NodeId, Report)>,
}

/// See [`Command::ConfirmLost`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ConfirmLost {
    /// The job whose attempt is given up.
    pub job: JobId,
    /// Who gives it up; an operator.
    pub by: UserName,
}

/// See [`Command::RegisterNode`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RegisterNode {
    /// Which.
    pub node: NodeId,
    /// What it says.
    pub facts: NodeFacts,
}

/// See [`Command::NoteTrouble`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct NoteTrouble {
    /// Which.
    pub node: NodeId,
    /// What keeps it from starting attempts; `None`: nothing.
    pub trouble: Option<String>,
}

/// See [`Command::MarkNodes`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct MarkNodes {
    /// Each node and what is now believed of it: suspect or lost.
    pub nodes: Vec<(NodeId, NodeHealth)>,
}

/// See [`Command::DrainNode`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct DrainNode {
    /// Which.
    pub node: NodeId,
    /// Why nothing more is placed there; `None` ends the drain.
    pub reason: Option<String>,
}

/// See [`Command::SetHeadIntent`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SetHeadIntent {
    /// Which.
    pub node: NodeId,
    /// What it shall be.
    pub intent: HeadIntent,
}

/// See [`Command::RemoveNode`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RemoveNode {
    /// Which.
    pub node: NodeId,
}

/// See [`Command::CreateJoinToken`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CreateJoinToken {
    /// Its public half.
    pub id: TokenId,
    /// SHA-256 of its secret half.
    pub hash: [u8; 32],
    /// What the node becomes.
    pub role: NodeRole,
    /// Who allows it.
    pub by: UserName,
    /// When the permission ends.
    pub expires_at: Timestamp,
}

/// See [`Command::RedeemJoinToken`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RedeemJoinToken {
    /// The token's public half.
    pub id: TokenId,
    /// SHA-256 of the secret that the node showed.
    pub hash: [u8; 32],
    /// SHA-256 of the public key in its certificate request.
    pub key_hash: [u8; 32],
    /// The name it wants.
    pub name: String,
    /// What it says of itself.
    pub facts: NodeFacts,
}

/// See [`Command::PutUser`].
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct PutUser {
    /// The login.
    pub name: UserName,
    /// What they may do.
    pub role: Role,
    /// What their jobs run as.
    pub ids: Option<UnixIds>,
    /// Locked out.
    pub disabled: bool,
    /// Their home directory on the nodes, absolute; may be empty.
    pub home: String,
    /// Where they get mail; may be empty.
    pub mail: String,
}

/// See [`Command::ConfirmUser`].
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct ConfirmUser {
    /// The login.
    pub name: UserName,
    /// Which directory knows them.
    pub directory: String,
    /// What their jobs run as.
    pub ids: UnixIds,
    /// Their home directory on the nodes, absolute; may be empty.
    pub home: String,
    /// Where they get mail; may be empty.
    pub mail: String,
}

/// See [`Command::PutMember`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PutMember {
    /// The project.
    pub project: String,
    /// Who.
    pub user: UserName,
    /// What they are from now on.
    pub membership: Membership,
    /// Who says so; must manage the project or be an administrator.
    pub by: UserName,
}

/// What a user is in a project.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum Membership {
    /// Nothing.
    None,
    /// May charge jobs to it.
    Member,
    /// May besides change its members, and see and end its jobs.
    Manager,
}

/// See [`Command::SetQuota`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SetQuota {
    /// Whose.
    pub user: UserName,
    /// `None`: what everybody has.
    pub quota: Option<Quota>,
}

/// See [`Command::RemoveSshKey`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RemoveSshKey {
    /// Whose.
    pub user: UserName,
    /// Which.
    pub fingerprint: String,
}

/// See [`Command::RotateToken`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RotateToken {
    /// The token that ends.
    pub old: TokenId,
    /// Whose it must be.
    pub user: UserName,
    /// The public half of the one that takes its place.
    pub id: TokenId,
    /// SHA-256 of its secret half.
    pub hash: [u8; 32],
    /// When it ends.
    pub expires_at: Timestamp,
}

/// See [`Command::SetPassword`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SetPassword {
    /// Whose.
    pub user: UserName,
    /// Argon2 string.
    pub password: String,
    /// It opens one login only, together with a new one.
    pub one_time: bool,
    /// The Argon2 string that this one replaces, where the change depends on it: two logins with
    /// the same one-time password cannot both win.
    pub replaces: Option<String>,
}

/// See [`Command::RevokeToken`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RevokeToken {
    /// Which.
    pub id: TokenId,
    /// Whose it must be; `None` when an administrator revokes it.
    pub user: Option<UserName>,
}

/// See [`Command::ForgetEarlierLeases`]. It says what it is about: if either has changed since, the
/// wait was for something else.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ForgetEarlierLeases {
    /// The timings in force.
    pub timings: Timings,
    /// The leases that have run out.
    pub earlier: EarlierLeases,
}
