//! Every message said by everybody on every channel: who is heard, and nobody else.

#![allow(clippy::unwrap_used, reason = "tests")]

mod fixture;

use std::collections::{BTreeSet, HashSet};
use std::time::{Duration, SystemTime};

use fixture::{Cluster, listening, raw, soon};
use model::assignment::Held;
use model::node::{NodeFacts, RuntimeKind};
use model::stored::Stored;
use model::{Fence, JobId, NodeId};
use net::codec;
use net::message::{
    Alive, FilesCall, FilesWish, Hello, JoinCall, Opening, Order, OutputCall, OutputStart,
    OutputStream, SecretCall, SecretWant, ToAgent, ToHead,
};
use net::permit::{Permitted, Speaker};
use net::{Channel, Endpoint, FrameReceiver, Identity, NetError};
use serde::{Deserialize, Serialize};

/// What heads ask each other, which this crate does not know.
#[derive(Serialize, Deserialize)]
struct AboutTheLog;

impl Permitted for AboutTheLog {
    const CHANNEL: Channel = Channel::Raft;

    fn speaker(&self) -> Speaker {
        Speaker::Head
    }
}

/// One of every message.
enum Word {
    Join(JoinCall),
    Opening(Opening),
    ToHead(ToHead),
    ToAgent(ToAgent),
    AboutTheLog(AboutTheLog),
}

impl Word {
    fn all() -> Vec<Word> {
        let attempt = JobId(1).task().attempt(1);
        let output = OutputCall {
            attempt,
            stream: OutputStream::Stdout,
            start: OutputStart::Offset(0),
            follow: false,
        };
        let files = FilesCall {
            attempt,
            owner: "alice".into(),
            path: String::new(),
            wish: FilesWish::Read,
        };
        let secrets = SecretCall {
            held: Held {
                attempt,
                fence: Fence(1),
            },
            want: SecretWant::Files,
        };
        let join = JoinCall {
            token: "t".into(),
            secret: "s".into(),
            name: "n".into(),
            request_pem: "p".into(),
            names: Vec::new(),
            facts: facts(),
        };
        let alive = Alive {
            number: 1,
            lead: None,
            heartbeat_ms: 250,
            heads: Vec::new(),
        };
        let order = ToAgent::Order {
            term: 1,
            order: Order::Stop(Vec::new()),
        };
        vec![
            Word::Join(join),
            Word::Opening(Opening::Session(Hello { facts: facts() })),
            Word::Opening(Opening::Output(output.clone())),
            Word::Opening(Opening::Usage(attempt)),
            Word::Opening(Opening::Secrets(secrets)),
            Word::Opening(Opening::Files(files)),
            Word::Opening(Opening::OutputOf {
                owner: "alice".into(),
                call: output,
            }),
            Word::Opening(Opening::UsageOf {
                owner: "alice".into(),
                attempt,
            }),
            Word::ToHead(ToHead::Heartbeat(1)),
            Word::ToHead(ToHead::Held {
                term: 1,
                held: Vec::new(),
            }),
            Word::ToHead(ToHead::Reports(Vec::new())),
            Word::ToHead(ToHead::Trouble(None)),
            Word::ToHead(ToHead::Stored(Stored::default())),
            Word::ToAgent(ToAgent::Alive(alive)),
            Word::ToAgent(order),
            Word::AboutTheLog(AboutTheLog),
        ]
    }

    /// Its name; a new message needs one here, and a place in [`Word::all`].
    fn name(&self) -> &'static str {
        match self {
            Word::Join(_) => "join",
            Word::Opening(Opening::Session(_)) => "session",
            Word::Opening(Opening::Output(_)) => "output",
            Word::Opening(Opening::Usage(_)) => "usage",
            Word::Opening(Opening::Secrets(_)) => "secrets",
            Word::Opening(Opening::Files(_)) => "files",
            Word::Opening(Opening::OutputOf { .. }) => "output of",
            Word::Opening(Opening::UsageOf { .. }) => "usage of",
            Word::ToHead(ToHead::Heartbeat(_)) => "heartbeat",
            Word::ToHead(ToHead::Held { .. }) => "held",
            Word::ToHead(ToHead::Reports(_)) => "reports",
            Word::ToHead(ToHead::Trouble(_)) => "trouble",
            Word::ToHead(ToHead::Stored(_)) => "stored",
            Word::ToAgent(ToAgent::Alive(_)) => "alive",
            Word::ToAgent(ToAgent::Order { .. }) => "order",
            Word::AboutTheLog(_) => "log",
        }
    }

    fn body(&self) -> Vec<u8> {
        match self {
            Word::Join(word) => codec::encode(word),
            Word::Opening(word) => codec::encode(word),
            Word::ToHead(word) => codec::encode(word),
            Word::ToAgent(word) => codec::encode(word),
            Word::AboutTheLog(word) => codec::encode(word),
        }
        .unwrap()
    }

    /// Whether whoever listens for such a message hears this one.
    async fn is_heard(&self, by: &mut FrameReceiver) -> bool {
        let heard = match self {
            Word::Join(_) => by.hear::<JoinCall>().await.map(|word| word.is_some()),
            Word::Opening(_) => by.hear::<Opening>().await.map(|word| word.is_some()),
            Word::ToHead(_) => by.hear::<ToHead>().await.map(|word| word.is_some()),
            Word::ToAgent(_) => by.hear::<ToAgent>().await.map(|word| word.is_some()),
            Word::AboutTheLog(_) => by.hear::<AboutTheLog>().await.map(|word| word.is_some()),
        };
        match heard {
            Ok(heard) => heard,
            Err(NetError::Forbidden(_)) => false,
            Err(error) => panic!("{}: {error}", self.name()),
        }
    }
}

