//! How connections begin and end: dead peers, closing, dropping, other sockets.

#![allow(clippy::unwrap_used, reason = "tests")]

mod fixture;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use fixture::{Cluster, listening, loopback, pair, soon};
use net::{Channel, Datagrams, Endpoint, NetError, limits};
use tokio::io::ReadBuf;
use tokio::net::UdpSocket;

/// A socket whose cable can be cut: it then sends nothing, and notices nothing.
#[derive(Debug)]
struct Cable {
    socket: UdpSocket,
    cut: AtomicBool,
}

impl Cable {
    async fn new() -> Arc<Cable> {
        let socket = UdpSocket::bind(loopback()).await.unwrap();
        let cut = AtomicBool::new(false);
        Arc::new(Cable { socket, cut })
    }
}

impl Datagrams for Cable {
    fn local_addr(&self) -> SocketAddr {
        self.socket.local_addr().unwrap()
    }

    fn send(&self, to: SocketAddr, bytes: &[u8]) {
        if !self.cut.load(Ordering::SeqCst) {
            // What the system has no room for is lost, and sent again.
            let _ = self.socket.try_send_to(bytes, to);
        }
    }

    fn poll_receive(
        &self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<(usize, SocketAddr)>> {
        let mut buffer = ReadBuf::new(buffer);
        let from = ready!(self.socket.poll_recv_from(cx, &mut buffer))?;
        Poll::Ready(Ok((buffer.filled().len(), from)))
    }
}

#[tokio::test]
async fn a_peer_that_falls_silent_is_noticed_and_one_that_only_idles_is_not() {
    let cluster = Cluster::new(1);
    let (head, addr) = listening(&cluster.head(1));
    let cable = Cable::new().await;
    let caller = Endpoint::over_datagrams(cable.clone(), Some([1; 32]), &cluster.agent(2)).unwrap();
    let idle = Endpoint::dialer(&cluster.agent(3)).unwrap();
    let near = soon(caller.connect(&addr, None, Channel::Agent))
        .await
        .unwrap();
    let far = soon(head.accept()).await.unwrap();
    let idle_near = soon(idle.connect(&addr, None, Channel::Agent))
        .await
        .unwrap();
    let idle_far = soon(head.accept()).await.unwrap();

    cable.cut.store(true, Ordering::SeqCst);
    let begun = Instant::now();
    let error = soon(far.closed()).await;
    assert_eq!(error, NetError::Closed("timed out".into()));
    let took = begun.elapsed();
    assert!(
        took <= limits::IDLE_MAX + Duration::from_secs(2),
        "noticed after {took:?}"
    );
    assert!(near.is_open(), "what it sends is lost, not what it hears");
    assert!(idle_near.is_open() && idle_far.is_open());
}

#[tokio::test]
async fn an_endpoint_over_another_socket_listens_too() {
    let cluster = Cluster::new(1);
    let head =
        Endpoint::over_datagrams(Cable::new().await, Some([2; 32]), &cluster.head(1)).unwrap();
    let addr = head.local_addr().unwrap().to_string();
    let caller = Endpoint::dialer(&cluster.head(2)).unwrap();
    let near = soon(caller.connect(&addr, None, Channel::Raft))
        .await
        .unwrap();
    let far = soon(head.accept()).await.unwrap();
    assert_eq!(far.peer().unwrap().node.0, 2);
    assert_eq!(near.peer().unwrap().node.0, 1);
}

#[tokio::test]
async fn the_peer_is_told_why() {
    let cluster = Cluster::new(1);
    let pair = pair(&cluster.head(1), &cluster.agent(2), Channel::Agent).await;
    let mut stream = soon(pair.near.open()).await.unwrap();
    pair.far.close("the head restarts");
    let why = NetError::Closed("the head restarts".into());
    assert_eq!(soon(pair.near.closed()).await, why);
    assert_eq!(
        soon(stream.receiver.receive::<u8>()).await,
        Err(why.clone())
    );
    assert_eq!(soon(stream.sender.send(&1_u8)).await, Err(why.clone()));
    assert_eq!(soon(pair.near.open()).await.err(), Some(why.clone()));
    assert_eq!(soon(pair.near.accept()).await.err(), Some(why));
}

#[tokio::test]
async fn a_connection_that_nobody_holds_is_over() {
    let cluster = Cluster::new(1);
    let pair = pair(&cluster.head(1), &cluster.agent(2), Channel::Agent).await;
    drop(pair.far);
    assert_eq!(
        soon(pair.near.closed()).await,
        NetError::Closed(String::new())
    );
}

#[tokio::test]
async fn closing_an_endpoint_tells_everybody_and_frees_the_port() {
    let cluster = Cluster::new(1);
    let (head, addr) = listening(&cluster.head(1));
    let caller = Endpoint::dialer(&cluster.head(2)).unwrap();
    let near = soon(caller.connect(&addr, None, Channel::Raft))
        .await
        .unwrap();
    let far = soon(head.accept()).await.unwrap();
    head.close();
    assert_eq!(
        soon(near.closed()).await,
        NetError::Closed("the node ends".into())
    );
    assert!(soon(head.accept()).await.is_none());
    soon(head.drained()).await;
    drop((head, far));
    // The socket is closed by a task of its own.
    let again = soon(async {
        loop {
            match Endpoint::bind(addr.parse().unwrap(), &cluster.head(1)) {
                Ok(endpoint) => return endpoint,
                Err(_) => tokio::task::yield_now().await,
            }
        }
    });
    assert_eq!(again.await.local_addr().unwrap().to_string(), addr);
}

#[test]
fn a_peer_that_died_and_was_started_again_says_that_it_knows_nothing() {
    let cluster = Cluster::new(1);
    let runtime = || tokio::runtime::Runtime::new().unwrap();
    let (first, own) = (runtime(), runtime());
    let identity = cluster.head(1);
    let (head, addr) = first.block_on(async { listening(&identity) });
    let caller = own.block_on(async { Endpoint::dialer(&cluster.agent(2)).unwrap() });
    let near = own.block_on(soon(caller.connect(&addr, None, Channel::Agent)));
    let near = near.unwrap();
    // A word each way: the handshake is over for both.
    let mut stream = own.block_on(soon(near.open())).unwrap();
    own.block_on(soon(stream.sender.send(&1_u8))).unwrap();
    let heard = first.block_on(async {
        let far = soon(head.accept()).await.unwrap();
        let mut stream = soon(far.accept()).await.unwrap();
        soon(stream.sender.send(&2_u8)).await.unwrap();
        (far, stream)
    });
    let answer = own.block_on(soon(stream.receiver.receive::<u8>()));
    assert_eq!(answer.unwrap(), Some(2));
    // Its tasks end in the middle of whatever they do: nobody says good-bye.
    first.shutdown_timeout(Duration::from_secs(5));
    drop((head, heard));
    own.block_on(async {
        let _again = Endpoint::bind(addr.parse().unwrap(), &identity).unwrap();
        let begun = Instant::now();
        let reset = NetError::Closed("reset by peer".into());
        // A late acknowledgement of ours may have been answered before.
        if let Err(error) = soon(stream.sender.send(&1_u8)).await {
            assert_eq!(error, reset);
        }
        assert_eq!(soon(near.closed()).await, reset);
        let took = begun.elapsed();
        assert!(took < limits::IDLE_MAX / 2, "noticed after {took:?}");
    });
}

#[tokio::test]
async fn a_name_is_tried_under_each_of_its_addresses() {
    // `localhost` may be `::1` first; the head listens on 127.0.0.1 only.
    let cluster = Cluster::new(1);
    let (_head, addr) = listening(&cluster.head(1));
    let port = addr.rsplit(':').next().unwrap();
    let caller = Endpoint::dialer(&cluster.head(2)).unwrap();
    let near = soon(caller.connect(&format!("localhost:{port}"), None, Channel::Raft)).await;
    assert!(near.unwrap().is_open());
}

#[tokio::test]
async fn nobody_there_is_unreachable_in_bounded_time() {
    let cluster = Cluster::new(1);
    // Bound, so that nobody else answers; silent, because nobody reads it.
    let silent = std::net::UdpSocket::bind(loopback()).unwrap();
    let addr = silent.local_addr().unwrap().to_string();
    let caller = Endpoint::dialer(&cluster.head(2)).unwrap();
    let begun = Instant::now();
    let error = soon(caller.connect(&addr, None, Channel::Raft))
        .await
        .unwrap_err();
    assert!(matches!(error, NetError::Unreachable { .. }), "{error:?}");
    assert!(begun.elapsed() < limits::HANDSHAKE_MAX + Duration::from_secs(1));
    for nonsense in [
        "",
        "no-port",
        "127.0.0.1",
        "nowhere.invalid:1",
        "127.0.0.1:0",
    ] {
        let error = soon(caller.connect(nonsense, None, Channel::Raft))
            .await
            .unwrap_err();
        assert!(
            matches!(error, NetError::Unreachable { .. }),
            "{nonsense}: {error:?}"
        );
    }
}
