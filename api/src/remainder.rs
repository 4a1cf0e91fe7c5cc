//! What is left of a body that was refused before it was read.
//!
//! A client that is still sending when its connection ends sees the end and not the answer. So the
//! rest of a refused body is taken in and thrown away before the answer is given, within bounds:
//! who sends more than that, or more slowly, may not see why.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use http_body::{Frame, SizeHint};
use tokio::time::timeout;

use crate::limits::{REMAINDER_BYTES_MAX, REMAINDER_WAIT};

/// Gives an answer when there is nothing left to send for the client.
pub(crate) async fn heard_out(request: Request, next: Next) -> Response {
    // Who asks first whether to send it has not begun.
    if request.headers().contains_key(header::EXPECT) {
        return next.run(request).await;
    }
    let left = Left::default();
    let lent = |body| {
        Body::new(Lent {
            body: Some(body),
            left: left.clone(),
        })
    };
    let response = next.run(request.map(lent)).await;
    let body = left.lock().unwrap_or_else(PoisonError::into_inner).take();
    let status = response.status();
    let refused = status.is_client_error() || status.is_server_error();
    // Who was too slow to send it was waited for already.
    if let Some(body) = body
        && refused
        && status != StatusCode::REQUEST_TIMEOUT
    {
        // The answer is given whatever becomes of the rest.
        let _ = timeout(REMAINDER_WAIT, throw_away(body)).await;
    }
    response
}

async fn throw_away(mut body: Body) {
    let mut room = REMAINDER_BYTES_MAX;
    loop {
        let frame = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await;
        let Some(Ok(frame)) = frame else { return };
        let bytes = frame.data_ref().map_or(0, Bytes::len);
        match room.checked_sub(bytes) {
            Some(left) => room = left,
            None => return,
        }
    }
}

/// Where a body is left that was not read to its end.
type Left = Arc<Mutex<Option<Body>>>;

/// A body that is left there when its reader drops it.
struct Lent {
    body: Option<Body>,
    left: Left,
}

impl HttpBody for Lent {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let Some(body) = &mut self.body else {
            return Poll::Ready(None);
        };
        let polled = Pin::new(body).poll_frame(cx);
        if let Poll::Ready(None | Some(Err(_))) = polled {
            self.body = None;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let body = self.body.as_ref().map(HttpBody::size_hint);
        body.unwrap_or_else(|| SizeHint::with_exact(0))
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let left = self.body.take().filter(|body| !body.is_end_stream());
        *self.left.lock().unwrap_or_else(PoisonError::into_inner) = left;
    }
}
