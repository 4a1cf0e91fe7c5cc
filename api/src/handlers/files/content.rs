//! Downloads: one file, whole or a part of it, and directories as archives.

use api_types::file::{ArchiveQuery, FileQuery};
use api_types::header::FILE_ATTEMPT;
use api_types::problem::code;
use axum::body::Body;
use axum::extract::State;
use axum::http::response::Builder;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use model::AttemptId;

use super::range::{Selected, select};
use super::{Wish, at, refusal, stem};
use crate::app::App;
use crate::auth::Caller;
use crate::extract::{JobNumber, Params};
use crate::held::held;
use crate::host::files::{ArchiveKind, Content};
use crate::problem::Refused;

/// Bytes of a name that a download is offered under.
const NAME_BYTES_MAX: usize = 200;

/// Read a file of a job.
///
/// The bytes that the file has when it is opened; it may grow meanwhile. One range may be asked
/// for (`Range`), and only of the version that was begun (`If-Range` with the `ETag` of the answer
/// before); of a version that the client has (`If-None-Match`) nothing is sent (304). An answer
/// that is shorter than its `Content-Length` broke off.
#[utoipa::path(
    get, path = "/jobs/{id}/files/content", tag = "files",
    params(("id" = u64, Path, description = "The job's number"), FileQuery),
    responses(
        (status = 200, body = Vec<u8>, content_type = "application/octet-stream", headers(
            ("ETag" = String), ("GoDocker-Attempt" = String),
        )),
        (status = 206, body = Vec<u8>, content_type = "application/octet-stream", headers(
            ("Content-Range" = String), ("ETag" = String), ("GoDocker-Attempt" = String),
        )),
    ),
)]
pub(crate) async fn read_file(
    State(app): State<App>,
    caller: Caller,
    JobNumber(id): JobNumber,
    Params(query): Params<FileQuery>,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    let name = query.path.rsplit('/').next().unwrap_or_default().to_owned();
    let at = at(&app, &caller, id, query.attempt, query.path, Wish::Look).await?;
    let attempt = at.place.attempt;
    let opened = app.host().files().open(at.place).await;
    let file = opened.map_err(|error| refusal(error, &at.node))?;
    let tag = format!("\"{:016x}\"", file.version);
    let (status, offset, length) = match select(&headers, file.length, &tag) {
        Selected::Whole => (StatusCode::OK, 0, file.length),
        Selected::Part { offset, length } => (StatusCode::PARTIAL_CONTENT, offset, length),
        Selected::Beyond => return Ok(beyond(file.length)),
        Selected::Unchanged => {
            let tag = [(header::ETAG, tag)];
            return Ok((StatusCode::NOT_MODIFIED, tag).into_response());
        }
    };
    let mut response = saved(attempt, &name)
        .status(status)
        .header(header::CONTENT_TYPE, "application/octet-stream")
        .header(header::CONTENT_LENGTH, length)
        .header(header::ACCEPT_RANGES, "bytes")
        .header(header::ETAG, tag);
    if status == StatusCode::PARTIAL_CONTENT {
        let last = offset + length - 1;
        let range = format!("bytes {offset}-{last}/{}", file.length);
        response = response.header(header::CONTENT_RANGE, range);
    }
    let content = (file.send)(offset, length);
    finish(response, held(content, app, caller, at.lasting))
}

/// Read files of a job as one archive.
///
/// Packed while it is sent. What the job's user cannot read, pipes, sockets and devices are left
/// out; in a zip links as well. The last file, `god.left-out`, tells what is not in it or not
/// whole, if there is such. A part that broke off has no end mark, and the answer no end.
#[utoipa::path(
    get, path = "/jobs/{id}/files/archive", tag = "files",
    params(("id" = u64, Path, description = "The job's number"), ArchiveQuery),
    responses((status = 200, body = Vec<u8>, content_type = "application/octet-stream", headers(
        ("GoDocker-Attempt" = String),
    ))),
)]
pub(crate) async fn archive_files(
    State(app): State<App>,
    caller: Caller,
    JobNumber(id): JobNumber,
    Params(query): Params<ArchiveQuery>,
) -> Result<Response, Refused> {
    let (kind, ending, media_type) = match query.format.as_deref() {
        None | Some("tar.gz") => (ArchiveKind::TarGz, "tar.gz", "application/gzip"),
        Some("tar") => (ArchiveKind::Tar, "tar", "application/x-tar"),
        Some("zip") => (ArchiveKind::Zip, "zip", "application/zip"),
        Some(_) => {
            let message = "must be `tar`, `tar.gz` or `zip`";
            return Err(Refused::invalid(
                "format",
                message,
                "ask for one of the three",
            ));
        }
    };
    let path = query.path.unwrap_or_default();
    let at = at(&app, &caller, id, query.attempt, path, Wish::Look).await?;
    let attempt = at.place.attempt;
    let opened: Result<Content, _> = app.host().files().archive(at.place, kind).await;
    let content = opened.map_err(|error| refusal(error, &at.node))?;
    let response = saved(attempt, &format!("{}.{ending}", stem(attempt)))
        .header(header::CONTENT_TYPE, media_type);
    finish(response, held(content, app, caller, at.lasting))
}

/// An answer that a browser saves and never shows, under this name.
fn saved(attempt: AttemptId, name: &str) -> Builder {
    let disposition = disposition(name);
    Response::builder()
        .header(header::CONTENT_DISPOSITION, disposition)
        .header(
            header::CONTENT_SECURITY_POLICY,
            "sandbox; default-src 'none'",
        )
        .header(FILE_ATTEMPT, attempt.to_string())
}

/// The name in plain letters, and percent-encoded (RFC 6266).
fn disposition(name: &str) -> String {
    let name = &name[..name.floor_char_boundary(NAME_BYTES_MAX)];
    let plain = |letter: char| match letter {
        'a'..='z' | 'A'..='Z' | '0'..='9' | '-' | '_' | '.' => letter,
        _ => '_',
    };
    let plain: String = name.chars().map(plain).collect();
    let mut exact = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.".contains(&byte) {
            exact.push(char::from(byte));
        } else {
            exact.push_str(&format!("%{byte:02X}"));
        }
    }
    format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{exact}")
}

fn finish(response: Builder, body: Body) -> Result<Response, Refused> {
    let made = response.body(body);
    made.map_err(|error| Refused::internal(error.to_string()))
}

/// 416.
fn beyond(length: u64) -> Response {
    let status = StatusCode::RANGE_NOT_SATISFIABLE;
    let detail = format!("Range: the file has {length} bytes");
    let hint = "ask for less, or without Range for the whole";
    let mut response = Refused::new(status, code::BAD_RANGE, detail, hint)
        .with_field("Range")
        .into_response();
    if let Ok(range) = HeaderValue::from_str(&format!("bytes */{length}")) {
        response.headers_mut().insert(header::CONTENT_RANGE, range);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_download_is_offered_under_a_name_that_breaks_nothing() {
        let cases = [
            ("out.sam", "out.sam", "out.sam"),
            ("a\"; b", "a___b", "a%22%3B%20b"),
            ("grün", "gr_n", "gr%C3%BCn"),
            ("a\\x0ab", "a_x0ab", "a%5Cx0ab"),
        ];
        for (name, plain, exact) in cases {
            let expected = format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{exact}");
            assert_eq!(disposition(name), expected);
        }
        assert!(disposition(&"ü".repeat(500)).len() < 1_000);
    }
}
