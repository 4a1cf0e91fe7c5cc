//! Bodies whose content comes from a node, bit by bit. They keep a place among the lasting ones and
//! the node's attention, and are given up when nothing more may be sent or when their reader takes
//! nothing for too long. A connection of HTTP/2 does not show the latter: who asks there and does
//! not read goes on to answer whether they are there.
//!
//! A body that is given up breaks off, so that nobody takes what was sent for the whole.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use axum::body::Body;
use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use model::log::LogError;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::task::AbortOnDropHandle;

use crate::app::App;
use crate::auth::Caller;
use crate::gate::Lasting;
use crate::host::HostError;
use crate::host::files::Content;
use crate::limits::{STALLED_WAIT, STREAM_ALIVE_EVERY};

/// A body of what comes, for as long as it may be sent and is taken.
pub(crate) fn held(chunks: Content, app: App, caller: Caller, place: Lasting) -> Body {
    let way = Arc::new(Mutex::new(Way {
        open: Some((chunks, place)),
        handed: None,
        why: None,
        waker: None,
    }));
    let watch = watch(way.clone(), over(app, caller));
    Body::from_stream(Held {
        way,
        _watch: AbortOnDropHandle::new(tokio::spawn(watch)),
    })
}

struct Held {
    way: Arc<Mutex<Way>>,
    _watch: AbortOnDropHandle<()>,
}

/// The way from a node to its reader.
struct Way {
    /// Where the content comes from, and the place that it takes; `None` when it has ended.
    open: Option<(Content, Lasting)>,
    /// When the last piece was handed to the connection, if it has not asked for more since.
    handed: Option<Instant>,
    /// Why it was given up, until that is told.
    why: Option<HostError>,
    waker: Option<Waker>,
}

impl Stream for Held {
    type Item = Result<Bytes, HostError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut way = self.way.lock().unwrap_or_else(PoisonError::into_inner);
        way.handed = None;
        if let Some(why) = way.why.take() {
            return Poll::Ready(Some(Err(why)));
        }
        let Some((chunks, _)) = &mut way.open else {
            return Poll::Ready(None);
        };
        let polled = chunks.poll_next_unpin(context);
        match &polled {
            Poll::Ready(Some(_)) => way.handed = Some(Instant::now()),
            Poll::Ready(None) => way.open = None,
            Poll::Pending => way.waker = Some(context.waker().clone()),
        }
        polled
    }
}

impl Drop for Held {
    /// The node stops at once, whenever the watch ends.
    fn drop(&mut self) {
        let mut way = self.way.lock().unwrap_or_else(PoisonError::into_inner);
        let open = way.open.take();
        drop(way);
        drop(open);
    }
}

/// Resolves when nothing more may be sent: the server stops, or the token has ended.
async fn over(app: App, caller: Caller) -> HostError {
    while caller.still_valid(&app.log().read(), app.now()) {
        tokio::select! {
            () = app.stopping() => return LogError::Stopped.into(),
            () = sleep(STREAM_ALIVE_EVERY) => {}
        }
    }
    HostError::Refused("the token has ended".into())
}

/// Gives the way up when it is time. Whoever holds the body ends this with it.
async fn watch(way: Arc<Mutex<Way>>, over: impl Future<Output = HostError>) {
    let mut over = pin!(over);
    let why = loop {
        let since = way.lock().unwrap_or_else(PoisonError::into_inner).handed;
        let due = since.unwrap_or_else(Instant::now) + STALLED_WAIT;
        tokio::select! {
            why = &mut over => break why,
            () = sleep_until(due) => {}
        }
        let handed = way.lock().unwrap_or_else(PoisonError::into_inner).handed;
        // Another piece was handed on meanwhile unless it is the same.
        if since.is_some() && handed == since {
            let seconds = STALLED_WAIT.as_secs();
            break HostError::Refused(format!("nothing was taken for {seconds} s"));
        }
    };
    let mut way = way.lock().unwrap_or_else(PoisonError::into_inner);
    let open = way.open.take();
    if open.is_some() {
        way.why = Some(why);
    }
    let waker = way.waker.take();
    drop(way);
    drop(open);
    if let Some(waker) = waker {
        waker.wake();
    }
}
