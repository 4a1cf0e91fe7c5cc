//! The invariants of a state, said as code. A violation means that we are wrong.
//!
//! `check` reads everything: simulation and tests call it after every step. `check_small` runs
//! after every `apply` of a debug build, as long as the state is small enough to afford it.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;

use crate::id::{JobId, NodeId};
use crate::job::TaskState;
use crate::limits;
use crate::resource::Resources;
use crate::state::State;

/// Up to this many live jobs a debug build checks the whole state after every entry.
pub const CHECK_JOBS_MAX: usize = 256;

impl State {
    /// Checks every invariant.
    ///
    /// # Errors
    /// The first violation, in words.
    pub fn check(&self) -> Result<(), String> {
        self.check_jobs()?;
        self.check_loads()?;
        self.check_nodes()?;
        self.check_accounts()
    }

    #[cfg(debug_assertions)]
    pub(crate) fn check_small(&self) {
        if self.live_jobs() <= CHECK_JOBS_MAX {
            let found = self.check();
            assert!(found.is_ok(), "invariant violated: {found:?}");
        }
    }

    /// Ids are below the counter; the pending set is exactly the pending jobs; attempts are
    /// numbered upwards and within their bound; every job is its owner's.
    fn check_jobs(&self) -> Result<(), String> {
        let mut pending = BTreeSet::new();
        for (id, job) in self.jobs.iter() {
            if *id != job.id || !self.has_existed(*id) {
                return Err(format!("job {id} is stored under a wrong id"));
            }
            if job.next_attempt() > limits::ATTEMPTS_MAX + 1 {
                return Err(format!("job {id} has too many attempts"));
            }
            if !job.past.is_sorted_by(|a, b| a.number < b.number) {
                return Err(format!("the attempts of job {id} are out of order"));
            }
            let owned = self
                .owners
                .get(&job.owner)
                .is_some_and(|ids| ids.contains(id));
            if !owned {
                return Err(format!("job {id} is missing from its owner's index"));
            }
            match &job.task {
                TaskState::Pending { .. } if job.cancel.is_some() => {
                    return Err(format!("job {id} is pending although it is cancelled"));
                }
                TaskState::Pending { .. } => {
                    pending.insert(*id);
                }
                TaskState::Live(attempt) if attempt.fence.0 == 0 => {
                    return Err(format!("the attempt of job {id} has no fence"));
                }
                TaskState::Live(_) => {}
            }
        }
        let indexed: BTreeSet<JobId> = self.pending.iter().copied().collect();
        let owned: usize = self.owners.values().map(|ids| ids.size()).sum();
        if indexed != pending || owned != self.jobs.size() {
            return Err(String::from("an index of the jobs differs from the jobs"));
        }
        Ok(())
    }

    /// What is held on a node is the sum of its live attempts, and within what the node had when
    /// they were placed.
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
                load.held == sum && load.jobs.iter().copied().collect::<BTreeSet<_>>() == jobs
            });
            if !same {
                return Err(format!(
                    "node {node} holds something else than its attempts"
                ));
            }
            let Some(known) = self.nodes.get(&node) else {
                return Err(format!("node {node} has attempts and does not exist"));
            };
            // A node that came back smaller than it was keeps what it has; nothing is added.
            if known.facts.capacity.is_none() && sum == Resources::default() {
                return Err(format!("node {node} runs no jobs and has some"));
            }
        }
        Ok(())
    }

    /// Names are unique and indexed; a used join token names a node or one that was removed.
    fn check_nodes(&self) -> Result<(), String> {
        for (id, node) in self.nodes.iter() {
            if *id != node.id || self.names.get(&node.name) != Some(id) {
                return Err(format!("node {id} is stored under a wrong id or name"));
            }
        }
        if self.names.size() != self.nodes.size() {
            return Err(String::from("the names of the nodes differ from the nodes"));
        }
        Ok(())
    }

    /// Token counts and key ages are what the tables say.
    fn check_accounts(&self) -> Result<(), String> {
        let counted: usize = self.token_counts.values().sum();
        if counted != self.tokens.size() {
            return Err(String::from("the token counts differ from the tokens"));
        }
        if self.key_ages.size() != self.submit_keys.size() {
            return Err(String::from(
                "the ages of idempotency keys differ from the keys",
            ));
        }
        Ok(())
    }
}
