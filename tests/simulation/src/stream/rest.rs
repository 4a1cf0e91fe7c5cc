//! The rest of a stream: the cluster's birth, nodes, accounts, settings.

use model::account::{Role, Token, TokenId, UserName};
use model::command::{
    CreateJoinToken, DrainNode, ForgetEarlierLeases, InitCluster, MarkNodes, NoteStored,
    NoteTrouble, PutUser, RedeemJoinToken, RegisterNode, RemoveNode, RevokeToken, SetHeadIntent,
    SetPassword,
};
use model::node::{HeadIntent, NodeFacts, NodeHealth, NodeRole, RuntimeKind};
use model::policy::{EarlierLeases, Timings, Volume};
use model::project::Grant;
use model::stored::Stored;
use model::{Bytes, ClusterId, Command, MilliCpus, Millis, NodeId, Resources, State, Timestamp};

use super::Stream;

/// The names that nodes are given.
const NAMES: [&str; 6] = ["n1", "n2", "n3", "n4", "h1", "bad name"];
/// How many join tokens have a name.
const JOIN_TOKENS: u64 = 6;

impl Stream {
    pub(super) fn init(&mut self) -> Command {
        let cluster = ClusterId(self.chance.one([[7; 16], [7; 16], [7; 16], [0; 16]]));
        Command::InitCluster(InitCluster {
            cluster,
            name: "test".into(),
            head_name: "h1".into(),
            head_key: [1; 32],
            head_facts: self.facts(),
            admin: "root".into(),
            admin_password: "once".into(),
            timings: Timings::default(),
        })
    }

    /// What brings a young cluster to three nodes that are up.
    pub(super) fn grow(&mut self, state: &State, time: Timestamp) -> Command {
        let silent = state.nodes().find(|node| node.health == NodeHealth::Joined);
        if let Some(node) = silent.filter(|_| self.chance.percent(60)) {
            return self.register(node.id);
        }
        let fresh = state.join_tokens().find(|token| token.used.is_none());
        match fresh {
            Some(token) => self.redeem(token.id.clone()),
            None => self.join_token(time),
        }
    }

    pub(super) fn about_nodes(&mut self, state: &State) -> Command {
        let node = self.node(state);
        match self.chance.below(18) {
            0..4 => self.register(node),
            15..18 => self.stored(node),
            4..8 => {
                let health = |stream: &mut Stream| {
                    stream.chance.one([
                        NodeHealth::Suspect,
                        NodeHealth::Lost,
                        NodeHealth::Lost,
                        NodeHealth::Up,
                        NodeHealth::Unwell,
                        NodeHealth::Joined,
                    ])
                };
                let (first, other) = (health(self), (self.node(state), health(self)));
                let many = self.chance.percent(30).then_some(other);
                let nodes = [(node, first)].into_iter().chain(many).collect();
                Command::MarkNodes(MarkNodes { nodes })
            }
            8 => {
                let reason = self.chance.percent(40).then(|| "because".into());
                Command::DrainNode(DrainNode { node, reason })
            }
            9 => Command::RemoveNode(RemoveNode { node }),
            12..15 => {
                let words = self.chance.one([None, Some("no runc"), Some("disk full")]);
                let trouble = words.map(str::to_owned);
                Command::NoteTrouble(NoteTrouble { node, trouble })
            }
            _ => {
                let all = [HeadIntent::None, HeadIntent::Learner, HeadIntent::Voter];
                let intent = self.chance.one(all);
                Command::SetHeadIntent(SetHeadIntent { node, intent })
            }
        }
    }

    fn stored(&mut self, node: NodeId) -> Command {
        let mut stored = Stored::default();
        for _ in 0..self.chance.below(4) {
            let bytes = self.chance.one([0, 1 << 20, 1 << 29, 1 << 30, 3 << 30]);
            stored.holders.insert(self.holder(), Bytes(bytes));
        }
        Command::NoteStored(NoteStored { node, stored })
    }

