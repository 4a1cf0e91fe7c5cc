//! The invariants of a state, said as code. A violation means that we are wrong.
//!
//! `check` reads everything: simulation and tests call it after every step. `check_small` runs
//! after every `apply` of a debug build, as long as the state is small enough to afford it.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;

use crate::account::{Role, TokenId, User, UserName};
use crate::id::{JobId, NodeId};
use crate::job::{Job, Outcome, TaskState};
use crate::limits;
use crate::node::{HeadIntent, Node, NodeHealth, NodeRole};
use crate::quota::{Claim, Holder};
use crate::resource::Resources;
use crate::spec::OnLost;
use crate::state::State;
use crate::unit::{Bytes, Timestamp};

/// Up to this many live jobs and remembered keys of submissions a debug build checks the whole
/// state after every entry.
pub const CHECK_RECORDS_MAX: usize = 256;

impl State {
    /// Checks every invariant.
    ///
    /// # Errors
    /// The first violation, in words.
    pub fn check(&self) -> Result<(), String> {
        self.check_jobs()?;
        self.check_claims()?;
        self.check_loads()?;
        self.check_nodes()?;
        self.check_accounts()?;
        self.check_secrets()?;
        self.check_places()
    }

    #[cfg(debug_assertions)]
    pub(crate) fn check_small(&self) {
        if self.live_jobs() + self.submit_keys.size() <= CHECK_RECORDS_MAX {
            let found = self.check();
            assert!(found.is_ok(), "invariant violated: {found:?}");
        }
    }

    /// Ids are below the counter; the pending set is exactly the pending jobs; attempts are
    /// numbered upwards and within their bound; every job is its owner's.
    fn check_jobs(&self) -> Result<(), String> {
        let (mut pending, mut tried) = (BTreeSet::new(), BTreeSet::new());
        for (id, job) in self.jobs.iter() {
            if *id != job.id || !self.has_existed(*id) {
                return Err(format!("job {id} is stored under a wrong id"));
            }
            if job.next_attempt() > limits::ATTEMPTS_MAX + 1 {
                return Err(format!("job {id} has too many attempts"));
            }
            check_past(job)?;
            let owned = self
                .owners
                .get(&job.owner)
                .is_some_and(|owned| owned.jobs.contains(*id));
            if !owned {
                return Err(format!("job {id} is missing from its owner's index"));
            }
            match &job.task {
                TaskState::Pending { .. } if job.cancel.is_some() => {
                    return Err(format!("job {id} is pending although it is cancelled"));
                }
                TaskState::Pending { .. } => {
                    pending.insert(*id);
                    tried.extend((!job.past.is_empty()).then_some(*id));
                }
                TaskState::Live(attempt) if attempt.fence.0 == 0 => {
                    return Err(format!("the attempt of job {id} has no fence"));
                }
                TaskState::Live(_) => {}
            }
        }
        let owned: usize = self.owners.values().map(|owned| owned.jobs.len()).sum();
        let tried_before: BTreeSet<JobId> = self.tried.iter().collect();
        if tried_before != tried || owned != self.jobs.size() {
            return Err(String::from("an index of the jobs differs from the jobs"));
        }
        self.check_projects_pending(&pending)
    }

    /// Each pending job is among those of its project, and nothing else is.
    fn check_projects_pending(&self, pending: &BTreeSet<JobId>) -> Result<(), String> {
        let mut known = BTreeSet::new();
        for (project, jobs) in &self.pending_of {
            let is_theirs = |id| {
                self.jobs
                    .get(&id)
                    .is_some_and(|job| job.spec.project == *project)
            };
            if jobs.is_empty() || !jobs.iter().all(is_theirs) {
                return Err(format!("project {project} has other pending jobs"));
            }
            known.extend(jobs.iter());
        }
        if known != *pending {
            return Err(String::from("a pending job is missing from its project"));
        }
        Ok(())
    }

