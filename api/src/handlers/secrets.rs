//! Secrets of users and projects. They are sealed here, before they are proposed; what is answered
//! has no value in it, and there is no way to ask for one.

use api_types::secret::{Secret, SecretList, SecretRequest};
use axum::extract::State;
use axum::http::StatusCode;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use model::Timestamp;
use model::command::{Command, RemoveSecret};
use model::limits::SECRET_BYTES_MAX;
use model::quota::Holder;
use model::secret::{self, SecretKind};

use crate::app::App;
use crate::auth::Caller;
use crate::convert;
use crate::extract::{Json, Name, Names};
use crate::problem::Refused;

/// List the caller's own secrets, and those of projects that the caller may charge jobs to.
///
/// Names and times, never values.
#[utoipa::path(
    get, path = "/secrets", tag = "secrets", responses((status = 200, body = SecretList)),
)]
pub(crate) async fn list_secrets(State(app): State<App>, caller: Caller) -> axum::Json<SecretList> {
    let state = app.log().read();
    let own = Holder::User(caller.name().clone());
    let theirs = state
        .projects()
        .filter(|project| project.has(caller.name()));
    let shared = theirs.map(|project| Holder::Project(project.name.clone()));
    let owners: Vec<Holder> = std::iter::once(own).chain(shared).collect();
    let items = owners.iter().flat_map(|owner| state.secrets_of(owner));
    axum::Json(SecretList {
        items: items.map(shown).collect(),
    })
}

fn shown(secret: &secret::Secret) -> Secret {
    let (registry, login) = match &secret.kind {
        SecretKind::File => (None, None),
        SecretKind::Registry { host, login } => (Some(host.clone()), Some(login.clone())),
    };
    Secret {
        name: secret.name.clone(),
        project: match &secret.owner {
            Holder::User(_) => None,
            Holder::Project(name) => Some(name.clone()),
        },
        registry,
        login,
        created_at: convert::time(secret.created_at),
        changed_at: convert::time(secret.changed_at),
        changed_by: secret.changed_by.0.clone(),
    }
}

/// Keep a secret of the caller's own, or give it another value.
///
/// Attempts that are prepared from then on get the new value; those that run keep what they have.
#[utoipa::path(
    put, path = "/secrets/{name}", tag = "secrets",
    params(("name" = String, Path, description = "The secret's name")),
    request_body = SecretRequest,
    responses((status = 200, body = Secret)),
)]
pub(crate) async fn put_secret(
    State(app): State<App>,
    caller: Caller,
    Name(name): Name,
    Json(request): Json<SecretRequest>,
) -> Result<axum::Json<Secret>, Refused> {
    let owner = Holder::User(caller.name().clone());
    put(&app, &caller, owner, name, request).await
}

/// Forget a secret of the caller's own. Attempts that would begin later end, and say why.
#[utoipa::path(
    delete, path = "/secrets/{name}", tag = "secrets",
    params(("name" = String, Path, description = "The secret's name")),
    responses((status = 204)),
)]
pub(crate) async fn remove_secret(
    State(app): State<App>,
    caller: Caller,
    Name(name): Name,
) -> Result<StatusCode, Refused> {
    let owner = Holder::User(caller.name().clone());
    remove(&app, &caller, owner, name).await
}

/// Keep a secret of a project, or give it another value. For its managers.
#[utoipa::path(
    put, path = "/projects/{name}/secrets/{secret}", tag = "secrets",
    params(
        ("name" = String, Path, description = "The project's name"),
        ("secret" = String, Path, description = "The secret's name"),
    ),
    request_body = SecretRequest,
    responses((status = 200, body = Secret)),
)]
pub(crate) async fn put_project_secret(
    State(app): State<App>,
    caller: Caller,
    Names(project, name): Names,
    Json(request): Json<SecretRequest>,
) -> Result<axum::Json<Secret>, Refused> {
    put(&app, &caller, Holder::Project(project), name, request).await
}

/// Forget a secret of a project. For its managers.
#[utoipa::path(
    delete, path = "/projects/{name}/secrets/{secret}", tag = "secrets",
    params(
        ("name" = String, Path, description = "The project's name"),
        ("secret" = String, Path, description = "The secret's name"),
    ),
    responses((status = 204)),
)]
pub(crate) async fn remove_project_secret(
    State(app): State<App>,
    caller: Caller,
    Names(project, name): Names,
) -> Result<StatusCode, Refused> {
    remove(&app, &caller, Holder::Project(project), name).await
}

async fn put(
    app: &App,
    caller: &Caller,
    owner: Holder,
    name: String,
    request: SecretRequest,
) -> Result<axum::Json<Secret>, Refused> {
    let value = value(&request)?;
    let kind = kind(request.registry, request.login)?;
    let place = secret::Secret::place(&owner, &name);
    let sealed = app.host().seal_for(&place, &value);
    let sealed = sealed.ok_or_else(|| Refused::internal("a secret cannot be sealed"))?;
    let secret = secret::Secret {
        owner: owner.clone(),
        name: name.clone(),
        kind,
        sealed,
        // Set by `apply`, from the cluster's clock.
        created_at: Timestamp(0),
        changed_at: Timestamp(0),
        changed_by: caller.name().clone(),
    };
    let state = app.change_then_read(Command::PutSecret(secret)).await?;
    let kept = state.secret(&owner, &name).ok_or_else(|| none(&name))?;
    Ok(axum::Json(shown(kept)))
}

async fn remove(
    app: &App,
    caller: &Caller,
    owner: Holder,
    name: String,
) -> Result<StatusCode, Refused> {
    let by = caller.name().clone();
    let remove = RemoveSecret { owner, name, by };
    app.change(Command::RemoveSecret(remove)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The value that was sent. What is said of a wrong one does not repeat it.
fn value(request: &SecretRequest) -> Result<Vec<u8>, Refused> {
    let (field, value) = match (&request.value, &request.value_base64) {
        (Some(text), None) => ("value", text.clone().into_bytes()),
        (None, Some(text)) => {
            let wrong = |_| {
                Refused::invalid(
                    "value_base64",
                    "is no base64",
                    "encode it with padding: `base64`",
                )
            };
            ("value_base64", STANDARD.decode(text).map_err(wrong)?)
        }
        (Some(_), Some(_)) | (None, None) => {
            let message = "either value or value_base64 is needed";
            return Err(Refused::invalid("value", message, "give one of them"));
        }
    };
    if value.is_empty() || value.len() > SECRET_BYTES_MAX {
        let message = format!("{} bytes; 1 to {SECRET_BYTES_MAX}", value.len());
        let remedy = "keep keys and passwords here, and data in a volume";
        return Err(Refused::invalid(field, message, remedy));
    }
    Ok(value)
}

fn kind(registry: Option<String>, login: Option<String>) -> Result<SecretKind, Refused> {
    match (registry, login) {
        (None, None) => Ok(SecretKind::File),
        (Some(host), Some(login)) => Ok(SecretKind::Registry { host, login }),
        (Some(_), None) => {
            let message = "a registry knows people by a name";
            Err(Refused::invalid(
                "login",
                message,
                "give the user's name there",
            ))
        }
        (None, Some(_)) => {
            let message = "a login is one at a registry";
            Err(Refused::invalid(
                "registry",
                message,
                "name the registry, as images do",
            ))
        }
    }
}

fn none(name: &str) -> Refused {
    let shown: String = name.chars().take(40).collect();
    Refused::not_found(format!("secret {shown}"))
}
