//! The connections to other heads: one each, made when needed, shared by whoever speaks to it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use model::NodeId;
use net::{Channel, Connection, Endpoint, NetError};
use serde::de::DeserializeOwned;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::message::{Hello, Request, Welcome};
use crate::error::RaftError;
use crate::handle::RaftStatus;
use crate::limits;
use crate::log_store::LogStore;
use crate::outside::Outside;

/// How urgent a stream is; higher goes first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Urgency {
    Snapshot = -1,
    Append = 0,
    Question = 1,
    Heartbeat = 2,
}

/// What went wrong with a question.
#[derive(Debug)]
pub(crate) enum AskError {
    /// It was not sent.
    NotSent(NetError),
    /// It may have arrived.
    Lost(NetError),
}

pub(crate) struct Peers {
    endpoint: Arc<Endpoint>,
    log: LogStore,
    links: Mutex<BTreeMap<u64, Link>>,
    failed: watch::Sender<Option<RaftError>>,
    tasks: TaskTracker,
    /// Where the log runs: connections belong there, whoever asked for them.
    home: tokio::runtime::Handle,
    cancel: CancellationToken,
}

type Dialled = Option<Result<Connection, NetError>>;

/// One peer.
enum Link {
    Dialling(watch::Receiver<Dialled>),
    Open(Connection),
}

impl Peers {
    pub(crate) fn new(
        endpoint: Arc<Endpoint>,
        log: LogStore,
        failed: watch::Sender<Option<RaftError>>,
        tasks: TaskTracker,
        cancel: CancellationToken,
    ) -> Arc<Peers> {
        let links = Mutex::new(BTreeMap::new());
        Arc::new(Peers {
            endpoint,
            log,
            links,
            failed,
            tasks,
            home: tokio::runtime::Handle::current(),
            cancel,
        })
    }

    /// The log of this head.
    pub(crate) fn log(&self) -> &LogStore {
        &self.log
    }

    pub(crate) fn outside(&self) -> &Outside {
        self.log.outside()
    }

    /// A connection to a head, within a time. What is begun goes on when the time is over.
    pub(crate) async fn connection(
        self: &Arc<Self>,
        node: u64,
        addr: &str,
        within: Duration,
    ) -> Result<Connection, NetError> {
        let mut dialling = match self.link(node, addr) {
            Link::Open(connection) => return Ok(connection),
            Link::Dialling(dialling) => dialling,
        };
        let late = || NetError::Unreachable {
            addr: addr.into(),
            why: "no answer yet".into(),
        };
        let done = tokio::time::timeout(within, dialling.wait_for(Option::is_some)).await;
        match done {
            Ok(Ok(dialled)) => dialled.clone().unwrap_or_else(|| Err(late())),
            Ok(Err(_)) | Err(_) => Err(late()),
        }
    }

    /// Keeps a connection to every other member, so that neither a vote nor a forwarded command
    /// waits for a handshake. Ends with the head.
    pub(crate) async fn keep(self: Arc<Self>, me: NodeId, mut status: watch::Receiver<RaftStatus>) {
        loop {
            let members = status.borrow_and_update().members.clone();
            for member in members.iter().filter(|member| member.node != me) {
                drop(self.link(member.node.0, &member.addr));
            }
            tokio::select! {
                changed = status.changed() => if changed.is_err() {
                    return;
                },
                () = tokio::time::sleep(limits::KEEP_EVERY) => {}
                () = self.cancel.cancelled() => return,
            }
        }
    }

    /// What there is, or a new call.
    fn link(self: &Arc<Self>, node: u64, addr: &str) -> Link {
        let mut links = self.lock();
        match links.get(&node) {
            Some(Link::Open(connection)) if connection.is_open() => {
                return Link::Open(connection.clone());
            }
            Some(Link::Dialling(dialling)) if dialling.borrow().is_none() => {
                return Link::Dialling(dialling.clone());
            }
            Some(Link::Open(_) | Link::Dialling(_)) | None => {}
        }
        let (tell, dialling) = watch::channel(None);
        links.insert(node, Link::Dialling(dialling.clone()));
        let (peers, addr) = (self.clone(), addr.to_owned());
        let dial = async move {
            let dialled = tokio::select! {
                dialled = tokio::time::timeout(limits::DIAL_MAX, peers.dial(node, &addr)) => {
                    let late = || NetError::Unreachable { addr, why: "no answer".into() };
                    dialled.unwrap_or_else(|_| Err(late()))
                }
                () = peers.cancel.cancelled() => Err(NetError::Closed("shutting down".into())),
            };
            if let Ok(connection) = &dialled {
                peers.lock().insert(node, Link::Open(connection.clone()));
            }
            tell.send_replace(Some(dialled));
        };
        self.tasks.spawn_on(dial, &self.home);
        Link::Dialling(dialling)
    }

