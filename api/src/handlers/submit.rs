//! Submitting jobs, one or many.

use api_types::header::IDEMPOTENCY_KEY;
use api_types::job_request::{JobBatch, JobRequest, Submitted, SubmittedBatch};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{AppendHeaders, IntoResponse, Response};
use model::JobId;
use model::command::{Command, Rejection, Reply, SubmitJobs, SubmitKey};
use model::limits::{NAME_BYTES_MAX, SUBMIT_BATCH_MAX};
use model::spec::JobSpec;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::app::App;
use crate::auth::Caller;
use crate::convert;
use crate::extract::Json;
use crate::limits::{BATCH_BYTES_MAX, PROBLEMS_MAX, SPEC_BYTES_MAX, SUBMISSION_BYTES_MAX};
use crate::problem::Refused;

/// Submit a job.
///
/// The answer comes when a quorum of the heads has the job on disk. The same `Idempotency-Key`
/// with the same body gives the same job again for 24 hours; then the status is 200.
#[utoipa::path(
    post, path = "/jobs", tag = "jobs",
    params(("Idempotency-Key" = Option<String>, Header, description = "1 to 128 printable bytes")),
    request_body = JobRequest,
    responses(
        (status = 201, body = Submitted, headers(("Location" = String))),
        (status = 200, body = Submitted, description = "The key was known"),
    ),
)]
pub(crate) async fn submit_job(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    Json(request): Json<JobRequest>,
) -> Result<Response, Refused> {
    let key = key(&headers, "job", &request)?;
    let spec = convert::request::spec(request, "").map_err(Refused::invalid_fields)?;
    let name = spec.name.clone();
    let made = submit(&app, &caller, key, vec![spec], |_| String::new()).await?;
    let body = Submitted {
        id: made.first.0,
        name,
        replayed: made.replayed,
    };
    Ok(answer(&made, axum::Json(body)))
}

/// Submit many jobs at once: all are admitted, or none.
///
/// They get consecutive numbers in the order given.
#[utoipa::path(
    post, path = "/jobs:batch", tag = "jobs",
    params(("Idempotency-Key" = Option<String>, Header, description = "1 to 128 printable bytes")),
    request_body = JobBatch,
    responses(
        (status = 201, body = SubmittedBatch, headers(("Location" = String))),
        (status = 200, body = SubmittedBatch, description = "The key was known"),
    ),
)]
pub(crate) async fn submit_batch(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    Json(batch): Json<JobBatch, BATCH_BYTES_MAX>,
) -> Result<Response, Refused> {
    let key = key(&headers, "batch", &batch)?;
    if batch.jobs.is_empty() || batch.jobs.len() > SUBMIT_BATCH_MAX {
        let message = format!("{} jobs; must be 1 to {SUBMIT_BATCH_MAX}", batch.jobs.len());
        return Err(Refused::invalid("jobs", message, "split the batch"));
    }
    let (mut specs, mut problems) = (Vec::with_capacity(batch.jobs.len()), Vec::new());
    for (at, request) in batch.jobs.into_iter().enumerate() {
        match convert::request::spec(request, &prefix(at)) {
            Ok(spec) => specs.push(spec),
            Err(wrong) => problems.extend(wrong),
        }
        if problems.len() >= PROBLEMS_MAX {
            break;
        }
    }
    if !problems.is_empty() {
        return Err(Refused::invalid_fields(problems));
    }
    let made = submit(&app, &caller, key, specs, prefix).await?;
    let (first, count, replayed) = (made.first.0, made.count, made.replayed);
    Ok(answer(
        &made,
        axum::Json(SubmittedBatch {
            first,
            count,
            replayed,
        }),
    ))
}

fn prefix(at: usize) -> String {
    format!("jobs[{at}].")
}

/// What became of a submission.
struct Made {
    first: JobId,
    count: u32,
    replayed: bool,
}

fn answer(made: &Made, body: impl IntoResponse) -> Response {
    let status = if made.replayed {
        StatusCode::OK
    } else {
        StatusCode::CREATED
    };
    let location = format!("{}/jobs/{}", api_types::PREFIX, made.first);
    (status, AppendHeaders([(header::LOCATION, location)]), body).into_response()
}

async fn submit(
    app: &App,
    caller: &Caller,
    key: Option<SubmitKey>,
    specs: Vec<JobSpec>,
    prefix: fn(usize) -> String,
) -> Result<Made, Refused> {
    check_sizes(&specs, prefix)?;
    let named = named_fields(&specs, prefix);
    let command = SubmitJobs {
        by: caller.name().clone(),
        key,
        specs,
    };
    match app.propose(Command::SubmitJobs(command)).await?.reply {
        Reply::Submitted {
            first,
            count,
            replayed,
        } => Ok(Made {
            first,
            count,
            replayed,
        }),
        Reply::Rejected(why) => Err(rejected(why, &named)),
        Reply::Done
        | Reply::Cancelled(_)
        | Reply::Planned { .. }
        | Reply::Joined(_)
        | Reply::Expired(_) => Err(Refused::internal("an answer of another kind")),
    }
}

