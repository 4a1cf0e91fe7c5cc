//! Everything the cluster believes, as persistent maps: a clone costs a few counters, so readers
//! take one and keep it while the log moves on.
//!
//! The tables are what is stored; the indexes are derived from them and rebuilt on load. Only
//! `apply` (through [`crate::apply`]) and the loader change a state.

mod indexes;
mod job_set;

use alloc::string::String;
use alloc::sync::Arc;
use rpds::{RedBlackTreeMapSync as Map, RedBlackTreeSetSync as Set};
use serde::{Deserialize, Serialize};

use crate::account::{Directory, JoinToken, SshKey, Token, TokenId, User, UserName};
use crate::id::{ClusterId, JobId, NodeId};
use crate::job::Job;
use crate::limits;
use crate::node::Node;
use crate::policy::{Policy, Volume};
use crate::port::{Ports, Published};
use crate::project::{DEFAULT, Project, Queue};
use crate::quota::{Claim, Holder, Spent};
use crate::resource::Resources;
use crate::secret::Secret;
use crate::spec::JobSpec;
use crate::stored::Stored;
use crate::unit::{Bytes, Timestamp};

pub use job_set::JobSet;

/// The cluster's beliefs after some log entry.
#[derive(Clone, Default)]
pub struct State {
    pub(crate) meta: Meta,
    pub(crate) policy: Arc<Policy>,
    pub(crate) users: Map<UserName, User>,
    pub(crate) tokens: Map<TokenId, Token>,
    pub(crate) join_tokens: Map<TokenId, JoinToken>,
    pub(crate) volumes: Map<String, Volume>,
    pub(crate) nodes: Map<NodeId, Node>,
    pub(crate) jobs: Map<JobId, Job>,
    pub(crate) submit_keys: Map<(UserName, String), SubmitRecord>,
    /// One for each node that is unwell.
    pub(crate) troubles: Map<NodeId, String>,
    pub(crate) projects: Map<String, Project>,
    pub(crate) queues: Map<String, Queue>,
    /// One for each holder that has spent anything in the window.
    pub(crate) spent: Map<Holder, Spent>,
    pub(crate) directories: Map<String, Directory>,
    pub(crate) ssh_keys: Map<(UserName, String), SshKey>,
    pub(crate) secrets: Map<(Holder, String), Secret>,
    /// One for each live job whose ports are reached somewhere.
    pub(crate) ports: Map<JobId, Ports>,
    /// One for each node that keeps anything.
    pub(crate) stored: Map<NodeId, Stored>,
    /// Specs that were loaded before their jobs; empty once loading is over.
    pub(crate) loaded_specs: Map<JobId, Arc<JobSpec>>,

    /// Pending jobs, by the project that they are charged to. None is empty.
    pub(crate) pending_of: Map<String, JobSet>,
    /// Pending jobs that a node has tried already.
    pub(crate) tried: JobSet,
    pub(crate) loads: Map<NodeId, Load>,
    pub(crate) owners: Map<UserName, Owned>,
    pub(crate) charged: Map<String, Claim>,
    pub(crate) stored_sums: Map<Holder, Bytes>,
    pub(crate) waiting_in: Map<String, usize>,
    /// What exists without a record, until it is changed.
    pub(crate) fallback: Arc<Fallback>,
    pub(crate) names: Map<String, NodeId>,
    pub(crate) token_owners: Map<UserName, Set<TokenId>>,
    pub(crate) token_ends: Set<(Timestamp, TokenId)>,
    pub(crate) join_ends: Set<(Timestamp, TokenId)>,
    pub(crate) key_ages: Set<(Timestamp, UserName, String)>,
}

/// The single record of names and counters.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Meta {
    /// All zero before the first entry.
    pub cluster: ClusterId,
    /// For people.
    pub name: String,
    /// The id that the next job gets.
    pub next_job: u64,
    /// The cluster's clock: the latest stamp seen, so it never runs backwards.
    pub now: Timestamp,
}

/// What an idempotency key stands for.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SubmitRecord {
    /// When it was used first.
    pub at: Timestamp,
    /// The first job it made.
    pub first: JobId,
    /// How many it made.
    pub count: u32,
    /// SHA-256 of the request.
    pub digest: [u8; 32],
}

/// The live jobs of one user. Derived.
#[derive(Clone, Default)]
pub struct Owned {
    /// Which.
    pub jobs: JobSet,
    /// What they claim together.
    pub claim: Claim,
    /// What they claim in each queue.
    pub queues: Map<String, Claim>,
}

/// What there is before anybody makes it.
#[derive(Clone)]
pub(crate) struct Fallback {
    project: Project,
    queue: Queue,
}

impl Default for Fallback {
    fn default() -> Self {
        Fallback {
            project: Project::fallback(),
            queue: Queue::fallback(),
        }
    }
}

/// What live attempts hold on one node. Derived.
#[derive(Clone, Default)]
pub struct Load {
    /// The sum of what they asked for.
    pub held: Resources,
    /// Whose they are.
    pub jobs: JobSet,
}

