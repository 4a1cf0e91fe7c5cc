//! A head as its REST API sees it: the log, and what nodes answer when they are asked about
//! attempts.
//!
//! Questions go over the session that every agent has with every head, so no head asks another.

mod files;
mod output;

use std::sync::Arc;

use api::host::files::Files;
use api::host::{
    ClusterCa, Figures, Host, HostError, Output, OutputRequest, RaftMember, RaftRole, RaftStatus,
};
use model::account::{TokenId, UserName};
use model::job::Usage;
use model::log::{Later, Log, LogError};
use model::node::NodeRole;
use model::{AttemptId, LogIndex, NodeId, Timestamp};
use net::message::{Opening, UsageAnswer};
use raft::RaftError;

use crate::leader::planning::Planning;
use crate::sessions::Sessions;
use crate::token::JoinText;
use crate::{clock, leader};

/// What the REST API of a running head works with.
pub struct PeerHost {
    raft: raft::Handle,
    sessions: Arc<Sessions>,
    planning: Arc<Planning>,
    files: files::AgentFiles,
    ca: ClusterCa,
    seal: Option<net::tls::Seal>,
}

impl PeerHost {
    /// The host of one running head.
    pub fn new(
        raft: raft::Handle,
        sessions: Arc<Sessions>,
        planning: Arc<Planning>,
        ca: &net::tls::Ca,
    ) -> PeerHost {
        let authority = ClusterCa {
            pem: ca.cert_pem(),
            sha256: ca.fingerprint(),
        };
        PeerHost {
            raft,
            files: files::AgentFiles(sessions.clone()),
            sessions,
            planning,
            ca: authority,
            seal: ca.seal(),
        }
    }

    async fn ask_usage(
        &self,
        attempt: AttemptId,
        node: NodeId,
        owner: UserName,
    ) -> Result<Option<Usage>, HostError> {
        let question = Opening::UsageOf { owner, attempt };
        let asked = output::ask::<UsageAnswer>(&self.sessions, node, question);
        let (answer, _) = asked.await?;
        Ok(answer.0)
    }
}

impl Host for PeerHost {
    fn log(&self) -> Arc<dyn Log> {
        Arc::new(self.raft.clone())
    }

    fn now(&self) -> Timestamp {
        clock::wall()
    }

    fn output(&self, request: OutputRequest) -> Later<'_, Result<Output, HostError>> {
        Box::pin(output::open(self.sessions.clone(), request))
    }

    fn files(&self) -> &dyn Files {
        &self.files
    }

    fn usage(
        &self,
        attempt: AttemptId,
        node: NodeId,
        owner: UserName,
    ) -> Later<'_, Result<Option<Usage>, HostError>> {
        Box::pin(self.ask_usage(attempt, node, owner))
    }

    fn raft_status(&self) -> RaftStatus {
        seen_by_users(self.raft.status())
    }

    fn figures(&self) -> Figures {
        let (log, planned) = (self.raft.figures(), self.planning.read());
        Figures {
            commits: log.commits,
            waiting: log.waiting,
            ended: log.ended,
            plans: planned.plans,
            placed: planned.placed,
            planned_at: planned.at,
            sessions: self.sessions.all().len(),
        }
    }

    fn state_hash(&self) -> Later<'_, Result<(LogIndex, [u8; 32]), HostError>> {
        let raft = self.raft.clone();
        Box::pin(async move {
            let hashed = tokio::task::spawn_blocking(move || raft.state_hash()).await;
            hashed.map_err(|error| HostError::Refused(error.to_string()))
        })
    }

    fn transfer_leadership(&self, to: Option<NodeId>) -> Later<'_, Result<(), HostError>> {
        Box::pin(async move {
            let leader = self.raft.status().leader;
            if leader != Some(self.raft.status().node) {
                return Err(HostError::NotLeading(leader));
            }
            self.raft.transfer_leadership(to).await.map_err(refusal)
        })
    }

    fn seal(&self, secret: &[u8]) -> Option<Vec<u8>> {
        self.seal.as_ref()?.seal(secret)
    }

    fn seal_for(&self, place: &str, secret: &[u8]) -> Option<Vec<u8>> {
        self.seal.as_ref()?.seal_for(place, secret)
    }

    fn unseal(&self, sealed: &[u8]) -> Option<Vec<u8>> {
        self.seal.as_ref()?.open(sealed)
    }

    fn cluster_ca(&self) -> ClusterCa {
        self.ca.clone()
    }

    fn encode_join_token(&self, id: &TokenId, secret: &str, role: NodeRole) -> String {
        let heads = leader::head_addresses(&self.raft.read());
        let heads = heads.into_iter().map(|head| head.addr).collect();
        let (id, secret) = (id.0.to_string(), secret.to_owned());
        JoinText {
            role,
            ca: self.ca.sha256,
            id,
            secret,
            heads,
        }
        .encode()
    }
}

fn refusal(error: RaftError) -> HostError {
    match error {
        RaftError::TimedOut(_) => HostError::Log(LogError::Unknown),
        other => HostError::Refused(other.to_string()),
    }
}

fn seen_by_users(status: raft::RaftStatus) -> RaftStatus {
    let member = |member: raft::Member| RaftMember {
        node: member.node,
        addr: member.addr,
        voter: member.voter,
        matched: member.matched.map(model::LogIndex),
        lag: member.lag,
    };
    RaftStatus {
        node: status.node,
        term: status.term,
        leader: status.leader,
        role: match status.role {
            raft::Role::Leader => RaftRole::Leader,
            raft::Role::Follower => RaftRole::Follower,
            raft::Role::Candidate => RaftRole::Candidate,
            raft::Role::Learner => RaftRole::Learner,
            raft::Role::Stopped => RaftRole::Shutdown,
        },
        last_log: status.last_log,
        committed: status.committed,
        applied: status.applied,
        snapshot: status.snapshot,
        millis_since_quorum_ack: status.millis_since_quorum_ack,
        members: status.members.into_iter().map(member).collect(),
    }
}
