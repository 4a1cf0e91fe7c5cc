//! How a request is refused: RFC 9457 problem details with a stable code and a remedy.
//!
//! Every refusal of the API is a [`Refused`]; it carries no body. The edge fills in the id of the
//! request and writes the body, so that no answer can lack it.

use std::borrow::Cow;

use api_types::problem::{FieldProblem, Problem, code};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use model::command::Rejection;
use model::log::LogError;

use crate::host::HostError;
use crate::host::files::FileFault;
use crate::limits::PROBLEMS_MAX;

/// A refusal of one request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Refused(Box<Details>);

#[derive(Clone, PartialEq, Eq, Debug)]
struct Details {
    status: StatusCode,
    code: &'static str,
    detail: String,
    field: Option<String>,
    hint: Cow<'static, str>,
    problems: Vec<FieldProblem>,
    retry_after: Option<u64>,
}

impl Refused {
    pub(crate) fn new(
        status: StatusCode,
        code: &'static str,
        detail: impl Into<String>,
        hint: impl Into<Cow<'static, str>>,
    ) -> Refused {
        Refused(Box::new(Details {
            status,
            code,
            detail: detail.into(),
            field: None,
            hint: hint.into(),
            problems: Vec::new(),
            retry_after: None,
        }))
    }

    /// What is wrong, in a sentence.
    pub(crate) fn detail(&self) -> &str {
        &self.0.detail
    }

    pub(crate) fn with_field(mut self, field: impl Into<String>) -> Refused {
        self.0.field = Some(field.into());
        self
    }

    pub(crate) fn with_hint(mut self, hint: impl Into<Cow<'static, str>>) -> Refused {
        self.0.hint = hint.into();
        self
    }

    pub(crate) fn with_retry_after(mut self, seconds: u64) -> Refused {
        self.0.retry_after = Some(seconds.max(1));
        self
    }

    /// 400: cannot be read.
    pub(crate) fn unreadable(
        detail: impl Into<String>,
        hint: impl Into<Cow<'static, str>>,
    ) -> Refused {
        Refused::new(StatusCode::BAD_REQUEST, code::BAD_REQUEST, detail, hint)
    }

    /// 404.
    pub(crate) fn not_found(what: impl std::fmt::Display) -> Refused {
        let hint = "check the name or number; what belongs to others is not shown";
        let detail = format!("there is no {what}");
        Refused::new(StatusCode::NOT_FOUND, code::NOT_FOUND, detail, hint)
    }

    /// 403.
    pub(crate) fn forbidden(
        detail: impl Into<String>,
        hint: impl Into<Cow<'static, str>>,
    ) -> Refused {
        Refused::new(StatusCode::FORBIDDEN, code::FORBIDDEN, detail, hint)
    }

    /// 401 for want of a token.
    pub(crate) fn unauthenticated(detail: impl Into<String>) -> Refused {
        let hint = "log in with POST /api/v1/login (`goctl login`) and send the token as \
                    `Authorization: Bearer …`";
        Refused::new(
            StatusCode::UNAUTHORIZED,
            code::UNAUTHENTICATED,
            detail,
            hint,
        )
    }

