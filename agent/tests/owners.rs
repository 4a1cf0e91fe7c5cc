//! What heads ask about attempts is answered only when the head knows whose they are: a head that
//! is mistaken, or taken over by somebody who knows numbers of jobs, gets nothing.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use agent::files::storage::Storage;
use agent::journal::Journal;
use agent::lease::Lease;
use agent::runner::{Options, Runner};
use agent::runtime::fake::FakeRuntime;
use agent::uplink::{Parts, Uplink};
use model::assignment::{Assignment, Held};
use model::job::Usage;
use model::node::{NodeFacts, NodeRole, RuntimeKind};
use model::{ClusterId, Fence, JobId, NodeId};
use net::message::{
    FileFault, FilesAnswer, FilesCall, FilesWish, HeadAddr, Opening, OutputAnswer, OutputCall,
    OutputStart, OutputStream, UsageAnswer,
};
use net::tls::{Ca, NodeKey};
use net::{Connection, Endpoint, Identity};
use serde::de::DeserializeOwned;
use support::order;
use tokio::sync::mpsc;

/// Longer than anything here may take.
const PATIENCE: Duration = Duration::from_secs(60);

fn identity(ca: &Ca, node: u64, role: NodeRole) -> Identity {
    let key = NodeKey::generate().unwrap();
    let request = key.csr_pem().unwrap();
    let signed = ca.sign(&request, NodeId(node), role, &["127.0.0.1".into()], 30);
    Identity {
        cluster: ClusterId([1; 16]),
        node: NodeId(node),
        role,
        cert_pem: signed.unwrap(),
        key_pem: key.pem(),
        ca_pem: ca.cert_pem(),
    }
}

/// A node with a fake runtime, and the connection that it has made to the only head.
struct Desk {
    runner: Arc<Runner>,
    head: Connection,
    _session: net::Stream,
    _endpoint: Endpoint,
    _dir: tempfile::TempDir,
    talking: tokio::task::JoinHandle<()>,
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.talking.abort();
    }
}

impl Desk {
    async fn new() -> Desk {
        let dir = tempfile::tempdir().unwrap();
        let ca = Ca::create(ClusterId([1; 16])).unwrap();
        let any = (Ipv4Addr::LOCALHOST, 0).into();
        let endpoint = Endpoint::bind(any, &identity(&ca, 1, NodeRole::Head)).unwrap();
        let addr = endpoint.local_addr().unwrap().to_string();
        let (runner, uplink) = node(dir.path(), &identity(&ca, 2, NodeRole::Agent), addr);
        let talking = tokio::spawn(uplink.run());
        let connected = async {
            let head = endpoint.accept().await.unwrap();
            let session = head.accept().await.unwrap();
            (head, session)
        };
        let (head, session) = tokio::time::timeout(PATIENCE, connected).await.unwrap();
        Desk {
            runner,
            head,
            _session: session,
            _endpoint: endpoint,
            _dir: dir,
            talking,
        }
    }

    /// The first frame of the answer, and the raw frames that follow, if they are wanted.
    async fn ask<T: DeserializeOwned>(&self, question: Opening, more: bool) -> (T, Vec<u8>) {
        let asked = async {
            let mut stream = self.head.open().await.unwrap();
            stream.sender.send(&question).await.unwrap();
            let answer = stream.receiver.receive::<T>().await.unwrap().unwrap();
            let mut bytes = Vec::new();
            while more && let Some(frame) = stream.receiver.receive_bytes().await.unwrap() {
                bytes.extend_from_slice(&frame);
            }
            (answer, bytes)
        };
        tokio::time::timeout(PATIENCE, asked).await.unwrap()
    }

    async fn output(&self, question: Opening) -> Option<Vec<u8>> {
        match self.ask(question, true).await {
            (OutputAnswer::Found { .. }, bytes) => Some(bytes),
            (OutputAnswer::Missing, _) => None,
        }
    }

    async fn usage(&self, question: Opening) -> Option<Usage> {
        self.ask::<UsageAnswer>(question, false).await.0.0
    }
}