/// What peers send each other is bounded; a job must fit.
fn check_sizes(specs: &[JobSpec], prefix: fn(usize) -> String) -> Result<(), Refused> {
    let mut total = 0;
    for (at, spec) in specs.iter().enumerate() {
        let bytes = model::format::encode(spec).len();
        total += bytes;
        if bytes > SPEC_BYTES_MAX {
            let what = format!("{}the job ({bytes} bytes)", prefix(at));
            let hint = "put data into a volume or the image, not into script, argv or env";
            return Err(Refused::too_large(&what, SPEC_BYTES_MAX, hint));
        }
    }
    if total > SUBMISSION_BYTES_MAX {
        let what = format!("the jobs ({total} bytes)");
        return Err(Refused::too_large(
            &what,
            SUBMISSION_BYTES_MAX,
            "split the batch",
        ));
    }
    Ok(())
}

/// Every field that asks for a volume or secret, with the name that a rejection gives it.
fn named_fields(specs: &[JobSpec], prefix: fn(usize) -> String) -> Vec<(String, String)> {
    let jobs = specs.iter().enumerate();
    let fields = jobs.flat_map(|(at, spec)| {
        let volumes = spec.volumes.iter().enumerate();
        let volumes = volumes.map(move |(number, volume)| {
            let field = format!("{}volumes[{number}].name", prefix(at));
            (format!("volume {}", volume.name), field)
        });
        let secrets = spec.secrets.iter().enumerate();
        let secrets = secrets.map(move |(number, secret)| {
            let field = format!("{}secrets[{number}].name", prefix(at));
            (format!("secret {}", secret.name), field)
        });
        volumes.chain(secrets)
    });
    fields.collect()
}

fn rejected(why: Rejection, named: &[(String, String)]) -> Refused {
    match why {
        Rejection::NotFound { what } => match named.iter().find(|(name, _)| *name == what) {
            Some((_, field)) => {
                let message = format!("there is no {what}");
                let remedy = if what.starts_with("secret ") {
                    "see GET /api/v1/secrets (`goctl secret ls`); `goctl secret set` makes one"
                } else {
                    "see GET /api/v1/volumes (`goctl volumes`), or ask an administrator"
                };
                Refused::invalid(field.clone(), message, remedy)
            }
            None => match what.split_once(' ') {
                Some((field @ ("project" | "queue"), _)) => {
                    let message = format!("there is no {what} that you may use");
                    let remedy = format!(
                        "see GET /api/v1/{field}s (`goctl {field}s`), or ask an administrator"
                    );
                    Refused::invalid(field, message, remedy)
                }
                Some(_) | None => Refused::unauthenticated("the account was disabled or removed"),
            },
        },
        Rejection::Invalid { field, message } => {
            let field = convert::request::field(&field);
            Refused::invalid(field, message, "change the field as the message says")
        }
        other @ (Rejection::Conflict { .. }
        | Rejection::Limit { .. }
        | Rejection::Forbidden { .. }
        | Rejection::BadToken
        | Rejection::WrongTime { .. }) => {
            let conflict = matches!(other, Rejection::Conflict { .. });
            let refused = Refused::from(other);
            if conflict {
                refused
                    .with_field(IDEMPOTENCY_KEY)
                    .with_hint("use a new key for a new request")
            } else {
                refused
            }
        }
    }
}

/// The client's key with the digest of the request in its canonical form: fields in the order of
/// the schema, nothing that was left out.
fn key(
    headers: &HeaderMap,
    kind: &str,
    request: &impl Serialize,
) -> Result<Option<SubmitKey>, Refused> {
    let Some(value) = headers.get(IDEMPOTENCY_KEY) else {
        return Ok(None);
    };
    let key = value.to_str().unwrap_or_default();
    if key.is_empty() || key.len() > NAME_BYTES_MAX {
        let message = format!("must be 1 to {NAME_BYTES_MAX} printable ASCII characters");
        let remedy = "use a random key, for example a UUID";
        return Err(Refused::invalid(IDEMPOTENCY_KEY, message, remedy));
    }
    let mut hash = Sha256::new_with_prefix(kind);
    hash.update([0]);
    hash.update(serde_json::to_vec(request).unwrap_or_default());
    Ok(Some(SubmitKey {
        key: key.into(),
        digest: hash.finalize().into(),
    }))
}