    /// 422 for one field.
    pub(crate) fn invalid(
        field: impl Into<String>,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Refused {
        Refused::invalid_fields(vec![FieldProblem {
            field: field.into(),
            message: message.into(),
            remedy: remedy.into(),
        }])
    }

    /// 422 for several fields, of which the first is told in short.
    pub(crate) fn invalid_fields(mut problems: Vec<FieldProblem>) -> Refused {
        problems.truncate(PROBLEMS_MAX);
        let first = problems.first().cloned().unwrap_or_default();
        let detail = format!("{}: {}", first.field, first.message);
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        let mut refused = Refused::new(status, code::INVALID, detail, first.remedy);
        refused.0.field = Some(first.field);
        refused.0.problems = problems;
        refused
    }

    /// 413 for a limit.
    pub(crate) fn too_large(what: &str, limit: usize, hint: &'static str) -> Refused {
        let detail = format!("{what}: at most {limit} bytes");
        Refused::new(StatusCode::PAYLOAD_TOO_LARGE, code::TOO_LARGE, detail, hint)
    }

    /// 503: too much is under way here.
    pub(crate) fn overloaded(detail: impl Into<String>) -> Refused {
        let hint = "nothing was done; try again after the time in Retry-After, or ask another head";
        let status = StatusCode::SERVICE_UNAVAILABLE;
        Refused::new(status, code::OVERLOADED, detail, hint).with_retry_after(1)
    }

    /// 429: this client asks too much.
    pub(crate) fn slow_down(detail: impl Into<String>, seconds: u64) -> Refused {
        let hint = "nothing was done; try again after the time in Retry-After";
        Refused::new(
            StatusCode::TOO_MANY_REQUESTS,
            code::OVERLOADED,
            detail,
            hint,
        )
        .with_retry_after(seconds)
    }

    /// 504: a quorum has the change, and this head could not show it in time.
    pub(crate) fn done_unseen() -> Refused {
        let detail = "it was done, but this head has not caught up to show it";
        let hint = "read it in a moment, or ask another head; do not repeat the change";
        let status = StatusCode::GATEWAY_TIMEOUT;
        Refused::new(status, code::UNKNOWN_OUTCOME, detail, hint)
    }

    /// 500: a fault of ours.
    pub(crate) fn internal(detail: impl Into<String>) -> Refused {
        let hint = "report it with the request id; the head's log has more";
        Refused::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            code::INTERNAL,
            detail,
            hint,
        )
    }

    /// What an error status that is not ours means: an unknown path or method, mostly.
    pub(crate) fn of_status(status: StatusCode, asked: &str) -> Refused {
        let see = "see /api/v1/openapi.json for the paths and their methods";
        match status {
            StatusCode::NOT_FOUND => Refused::new(
                status,
                code::NOT_FOUND,
                format!("{asked}: there is no such path"),
                see,
            ),
            StatusCode::METHOD_NOT_ALLOWED => {
                let detail = format!("{asked}: not with this method; see the header Allow");
                Refused::new(status, code::METHOD_NOT_ALLOWED, detail, see)
            }
            other if other.is_client_error() => {
                let detail = format!("{asked}: {other}");
                Refused::new(status, code::BAD_REQUEST, detail, see)
            }
            other => Refused::internal(format!("{asked}: {other}")),
        }
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.0.status
    }

    pub(crate) fn code(&self) -> &'static str {
        self.0.code
    }

    /// The body, for a request of this id.
    pub(crate) fn body(&self, request_id: &str) -> Problem {
        Problem {
            kind: format!(
                "urn:godocker:problem:{}",
                self.0.code.to_lowercase().replace('_', "-")
            ),
            title: title(self.0.code).into(),
            status: self.0.status.as_u16(),
            detail: self.0.detail.clone(),
            code: self.0.code.into(),
            field: self.0.field.clone(),
            hint: Some(self.0.hint.to_string()),
            request_id: request_id.into(),
            problems: self.0.problems.clone(),
        }
    }
}

/// The kind of problem in a few words.
fn title(of: &str) -> &'static str {
    match of {
        code::BAD_REQUEST => "The request cannot be read",
        code::UNAUTHENTICATED => "A valid token is needed",
        code::BAD_CREDENTIALS => "Wrong user name or password",
        code::PASSWORD_CHANGE_REQUIRED => "A new password is needed",
        code::FORBIDDEN => "Not allowed",
        code::NOT_FOUND => "Not found",
        code::METHOD_NOT_ALLOWED => "Method not allowed",
        code::CONFLICT => "It collides with what is there",
        code::LIMIT_REACHED => "A limit is reached",
        code::EVENTS_GONE => "These events are no longer kept",
        code::TOO_LARGE => "Too large",
        code::BAD_RANGE => "The range is not there",
        code::TOO_SLOW => "The request took too long to arrive",
        code::UNSUPPORTED_MEDIA_TYPE => "The body is not JSON",
        code::INVALID => "The request is wrong",
        code::OVERLOADED => "Too much at the same time",
        code::STORAGE => "The disk of this head fails",
        code::NODE_UNREACHABLE => "The node cannot be reached",
        code::NO_LEADER => "No leader reaches a quorum",
        code::SHUTTING_DOWN => "This head is shutting down",
        code::UNKNOWN_OUTCOME => "The outcome is unknown",
        _ => "A fault of the server",
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let mut response = self.0.status.into_response();
        let headers = response.headers_mut();
        if let Some(seconds) = self.0.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.0.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response.extensions_mut().insert(self);
        response
    }
}

