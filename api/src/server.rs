//! The server: one listening socket, TLS, and the bounds that hold before a handler sees
//! anything.

use std::future::Future;
use std::net::{SocketAddr, TcpListener};
use std::pin::pin;
use std::sync::Arc;

use axum_server::Handle;
use axum_server::accept::NoDelayAcceptor;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::audit;
use crate::connections::Bounded;
use crate::error::ApiError;
use crate::host::Host;
use crate::limits::{
    FIRST_REQUEST_WAIT, HANDSHAKE_WAIT, HEAD_BUFFER_BYTES, HEAD_WAIT, PING_EVERY, PING_WAIT,
    SHUTDOWN_WAIT, STREAMS_MAX,
};
use crate::router;

/// Serves the REST API until `shutdown` resolves; then requests under way get
/// [`SHUTDOWN_WAIT`] to end, and streams end at once.
///
/// # Errors
/// [`ApiError::Serve`] when the socket fails.
pub async fn serve(
    listener: TcpListener,
    mut tls: rustls::ServerConfig,
    host: Arc<dyn Host>,
    shutdown: impl Future<Output = ()>,
) -> Result<(), ApiError> {
    tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let stopping = CancellationToken::new();
    let app = App::new(host, stopping.clone());
    let service = router::build(app.clone()).into_make_service_with_connect_info::<SocketAddr>();
    let handle = Handle::new();
    // What ends a handshake is small; an answer behind it would wait for a late acknowledgement.
    let acceptor = RustlsAcceptor::new(RustlsConfig::from_config(Arc::new(tls)))
        .handshake_timeout(HANDSHAKE_WAIT)
        .acceptor(NoDelayAcceptor::new());
    let mut server = axum_server::from_tcp(listener)?
        .acceptor(Bounded::new(acceptor))
        .handle(handle.clone())
        .first_request_timeout(FIRST_REQUEST_WAIT);
    let builder = server.http_builder();
    builder
        .http1()
        .header_read_timeout(HEAD_WAIT)
        .max_buf_size(HEAD_BUFFER_BYTES);
    builder
        .http2()
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(u32::try_from(HEAD_BUFFER_BYTES).unwrap_or(u32::MAX))
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PING_WAIT);
    let mut serving = pin!(server.serve(service));
    tokio::select! {
        ended = &mut serving => return Ok(ended?),
        () = audit::note_refusals(app.clone()) => {}
        () = audit::note_deeds(app.clone()) => {}
        () = shutdown => {}
    }
    stopping.cancel();
    handle.graceful_shutdown(Some(SHUTDOWN_WAIT));
    let served = serving.await;
    audit::note_last_deeds(app).await;
    Ok(served?)
}
