//! Bounds the connections that are open at the same time, handshakes included, and how long each
//! may take nothing of an answer.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::extract::Request;
use axum_server::accept::Accept;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower::Service;

use crate::limits::CONNECTIONS_MAX;
use crate::stalled::Unstalled;

/// Lets an acceptor accept as long as there is room, and closes what comes beyond.
#[derive(Clone, Debug)]
pub(crate) struct Bounded<A> {
    inner: A,
    room: Arc<Semaphore>,
}

impl<A> Bounded<A> {
    pub(crate) fn new(inner: A) -> Self {
        Bounded {
            inner,
            room: Arc::new(Semaphore::new(CONNECTIONS_MAX)),
        }
    }
}

type Accepting<St, Se> = Pin<Box<dyn Future<Output = io::Result<(St, Se)>> + Send>>;

impl<I, S, A> Accept<I, S> for Bounded<A>
where
    A: Accept<I, S>,
    A::Future: Send + 'static,
    A::Stream: 'static,
    A::Service: 'static,
{
    type Stream = Unstalled<A::Stream>;
    type Service = Counted<A::Service>;
    type Future = Accepting<Self::Stream, Self::Service>;

    fn accept(&self, stream: I, service: S) -> Self::Future {
        let Ok(permit) = self.room.clone().try_acquire_owned() else {
            tracing::warn!(
                most = CONNECTIONS_MAX,
                "too many connections; one is refused"
            );
            let full = io::Error::new(io::ErrorKind::ResourceBusy, "too many connections");
            return Box::pin(async move { Err(full) });
        };
        let accepted = self.inner.accept(stream, service);
        Box::pin(async move {
            let (stream, inner) = accepted.await?;
            Ok((
                Unstalled::new(stream),
                Counted {
                    inner,
                    _permit: Arc::new(permit),
                },
            ))
        })
    }
}

/// The service of one connection, which holds its place until the connection has ended.
#[derive(Clone, Debug)]
pub(crate) struct Counted<S> {
    inner: S,
    _permit: Arc<OwnedSemaphorePermit>,
}

impl<S, B> Service<Request<B>> for Counted<S>
where
    S: Service<Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        self.inner.call(request)
    }
}