impl From<LogError> for Refused {
    fn from(error: LogError) -> Refused {
        let (status, code, hint) = match &error {
            LogError::NoLeader => (
                StatusCode::SERVICE_UNAVAILABLE,
                code::NO_LEADER,
                "nothing was changed; try again shortly, or ask another head",
            ),
            LogError::Overloaded => (
                StatusCode::SERVICE_UNAVAILABLE,
                code::OVERLOADED,
                "nothing was changed; try again after the time in Retry-After",
            ),
            LogError::Full => (
                StatusCode::INSUFFICIENT_STORAGE,
                code::DISK_FULL,
                "nothing was changed; an administrator has to make room in the data directory of \
                 the leading head",
            ),
            LogError::Unknown => (
                StatusCode::GATEWAY_TIMEOUT,
                code::UNKNOWN_OUTCOME,
                "it may or may not have been done: look first, or repeat a submission with the \
                 same Idempotency-Key",
            ),
            LogError::Storage(_) => (
                StatusCode::INTERNAL_SERVER_ERROR,
                code::STORAGE,
                "ask another head, and tell an administrator to look at this one",
            ),
            LogError::Stopped => (
                StatusCode::SERVICE_UNAVAILABLE,
                code::SHUTTING_DOWN,
                "nothing was changed; ask another head",
            ),
        };
        let detail = public_text(&error);
        let refused = Refused::new(status, code, detail, hint);
        match error {
            LogError::NoLeader | LogError::Overloaded | LogError::Stopped => {
                refused.with_retry_after(1)
            }
            LogError::Full => refused.with_retry_after(10),
            LogError::Unknown | LogError::Storage(_) => refused,
        }
    }
}

/// What clients are told; what exactly the disk said is for the head's own log.
pub(crate) fn public_text(error: &LogError) -> String {
    match error {
        LogError::Storage(what) => {
            tracing::error!(what, "the log's storage fails");
            "the disk of this head fails".into()
        }
        LogError::NoLeader
        | LogError::Overloaded
        | LogError::Full
        | LogError::Unknown
        | LogError::Stopped => error.to_string(),
    }
}

impl From<Rejection> for Refused {
    fn from(why: Rejection) -> Refused {
        match why {
            Rejection::NotFound { what } => Refused::not_found(what),
            Rejection::Conflict { what } => conflict(what, "look at it again, then decide"),
            Rejection::Limit { name, limit } => {
                let detail = format!("{name}: at most {limit}");
                let hint = "remove some, ask for fewer at once, or wait until some have ended";
                Refused::new(StatusCode::CONFLICT, code::LIMIT_REACHED, detail, hint)
            }
            Rejection::Forbidden { what } => Refused::forbidden(what, "ask an administrator"),
            Rejection::BadToken => {
                let hint = "ask an administrator for a new one";
                Refused::forbidden("the token has ended, was used, or is wrong", hint)
            }
            Rejection::Invalid { field, message } => {
                Refused::invalid(field, message, "change the field as the message says")
            }
            Rejection::WrongTime { what } => {
                conflict(what, "run `goagent init` on the first head, once")
            }
        }
    }
}

