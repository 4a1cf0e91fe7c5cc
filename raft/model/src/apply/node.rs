//! The cluster's birth, and its nodes: join, register, drain, remove.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::{Writer, clip, invalid, limit, not_found, reject, reply};
use crate::account::{JoinToken, Role, TokenId, User};
use crate::change::{EventKind, RecordKey};
use crate::command::{
    CreateJoinToken, DrainNode, ForgetEarlierLeases, InitCluster, NoteTrouble, RedeemJoinToken,
    RegisterNode, Rejection, RemoveNode, Reply, SetHeadIntent,
};
use crate::id::{ClusterId, FIRST_HEAD, NodeId};
use crate::limits;
use crate::node::{HeadIntent, Node, NodeFacts, NodeHealth, NodeRole};
use crate::policy::{Policy, Timings};
use crate::spec::{is_label, is_plain_name};
use crate::state::Meta;
use crate::stored::Stored;

impl Writer<'_> {
    pub(super) fn init_cluster(&mut self, init: InitCluster) -> Reply {
        if init.cluster == ClusterId::default() || !is_label(&init.name) {
            return invalid("name", "the cluster needs an id and a printable name");
        }
        if !is_plain_name(&init.head_name) || !is_plain_name(&init.admin.0) {
            return invalid("head_name, admin", "letters, digits, `.`, `_` and `-` only");
        }
        if let Err(message) = init.timings.validate() {
            return invalid("timings", message);
        }
        if let Err(why) = check_facts(&init.head_facts) {
            return reject(why);
        }
        let now = self.now();
        self.state.meta = Meta {
            cluster: init.cluster,
            name: init.name,
            next_job: 1,
            now,
        };
        self.state.policy = Arc::new(Policy {
            timings: init.timings,
            ..Policy::default()
        });
        let admin = User {
            name: init.admin.clone(),
            role: Role::Admin,
            password: init.admin_password,
            one_time: true,
            created_at: now,
            ..User::default()
        };
        self.state.users.insert_mut(init.admin.clone(), admin);
        self.touch(RecordKey::Meta);
        self.touch(RecordKey::Policy);
        self.touch(RecordKey::User(init.admin));
        let (role, facts) = (NodeRole::Head, init.head_facts);
        // The log needs its first member's id before it has an entry; index 1 is never a command.
        Reply::Joined(self.admit_node(FIRST_HEAD, init.head_name, role, facts, init.head_key))
    }

    fn admit_node(
        &mut self,
        id: NodeId,
        name: String,
        role: NodeRole,
        facts: NodeFacts,
        key_hash: [u8; 32],
    ) -> NodeId {
        let now = self.now();
        let intent = match role {
            NodeRole::Head => HeadIntent::Voter,
            NodeRole::Agent => HeadIntent::None,
        };
        self.tell(EventKind::NodeJoined {
            node: id,
            name: name.clone(),
        });
        self.put_node(Node {
            id,
            name,
            role,
            joined_at: now,
            facts,
            health: NodeHealth::Joined,
            health_since: now,
            drain: None,
            intent,
            key_hash,
        });
        id
    }

    pub(super) fn create_join_token(&mut self, create: CreateJoinToken) -> Reply {
        if let Err(why) = self.needs(&create.by, Role::Admin, "let a node join") {
            return reject(why);
        }
        if self.state.join_tokens.size() >= limits::JOIN_TOKENS_MAX {
            return limit("join tokens", limits::JOIN_TOKENS_MAX);
        }
        if self.state.join_tokens.contains_key(&create.id) {
            return reject(Rejection::Conflict {
                what: "the join token exists".to_string(),
            });
        }
        let token = JoinToken {
            id: create.id.clone(),
            hash: create.hash,
            role: create.role,
            by: create.by,
            expires_at: create.expires_at,
            used: None,
        };
        self.put_join_token(create.id, token);
        Reply::Done
    }

    pub(super) fn revoke_join_token(&mut self, id: TokenId) -> Reply {
        if !self.state.join_tokens.contains_key(&id) {
            return reject(not_found("join token", id.0));
        }
        self.state.remove_join_token(&id);
        self.touch(RecordKey::JoinToken(id));
        Reply::Done
    }

    fn put_join_token(&mut self, id: TokenId, token: JoinToken) {
        self.touch(RecordKey::JoinToken(id));
        self.state.put_join_token(token);
    }

    pub(super) fn redeem_join_token(&mut self, redeem: RedeemJoinToken) -> Reply {
        let Some(mut token) = self.state.join_tokens.get(&redeem.id).cloned() else {
            return reject(Rejection::BadToken);
        };
        if token.hash != redeem.hash || token.expires_at <= self.now() {
            return reject(Rejection::BadToken);
        }
        if let Some((node, key)) = token.used {
            let again = key == redeem.key_hash && self.state.nodes.contains_key(&node);
            return if again {
                Reply::Joined(node)
            } else {
                reject(Rejection::BadToken)
            };
        }
        if !is_plain_name(&redeem.name) {
            return invalid(
                "name",
                "letters, digits, `.`, `_` and `-`, at most 128 bytes",
            );
        }
        if let Err(why) = check_facts(&redeem.facts) {
            return reject(why);
        }
        if self.state.names.contains_key(&redeem.name) {
            let what = format!("a node named {} is in the cluster", redeem.name);
            return reject(Rejection::Conflict { what });
        }
        if self.state.nodes.size() >= limits::NODES_MAX {
            return limit("nodes", limits::NODES_MAX);
        }
        let id = NodeId(self.at.index.0);
        let id = self.admit_node(id, redeem.name, token.role, redeem.facts, redeem.key_hash);
        token.used = Some((id, redeem.key_hash));
        self.put_join_token(redeem.id, token);
        Reply::Joined(id)
    }

    pub(super) fn register_node(&mut self, register: RegisterNode) -> Reply {
        reply(self.try_register_node(register))
    }

    fn try_register_node(&mut self, register: RegisterNode) -> Result<Reply, Rejection> {
        let mut node = self.node(register.node)?;
        check_facts(&register.facts)?;
        let in_session = match node.health {
            NodeHealth::Up | NodeHealth::Unwell => true,
            NodeHealth::Joined | NodeHealth::Suspect | NodeHealth::Lost => false,
        };
        if in_session && node.facts == register.facts {
            return Ok(Reply::Done);
        }
        if !in_session {
            self.set_health(&mut node, NodeHealth::Up);
        }
        node.facts = register.facts;
        self.put_node(node);
        Ok(Reply::Done)
    }

    fn set_health(&mut self, node: &mut Node, health: NodeHealth) {
        node.health = health;
        node.health_since = self.now();
        self.tell(EventKind::NodeHealth {
            node: node.id,
            health,
        });
    }

    /// An agent speaks, so its node is in session whatever was believed of it; but as long as it
    /// says what keeps it from starting attempts, it is unwell and gets none.
    pub(super) fn note_trouble(&mut self, note: NoteTrouble) -> Reply {
        reply(self.node(note.node).map(|mut node| {
            let unwell = node.health == NodeHealth::Unwell;
            match note.trouble.map(clip) {
                Some(words) => {
                    if self.state.trouble(node.id) != Some(words.as_str()) {
                        self.touch(RecordKey::Trouble(node.id));
                        self.state.troubles.insert_mut(node.id, words);
                    }
                    if !unwell {
                        self.set_health(&mut node, NodeHealth::Unwell);
                        self.put_node(node);
                    }
                }
                None if unwell => {
                    self.set_health(&mut node, NodeHealth::Up);
                    self.put_node(node);
                }
                None => {}
            }
            Reply::Done
        }))
    }

    pub(super) fn drain_node(&mut self, drain: DrainNode) -> Reply {
        reply(self.node(drain.node).map(|mut node| {
            node.drain = drain.reason.map(clip);
            let (id, reason) = (node.id, node.drain.clone());
            self.put_node(node);
            self.tell(EventKind::NodeDrain { node: id, reason });
            Reply::Done
        }))
    }

    pub(super) fn set_head_intent(&mut self, set: &SetHeadIntent) -> Reply {
        reply(self.try_set_head_intent(set))
    }

    fn try_set_head_intent(&mut self, set: &SetHeadIntent) -> Result<Reply, Rejection> {
        let mut node = self.node(set.node)?;
        if node.role != NodeRole::Head {
            let what = format!(
                "node {} joined as an agent; join it again as a head",
                node.name
            );
            return Err(Rejection::Conflict { what });
        }
        if set.intent != HeadIntent::Voter {
            self.quorum_without(&node)?;
        }
        node.intent = set.intent;
        self.put_node(node);
        Ok(Reply::Done)
    }

    /// Whether the other voting heads are a quorum without this one: there are some, and most of
    /// them are not known to be silent. Otherwise nothing could be committed any more, not even
    /// the way back.
    fn quorum_without(&self, node: &Node) -> Result<(), Rejection> {
        let voter = |other: &&Node| other.intent == HeadIntent::Voter && other.id != node.id;
        let silent = |other: &&Node| match other.health {
            NodeHealth::Suspect | NodeHealth::Lost => true,
            NodeHealth::Joined | NodeHealth::Up | NodeHealth::Unwell => false,
        };
        let voters = self.state.nodes.values().filter(voter).count();
        let silent: Vec<&str> = self
            .state
            .nodes
            .values()
            .filter(voter)
            .filter(silent)
            .map(|other| other.name.as_str())
            .collect();
        if voters == 0 {
            let what = format!("{} is the last voting head", node.name);
            return Err(Rejection::Conflict { what });
        }
        if (voters - silent.len()) * 2 <= voters {
            let what = format!(
                "without {} there would be no quorum (silent: {}); remove what is dead first",
                node.name,
                silent.join(", ")
            );
            return Err(Rejection::Conflict { what });
        }
        Ok(())
    }

    pub(super) fn remove_node(&mut self, remove: &RemoveNode) -> Reply {
        reply(self.try_remove_node(remove))
    }

    fn try_remove_node(&mut self, remove: &RemoveNode) -> Result<Reply, Rejection> {
        let node = self.node(remove.node)?;
        if node.intent != HeadIntent::None {
            let what = format!(
                "{} is a head of the quorum; remove it from there first",
                node.name
            );
            return Err(Rejection::Conflict { what });
        }
        if self.state.loads.contains_key(&node.id) {
            let what = format!("{} still has jobs; drain it, or give them up", node.name);
            return Err(Rejection::Conflict { what });
        }
        if self.state.troubles.remove_mut(&node.id) {
            self.touch(RecordKey::Trouble(node.id));
        }
        self.put_stored(node.id, Stored::default());
        self.state.remove_node(node.id);
        self.touch(RecordKey::Node(node.id));
        self.tell(EventKind::NodeRemoved {
            node: node.id,
            name: node.name,
        });
        Ok(Reply::Done)
    }

    pub(super) fn set_timings(&mut self, timings: Timings) -> Reply {
        if let Err(message) = timings.validate() {
            return invalid("timings", message);
        }
        self.state.policy = Arc::new(self.state.policy.with(timings, self.now()));
        self.touch(RecordKey::Policy);
        Reply::Done
    }

    /// Changes nothing if the timings were changed since a leader waited.
    pub(super) fn forget_earlier_leases(&mut self, forget: &ForgetEarlierLeases) -> Reply {
        let policy = &self.state.policy;
        if policy.timings == forget.timings && policy.earlier == Some(forget.earlier) {
            self.state.policy = Arc::new(Policy {
                earlier: None,
                ..Policy::clone(policy)
            });
            self.touch(RecordKey::Policy);
        }
        Reply::Done
    }
}

/// Bounds the texts that a node says of itself.
fn check_facts(facts: &NodeFacts) -> Result<(), Rejection> {
    let texts = [
        ("version", &facts.version, limits::NAME_BYTES_MAX),
        ("peer_addr", &facts.peer_addr, limits::ADDR_BYTES_MAX),
        ("api_addr", &facts.api_addr, limits::ADDR_BYTES_MAX),
    ];
    for (field, text, most) in texts {
        if text.len() > most {
            let (field, message) = (field.into(), format!("at most {most} bytes"));
            return Err(Rejection::Invalid { field, message });
        }
    }
    Ok(())
}