/// Reading.
impl State {
    /// Whether the first entry has been applied.
    pub fn is_initialised(&self) -> bool {
        self.meta.cluster != ClusterId::default()
    }

    /// Names and counters.
    pub fn meta(&self) -> &Meta {
        &self.meta
    }

    /// The cluster's clock.
    pub fn now(&self) -> Timestamp {
        self.meta.now
    }

    /// The administrators' settings.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// A live job.
    pub fn job(&self, id: JobId) -> Option<&Job> {
        self.jobs.get(&id)
    }

    /// Where the published ports of a live job are reached, on the node that has it.
    pub fn ports_of(&self, id: JobId) -> &[Published] {
        self.ports.get(&id).map_or(&[], |ports| &ports.0)
    }

    /// All live jobs by rising id.
    pub fn jobs(&self) -> impl DoubleEndedIterator<Item = &Job> {
        self.jobs.values()
    }

    /// Live jobs with an id in the range, by rising id.
    pub fn jobs_between(
        &self,
        range: impl core::ops::RangeBounds<JobId>,
    ) -> impl DoubleEndedIterator<Item = &Job> {
        self.jobs.range(range).map(|(_, job)| job)
    }

    /// How many jobs are live.
    pub fn live_jobs(&self) -> usize {
        self.jobs.size()
    }

    /// Whether a job of this id has ever existed; if it is not live, it has ended.
    pub fn has_existed(&self, id: JobId) -> bool {
        id.0 > 0 && id.0 < self.meta.next_job
    }

    /// Pending jobs in the order of submission.
    pub fn pending(&self) -> impl Iterator<Item = &Job> {
        self.jobs().filter(|job| job.attempt().is_none())
    }

    /// Projects with pending jobs, and which those are.
    pub fn pending_by_project(&self) -> impl Iterator<Item = (&str, &JobSet)> {
        let projects = self.pending_of.iter();
        projects.map(|(project, jobs)| (project.as_str(), jobs))
    }

    /// Pending jobs that were tried before, in the order of submission.
    pub fn tried_before(&self) -> impl Iterator<Item = &Job> {
        self.tried.iter().filter_map(|id| self.jobs.get(&id))
    }

    /// How many jobs are pending.
    pub fn pending_count(&self) -> usize {
        self.pending_of.values().map(JobSet::len).sum()
    }

    /// Live jobs of one user by rising id.
    pub fn jobs_of(&self, owner: &UserName) -> impl Iterator<Item = &Job> {
        self.owners
            .get(owner)
            .into_iter()
            .flat_map(|owned| owned.jobs.iter())
            .filter_map(|id| self.jobs.get(&id))
    }

    /// Live jobs of one user with an id in the range, by rising id.
    pub fn jobs_of_between(
        &self,
        owner: &UserName,
        range: impl core::ops::RangeBounds<JobId> + Clone,
    ) -> impl DoubleEndedIterator<Item = &Job> {
        self.owners
            .get(owner)
            .into_iter()
            .flat_map(move |owned| owned.jobs.range(range.clone()))
            .filter_map(|id| self.jobs.get(&id))
    }

    /// How many jobs of one user are live.
    pub fn live_jobs_of(&self, owner: &UserName) -> usize {
        self.owners.get(owner).map_or(0, |owned| owned.jobs.len())
    }

    /// A node.
    pub fn node(&self, id: NodeId) -> Option<&Node> {
        self.nodes.get(&id)
    }

    /// A node by its unique name.
    pub fn node_named(&self, name: &str) -> Option<&Node> {
        self.names.get(name).and_then(|id| self.nodes.get(id))
    }

