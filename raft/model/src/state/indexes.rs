//! Changing a state so that what is derived stays what the tables say.

use alloc::string::String;

use super::{Owned, State, SubmitRecord};
use crate::account::{JoinToken, Token, TokenId, UserName};
use crate::id::{JobId, NodeId};
use crate::job::{Job, TaskState};
use crate::node::Node;
use crate::quota::Claim;
use rpds::RedBlackTreeMapSync as Map;

/// Writing: each keeps the indexes in step. Used by `apply` and by the loader only.
impl State {
    pub(crate) fn put_job(&mut self, job: Job) {
        self.unindex_job(job.id);
        match &job.task {
            TaskState::Pending { .. } => {
                entry(&mut self.pending_of, &job.spec.project).insert(job.id);
                if !job.past.is_empty() {
                    self.tried.insert(job.id);
                }
            }
            TaskState::Live(attempt) => {
                let load = entry(&mut self.loads, &attempt.node);
                load.held = load.held.plus(&job.spec.resources);
                load.jobs.insert(job.id);
            }
        }
        claim(&mut self.owners, &mut self.charged, &job, Claim::plus);
        if !self.jobs.contains_key(&job.id) {
            entry(&mut self.owners, &job.owner).jobs.insert(job.id);
            *entry(&mut self.waiting_in, &job.spec.queue) += 1;
        }
        self.jobs.insert_mut(job.id, job);
    }

    pub(crate) fn remove_job(&mut self, id: JobId) {
        let Some(job) = self.jobs.get(&id) else {
            return;
        };
        let (owner, spec) = (job.owner.clone(), job.spec.clone());
        self.unindex_job(id);
        self.jobs.remove_mut(&id);
        let owned = entry(&mut self.owners, &owner);
        owned.jobs.remove(id);
        if owned.jobs.is_empty() {
            self.owners.remove_mut(&owner);
        }
        let waiting = entry(&mut self.waiting_in, &spec.queue);
        *waiting -= 1;
        if *waiting == 0 {
            self.waiting_in.remove_mut(&spec.queue);
        }
    }

    fn unindex_job(&mut self, id: JobId) {
        let Some(job) = self.jobs.get(&id) else {
            return;
        };
        claim(&mut self.owners, &mut self.charged, job, Claim::minus);
        match &job.task {
            TaskState::Pending { .. } => {
                let pending = entry(&mut self.pending_of, &job.spec.project);
                pending.remove(id);
                if pending.is_empty() {
                    self.pending_of.remove_mut(&job.spec.project);
                }
                self.tried.remove(id);
            }
            TaskState::Live(attempt) => {
                let load = entry(&mut self.loads, &attempt.node);
                load.held = load.held.minus(&job.spec.resources);
                load.jobs.remove(id);
                if load.jobs.is_empty() {
                    self.loads.remove_mut(&attempt.node);
                }
            }
        }
    }

    pub(crate) fn put_node(&mut self, node: Node) {
        self.names.insert_mut(node.name.clone(), node.id);
        self.nodes.insert_mut(node.id, node);
    }

    pub(crate) fn remove_node(&mut self, id: NodeId) {
        if let Some(node) = self.nodes.get(&id) {
            self.names.remove_mut(&node.name.clone());
            self.nodes.remove_mut(&id);
        }
    }

    pub(crate) fn put_token(&mut self, token: Token) {
        self.remove_token(&token.id.clone());
        entry(&mut self.token_owners, &token.user).insert_mut(token.id.clone());
        self.token_ends
            .insert_mut((token.expires_at, token.id.clone()));
        self.tokens.insert_mut(token.id.clone(), token);
    }

    pub(crate) fn remove_token(&mut self, id: &TokenId) {
        let Some(token) = self.tokens.get(id).cloned() else {
            return;
        };
        self.tokens.remove_mut(id);
        self.token_ends.remove_mut(&(token.expires_at, token.id));
        let theirs = entry(&mut self.token_owners, &token.user);
        theirs.remove_mut(id);
        if theirs.is_empty() {
            self.token_owners.remove_mut(&token.user);
        }
    }

    pub(crate) fn put_join_token(&mut self, token: JoinToken) {
        self.remove_join_token(&token.id.clone());
        self.join_ends
            .insert_mut((token.expires_at, token.id.clone()));
        self.join_tokens.insert_mut(token.id.clone(), token);
    }

    pub(crate) fn remove_join_token(&mut self, id: &TokenId) {
        if let Some(token) = self.join_tokens.get(id) {
            let end = (token.expires_at, id.clone());
            self.join_ends.remove_mut(&end);
            self.join_tokens.remove_mut(id);
        }
    }

    pub(crate) fn put_submit_key(&mut self, user: UserName, key: String, record: SubmitRecord) {
        self.remove_submit_key(&user, &key);
        self.key_ages
            .insert_mut((record.at, user.clone(), key.clone()));
        self.submit_keys.insert_mut((user, key), record);
    }

    pub(crate) fn remove_submit_key(&mut self, user: &UserName, key: &str) {
        let name = (user.clone(), String::from(key));
        let Some(at) = self.submit_keys.get(&name).map(|record| record.at) else {
            return;
        };
        self.submit_keys.remove_mut(&name);
        self.key_ages.remove_mut(&(at, name.0, name.1));
    }
}

/// A value to be changed in place, which saves copying what only this state refers to; made if it
/// is not there.
fn entry<'a, K: Ord + Clone, V: Clone + Default>(map: &'a mut Map<K, V>, key: &K) -> &'a mut V {
    if !map.contains_key(key) {
        map.insert_mut(key.clone(), V::default());
    }
    // It is there.
    map.get_mut(key).unwrap_or_else(|| unreachable!())
}

/// Adds what a job claims to what its owner and its project claim, or takes it away.
fn claim(
    owners: &mut Map<UserName, Owned>,
    charged: &mut Map<String, Claim>,
    job: &Job,
    change: fn(&Claim, &Claim) -> Claim,
) {
    let claim = Claim::of(job);
    let owned = entry(owners, &job.owner);
    owned.claim = change(&owned.claim, &claim);
    change_in(&mut owned.queues, &job.spec.queue, &claim, change);
    change_in(charged, &job.spec.project, &claim, change);
}

/// Changes a claim of a map; those that claim nothing are not kept.
fn change_in(
    map: &mut Map<String, Claim>,
    name: &String,
    claim: &Claim,
    change: fn(&Claim, &Claim) -> Claim,
) {
    let kept = entry(map, name);
    *kept = change(kept, claim);
    if *kept == Claim::default() {
        map.remove_mut(name);
    }
}