fn node(dir: &Path, identity: &Identity, head: String) -> (Arc<Runner>, Arc<Uplink>) {
    let runtime = FakeRuntime::new(&dir.join("fake"), None).unwrap();
    let (journal, found) = Journal::open(&dir.join("journal")).unwrap();
    let asking = agent::secrets::Asking::new();
    let options = Options {
        storage: Storage::new(dir.join("attempts"), ClusterId([1; 16])),
        default_ids: (65_534, 65_534),
        sample_every: Duration::from_secs(60),
        secrets: asking.clone(),
        volumes: agent::volumes::Volumes::none(),
    };
    let (failed, _) = mpsc::channel(1);
    let (term, lease) = (found.term, found.lease);
    let runner = Runner::start(
        Arc::new(runtime),
        journal.clone(),
        options,
        found,
        failed.clone(),
    );
    let runner = Arc::new(runner);
    let uplink = Uplink::new(Parts {
        endpoint: Arc::new(Endpoint::dialer(identity).unwrap()),
        facts: NodeFacts {
            capacity: None,
            runtime: RuntimeKind::Fake,
            version: "1".into(),
            peer_addr: String::new(),
            api_addr: String::new(),
        },
        runner: runner.clone(),
        journal,
        lease: Lease::resume(lease),
        term,
        heads: vec![HeadAddr {
            node: NodeId(1),
            addr: head,
        }],
        save_heads: Box::new(|_| {}),
        asking,
        failed,
    });
    (runner, uplink)
}

fn of_alice(job: u64, script: &str) -> Assignment {
    order(JobId(job).task().attempt(1), Fence(job), script)
}

fn call(of: &Assignment, follow: bool) -> OutputCall {
    OutputCall {
        attempt: of.attempt,
        stream: OutputStream::Stdout,
        start: OutputStart::Offset(0),
        follow,
    }
}

fn output_of(user: &str, call: OutputCall) -> Opening {
    let owner = user.into();
    Opening::OutputOf { owner, call }
}

fn usage_of(user: &str, of: &Assignment) -> Opening {
    Opening::UsageOf {
        owner: user.into(),
        attempt: of.attempt,
    }
}

#[tokio::test]
async fn while_it_runs_an_attempt_is_its_users_alone() {
    let desk = Desk::new().await;
    let job = of_alice(7, "echo hidden\nsleep 600");
    desk.runner
        .assign(vec![job.clone()], || true)
        .await
        .unwrap();
    let written = async {
        while desk
            .output(output_of("alice", call(&job, false)))
            .await
            .unwrap()
            != b"hidden\n"
        {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, written).await.unwrap();
    for other in ["bob", "", "Alice"] {
        for follow in [false, true] {
            let asked = output_of(other, call(&job, follow));
            assert_eq!(desk.output(asked).await, None, "{other}");
        }
        assert_eq!(desk.usage(usage_of(other, &job)).await, None, "{other}");
    }
    assert!(desk.usage(usage_of("alice", &job)).await.is_some());
    // What a head of an older version asks is answered as ever.
    let asked = Opening::Output(call(&job, false));
    assert_eq!(desk.output(asked).await.unwrap(), b"hidden\n");
    assert!(desk.usage(Opening::Usage(job.attempt)).await.is_some());
}

#[tokio::test]
async fn what_it_left_is_its_users_alone_once_the_journal_has_forgotten_it() {
    let desk = Desk::new().await;
    let job = of_alice(8, "echo hidden");
    let held = Held {
        attempt: job.attempt,
        fence: job.fence,
    };
    desk.runner
        .assign(vec![job.clone()], || true)
        .await
        .unwrap();
    let forgotten = async {
        while desk.runner.is_running(job.attempt) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        desk.runner.forget(&[held]);
        while !desk.runner.held().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, forgotten).await.unwrap();
    let asked = output_of("alice", call(&job, true));
    assert_eq!(desk.output(asked).await.unwrap(), b"hidden\n");
    let asked = output_of("bob", call(&job, true));
    assert_eq!(desk.output(asked).await, None);
    let question = Opening::Files(FilesCall {
        attempt: job.attempt,
        owner: "bob".into(),
        path: String::new(),
        wish: FilesWish::Read,
    });
    let (answer, _) = desk.ask::<FilesAnswer>(question, false).await;
    let FilesAnswer::Refused { fault, .. } = answer else {
        panic!("{answer:?}");
    };
    assert_eq!(fault, FileFault::NoDirectory);
    // A note that cannot be read is nobody's word.
    let place = desk.runner.place(held);
    std::fs::write(place.dir.with_extension("owner"), "alice").unwrap();
    let asked = output_of("alice", call(&job, true));
    assert_eq!(desk.output(asked).await, None);
}
