//! A cluster in memory: the real `apply`, a clock that stands still, and outputs made up by the
//! test; and a client that speaks to the router without sockets.

pub mod files;
pub mod host;
pub mod log;
pub mod stream;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock};

use api_types::problem::{MEDIA_TYPE, Problem};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Method, Request, StatusCode};
use model::account::Role;
use model::assignment::{Ending, News, Report};
use model::command::{
    Command, CommitPlan, InitCluster, MarkNodes, Placement, PutUser, RecordStatus, RedeemJoinToken,
    RegisterNode, Reply, SetPassword,
};
use model::job::{Exit, Outcome, Started, Usage};
use model::log::Log;
use model::node::{NodeFacts, NodeHealth, NodeRole, RuntimeKind};
use model::policy::Timings;
use model::{Bytes, ClusterId, JobId, MilliCpus, NodeId, Resources, Timestamp};
use serde_json::Value;
use tower::ServiceExt;

use host::FakeHost;
use log::MemoryLog;
use stream::Stream;

/// When the clock stands still.
pub const NOW: Timestamp = Timestamp(1_764_000_000_000);
/// Everybody's password.
pub const PASSWORD: &str = "open sesame";

/// One head with its API: an administrator, an operator, the users alice and bob, and the node
/// `n1` with 4 cpus.
pub struct Bench {
    pub log: Arc<MemoryLog>,
    pub host: Arc<FakeHost>,
    pub router: Router,
    pub node: NodeId,
    /// The tokens that `ask` and `open` use, by user.
    tokens: Mutex<HashMap<String, String>>,
}