    /// What users and projects claim is what their live jobs claim; every live job is in a project
    /// and a queue that exist.
    fn check_claims(&self) -> Result<(), String> {
        let mut users: BTreeMap<&UserName, Claim> = BTreeMap::new();
        let mut queues: BTreeMap<(&UserName, &str), Claim> = BTreeMap::new();
        let mut projects: BTreeMap<&str, Claim> = BTreeMap::new();
        let mut waiting: BTreeMap<&str, usize> = BTreeMap::new();
        for job in self.jobs() {
            let (spec, claim) = (&job.spec, Claim::of(job));
            if self.project(&spec.project).is_none() || self.queue(&spec.queue).is_none() {
                return Err(format!("job {} is in no project or no queue", job.id));
            }
            add(users.entry(&job.owner).or_default(), &claim);
            add(queues.entry((&job.owner, &spec.queue)).or_default(), &claim);
            add(projects.entry(&spec.project).or_default(), &claim);
            *waiting.entry(&spec.queue).or_default() += 1;
        }
        let kept_users = self.owners.iter().map(|(user, owned)| (user, owned.claim));
        let kept_queues = self.owners.iter().flat_map(|(user, owned)| {
            let queues = owned.queues.iter();
            queues.map(move |(queue, claim)| ((user, queue.as_str()), *claim))
        });
        let kept_projects = self
            .charged
            .iter()
            .map(|(name, claim)| (name.as_str(), *claim));
        let kept_waiting = self
            .waiting_in
            .iter()
            .map(|(name, count)| (name.as_str(), *count));
        if users.into_iter().eq(kept_users)
            && queues.into_iter().eq(kept_queues)
            && projects.into_iter().eq(kept_projects)
            && waiting.into_iter().eq(kept_waiting)
        {
            return Ok(());
        }
        Err(String::from("what is claimed differs from the live jobs"))
    }

    /// What is held on a node is the sum of its live attempts, and a lost node holds none that
    /// may run elsewhere. That it is within the node's capacity cannot be seen here: a node may
    /// come back smaller than it was, and keeps what it has. `apply` places nothing beyond it.
    fn check_loads(&self) -> Result<(), String> {
        let mut held: BTreeMap<NodeId, (Resources, BTreeSet<JobId>)> = BTreeMap::new();
        for job in self.jobs() {
            if let Some(attempt) = job.attempt() {
                let entry = held.entry(attempt.node).or_default();
                entry.0 = entry.0.plus(&job.spec.resources);
                entry.1.insert(job.id);
            }
        }
        if held.len() != self.loads.size() {
            return Err(String::from(
                "a node's load is kept without attempts, or not kept",
            ));
        }
        for (node, (sum, jobs)) in held {
            let load = self.loads.get(&node);
            let same = load.is_some_and(|load| {
                load.held == sum && load.jobs.iter().collect::<BTreeSet<_>>() == jobs
            });
            if !same {
                return Err(format!(
                    "node {node} holds something else than its attempts"
                ));
            }
            let Some(known) = self.nodes.get(&node) else {
                return Err(format!("node {node} has attempts and does not exist"));
            };
            let requeues = |id: &JobId| {
                let job = self.jobs.get(id);
                job.is_some_and(|job| job.spec.on_lost == OnLost::Requeue)
            };
            match known.health {
                NodeHealth::Joined => {
                    return Err(format!("node {node} has attempts and never spoke"));
                }
                NodeHealth::Lost if jobs.iter().any(requeues) => {
                    return Err(format!(
                        "lost node {node} has attempts that may be requeued"
                    ));
                }
                NodeHealth::Up | NodeHealth::Unwell | NodeHealth::Suspect | NodeHealth::Lost => {}
            }
        }
        Ok(())
    }

    /// Names are unique and indexed; only heads are in the quorum, and one at least votes.
    fn check_nodes(&self) -> Result<(), String> {
        for (id, node) in self.nodes.iter() {
            if *id != node.id || self.names.get(&node.name) != Some(id) {
                return Err(format!("node {id} is stored under a wrong id or name"));
            }
            if node.role == NodeRole::Agent && node.intent != HeadIntent::None {
                return Err(format!("node {id} is an agent and in the quorum"));
            }
        }
        let votes = |node: &Node| node.intent == HeadIntent::Voter;
        if self.is_initialised() && !self.nodes.values().any(votes) {
            return Err(String::from("no head votes"));
        }
        let unwell = |node: &&Node| node.health == NodeHealth::Unwell;
        let unwell = self.nodes.values().filter(unwell).map(|node| &node.id);
        if !unwell.eq(self.troubles.keys()) {
            return Err(String::from(
                "the troubles are not those of the unwell nodes",
            ));
        }
        if self.names.size() != self.nodes.size() {
            return Err(String::from("the names of the nodes differ from the nodes"));
        }
        Ok(())
    }

    /// Secrets lie under their owner and name, and are of projects that exist; live jobs know whose
    /// secrets they ask for.
    fn check_secrets(&self) -> Result<(), String> {
        for ((owner, name), secret) in self.secrets.iter() {
            if secret.owner != *owner || secret.name != *name {
                return Err(format!("secret {name} of {owner} is stored as another"));
            }
            if let Holder::Project(project) = owner
                && self.project(project).is_none()
            {
                return Err(format!("secret {name} is of no project that there is"));
            }
        }
        let unclear = |job: &&Job| job.spec.secrets.iter().any(|one| one.owner.is_none());
        match self.jobs().find(unclear) {
            Some(job) => Err(format!("job {} asks for nobody's secret", job.id)),
            None => Ok(()),
        }
    }