    /// All nodes by rising id.
    pub fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.nodes.values()
    }

    /// What keeps a node from starting attempts, in its agent's words; set while it is unwell.
    pub fn trouble(&self, node: NodeId) -> Option<&str> {
        self.troubles.get(&node).map(String::as_str)
    }

    /// Live jobs that are with a node, by rising id.
    pub fn jobs_on(&self, node: NodeId) -> impl Iterator<Item = &Job> {
        self.loads
            .get(&node)
            .into_iter()
            .flat_map(|load| load.jobs.iter())
            .filter_map(|id| self.jobs.get(&id))
    }

    /// What live attempts hold on a node.
    pub fn held(&self, node: NodeId) -> Resources {
        self.loads
            .get(&node)
            .map(|load| load.held)
            .unwrap_or_default()
    }

    /// What a node has left for new attempts; zero when nothing may be placed there.
    pub fn free(&self, node: &Node) -> Resources {
        if node.accepts() {
            node.capacity().minus(&self.held(node.id))
        } else {
            Resources::default()
        }
    }

    /// An account.
    pub fn user(&self, name: &str) -> Option<&User> {
        self.users.get(name)
    }

    /// All accounts by name.
    pub fn users(&self) -> impl Iterator<Item = &User> {
        self.users.values()
    }

    /// A bearer token by its public half.
    pub fn token(&self, id: &TokenId) -> Option<&Token> {
        self.tokens.get(id)
    }

    /// Tokens of all users.
    pub fn tokens(&self) -> impl Iterator<Item = &Token> {
        self.tokens.values()
    }

    /// The tokens of one user, by public half.
    pub fn tokens_of(&self, user: &UserName) -> impl Iterator<Item = &Token> {
        let ids = self.token_owners.get(user).into_iter();
        ids.flat_map(|ids| ids.iter())
            .filter_map(|id| self.tokens.get(id))
    }

    /// Join tokens, used ones included until they expire.
    pub fn join_tokens(&self) -> impl Iterator<Item = &JoinToken> {
        self.join_tokens.values()
    }

    /// A named volume.
    pub fn volume(&self, name: &str) -> Option<&Volume> {
        self.volumes.get(name)
    }

    /// All named volumes.
    pub fn volumes(&self) -> impl Iterator<Item = &Volume> {
        self.volumes.values()
    }

    /// A project. [`DEFAULT`] exists without being made.
    pub fn project(&self, name: &str) -> Option<&Project> {
        let fallback = || (name == DEFAULT).then_some(&self.fallback.project);
        self.projects.get(name).or_else(fallback)
    }

    /// All projects by name, [`DEFAULT`] first if nobody has changed it.
    pub fn projects(&self) -> impl Iterator<Item = &Project> {
        let made = self.projects.contains_key(DEFAULT);
        let fallback = (!made).then_some(&self.fallback.project);
        fallback.into_iter().chain(self.projects.values())
    }

    /// A queue. [`DEFAULT`] exists without being made.
    pub fn queue(&self, name: &str) -> Option<&Queue> {
        let fallback = || (name == DEFAULT).then_some(&self.fallback.queue);
        self.queues.get(name).or_else(fallback)
    }

    /// All queues by name, [`DEFAULT`] first if nobody has changed it.
    pub fn queues(&self) -> impl Iterator<Item = &Queue> {
        let made = self.queues.contains_key(DEFAULT);
        let fallback = (!made).then_some(&self.fallback.queue);
        fallback.into_iter().chain(self.queues.values())
    }

    /// What the live jobs of a user claim.
    pub fn claim_of(&self, user: &UserName) -> Claim {
        self.owners
            .get(user)
            .map_or_else(Claim::default, |owned| owned.claim)
    }

    /// What the live jobs of a user claim in one queue.
    pub fn claim_in(&self, user: &UserName, queue: &str) -> Claim {
        let owned = self.owners.get(user);
        owned
            .and_then(|owned| owned.queues.get(queue).copied())
            .unwrap_or_default()
    }

    /// What the live jobs of a project claim.
    pub fn claim_on(&self, project: &str) -> Claim {
        self.charged.get(project).copied().unwrap_or_default()
    }

    /// How many live jobs a queue has.
    pub fn jobs_in(&self, queue: &str) -> usize {
        self.waiting_in.get(queue).copied().unwrap_or_default()
    }

    /// A directory of users.
    pub fn directory(&self, name: &str) -> Option<&Directory> {
        self.directories.get(name)
    }

    /// All directories of users, by name: the order in which they are asked.
    pub fn directories(&self) -> impl Iterator<Item = &Directory> {
        self.directories.values()
    }

    /// The public keys of one user, by fingerprint.
    pub fn ssh_keys_of(&self, user: &UserName) -> impl Iterator<Item = &SshKey> {
        let first = (user.clone(), String::new());
        let theirs = move |key: &&SshKey| key.user == first.0;
        let from = (user.clone(), String::new());
        (self.ssh_keys.range(from..))
            .map(|(_, key)| key)
            .take_while(theirs)
    }

    /// Whether the user manages the project that a job is charged to.
    pub fn manages(&self, user: &UserName, project: &str) -> bool {
        let project = self.project(project);
        project.is_some_and(|project| project.managers.contains(user))
    }

    /// Whether a job of this owner and project is one that the user may see besides their own.
    pub fn shares(&self, user: &UserName, project: &str) -> bool {
        let Some(project) = self.project(project) else {
            return false;
        };
        // In a project of everybody nobody is more of a member than others.
        let member = project.members.contains(user) && project.shared;
        member || project.managers.contains(user)
    }

    /// What an idempotency key was used for.
    pub fn submit_record(&self, user: &UserName, key: &str) -> Option<&SubmitRecord> {
        self.submit_keys.get(&(user.clone(), String::from(key)))
    }

    /// Whether a record of any kind has expired by `now`: the leader then proposes `Expire`.
    pub fn has_expired(&self, now: Timestamp) -> bool {
        let oldest = self
            .key_ages
            .first()
            .map(|(at, _, _)| at.plus(limits::SUBMIT_KEY_LIFE));
        let ends = [&self.token_ends, &self.join_ends];
        let firsts = ends.into_iter().filter_map(|ends| ends.first());
        oldest.is_some_and(|end| end <= now) || firsts.into_iter().any(|(end, _)| *end <= now)
    }
}
