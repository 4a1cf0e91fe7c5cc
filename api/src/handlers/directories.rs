//! Directories of users that the site has already.

use api_types::directory::{
    Directory, DirectoryAnswer, DirectoryList, DirectoryRequest, DirectoryTest,
};
use axum::extract::State;
use axum::http::StatusCode;
use directory::DirectoryError;
use model::account;
use model::command::Command;

use crate::app::App;
use crate::directories;
use crate::extract::{Json, Name};
use crate::problem::Refused;

/// List the directories. For administrators.
#[utoipa::path(
    get, path = "/directories", tag = "directories",
    responses((status = 200, body = DirectoryList)),
)]
pub(crate) async fn list_directories(State(app): State<App>) -> axum::Json<DirectoryList> {
    let state = app.log().read();
    axum::Json(DirectoryList {
        items: state.directories().map(shown).collect(),
    })
}

fn shown(directory: &account::Directory) -> Directory {
    Directory {
        name: directory.name.clone(),
        // It was parsed before it was kept.
        settings: serde_json::from_str(&directory.settings).unwrap_or_default(),
        has_secret: !directory.sealed.is_empty(),
        believed_seconds: directory.life.0.div_ceil(1000),
    }
}

/// Make a directory, or change it. For administrators.
///
/// It is not asked yet: `POST /directories/{name}/test` does that.
#[utoipa::path(
    put, path = "/directories/{name}", tag = "directories",
    params(("name" = String, Path, description = "The directory's name")),
    request_body = DirectoryRequest,
    responses((status = 200, body = Directory)),
)]
pub(crate) async fn put_directory(
    State(app): State<App>,
    Name(name): Name,
    Json(request): Json<DirectoryRequest>,
) -> Result<axum::Json<Directory>, Refused> {
    let text = request.settings.to_string();
    let remedy = "see the chapter on directories in the administrators' guide";
    let wrong = |message: String| Refused::invalid("settings", message, remedy);
    let settings = directories::parse(&text).map_err(wrong)?;
    settings
        .validate()
        .map_err(|error| wrong(error.to_string()))?;
    let life = directories::life(&settings);
    let known = app.log().read().directory(&name).cloned();
    let sealed = match &request.secret {
        None => known.map(|known| known.sealed).unwrap_or_default(),
        Some(secret) if secret.is_empty() => Vec::new(),
        Some(secret) => {
            let sealed = app.host().seal(secret.as_bytes());
            sealed.ok_or_else(|| Refused::internal("a secret cannot be sealed"))?
        }
    };
    let secret = (!sealed.is_empty()).then(|| directory::Secret::new("for the check only"));
    // What does not fit together is found now and not when somebody logs in.
    if let Err(error @ DirectoryError::Misconfigured { .. }) = directory::open(settings, secret) {
        return Err(wrong(error.to_string()));
    }
    let put = account::Directory {
        name: name.clone(),
        settings: text,
        sealed,
        life,
    };
    let state = app.change_then_read(Command::PutDirectory(put)).await?;
    let kept = state.directory(&name).ok_or_else(|| none(&name))?;
    Ok(axum::Json(shown(kept)))
}

/// Forget a directory; its users keep their accounts and jobs, and are let in no more. For
/// administrators.
#[utoipa::path(
    delete, path = "/directories/{name}", tag = "directories",
    params(("name" = String, Path, description = "The directory's name")),
    responses((status = 204)),
)]
pub(crate) async fn remove_directory(
    State(app): State<App>,
    Name(name): Name,
) -> Result<StatusCode, Refused> {
    app.change(Command::RemoveDirectory(name)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Ask a directory about somebody, from this head. For administrators.
#[utoipa::path(
    post, path = "/directories/{name}/test", tag = "directories",
    params(("name" = String, Path, description = "The directory's name")),
    request_body = DirectoryTest,
    responses((status = 200, body = DirectoryAnswer)),
)]
pub(crate) async fn test_directory(
    State(app): State<App>,
    Name(name): Name,
    Json(request): Json<DirectoryTest>,
) -> Result<axum::Json<DirectoryAnswer>, Refused> {
    let state = app.log().read();
    let known = state.directory(&name).ok_or_else(|| none(&name))?;
    let person = directories::ask(&app, known, &request.login).await?;
    Ok(axum::Json(person.map_or_else(
        DirectoryAnswer::default,
        |person| DirectoryAnswer {
            found: true,
            uid: Some(person.uid),
            gid: Some(person.gid),
            groups: person.groups,
            home: person.home,
            mail: person.mail,
        },
    )))
}

fn none(name: &str) -> Refused {
    let shown: String = name.chars().take(40).collect();
    Refused::not_found(format!("directory {shown}"))
}