/// What the API answered.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&self.body)))
    }

    #[track_caller]
    pub fn expect(self, status: u16) -> Value {
        let text = String::from_utf8_lossy(&self.body).into_owned();
        assert_eq!(self.status.as_u16(), status, "{text}");
        if self.body.is_empty() {
            Value::Null
        } else {
            self.json()
        }
    }

    /// The refusal that this is; checks what holds for all refusals.
    #[track_caller]
    pub fn problem(&self, status: u16, code: &str) -> Problem {
        let text = String::from_utf8_lossy(&self.body);
        assert_eq!(self.status.as_u16(), status, "{text}");
        assert_eq!(self.header("content-type"), Some(MEDIA_TYPE), "{text}");
        let problem: Problem = serde_json::from_slice(&self.body).unwrap();
        assert_eq!((problem.status, &*problem.code), (status, code), "{text}");
        assert_eq!(self.header("x-request-id"), Some(&*problem.request_id));
        assert!(problem.kind.starts_with("urn:godocker:problem:"), "{text}");
        let said = [
            &problem.title,
            &problem.detail,
            problem.hint.as_ref().unwrap(),
        ];
        assert!(said.into_iter().all(|text| !text.is_empty()), "{text}");
        assert!(self.body.len() < 32 << 10, "{} bytes", self.body.len());
        problem
    }

    #[track_caller]
    pub fn expect_status(&self, status: u16) {
        let text = String::from_utf8_lossy(&self.body);
        assert_eq!(self.status.as_u16(), status, "{text}");
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// The Argon2 form of [`PASSWORD`], made once.
pub fn password_hash() -> String {
    static HASH: OnceLock<String> = OnceLock::new();
    HASH.get_or_init(|| api::secret::hash_password(PASSWORD).unwrap())
        .clone()
}

impl Bench {
    pub async fn new() -> Bench {
        let mut bench = Bench::empty();
        bench.found().await;
        bench.node = bench.join("n1", NodeRole::Agent).await;
        bench
    }

    /// A head that has received nothing of its cluster yet.
    pub fn empty() -> Bench {
        let log = Arc::new(MemoryLog::default());
        let host = Arc::new(FakeHost::new(log.clone()));
        let router = api::router(host.clone());
        let node = NodeId(0);
        Bench {
            log,
            host,
            router,
            node,
            tokens: Mutex::default(),
        }
    }

    async fn found(&self) {
        let facts = NodeFacts {
            api_addr: "head1.lab:8443".into(),
            peer_addr: "head1.lab:8444".into(),
            ..NodeFacts::default()
        };
        self.apply(Command::InitCluster(InitCluster {
            cluster: ClusterId([7; 16]),
            name: "lab".into(),
            head_name: "head1".into(),
            head_key: [1; 32],
            head_facts: facts,
            admin: "admin".into(),
            admin_password: password_hash(),
            timings: Timings::default(),
        }))
        .await;
        let users = [
            ("op", Role::Operator),
            ("alice", Role::User),
            ("bob", Role::User),
        ];
        for (name, role) in users {
            let put = PutUser {
                name: name.into(),
                role,
                ..PutUser::default()
            };
            self.apply(Command::PutUser(put)).await;
            self.set_password(name, false).await;
        }
    }

    pub async fn set_password(&self, name: &str, one_time: bool) {
        let (user, password) = (name.into(), password_hash());
        let set = SetPassword {
            user,
            password,
            one_time,
            replaces: None,
        };
        self.apply(Command::SetPassword(set)).await;
    }

    /// Admits a node and has it register with 4 cpus and 8 GiB.
    pub async fn join(&self, name: &str, role: NodeRole) -> NodeId {
        let (id, secret) = api::secret::join_secret();
        let (id, hash) = (model::account::TokenId(id), api::secret::digest(&secret));
        let facts = NodeFacts {
            capacity: Some(Resources {
                cpu: MilliCpus(4000),
                memory: Bytes(8 << 30),
            }),
            runtime: RuntimeKind::Fake,
            version: "0.1.0".into(),
            ..NodeFacts::default()
        };
        self.apply(Command::CreateJoinToken(model::command::CreateJoinToken {
            id: id.clone(),
            hash,
            role,
            by: "admin".into(),
            expires_at: Timestamp(u64::MAX),
        }))
        .await;
        let redeem = RedeemJoinToken {
            id,
            hash,
            key_hash: [2; 32],
            name: name.into(),
            facts: facts.clone(),
        };
        let Reply::Joined(node) = self.apply(Command::RedeemJoinToken(redeem)).await else {
            panic!("the node did not join");
        };
        self.apply(Command::RegisterNode(RegisterNode { node, facts }))
            .await;
        node
    }

    /// Proposes as the leader's duties do; rejections fail the test.
    pub async fn apply(&self, command: Command) -> Reply {
        let reply = self.log.propose(command).await.unwrap().reply;
        assert!(!matches!(reply, Reply::Rejected(_)), "{reply:?}");
        reply
    }

    /// The token of a user, always the same.
    pub async fn known_token(&self, user: &str) -> String {
        if let Some(token) = self.tokens.lock().unwrap().get(user) {
            return token.clone();
        }
        let token = self.token(user).await;
        self.tokens
            .lock()
            .unwrap()
            .insert(user.into(), token.clone());
        token
    }

    /// A new token of a user, made behind the API's back.
    pub async fn token(&self, user: &str) -> String {
        self.token_until(user, Timestamp(u64::MAX)).await
    }

    pub async fn token_until(&self, user: &str, ends: Timestamp) -> String {
        let (text, token) = api::secret::new_token(user.into(), "test", ends);
        self.apply(Command::CreateToken(token)).await;
        text
    }

    /// Asks with a token and perhaps a JSON body.
    pub async fn ask(&self, user: &str, method: &str, path: &str, body: &str) -> Answer {
        let token = self.known_token(user).await;
        let mut request = request(method, path).header("Authorization", format!("Bearer {token}"));
        if !body.is_empty() {
            request = request.header("Content-Type", "application/json");
        }
        self.send(request.body(Body::from(body.to_owned())).unwrap())
            .await
    }

    /// Opens a stream that does not end by itself.
    pub async fn open(&self, user: &str, path: &str) -> Stream {
        self.open_with(user, path, &[]).await
    }

    pub async fn open_with(&self, user: &str, path: &str, headers: &[(&str, &str)]) -> Stream {
        let token = self.known_token(user).await;
        self.open_as_with(&token, path, headers).await
    }

    pub async fn open_as(&self, token: &str, path: &str) -> Stream {
        self.open_as_with(token, path, &[]).await
    }

    async fn open_as_with(&self, token: &str, path: &str, headers: &[(&str, &str)]) -> Stream {
        let mut request = request("GET", path).header("Authorization", format!("Bearer {token}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::empty()).unwrap();
        Stream::new(self.router.clone().oneshot(request).await.unwrap())
    }

    /// Sends any request and reads the whole answer.
    pub async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, 64 << 20).await.unwrap().to_vec();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body,
        }
    }

    /// Sends a request; status, and `no such path` when it is that. The body is not waited for.
    pub async fn send_head(&self, request: Request<Body>) -> (u16, &'static str) {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let problem = response
            .headers()
            .get("content-type")
            .is_some_and(|kind| kind == api_types::problem::MEDIA_TYPE);
        if !problem {
            return (status, "");
        }
        let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
        let unknown = String::from_utf8_lossy(&body).contains("there is no such path");
        (status, if unknown { "no such path" } else { "" })
    }

    /// Submits a job that sleeps and answers its number.
    pub async fn submit(&self, user: &str) -> JobId {
        let body = r#"{"argv":["sleep","1"],"image":"debian:12"}"#;
        let made = self.ask(user, "POST", "/jobs", body).await.expect(201);
        JobId(made["id"].as_u64().unwrap())
    }

    pub async fn place(&self, job: JobId) {
        let placement = Placement {
            task: job.task(),
            node: self.node,
        };
        let plan = CommitPlan {
            placements: vec![placement],
            ..CommitPlan::default()
        };
        let reply = self.apply(Command::CommitPlan(plan)).await;
        assert!(
            matches!(reply, Reply::Planned { accepted: 1, .. }),
            "{reply:?}"
        );
    }

    pub async fn start(&self, job: JobId) {
        self.place(job).await;
        self.report_start(job).await;
    }

    pub async fn report_start(&self, job: JobId) {
        let started = Started {
            at: NOW,
            container: "c1".into(),
            image_digest: "sha256:1".into(),
        };
        self.report(job, News::Running(started)).await;
    }

    /// Runs a job to its end.
    pub async fn run(&self, job: JobId, code: i32) {
        self.start(job).await;
        self.report_end(job, code).await;
    }

    pub async fn report_end(&self, job: JobId, code: i32) {
        let outcome = if code == 0 {
            Outcome::Succeeded
        } else {
            Outcome::Failed
        };
        let usage = Usage {
            cpu_micros: 1_500_000,
            memory_peak: Bytes(5),
            ..Usage::default()
        };
        self.report(
            job,
            News::Ended(Ending {
                started: None,
                at: NOW,
                outcome,
                exit: Exit {
                    code: Some(code),
                    ..Exit::default()
                },
                usage,
                message: String::new(),
            }),
        )
        .await;
    }

    /// The node `n1` is silent past its lease.
    pub async fn lose_node(&self) {
        for health in [NodeHealth::Suspect, NodeHealth::Lost] {
            let nodes = vec![(self.node, health)];
            self.apply(Command::MarkNodes(MarkNodes { nodes })).await;
        }
    }

    async fn report(&self, job: JobId, news: News) {
        let state = self.log.read();
        let job = state.job(job).unwrap();
        let (attempt, fence) = (job.attempt_id().unwrap(), job.attempt().unwrap().fence);
        let report = Report {
            attempt,
            fence,
            news,
        };
        let reports = vec![(self.node, report)];
        self.apply(Command::RecordStatus(RecordStatus { reports }))
            .await;
    }
}

/// A request below the prefix of the API.
pub fn request(method: &str, path: &str) -> axum::http::request::Builder {
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    Request::builder()
        .method(method)
        .uri(format!("{}{path}", api_types::PREFIX))
}
