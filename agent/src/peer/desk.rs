//! The REST API of a head, on threads of its own: however much users ask, the log's heartbeats do
//! not wait behind them.

use std::net::TcpListener;
use std::num::NonZero;
use std::sync::Arc;
use std::thread::available_parallelism;

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::watch;

use super::Head;
use crate::config::Config;
use crate::error::AgentError;
use crate::host::PeerHost;

/// Threads that serve users.
struct Threads {
    handle: Handle,
    /// Taken when they end.
    runtime: Option<Runtime>,
}

impl Threads {
    /// Half as many as there are processors. With more of them on a busy machine the log's own
    /// threads wait for their turn.
    fn start() -> std::io::Result<Threads> {
        let processors = available_parallelism().map_or(1, NonZero::get);
        let runtime = Builder::new_multi_thread()
            .thread_name("api")
            .worker_threads((processors / 2).max(1))
            .enable_all()
            .build()?;
        Ok(Threads {
            handle: runtime.handle().clone(),
            runtime: Some(runtime),
        })
    }
}

impl Drop for Threads {
    /// What still goes on there ends with the process. Where this happens nobody may wait for it.
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Listens, and serves until told to end.
pub(super) fn serve(
    config: &Config,
    identity: &net::Identity,
    head: &Head,
    mut ends: watch::Receiver<bool>,
) -> Result<impl Future<Output = ()> + Send + use<>, AgentError> {
    let addr = config.node.api_listen;
    let listener = TcpListener::bind(addr).map_err(AgentError::io(format!("listen on {addr}")))?;
    let tls = net::tls::https_config(identity)?;
    let planning = head.leader.planning();
    let host = PeerHost::new(head.raft.clone(), head.sessions.clone(), planning, &head.ca);
    let threads = Threads::start().map_err(AgentError::io("start the threads of the REST API"))?;
    let serving = ends.clone();
    let shutdown = async move {
        // The sender lives until the node has ended.
        let _ = ends.wait_for(|ends| *ends).await;
    };
    Ok(async move {
        // Whoever ends the API waits for this to go.
        let _serving = serving;
        let api = api::serve(listener, tls, Arc::new(host), shutdown);
        match threads.handle.spawn(api).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, "the REST API ended"),
            Err(error) => tracing::error!(%error, "the REST API failed"),
        }
    })
}