    pub(super) fn about_accounts(&mut self, state: &State, time: Timestamp) -> Command {
        match self.chance.below(16) {
            0..2 => Command::PutUser(PutUser {
                name: self.user(),
                role: self.chance.one([Role::User, Role::Operator, Role::Admin]),
                disabled: self.chance.percent(15),
                ..PutUser::default()
            }),
            2 => {
                let (old, new) = (self.chance.one([None, Some("once"), Some("x")]), "x");
                let replaces = old.map(str::to_owned);
                let (user, password) = (self.user(), new.into());
                Command::SetPassword(SetPassword {
                    user,
                    password,
                    one_time: false,
                    replaces,
                })
            }
            3..5 => Command::CreateToken(Token {
                id: self.token(8),
                user: self.user(),
                expires_at: time.plus(Millis(self.chance.below(1_000_000))),
                ..Token::default()
            }),
            5 => {
                let user = self.chance.percent(60).then(|| self.user());
                Command::RevokeToken(RevokeToken {
                    id: self.token(8),
                    user,
                })
            }
            6..8 => self.join_token(time),
            8..10 => {
                let id = self.token(JOIN_TOKENS);
                self.redeem(id)
            }
            10 => Command::RevokeJoinToken(self.token(JOIN_TOKENS)),
            11 => Command::PutVolume(Volume {
                name: self.volume(),
                host_path: self.chance.one(["/srv/a", "/srv/b", "relative"]).into(),
                mount_path: "/data".into(),
                writable: self.chance.percent(50),
                who: Grant::to_all(),
            }),
            12 => Command::RemoveVolume(self.volume()),
            13 => {
                let before = state.policy().timings;
                let lease = Millis::seconds(self.chance.one([5, 60, 120]));
                Command::SetTimings(Timings { lease, ..before })
            }
            14 => Command::Expire,
            15 => self.forget(state),
            _ => self.init(),
        }
    }

    /// Sometimes about timings that are no longer in force.
    fn forget(&mut self, state: &State) -> Command {
        let mut timings = state.policy().timings;
        if self.chance.percent(20) {
            timings.lease = Millis::seconds(61);
        }
        let lost_after = timings.lost_after();
        let none = EarlierLeases {
            lost_after,
            until: state.now(),
        };
        let earlier = state.policy().earlier.unwrap_or(none);
        Command::ForgetEarlierLeases(ForgetEarlierLeases { timings, earlier })
    }

    fn join_token(&mut self, time: Timestamp) -> Command {
        Command::CreateJoinToken(CreateJoinToken {
            id: self.token(JOIN_TOKENS),
            hash: [5; 32],
            role: self
                .chance
                .one([NodeRole::Agent, NodeRole::Agent, NodeRole::Head]),
            by: self.chance.one(["root", "root", "root", "ada"]).into(),
            expires_at: time.plus(Millis(self.chance.below(10_000_000))),
        })
    }

    fn redeem(&mut self, id: TokenId) -> Command {
        Command::RedeemJoinToken(RedeemJoinToken {
            id,
            hash: [self.chance.one([5, 5, 5, 5, 6]); 32],
            key_hash: [self.chance.one([1, 2]); 32],
            name: self.chance.one(NAMES).into(),
            facts: self.facts(),
        })
    }

    fn register(&mut self, node: NodeId) -> Command {
        Command::RegisterNode(RegisterNode {
            node,
            facts: self.facts(),
        })
    }

    fn facts(&mut self) -> NodeFacts {
        let cpu = MilliCpus(self.chance.one([1_000, 4_000, 8_000]));
        let memory = Bytes::mebi(self.chance.one([1_024, 8_192]));
        let capacity = self.chance.percent(90).then_some(Resources { cpu, memory });
        let kinds = [RuntimeKind::Docker, RuntimeKind::Process, RuntimeKind::Fake];
        NodeFacts {
            capacity,
            runtime: self.chance.one(kinds),
            ..NodeFacts::default()
        }
    }

    /// A node of the cluster, or (one in ten) none.
    pub(super) fn node(&mut self, state: &State) -> NodeId {
        let nodes: Vec<NodeId> = state.nodes().map(|node| node.id).collect();
        let none = NodeId(9_999);
        if self.chance.percent(10) {
            none
        } else {
            self.chance.of(&nodes).unwrap_or(none)
        }
    }

    pub(super) fn user(&mut self) -> UserName {
        self.chance
            .one([
                "root", "root", "root", "ada", "ada", "bob", "nobody", "bad name",
            ])
            .into()
    }

    fn token(&mut self, count: u64) -> TokenId {
        TokenId(format!("t{}", self.chance.below(count)))
    }

    pub(super) fn volume(&mut self) -> String {
        self.chance.one(["v1", "v2"]).into()
    }
}
