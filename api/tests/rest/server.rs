//! The server on a real socket: TLS with a certificate of the cluster's authority, HTTP/1.1 byte
//! for byte, and the bounds that hold before a handler sees anything.
//!
//! The certificates in `server/` are valid for a hundred years and protect nothing.

mod client;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use model::ledger::Verdict;
use model::log::{AuditSearch, Log};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::json;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::support::Bench;
use crate::support::log::MemoryLog;
use client::{Client, ask, in_thread};

/// Answers that a client asks for and does not read.
const ANSWERS: usize = 400;

/// A bench that listens.
struct Served {
    bench: Bench,
    addr: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    serving: JoinHandle<Result<(), api::ApiError>>,
}

impl Served {
    async fn new() -> Served {
        let bench = Bench::new().await;
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let (tls, host) = (server_config(), bench.host.clone());
        let serving = tokio::spawn(async move {
            let shutdown = async { stopped.await.unwrap_or(()) };
            api::serve(listener, tls, host, shutdown).await
        });
        Served {
            bench,
            addr,
            stop: Some(stop),
            serving,
        }
    }

    async fn stop(mut self) {
        self.stop.take().unwrap().send(()).unwrap();
        self.serving.await.unwrap().unwrap();
    }
}

fn server_config() -> rustls::ServerConfig {
    let chain = CertificateDer::from_pem_slice(include_bytes!("server/head.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("server/head.key")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider);
    let config = config.with_safe_default_protocol_versions().unwrap();
    let config = config.with_no_client_auth();
    config.with_single_cert(vec![chain], key).unwrap()
}

#[tokio::test]
async fn whoever_trusts_the_clusters_authority_is_served() {
    let served = Served::new().await;
    let (addr, token) = (served.addr, served.bench.token("alice").await);
    in_thread(move || {
        // By name and by address, several requests on one connection.
        for name in ["head1.lab", "127.0.0.1"] {
            let mut client = Client::connect(addr, name).unwrap();
            let cluster = client.send(&ask("GET", "/cluster", "", "")).answer();
            assert_eq!(
                (cluster.status, &cluster.json()["name"]),
                (200, &json!("lab"))
            );
            let job = r#"{"argv":["true"]}"#;
            let made = client.send(&ask("POST", "/jobs", &token, job)).answer();
            assert_eq!(made.status, 201);
            let refused = client.send(&ask("GET", "/jobs", "wrong", "")).answer();
            assert_eq!(
                (refused.status, &refused.json()["code"]),
                (401, &json!("UNAUTHENTICATED"))
            );
            let absent = client.send(&ask("GET", "/nothing", "", "")).answer();
            assert_eq!(absent.headers["content-type"], "application/problem+json");
        }
    })
    .await;
    served.stop().await;
}

#[tokio::test]
async fn whoever_does_not_is_not_fooled() {
    let served = Served::new().await;
    let addr = served.addr;
    in_thread(move || {
        let other_name = Client::connect(addr, "head2.lab").err().unwrap();
        assert!(
            other_name.to_string().contains("not valid for name"),
            "{other_name}"
        );
        let other_authority = Client::connect_trusting(addr, "head1.lab", &[])
            .err()
            .unwrap();
        assert!(
            other_authority.to_string().contains("UnknownIssuer"),
            "{other_authority}"
        );
        // Plain HTTP is not answered.
        let mut plain = client::tcp(addr);
        let text = client::raw(&mut plain, ask("GET", "/cluster", "", "").as_bytes());
        assert!(!String::from_utf8_lossy(&text).contains("lab"));
        let mut after = Client::connect(addr, "head1.lab").unwrap();
        assert_eq!(
            after.send(&ask("GET", "/healthz", "", "")).answer().status,
            200
        );
    })
    .await;
    served.stop().await;
}

#[tokio::test]
async fn both_versions_of_http_are_offered() {
    let served = Served::new().await;
    let addr = served.addr;
    in_thread(move || {
        for protocol in ["h2", "http/1.1"] {
            let client = Client::connect_speaking(addr, "head1.lab", &[protocol]).unwrap();
            assert_eq!(client.protocol().as_deref(), Some(protocol));
        }
    })
    .await;
    served.stop().await;
}

#[tokio::test]
async fn too_many_headers_are_refused_and_the_others_go_on() {
    let served = Served::new().await;
    let addr = served.addr;
    in_thread(move || {
        let with = |bytes: usize| {
            let padding = format!("X-Padding: {}\r\n\r\n", "x".repeat(bytes));
            ask("GET", "/cluster", "", "").replacen("\r\n\r\n", &format!("\r\n{padding}"), 1)
        };
        let mut client = Client::connect(addr, "head1.lab").unwrap();
        assert_eq!(client.send(&with(8_000)).answer().status, 200);
        let refused = client.send(&with(20_000)).answer();
        assert_eq!(
            (refused.status, &refused.json()["code"]),
            (431, &json!("TOO_LARGE"))
        );
        // What is far beyond is not read to its end.
        let mut client = Client::connect(addr, "head1.lab").unwrap();
        client.try_send(&with(1_000_000));
        assert!(
            client
                .try_answer()
                .is_none_or(|answer| answer.status == 431)
        );
        for nonsense in ["GET\r\n\r\n", "\0\0\0\0\r\n\r\n", "GET / HTTP/9\r\n\r\n"] {
            let mut client = Client::connect(addr, "head1.lab").unwrap();
            client.try_send(nonsense);
            client.try_send(nonsense);
            assert!(
                client
                    .try_answer()
                    .is_none_or(|answer| answer.status == 400),
                "{nonsense:?}"
            );
        }
        let mut after = Client::connect(addr, "head1.lab").unwrap();
        assert_eq!(
            after.send(&ask("GET", "/healthz", "", "")).answer().status,
            200
        );
    })
    .await;
    served.stop().await;
}

/// Does something that stops half-way, and says whether the server has closed the connection
/// once the clock may run.
async fn is_closed(half: impl FnOnce() -> Client + Send + 'static) -> bool {
    let (there, is_there) = oneshot::channel();
    let (closed, is_closed) = oneshot::channel();
    std::thread::spawn(move || {
        let mut client = half();
        there.send(()).unwrap();
        closed.send(client.try_answer().is_none()).unwrap();
    });
    is_there.await.unwrap();
    // From here on the clock runs as fast as nothing else happens.
    tokio::time::pause();
    let began = tokio::time::Instant::now();
    let closed = is_closed.await.unwrap();
    tokio::time::resume();
    assert!(
        began.elapsed() < Duration::from_secs(80),
        "{:?}",
        began.elapsed()
    );
    closed
}

#[tokio::test]
async fn a_handshake_that_does_not_come_is_not_waited_for() {
    let served = Served::new().await;
    let addr = served.addr;
    assert!(is_closed(move || Client::without_handshake(addr)).await);
    served.stop().await;
}

#[tokio::test]
async fn a_request_that_comes_byte_by_byte_is_not_waited_for() {
    let served = Served::new().await;
    let addr = served.addr;
    for half in [
        "",
        "G",
        "GET /api/v1/cluster HTTP/1.1\r\nHost: x\r\nX-Slow: ",
    ] {
        let first = move || {
            let mut client = Client::connect(addr, "head1.lab").unwrap();
            client.try_send(half);
            client
        };
        assert!(is_closed(first).await, "{half:?}");
        let second = move || {
            let mut client = Client::connect(addr, "head1.lab").unwrap();
            assert_eq!(
                client.send(&ask("GET", "/healthz", "", "")).answer().status,
                200
            );
            client.try_send(half);
            client
        };
        assert!(is_closed(second).await, "after a request: {half:?}");
    }
    served.stop().await;
}

#[tokio::test]
async fn a_client_that_does_not_read_is_not_served_for_ever() {
    let served = Served::new().await;
    let addr = served.addr;
    let (there, is_there) = oneshot::channel();
    let (read, may_read) = std::sync::mpsc::channel::<()>();
    let client = std::thread::spawn(move || {
        let mut client = Client::connect(addr, "head1.lab").unwrap();
        // More than all buffers on the way hold.
        client.try_send(&ask("GET", "/openapi.json", "", "").repeat(ANSWERS));
        there.send(()).unwrap();
        may_read.recv().unwrap();
        std::iter::from_fn(|| client.try_answer()).count()
    });
    is_there.await.unwrap();
    // The clock runs as fast as nothing else happens: the server has to wait first.
    tokio::time::pause();
    tokio::time::sleep(api::limits::STALLED_WAIT * 2).await;
    tokio::time::resume();
    read.send(()).unwrap();
    let answers = in_thread(move || client.join().unwrap()).await;
    assert!(answers < ANSWERS, "all {answers} answers were kept for it");
    served.stop().await;
}

#[tokio::test]
async fn when_a_head_stops_streams_end_and_requests_are_finished() {
    let served = Served::new().await;
    let (addr, token) = (served.addr, served.bench.token("alice").await);
    served.bench.submit("alice").await;
    let (ready, is_ready) = oneshot::channel();
    let (stopping, is_stopping) = std::sync::mpsc::channel::<()>();
    let clients = tokio::spawn(in_thread(move || {
        let mut events = Client::connect(addr, "head1.lab").unwrap();
        events.send(&ask("GET", "/events?after=0", &token, ""));
        let head = events.line();
        assert!(head.contains("200"), "{head}");
        let mut waits = Client::connect(addr, "head1.lab").unwrap();
        waits.send(&ask("GET", "/jobs/1/wait?timeout=60", &token, ""));
        let mut posts = Client::connect(addr, "head1.lab").unwrap();
        let post = ask("POST", "/jobs", &token, r#"{"argv":["true"]}"#);
        let post = post.replacen("\r\n\r\n", "\r\nExpect: 100-continue\r\n\r\n", 1);
        let (first, rest) = post.split_at(post.len() - 5);
        posts.send(first);
        // The handler waits for the body.
        assert_eq!(posts.line(), "HTTP/1.1 100 Continue");
        assert_eq!(posts.line(), "");
        ready.send(()).unwrap();
        is_stopping.recv().unwrap();
        posts.try_send(rest);
        let made = posts.answer();
        let waited = waits.answer();
        events.read_to_end();
        (made.status, waited.status, waited.json()["code"].clone())
    }));
    is_ready.await.unwrap();
    served.bench.log.until_waited_for().await;
    let bench_log = served.bench.log.clone();
    let before = bench_log.proposals();
    let stop = tokio::spawn(served.stop());
    // The streams have been told before the rest of the request comes.
    tokio::task::yield_now().await;
    stopping.send(()).unwrap();
    let (made, waited, code) = clients.await.unwrap();
    assert_eq!((made, waited, code), (201, 503, json!("SHUTTING_DOWN")));
    assert_eq!(bench_log.proposals(), before + 1);
    stop.await.unwrap();
    assert!(std::net::TcpStream::connect(addr).is_err());
}

/// What the audit log says of files, oldest first.
async fn deeds(log: &MemoryLog) -> Vec<(String, String, Verdict)> {
    let search = AuditSearch {
        user: None,
        before: None,
        limit: 1_000,
    };
    let lines = log.audit(search).await.unwrap().lines.into_iter().rev();
    let lines = lines.map(|(_, line)| line);
    let lines = lines.filter(|line| line.what.contains("/files"));
    lines
        .map(|line| (line.who.user, line.what, line.verdict))
        .collect()
}

/// Waits until there are so many lines about files.
async fn until_deeds(log: &MemoryLog, count: usize) {
    loop {
        let index = log.applied();
        if deeds(log).await.len() >= count {
            return;
        }
        log.moved_past(index).await;
    }
}

#[tokio::test]
async fn what_is_put_into_jobs_and_removed_is_noted_however_it_ends() {
    let served = Served::new().await;
    let (addr, log) = (served.addr, served.bench.log.clone());
    let job = served.bench.submit("alice").await;
    served.bench.run(job, 0).await;
    let (alice, op) = (
        served.bench.token("alice").await,
        served.bench.token("op").await,
    );
    let path = |name: &str| format!("/jobs/1/files/content?path=work/{name}");
    let first = ask("PUT", &path("a"), &alice, "text");
    in_thread(move || {
        let mut client = Client::connect(addr, "head1.lab").unwrap();
        assert_eq!(client.send(&first).answer().status, 200);
    })
    .await;
    until_deeds(&log, 1).await;
    let further: Vec<(String, u16)> = vec![
        (ask("PUT", &path("b"), &alice, "text"), 200),
        (ask("PUT", &path("c"), &alice, "text"), 200),
        (ask("DELETE", &path("b"), &alice, ""), 204),
        (ask("DELETE", &path("b"), &alice, ""), 404),
        (ask("PUT", &path("d"), &op, "text"), 403),
    ];
    let torn = ask("PUT", &path("torn"), &alice, "half of it");
    in_thread(move || {
        let mut client = Client::connect(addr, "head1.lab").unwrap();
        for (request, status) in further {
            assert_eq!(client.send(&request).answer().status, status, "{request}");
        }
        let mut torn_off = Client::connect(addr, "head1.lab").unwrap();
        torn_off.try_send(&torn[..torn.len() - 4]);
    })
    .await;
    until_deeds(&log, 5).await;
    served.stop().await;
    let put = |what: &str| format!("PUT /jobs/1/files/content work/{what}");
    let removed = || "DELETE /jobs/1/files/content work/b".to_owned();
    let refused = |why: &str| Verdict::Refused {
        why: why.into(),
        times: 1,
    };
    let torn = Verdict::Failed {
        why: "broke off".into(),
        times: 1,
    };
    let mut expected = [
        ("alice", put("a"), Verdict::DoneOften { times: 1 }),
        (
            "alice",
            put("b and others"),
            Verdict::DoneOften { times: 2 },
        ),
        ("alice", removed(), Verdict::DoneOften { times: 1 }),
        ("alice", removed(), refused("404")),
        ("alice", put("torn"), torn),
        ("op", put("d"), refused("403")),
    ]
    .map(|(user, what, verdict)| (user.to_owned(), what, verdict));
    let mut found = deeds(&log).await;
    let order = |(user, what, verdict): &(String, String, Verdict)| {
        (user.clone(), what.clone(), format!("{verdict:?}"))
    };
    found.sort_by_key(order);
    expected.sort_by_key(order);
    assert_eq!(found, expected);
}
