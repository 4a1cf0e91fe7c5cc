//! The door to the stream of news.

use api_types::event::{Event, EventQuery};
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Sse};

use crate::app::App;
use crate::auth::Caller;
use crate::events;
use crate::extract::Params;
use crate::problem::Refused;

/// Follow the news.
///
/// Server-sent events; each is an [`Event`] in JSON. `id` is the index of a log entry: send it as
/// `Last-Event-ID` or `after`, to any head, to resume behind it. Users see the events of their own
/// jobs, operators and administrators all. An event of type `error` says why a stream ends.
#[utoipa::path(
    get, path = "/events", tag = "events",
    params(
        EventQuery,
        ("Last-Event-ID" = Option<u64>, Header, description = "Resume behind this log index"),
    ),
    responses((status = 200, body = Event, content_type = "text/event-stream")),
)]
pub(crate) async fn follow_events(
    State(app): State<App>,
    caller: Caller,
    Params(query): Params<EventQuery>,
    headers: HeaderMap,
) -> Result<impl IntoResponse, Refused> {
    let stream = events::open(app, caller, query, &headers).await?;
    Ok(Sse::new(stream).keep_alive(events::keep_alive()))
}