/// 409.
pub(crate) fn conflict(detail: impl Into<String>, hint: impl Into<Cow<'static, str>>) -> Refused {
    Refused::new(StatusCode::CONFLICT, code::CONFLICT, detail, hint)
}

/// What is wrong with a file of a job.
fn of_file(fault: FileFault, detail: String) -> Refused {
    let (status, code, hint) = told_of(fault);
    let refused = Refused::new(status, code, detail, hint);
    match fault {
        FileFault::Name => refused.with_field("path"),
        FileFault::Again => refused.with_retry_after(1),
        _ => refused,
    }
}

/// Status, code and remedy.
fn told_of(fault: FileFault) -> (StatusCode, &'static str, &'static str) {
    match fault {
        FileFault::NoDirectory => (
            StatusCode::NOT_FOUND,
            code::NOT_FOUND,
            "nodes keep the files of an attempt for a limited time after its end",
        ),
        FileFault::Missing => (
            StatusCode::NOT_FOUND,
            code::NOT_FOUND,
            "list the directory: GET /jobs/{id}/files (`goctl files ls`)",
        ),
        FileFault::Name => (
            StatusCode::UNPROCESSABLE_ENTITY,
            code::INVALID,
            "write it relative to the directory of the attempt, as it is listed: work/out.txt",
        ),
        FileFault::IsDirectory => (
            StatusCode::CONFLICT,
            code::CONFLICT,
            "list it, or ask for an archive of it",
        ),
        FileFault::NotDirectory => (StatusCode::CONFLICT, code::CONFLICT, "ask for the file"),
        FileFault::NotFile => (
            StatusCode::CONFLICT,
            code::CONFLICT,
            "only files and directories are read; ask for what the link leads to, by its own path",
        ),
        FileFault::Denied => (
            StatusCode::FORBIDDEN,
            code::FORBIDDEN,
            "the job's user has no right to it; what you put there belongs below `work`",
        ),
        FileFault::TooLarge => (
            StatusCode::PAYLOAD_TOO_LARGE,
            code::TOO_LARGE,
            "put large data into a volume, or take it in parts",
        ),
        FileFault::Full => (
            StatusCode::INSUFFICIENT_STORAGE,
            code::DISK_FULL,
            "nothing was changed; remove files, or ask an administrator for room on that node",
        ),
        FileFault::Again => (
            StatusCode::SERVICE_UNAVAILABLE,
            code::OVERLOADED,
            "try again after the time in Retry-After",
        ),
        FileFault::BrokeOff => (
            StatusCode::BAD_REQUEST,
            code::BAD_REQUEST,
            "nothing was changed; send the whole file",
        ),
        FileFault::TooSlow => (
            StatusCode::REQUEST_TIMEOUT,
            code::TOO_SLOW,
            "nothing was changed; send it without pauses",
        ),
        FileFault::Failed => (
            StatusCode::INTERNAL_SERVER_ERROR,
            code::STORAGE,
            "tell an administrator to look at the node's log",
        ),
    }
}

impl From<HostError> for Refused {
    fn from(error: HostError) -> Refused {
        let detail = error.to_string();
        match error {
            HostError::Missing => {
                let hint = "nodes keep output for a limited time after the end of an attempt";
                Refused::new(StatusCode::NOT_FOUND, code::NOT_FOUND, detail, hint)
            }
            HostError::File(fault, _) => of_file(fault, detail),
            HostError::Unreachable(_) => {
                let hint = "try again; see `goctl nodes` for the state of the node";
                let status = StatusCode::BAD_GATEWAY;
                Refused::new(status, code::NODE_UNREACHABLE, detail, hint).with_retry_after(1)
            }
            HostError::NotLeading(Some(_)) => {
                conflict(detail, "ask the leader: see GET /api/v1/cluster")
            }
            HostError::NotLeading(None) => Refused::from(LogError::NoLeader),
            HostError::Refused(_) => conflict(detail, "see GET /api/v1/raft for the members"),
            HostError::Log(error) => Refused::from(error),
        }
    }
}