fn facts() -> NodeFacts {
    NodeFacts {
        capacity: None,
        runtime: RuntimeKind::Docker,
        version: "1".into(),
        peer_addr: String::new(),
        api_addr: String::new(),
    }
}

const PROTOCOLS: [(Channel, &str, &[u8]); 3] = [
    (Channel::Raft, "raft", b"godocker-raft/1"),
    (Channel::Agent, "agent", b"godocker-agent/1"),
    (Channel::Join, "join", b"godocker-join/1"),
];

/// What a head hears, of every message on every channel.
async fn heard_of(
    cluster: &Cluster,
    head: &Identity,
    caller: Option<&Identity>,
) -> BTreeSet<String> {
    let (endpoint, addr) = listening(head);
    endpoint.deny(HashSet::from([NodeId(9)]));
    let mut heard = BTreeSet::new();
    for (_, channel, protocol) in PROTOCOLS {
        for word in Word::all() {
            let Ok(caller) = raw(cluster, &addr, protocol, caller).await else {
                continue;
            };
            let connection = tokio::select! {
                connection = endpoint.accept() => connection.unwrap(),
                _ = caller.closed() => continue,
            };
            let (mut send, _receive) = soon(caller.open_bi()).await.unwrap();
            let frame = codec::frame(&word.body(), usize::MAX).unwrap();
            soon(send.write_all(&frame)).await.unwrap();
            let mut stream = soon(connection.accept()).await.unwrap();
            if soon(word.is_heard(&mut stream.receiver)).await {
                heard.insert(format!("{} on {channel}", word.name()));
            } else {
                let why = soon(caller.closed()).await.to_string();
                assert!(why.contains("not yours"), "{why}");
            }
        }
    }
    heard
}

fn set(words: &[&str]) -> BTreeSet<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

#[tokio::test]
async fn a_head_hears_each_caller_on_what_is_theirs() {
    let (cluster, foreign) = (Cluster::new(1), Cluster::new(1));
    let head = cluster.head(1);
    let of_a_node = [
        "session on agent",
        "secrets on agent",
        "heartbeat on agent",
        "held on agent",
        "reports on agent",
        "trouble on agent",
        "stored on agent",
    ];
    let with_the_log = [&of_a_node[..], &["log on raft"]].concat();
    let hour = Duration::from_secs(3_600);
    let two = [cluster.head_name(2), cluster.head_name(3)];
    let cells: [(&str, Option<Identity>, &[&str]); 9] = [
        ("a machine without certificate", None, &["join on join"]),
        ("an agent", Some(cluster.agent(5)), &of_a_node),
        ("another agent", Some(cluster.agent(6)), &of_a_node),
        ("a head", Some(cluster.head(2)), &with_the_log),
        ("a removed agent", Some(cluster.agent(9)), &[]),
        ("an expired head", Some(cluster.expired_head(2)), &[]),
        ("a foreign agent", Some(foreign.agent(5)), &[]),
        ("a foreign head", Some(foreign.head(2)), &[]),
        (
            "a certificate of two nodes",
            Some(cluster.forged(&two, SystemTime::now() + hour)),
            &[],
        ),
    ];
    for (who, caller, expected) in cells {
        let heard = heard_of(&cluster, &head, caller.as_ref()).await;
        assert_eq!(heard, set(expected), "{who}");
    }
}

/// What a node hears of the head that it has called.
#[tokio::test]
async fn a_node_hears_of_its_head_what_is_a_heads() {
    let cluster = Cluster::new(1);
    let mut heard = BTreeSet::new();
    for (channel, name, _) in PROTOCOLS {
        for word in Word::all() {
            let (head, addr) = listening(&cluster.head(1));
            let caller = match channel {
                Channel::Raft => cluster.head(2),
                Channel::Agent => cluster.agent(5),
                // No node calls on it; `net::join` is its only caller, and asks.
                Channel::Join => continue,
            };
            let caller = Endpoint::dialer(&caller).unwrap();
            let near = soon(caller.connect(&addr, None, channel)).await.unwrap();
            let far = soon(head.accept()).await.unwrap();
            let mut stream = soon(far.open()).await.unwrap();
            soon(stream.sender.send_bytes(&word.body())).await.unwrap();
            let mut asked = soon(near.accept()).await.unwrap();
            if soon(word.is_heard(&mut asked.receiver)).await {
                heard.insert(format!("{} on {name}", word.name()));
            }
        }
    }
    let expected = [
        "alive on agent",
        "files on agent",
        "log on raft",
        "order on agent",
        "output of on agent",
        "output on agent",
        "usage of on agent",
        "usage on agent",
    ];
    assert_eq!(heard, set(&expected));
}
