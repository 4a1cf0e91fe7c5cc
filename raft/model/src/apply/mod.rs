//! The one function that changes a state: total, deterministic, the only writer.
//!
//! One file per family of commands. What a client, a node or a stale leader can cause is answered
//! with a [`Rejection`] or ignored; an `assert!` here would mean that we are wrong.

mod account;
mod audit;
mod jobs;
mod node;
mod permit;
mod plan;
mod policy;
mod project;
mod secret;
mod status;
mod stored;

use alloc::format;
use alloc::string::String;

use crate::account::{Role, User, UserName};
use crate::change::{Changes, EventKind, RecordKey};
use crate::command::{Command, Rejection, Reply};
use crate::id::{JobId, NodeId, Stamp};
use crate::job::Job;
use crate::node::{Node, NodeHealth};
use crate::state::State;
use crate::unit::Timestamp;

impl State {
    /// Applies one log entry and says what it changed.
    ///
    /// The same state and the same entry give the same result on every head. A rejected command
    /// changes nothing but the clock.
    pub fn apply(&mut self, at: Stamp, command: Command) -> (Reply, Changes) {
        let mut write = Writer {
            changes: Changes::default(),
            at,
            state: self,
        };
        write.advance_clock();
        let reply = write.dispatch(command);
        let mut changes = write.changes;
        changes.touched.sort_unstable();
        changes.touched.dedup();
        #[cfg(debug_assertions)]
        self.check_small();
        (reply, changes)
    }
}

/// One application in progress: the state, the entry's stamp, and what has been touched so far.
struct Writer<'a> {
    state: &'a mut State,
    at: Stamp,
    changes: Changes,
}

