//! How a request becomes typed values, and what is said when it does not: always the field, or
//! line and column.

use api_types::problem::code;
use axum::body::Body as HttpBody;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use model::JobId;
use serde::de::DeserializeOwned;
use serde_json::error::Category;

use crate::app::App;
use crate::limits::{BODY_BYTES_MAX, BODY_WAIT, ECHO_CHARS_MAX};
use crate::problem::Refused;

/// A JSON body of at most `MAX` bytes.
pub(crate) struct Json<T, const MAX: usize = BODY_BYTES_MAX>(pub(crate) T);

/// A JSON body that may be left out.
pub(crate) struct JsonOrNothing<T>(pub(crate) T);

/// The parameters behind the `?`.
pub(crate) struct Params<T>(pub(crate) T);

/// The name in the path.
pub(crate) struct Name(pub(crate) String);

/// The two names in the path.
pub(crate) struct Names(pub(crate) String, pub(crate) String);

/// The number of a job in the path.
pub(crate) struct JobNumber(pub(crate) JobId);

impl<T: DeserializeOwned, const MAX: usize> FromRequest<App> for Json<T, MAX> {
    type Rejection = Refused;

    async fn from_request(request: Request, app: &App) -> Result<Self, Refused> {
        check_media_type(request.headers())?;
        let bytes = read(request, MAX, app).await?;
        parse(&bytes).map(Json)
    }
}

impl<T: DeserializeOwned + Default> FromRequest<App> for JsonOrNothing<T> {
    type Rejection = Refused;

    async fn from_request(request: Request, app: &App) -> Result<Self, Refused> {
        let kind = check_media_type(request.headers());
        let bytes = read(request, BODY_BYTES_MAX, app).await?;
        if bytes.is_empty() {
            return Ok(JsonOrNothing(T::default()));
        }
        kind?;
        parse(&bytes).map(JsonOrNothing)
    }
}

/// A body without a media type is taken as JSON.
fn check_media_type(headers: &HeaderMap) -> Result<(), Refused> {
    let Some(kind) = headers.get(header::CONTENT_TYPE) else {
        return Ok(());
    };
    let kind = kind.to_str().unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if kind.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
    let detail = "the body is announced as something else than JSON";
    let hint = "send it with `Content-Type: application/json`";
    let refused = Refused::new(status, code::UNSUPPORTED_MEDIA_TYPE, detail, hint);
    Err(refused.with_field("Content-Type"))
}

/// Reads a body within its bounds of size and time.
async fn read(request: Request, most: usize, app: &App) -> Result<Bytes, Refused> {
    let hint = "split the request, or put data into a volume or the image";
    let too_large = || Refused::too_large("the body", most, hint);
    let announced = request.headers().get(header::CONTENT_LENGTH);
    let announced = announced.and_then(|text| text.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|bytes| bytes > most) {
        return Err(too_large());
    }
    let reading = collect(request.into_body(), most, app);
    match tokio::time::timeout(BODY_WAIT, reading).await {
        Ok(Ok(Some(bytes))) => Ok(bytes),
        Ok(Ok(None)) => Err(too_large()),
        Ok(Err(refused)) => Err(refused),
        Err(_elapsed) => {
            let detail = format!("the body took longer than {} s", BODY_WAIT.as_secs());
            let status = StatusCode::REQUEST_TIMEOUT;
            Err(Refused::new(
                status,
                code::TOO_SLOW,
                detail,
                "send it without pauses",
            ))
        }
    }
}

/// `None` when there are more bytes than allowed. Takes room for what has arrived, not for what
/// was announced: who only announces keeps nobody out.
async fn collect(body: HttpBody, most: usize, app: &App) -> Result<Option<Bytes>, Refused> {
    let (mut whole, mut chunks) = (BytesMut::new(), body.into_data_stream());
    let mut room = app.gates().body(1)?;
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|error| {
            let detail = format!("the body broke off: {error}");
            Refused::unreadable(detail, "send the whole body")
        })?;
        let length = whole.len() + chunk.len();
        if length > most {
            return Ok(None);
        }
        let more = (length / 1024 + 1).saturating_sub(room.num_permits());
        if more > 0 {
            room.merge(app.gates().body(more)?);
        }
        whole.extend_from_slice(&chunk);
    }
    Ok(Some(whole.freeze()))
}