    /// Ports are of live attempts; what nodes keep is of nodes that exist, and its sums are right.
    fn check_places(&self) -> Result<(), String> {
        let live = |id: &JobId| self.job(*id).is_some_and(|job| job.attempt().is_some());
        if let Some(id) = self.ports.keys().find(|id| !live(id)) {
            return Err(format!("job {id} has ports and does not run"));
        }
        let mut sums: BTreeMap<&Holder, Bytes> = BTreeMap::new();
        for (node, stored) in self.stored.iter() {
            if !self.nodes.contains_key(node) || stored.holders.is_empty() {
                return Err(format!("node {node} keeps nothing, or does not exist"));
            }
            for (holder, bytes) in &stored.holders {
                sums.entry(holder).or_default().0 += bytes.0;
            }
        }
        if !sums
            .iter()
            .map(|(holder, sum)| (*holder, sum))
            .eq(self.stored_sums.iter())
        {
            return Err(String::from(
                "what holders keep differs from the nodes' words",
            ));
        }
        Ok(())
    }

    /// Owners and ends of tokens and key ages are what the tables say; keys and tokens name what
    /// has existed; an administrator can always speak.
    fn check_accounts(&self) -> Result<(), String> {
        let mut counts: BTreeMap<&UserName, BTreeSet<&TokenId>> = BTreeMap::new();
        for token in self.tokens.values() {
            counts.entry(&token.user).or_default().insert(&token.id);
        }
        let kept = self.token_owners.iter();
        let kept: BTreeMap<_, _> = kept
            .map(|(user, ids)| (user, ids.iter().collect()))
            .collect();
        if kept != counts {
            return Err(String::from("the owners of tokens differ from the tokens"));
        }
        let ends = |tokens: &mut dyn Iterator<Item = (Timestamp, TokenId)>| -> BTreeSet<_> {
            tokens.collect()
        };
        let tokens = self
            .tokens
            .values()
            .map(|token| (token.expires_at, token.id.clone()));
        let joins = self.join_tokens.values();
        let joins = joins.map(|token| (token.expires_at, token.id.clone()));
        if ends(&mut { tokens }) != ends(&mut self.token_ends.iter().cloned())
            || ends(&mut { joins }) != ends(&mut self.join_ends.iter().cloned())
        {
            return Err(String::from("the ends of tokens differ from the tokens"));
        }
        let mut owners = counts.keys().copied().chain(self.owners.keys());
        if let Some(user) = owners.find(|user| !self.users.contains_key(*user)) {
            return Err(format!("{user} has tokens or jobs and no account"));
        }
        let admin = |user: &User| user.role == Role::Admin && !user.disabled;
        if self.is_initialised() && !self.users.values().any(admin) {
            return Err(String::from("there is no administrator"));
        }
        for ((user, key), record) in self.submit_keys.iter() {
            let aged = (record.at, user.clone(), key.clone());
            let last = JobId((record.first.0 + u64::from(record.count)).saturating_sub(1));
            if !self.key_ages.contains(&aged) || !self.has_existed(last) {
                return Err(format!("key {key} of {user} has no age, or names no jobs"));
            }
        }
        if self.key_ages.size() != self.submit_keys.size() {
            return Err(String::from(
                "the ages of idempotency keys differ from the keys",
            ));
        }
        Ok(())
    }
}

fn add(sum: &mut Claim, claim: &Claim) {
    *sum = sum.plus(claim);
}

/// Attempts are numbered from 1 without a gap, and each of them ended so that another was allowed.
fn check_past(job: &Job) -> Result<(), String> {
    for (number, end) in (1..).zip(&job.past) {
        let allowed = matches!(
            end.outcome,
            Outcome::Infrastructure | Outcome::NodeLost | Outcome::NotBegun
        );
        if end.number != number || !allowed {
            return Err(format!(
                "attempt {} of job {} is out of order",
                end.number, job.id
            ));
        }
    }
    let next = u32::try_from(job.past.len())
        .unwrap_or(u32::MAX)
        .saturating_add(1);
    match job.attempt() {
        Some(attempt) if attempt.number != next => Err(format!(
            "job {} skipped an attempt before {}",
            job.id, attempt.number
        )),
        Some(_) | None => Ok(()),
    }
}
