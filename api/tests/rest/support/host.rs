//! A host whose nodes answer what the test says.

use std::sync::{Arc, Mutex};

use api::Host;
use api::host::files::Files;
use api::host::{
    ClusterCa, Figures, HostError, Output, OutputRequest, OutputStart, RaftMember, RaftRole,
    RaftStatus,
};
use bytes::Bytes;
use futures_util::stream;
use model::account::{TokenId, UserName};
use model::id::FIRST_HEAD;
use model::job::Usage;
use model::log::{Later, Log};
use model::node::NodeRole;
use model::{AttemptId, LogIndex, NodeId, Timestamp};
use tokio::sync::mpsc;

use super::NOW;
use super::files::FakeFiles;
use super::log::MemoryLog;

pub struct FakeHost {
    log: Arc<MemoryLog>,
    /// What every attempt writes to stdout; or why it cannot be had.
    pub output: Mutex<Result<Vec<u8>, HostError>>,
    pub files: FakeFiles,
    pub usage: Mutex<Result<Option<Usage>, HostError>>,
    pub transfer: Mutex<Result<(), HostError>>,
    pub figures: Mutex<Figures>,
    /// What an attempt writes while it is followed, in place of `output`.
    pub follow: Mutex<Option<mpsc::Receiver<Result<Bytes, HostError>>>>,
    /// How the host answers questions about nodes, whatever the answer.
    pub manner: Mutex<Manner>,
    /// The clock; stands still unless a test moves it.
    pub now: Mutex<Timestamp>,
    /// What was asked of nodes.
    pub asked: Mutex<Vec<OutputRequest>>,
    /// Whose usage was asked of nodes.
    pub asked_usage: Mutex<Vec<UserName>>,
}

/// How the host treats who asks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Manner {
    #[default]
    Answers,
    Hangs,
    Panics,
}

impl FakeHost {
    async fn behave(&self) {
        let manner = *self.manner.lock().unwrap();
        match manner {
            Manner::Answers => {}
            Manner::Hangs => std::future::pending().await,
            Manner::Panics => panic!("as the test wants it"),
        }
    }

    pub fn new(log: Arc<MemoryLog>) -> FakeHost {
        FakeHost {
            log,
            output: Mutex::new(Ok(Vec::new())),
            files: FakeFiles::default(),
            usage: Mutex::new(Ok(None)),
            transfer: Mutex::new(Ok(())),
            figures: Mutex::default(),
            follow: Mutex::new(None),
            manner: Mutex::default(),
            now: Mutex::new(NOW),
            asked: Mutex::default(),
            asked_usage: Mutex::default(),
        }
    }
}

impl Host for FakeHost {
    fn log(&self) -> Arc<dyn Log> {
        self.log.clone()
    }

    fn now(&self) -> Timestamp {
        *self.now.lock().unwrap()
    }

    fn output(&self, request: OutputRequest) -> Later<'_, Result<Output, HostError>> {
        Box::pin(async move {
            self.asked.lock().unwrap().push(request.clone());
            self.behave().await;
            if let Some(following) = self.follow.lock().unwrap().take() {
                let next = |mut from: mpsc::Receiver<_>| async move {
                    let chunk = from.recv().await?;
                    Some((chunk, from))
                };
                let (offset, chunks) = (0, Box::pin(stream::unfold(following, next)));
                return Ok(Output { offset, chunks });
            }
            let bytes = self.output.lock().unwrap().clone()?;
            let length = bytes.len() as u64;
            let offset = match request.start {
                OutputStart::Offset(offset) => offset.min(length),
                OutputStart::BeforeEnd(count) => length.saturating_sub(count),
            };
            let rest = bytes[usize::try_from(offset).unwrap()..].to_vec();
            let chunks: Vec<_> = rest
                .chunks(3)
                .map(|c| Ok(Bytes::copy_from_slice(c)))
                .collect();
            Ok(Output {
                offset,
                chunks: Box::pin(stream::iter(chunks)),
            })
        })
    }

    fn files(&self) -> &dyn Files {
        &self.files
    }

    fn usage(
        &self,
        _: AttemptId,
        _: NodeId,
        owner: UserName,
    ) -> Later<'_, Result<Option<Usage>, HostError>> {
        self.asked_usage.lock().unwrap().push(owner);
        let answer = self.usage.lock().unwrap().clone();
        Box::pin(async move {
            self.behave().await;
            answer
        })
    }

    fn figures(&self) -> Figures {
        self.figures.lock().unwrap().clone()
    }

    fn state_hash(&self) -> Later<'_, Result<(LogIndex, [u8; 32]), HostError>> {
        Box::pin(async { Ok((LogIndex(9), [0xab; 32])) })
    }

    fn raft_status(&self) -> RaftStatus {
        let member = RaftMember {
            node: FIRST_HEAD,
            addr: "head1.lab:8444".into(),
            voter: true,
            matched: Some(LogIndex(9)),
            lag: Some(0),
        };
        RaftStatus {
            node: FIRST_HEAD,
            term: 3,
            leader: Some(FIRST_HEAD),
            role: RaftRole::Leader,
            last_log: LogIndex(9),
            committed: LogIndex(9),
            applied: LogIndex(9),
            snapshot: None,
            millis_since_quorum_ack: Some(12),
            members: vec![member],
        }
    }

    fn transfer_leadership(&self, _: Option<NodeId>) -> Later<'_, Result<(), HostError>> {
        let answer = self.transfer.lock().unwrap().clone();
        Box::pin(async move {
            self.behave().await;
            answer
        })
    }

    /// Not a cipher; enough to see that nothing is kept as it came.
    fn seal(&self, secret: &[u8]) -> Option<Vec<u8>> {
        Some(secret.iter().map(|byte| !byte).collect())
    }

    fn seal_for(&self, place: &str, secret: &[u8]) -> Option<Vec<u8>> {
        let place = place.bytes().cycle();
        Some(secret.iter().zip(place).map(|(a, b)| !(a ^ b)).collect())
    }

    fn unseal(&self, sealed: &[u8]) -> Option<Vec<u8>> {
        Some(sealed.iter().map(|byte| !byte).collect())
    }

    fn cluster_ca(&self) -> ClusterCa {
        ClusterCa {
            pem: "-----BEGIN CERTIFICATE-----\n".into(),
            sha256: [0xab; 32],
        }
    }

    fn encode_join_token(&self, id: &TokenId, secret: &str, role: NodeRole) -> String {
        format!("GOJ1-{}-{secret}-{role:?}", id.0)
    }
}