/// 400 for what is no JSON, 422 for JSON that says something else than asked.
pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Refused> {
    if let Err(error) = std::str::from_utf8(bytes) {
        let detail = format!("the body is not UTF-8 at byte {}", error.valid_up_to());
        return Err(Refused::unreadable(detail, "send JSON in UTF-8"));
    }
    if bytes.trim_ascii_start().first() == Some(&b'[') {
        // Or else the values would be taken as the fields in the order of the schema.
        let remedy = "send an object: {\"field\": …}; see the schema in /api/v1/openapi.json";
        return Err(Refused::invalid("body", "is a list, not an object", remedy));
    }
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = error.path().to_string();
        refuse_json(&path, error.inner())
    })?;
    json.end().map_err(|error| refuse_json(".", &error))?;
    Ok(value)
}

fn refuse_json(path: &str, error: &serde_json::Error) -> Refused {
    match error.classify() {
        Category::Data => {
            let text = error.to_string();
            let message = text.split(" at line ").next().unwrap_or_default();
            let field = field_of(path, message, "body");
            let remedy = "see the schema in /api/v1/openapi.json";
            Refused::invalid(clip(&field), clip(message), remedy)
        }
        Category::Syntax | Category::Eof | Category::Io => {
            let detail = format!("the body is not JSON: {}", clip(&error.to_string()));
            let hint = format!("look at line {}, column {}", error.line(), error.column());
            Refused::unreadable(detail, hint)
        }
    }
}

/// What a client sent may be long; an answer repeats the beginning.
fn clip(text: &str) -> String {
    let mut shown: String = text.chars().take(ECHO_CHARS_MAX).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}

/// The field that an error is about. Errors about a field's name are told of the object it is in.
fn field_of(path: &str, message: &str, whole: &str) -> String {
    let about_name = ["unknown field `", "missing field `", "duplicate field `"];
    let name = about_name
        .iter()
        .find_map(|start| message.strip_prefix(start));
    let name = name.and_then(|rest| rest.split('`').next());
    match (path, name) {
        ("." | "", None) => whole.into(),
        ("." | "", Some(name)) => name.into(),
        (path, Some(name)) if path == name || path.ends_with(&format!(".{name}")) => path.into(),
        (path, Some(name)) => format!("{path}.{name}"),
        (path, None) => path.into(),
    }
}

impl<T: DeserializeOwned> FromRequestParts<App> for Params<T> {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Refused> {
        let parsed = Query::<T>::try_from_uri(&parts.uri);
        parsed
            .map(|Query(value)| Params(value))
            .map_err(|rejection| {
                let text = rejection.body_text();
                let message = text
                    .rsplit_once("query string: ")
                    .map_or(&*text, |(_, rest)| rest);
                let (path, message) = message.split_once(": ").unwrap_or(("", message));
                let remedy = "see the parameters in /api/v1/openapi.json";
                let field = field_of(path, message, "query");
                Refused::invalid(clip(&field), clip(message), remedy)
            })
    }
}

impl FromRequestParts<App> for Name {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Refused> {
        path(parts, app).await.map(Name)
    }
}

impl FromRequestParts<App> for Names {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Refused> {
        let (first, second) = path(parts, app).await?;
        Ok(Names(first, second))
    }
}

async fn path<T: DeserializeOwned + Send>(parts: &mut Parts, app: &App) -> Result<T, Refused> {
    let path = Path::<T>::from_request_parts(parts, app).await;
    path.map(|Path(found)| found).map_err(|rejection| {
        let hint = "write it as percent-encoded UTF-8";
        Refused::unreadable(rejection.body_text(), hint).with_field("path")
    })
}

impl FromRequestParts<App> for JobNumber {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Refused> {
        let Name(text) = Name::from_request_parts(parts, app).await?;
        text.parse().map(JobNumber).map_err(|_| {
            let shown: String = text.chars().take(40).collect();
            let detail = format!("`{shown}` is not the number of a job");
            Refused::unreadable(detail, "write it as a number from 1 on: /jobs/12").with_field("id")
        })
    }
}