impl Writer<'_> {
    fn dispatch(&mut self, command: Command) -> Reply {
        let first = matches!(command, Command::InitCluster(_));
        if first == self.state.is_initialised() {
            let what = if first {
                "the cluster exists already"
            } else {
                "there is no cluster yet"
            };
            return reject(Rejection::WrongTime { what: what.into() });
        }
        match command {
            Command::InitCluster(init) => self.init_cluster(init),
            Command::SubmitJobs(submit) => self.submit_jobs(submit),
            Command::CancelJobs(cancel) => self.cancel_jobs(&cancel),
            Command::CommitPlan(plan) => self.commit_plan(&plan),
            Command::RecordStatus(status) => self.record_status(status),
            Command::ConfirmLost(confirm) => self.confirm_lost(&confirm),
            Command::RegisterNode(register) => self.register_node(register),
            Command::MarkNodes(mark) => self.mark_nodes(&mark),
            Command::DrainNode(drain) => self.drain_node(drain),
            Command::SetHeadIntent(set) => self.set_head_intent(&set),
            Command::RemoveNode(remove) => self.remove_node(&remove),
            Command::CreateJoinToken(create) => self.create_join_token(create),
            Command::RedeemJoinToken(redeem) => self.redeem_join_token(redeem),
            Command::PutUser(put) => self.put_user(put),
            Command::SetPassword(set) => self.set_password(set),
            Command::CreateToken(token) => self.create_token(token),
            Command::RevokeToken(revoke) => self.revoke_token(&revoke),
            Command::PutVolume(volume) => self.put_volume(volume),
            Command::RemoveVolume(name) => self.remove_volume(&name),
            Command::SetTimings(timings) => self.set_timings(timings),
            Command::Expire => self.expire(),
            Command::RevokeJoinToken(id) => self.revoke_join_token(id),
            Command::ForgetEarlierLeases(forget) => self.forget_earlier_leases(&forget),
            Command::NoteTrouble(note) => self.note_trouble(note),
            Command::PutProject(project) => self.put_project(project),
            Command::RemoveProject(name) => self.remove_project(&name),
            Command::PutMember(put) => self.put_member(&put),
            Command::PutQueue(queue) => self.put_queue(queue),
            Command::RemoveQueue(name) => self.remove_queue(&name),
            Command::SetQuota(set) => self.set_quota(&set),
            Command::ResetSpent(holder) => self.reset_spent(holder),
            Command::SetRules(rules) => self.set_rules(rules),
            Command::ConfirmUser(confirm) => self.confirm_user(confirm),
            Command::PutDirectory(directory) => self.put_directory(directory),
            Command::RemoveDirectory(name) => self.remove_directory(&name),
            Command::PutSshKey(key) => self.put_ssh_key(key),
            Command::RemoveSshKey(remove) => self.remove_ssh_key(remove),
            Command::RotateToken(rotate) => self.rotate_token(&rotate),
            Command::Audited(audited) => self.audited(audited),
            Command::NoteRefusals(refusals) => self.note_refusals(refusals),
            Command::PutSecret(secret) => self.put_secret(secret),
            Command::RemoveSecret(remove) => self.remove_secret(&remove),
            Command::NoteStored(note) => self.note_stored(note),
            Command::NoteDeeds(deeds) => self.note_deeds(deeds),
        }
    }

    /// Time in the state is the latest stamp seen; a proposer whose clock is behind does not turn
    /// it back.
    fn advance_clock(&mut self) {
        if self.at.time > self.state.meta.now {
            self.state.meta.now = self.at.time;
            self.touch(RecordKey::Meta);
        }
    }

    fn now(&self) -> Timestamp {
        self.state.meta.now
    }

    fn touch(&mut self, key: RecordKey) {
        self.changes.touched.push(key);
    }

    fn tell(&mut self, event: EventKind) {
        self.changes.events.push(event);
    }

    fn put_job(&mut self, job: Job) {
        self.touch(RecordKey::Job(job.id));
        self.state.put_job(job);
    }

    fn job(&self, id: JobId) -> Option<Job> {
        self.state.jobs.get(&id).cloned()
    }

    fn put_node(&mut self, node: Node) {
        if node.health != NodeHealth::Unwell && self.state.troubles.remove_mut(&node.id) {
            self.touch(RecordKey::Trouble(node.id));
        }
        self.touch(RecordKey::Node(node.id));
        self.state.put_node(node);
    }

    /// An account that may speak.
    fn user(&self, name: &UserName) -> Result<&User, Rejection> {
        let user = self.state.users.get(name).filter(|user| !user.disabled);
        user.ok_or_else(|| not_found("user", name))
    }

    /// Checks that an account may speak and is trusted with this. The door asked the same; but
    /// the account may have changed before its wish was committed.
    fn needs(&self, name: &UserName, role: Role, what: &str) -> Result<(), Rejection> {
        if self.user(name)?.role >= role {
            return Ok(());
        }
        let what = format!("{name} may not {what}");
        Err(Rejection::Forbidden { what })
    }

    fn node(&self, id: NodeId) -> Result<Node, Rejection> {
        self.state
            .nodes
            .get(&id)
            .cloned()
            .ok_or_else(|| not_found("node", id))
    }
}

fn reject(why: Rejection) -> Reply {
    Reply::Rejected(why)
}

fn not_found(kind: &str, name: impl core::fmt::Display) -> Rejection {
    Rejection::NotFound {
        what: format!("{kind} {name}"),
    }
}

fn limit(name: &str, limit: usize) -> Reply {
    reject(Rejection::Limit {
        name: name.into(),
        limit: limit as u64,
    })
}

fn invalid(field: &str, message: impl Into<String>) -> Reply {
    reject(Rejection::Invalid {
        field: field.into(),
        message: message.into(),
    })
}

/// Turns the inner result of a command into its reply.
fn reply(result: Result<Reply, Rejection>) -> Reply {
    result.unwrap_or_else(Reply::Rejected)
}

/// Keeps free text within its bound, cut at a character.
fn clip(mut text: String) -> String {
    if text.len() > crate::limits::TEXT_BYTES_MAX {
        let mut end = crate::limits::TEXT_BYTES_MAX;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
    }
    text
}