    async fn dial(&self, node: u64, addr: &str) -> Result<Connection, NetError> {
        let expect = Some(NodeId(node));
        let connection = self.endpoint.connect(addr, expect, Channel::Raft).await?;
        let owner = self.log.owner();
        let hello = Hello {
            node: owner.node,
            instance: owner.instance,
            known: self.log.instance_of(node),
        };
        let mut stream = connection.open().await?;
        stream.sender.set_priority(Urgency::Heartbeat as i32)?;
        stream.sender.send(&Request::Hello(hello)).await?;
        stream.sender.finish()?;
        match stream.receiver.receive::<Welcome>().await? {
            Some(Welcome::Yes { instance }) => {
                let known = self.log.knows(node, instance).await;
                match known {
                    Ok(true) => Ok(connection),
                    Ok(false) => {
                        tracing::error!(node, "this head lost its data directory; not heard");
                        Err(NetError::Forbidden(format!(
                            "node {node} lost its data directory"
                        )))
                    }
                    Err(error) => Err(NetError::Closed(error.to_string())),
                }
            }
            Some(Welcome::Replaced) => {
                let error = RaftError::Replaced {
                    node: NodeId(owner.node),
                };
                tracing::error!(%error, "refused by node {node}");
                error.tell(&self.failed);
                Err(NetError::Forbidden(
                    "this head lost its data directory".into(),
                ))
            }
            None => Err(NetError::Closed("no welcome".into())),
        }
    }

    /// Asks one question; it is answered within a time from when it is sent.
    pub(crate) async fn ask<T: DeserializeOwned>(
        self: &Arc<Self>,
        node: u64,
        addr: &str,
        urgency: Urgency,
        request: &Request,
        within: Duration,
    ) -> Result<T, AskError> {
        let sendable = tokio::time::Instant::now() + within.min(limits::STREAM_WAIT);
        let connection = self.connection(node, addr, within).await;
        let connection = connection.map_err(AskError::NotSent)?;
        let open = tokio::time::timeout_at(sendable, connection.open()).await;
        let late = || NetError::Closed("no answer in time".into());
        let mut stream = match open {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return Err(AskError::NotSent(error)),
            Err(_) => return Err(AskError::NotSent(late())),
        };
        let answer = async {
            stream.sender.set_priority(urgency as i32)?;
            stream.sender.send(request).await?;
            stream.sender.finish()?;
            let answer = stream.receiver.receive::<T>().await?;
            answer.ok_or_else(|| NetError::Closed("no answer".into()))
        };
        // Its own time: what was sent late would have none to be answered in.
        match tokio::time::timeout(within, answer).await {
            Ok(answered) => answered.map_err(AskError::Lost),
            Err(_) => Err(AskError::Lost(late())),
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Link>> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends and forgets the connections.
    pub(crate) fn close(&self) {
        for link in std::mem::take(&mut *self.lock()).into_values() {
            match link {
                Link::Open(connection) => connection.close("shutting down"),
                Link::Dialling(_) => {}
            }
        }
    }

    /// How many datagrams have come so far on the connection to each head that has one.
    pub(crate) fn heard(&self) -> BTreeMap<u64, u64> {
        let links = self.lock();
        let open = links.iter().filter_map(|(node, link)| match link {
            Link::Open(connection) => Some((*node, connection.heard())),
            Link::Dialling(_) => None,
        });
        open.collect()
    }

    /// Ends the connection to a head; whoever needs one calls again.
    pub(crate) fn hang_up(&self, node: u64, why: &str) {
        let mut links = self.lock();
        if let Some(Link::Open(connection)) = links.get(&node) {
            connection.close(why);
            links.remove(&node);
        }
    }
}

impl AskError {
    pub(crate) fn into_inner(self) -> NetError {
        match self {
            AskError::NotSent(error) | AskError::Lost(error) => error,
        }
    }
}
