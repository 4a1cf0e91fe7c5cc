//! Putting files into the directory of one's own job, and removing them.

use api_types::file::{FileQuery, FileWritten};
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use model::JobId;
use tokio::time::timeout;

use super::{Wish, at, refusal};
use crate::app::App;
use crate::audit::{Doing, answered};
use crate::auth::Caller;
use crate::extract::{JobNumber, Params};
use crate::host::HostError;
use crate::host::files::FileFault;
use crate::limits::{BODY_WAIT, UPLOAD_BYTES_MAX};
use crate::problem::Refused;

/// Put a file into the directory of a job.
///
/// With the rights of the job's user, below `work`, while the job runs or after its end. The file
/// appears whole or not at all, replaces one of this name, and directories on the way are made. It
/// is not there any more for a later attempt of the job, which has a directory of its own.
#[utoipa::path(
    put, path = "/jobs/{id}/files/content", tag = "files",
    params(("id" = u64, Path, description = "The job's number"), FileQuery),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 200, body = FileWritten)),
)]
pub(crate) async fn put_file(
    State(app): State<App>,
    caller: Caller,
    JobNumber(id): JobNumber,
    Params(query): Params<FileQuery>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let doing = Doing::begin(&app, &query.path);
    let put = put(&app, &caller, id, query, &headers, body).await;
    answered(doing, put)
}

async fn put(
    app: &App,
    caller: &Caller,
    id: JobId,
    query: FileQuery,
    headers: &HeaderMap,
    body: Body,
) -> Result<Json<FileWritten>, Refused> {
    let announced = headers.get(header::CONTENT_LENGTH);
    let announced = announced.and_then(|text| text.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|bytes| bytes > UPLOAD_BYTES_MAX) {
        let hint = "put large data into a volume";
        let most = usize::try_from(UPLOAD_BYTES_MAX).unwrap_or(usize::MAX);
        return Err(Refused::too_large("the file", most, hint));
    }
    let path = query.path.clone();
    let at = at(app, caller, id, query.attempt, query.path, Wish::Change).await?;
    let attempt = at.place.attempt.to_string();
    let content = Box::pin(bounded(body));
    let written = app
        .host()
        .files()
        .write(at.place, UPLOAD_BYTES_MAX, content);
    let bytes = written.await.map_err(|error| refusal(error, &at.node))?;
    drop(at.lasting);
    Ok(Json(FileWritten {
        attempt,
        path,
        bytes,
    }))
}

/// The body as it arrives, which it must without long pauses.
fn bounded(body: Body) -> impl Stream<Item = Result<Bytes, HostError>> + Send {
    let chunks = Some(body.into_data_stream());
    stream::unfold(chunks, async |chunks| {
        let mut chunks = chunks?;
        let broken = |fault, words| Some((Err(HostError::File(fault, words)), None));
        match timeout(BODY_WAIT, chunks.next()).await {
            Ok(Some(Ok(bytes))) => Some((Ok(bytes), Some(chunks))),
            Ok(Some(Err(error))) => {
                broken(FileFault::BrokeOff, format!("the body broke off: {error}"))
            }
            Ok(None) => None,
            Err(_elapsed) => {
                let seconds = BODY_WAIT.as_secs();
                broken(FileFault::TooSlow, format!("nothing came for {seconds} s"))
            }
        }
    })
}

/// Remove a file of a job.
///
/// Or a directory with all that is in it; with the rights of the job's user.
#[utoipa::path(
    delete, path = "/jobs/{id}/files/content", tag = "files",
    params(("id" = u64, Path, description = "The job's number"), FileQuery),
    responses((status = 204, description = "It is gone")),
)]
pub(crate) async fn remove_file(
    State(app): State<App>,
    caller: Caller,
    JobNumber(id): JobNumber,
    Params(query): Params<FileQuery>,
) -> Response {
    let doing = Doing::begin(&app, &query.path);
    let removed = remove(&app, &caller, id, query).await;
    answered(doing, removed)
}

async fn remove(
    app: &App,
    caller: &Caller,
    id: JobId,
    query: FileQuery,
) -> Result<StatusCode, Refused> {
    let at = at(app, caller, id, query.attempt, query.path, Wish::Change).await?;
    let removed = app.host().files().remove(at.place).await;
    removed.map_err(|error| refusal(error, &at.node))?;
    drop(at.lasting);
    Ok(StatusCode::NO_CONTENT)
}
