//! The outermost layer: every request gets an id, every refusal its body, every answer its
//! headers and its line in the log.
//!
//! Nothing secret is logged: neither headers nor queries nor bodies.

use std::any::Any;
use std::time::Instant;

use api_types::header::REQUEST_ID;
use api_types::problem::{MEDIA_TYPE, code};
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::limits::{HEADERS_BYTES_MAX, URI_BYTES_MAX};
use crate::problem::Refused;
use crate::secret::random_hex;

/// Characters of a path that are logged.
const PATH_LOGGED: usize = 200;
/// Bytes of a request id that a client may choose.
const ID_BYTES_MAX: usize = 64;

/// The id under which a request is logged.
#[derive(Clone, Debug)]
pub(crate) struct RequestId(pub(crate) String);

/// Wraps the whole router.
pub(crate) async fn edge(mut request: Request, next: Next) -> Response {
    let began = Instant::now();
    let id = RequestId(chosen_id(request.headers()).unwrap_or_else(random_hex));
    let method = request.method().clone();
    let path: String = request.uri().path().chars().take(PATH_LOGGED).collect();
    request.extensions_mut().insert(id.clone());
    let answer = match too_large(&request) {
        Some(refused) => refused.into_response(),
        None => next.run(request).await,
    };
    let response = finish(answer, &id.0, &format!("{method} {path}"));
    let (status, ms) = (response.status().as_u16(), began.elapsed().as_millis());
    if response.status().is_server_error() {
        tracing::warn!(%method, ?path, status, ms, request_id = id.0, "request");
    } else {
        tracing::debug!(%method, ?path, status, ms, request_id = id.0, "request");
    }
    response
}

/// What a panic in a handler becomes.
#[allow(clippy::needless_pass_by_value, reason = "the layer's signature")]
pub(crate) fn panicked(cause: Box<dyn Any + Send + 'static>) -> Response {
    let text = cause.downcast_ref::<String>().map(String::as_str);
    let text = text
        .or_else(|| cause.downcast_ref::<&str>().copied())
        .unwrap_or("no text");
    tracing::error!(panic = text, "a handler panicked");
    Refused::internal("the request ran into a fault of the server").into_response()
}

fn chosen_id(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(REQUEST_ID)?.to_str().ok()?;
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    let fine = !text.is_empty() && text.len() <= ID_BYTES_MAX && text.bytes().all(plain);
    fine.then(|| text.into())
}

fn too_large(request: &Request) -> Option<Refused> {
    let line = |(name, value): (&HeaderName, &HeaderValue)| name.as_str().len() + value.len();
    let headers: usize = request.headers().iter().map(line).sum();
    let uri = request.uri();
    let uri = uri.path().len() + uri.query().map_or(0, str::len);
    if headers > HEADERS_BYTES_MAX {
        let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
        let detail = format!("headers: {headers} bytes, at most {HEADERS_BYTES_MAX}");
        return Some(Refused::new(
            status,
            code::TOO_LARGE,
            detail,
            "send fewer or shorter headers",
        ));
    }
    if uri > URI_BYTES_MAX {
        let detail = format!("path and query: {uri} bytes, at most {URI_BYTES_MAX}");
        let hint = "send long lists in the body";
        return Some(Refused::new(
            StatusCode::URI_TOO_LONG,
            code::TOO_LARGE,
            detail,
            hint,
        ));
    }
    None
}

/// Gives a refusal its body, and every answer the headers that all have.
fn finish(response: Response, id: &str, asked: &str) -> Response {
    let mut response = match response.extensions().get::<Refused>().cloned() {
        Some(refused) => write(&refused, response, id),
        None if response.status().is_client_error() || response.status().is_server_error() => {
            foreign(response, id, asked)
        }
        None => response,
    };
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(id) {
        headers.insert(HeaderName::from_static("x-request-id"), value);
    }
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    response
}

/// An error that is not a [`Refused`] comes from the layers below; readiness has its own body.
fn foreign(response: Response, id: &str, asked: &str) -> Response {
    let json = response.headers().get(header::CONTENT_TYPE);
    if json.is_some_and(|kind| kind == "application/json") {
        return response;
    }
    let refused = Refused::of_status(response.status(), asked);
    write(&refused, response, id)
}

fn write(refused: &Refused, response: Response, id: &str) -> Response {
    let (mut parts, _) = response.into_parts();
    parts.status = refused.status();
    parts.headers.remove(header::CONTENT_LENGTH);
    parts
        .headers
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    if refused.status().is_server_error() {
        tracing::warn!(code = refused.code(), request_id = id, "refused");
    }
    let body = serde_json::to_vec(&refused.body(id)).unwrap_or_default();
    Response::from_parts(parts, Body::from(body))
}
