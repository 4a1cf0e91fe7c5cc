//! `secret`: values that jobs find as files. A value comes from a file, from standard input or from
//! a question without echo; never from the command line, which other users of the machine can read.

use std::io::Read;
use std::path::{Path, PathBuf};

use api_types::secret::{Secret, SecretList, SecretRequest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;

use crate::args::account::SecretAction;
use crate::client::{Request, escaped};
use crate::error::Failure;
use crate::limits::SECRET_BYTES_MAX;
use crate::output::cells;
use crate::output::table::{Column, Rank};
use crate::session::Session;
use crate::text;

/// `goctl secret …`.
///
/// # Errors
/// When there is no value, or what the server says.
pub async fn run(session: &Session, action: Option<SecretAction>) -> Result<(), Failure> {
    match action {
        None | Some(SecretAction::List) => {
            let list: SecretList = session.client()?.ask(&Request::get("/secrets")).await?;
            session.output.list(&list.items, &columns())
        }
        Some(SecretAction::Set {
            name,
            typed,
            file,
            project,
            registry,
            login,
        }) => {
            if !typed.is_empty() {
                return Err(typed_here(&name));
            }
            let mut request = value(session, &name, file.as_deref())?;
            (request.registry, request.login) = (registry, login);
            let request =
                Request::new(Method::PUT, path(&name, project.as_deref())).body(&request)?;
            let secret: Secret = session.client()?.ask(&request).await?;
            session.output.one(&secret, |_| {
                format!("secret {} is kept\n", cells::safe(&secret.name))
            })
        }
        Some(SecretAction::Remove { name, project }) => {
            let request = Request::new(Method::DELETE, path(&name, project.as_deref()));
            session.client()?.tell(&request).await?;
            let said = cells::safe(&name);
            session
                .output
                .data(&format!("secret {said} is forgotten\n"))
        }
    }
}

/// Says nothing of what was typed.
fn typed_here(name: &str) -> Failure {
    let name = cells::safe(name);
    Failure::usage("a value is not taken from the command line, where others can read it").hint(
        format!("goctl secret set {name} asks for it; or --file FILE, - for standard input"),
    )
}

fn path(name: &str, project: Option<&str>) -> String {
    let name = escaped(name);
    match project {
        None => format!("/secrets/{name}"),
        Some(project) => format!("/projects/{}/secrets/{name}", escaped(project)),
    }
}

/// The value: of a file every byte, of a question the line.
fn value(session: &Session, name: &str, file: Option<&Path>) -> Result<SecretRequest, Failure> {
    let bytes = match file {
        Some(file) => whole(file)?,
        None if session.environment.stdin_tty => {
            let question = format!("Value of {}: ", cells::safe(name));
            session.ask_secret(&question)?.into_bytes()
        }
        None => whole(Path::new("-"))?,
    };
    if bytes.is_empty() {
        return Err(Failure::usage("the value is empty").field("--file"));
    }
    Ok(match String::from_utf8(bytes) {
        Ok(text) => SecretRequest {
            value: Some(text),
            ..SecretRequest::default()
        },
        Err(binary) => SecretRequest {
            value_base64: Some(STANDARD.encode(binary.as_bytes())),
            ..SecretRequest::default()
        },
    })
}

fn whole(path: &Path) -> Result<Vec<u8>, Failure> {
    let wrong = |what: String| {
        let origin = text::origin(path);
        Failure::usage(format!("{origin}: {what}")).field("--file")
    };
    let mut bytes = Vec::new();
    let read = if path == Path::new("-") {
        let stdin = std::io::stdin().lock();
        stdin.take(SECRET_BYTES_MAX + 1).read_to_end(&mut bytes)
    } else {
        let file = std::fs::File::open(PathBuf::from(path));
        file.and_then(|file| file.take(SECRET_BYTES_MAX + 1).read_to_end(&mut bytes))
    };
    read.map_err(|error| wrong(error.to_string()))?;
    if bytes.len() as u64 > SECRET_BYTES_MAX {
        let hint = "keep keys and passwords here, and data in a volume";
        return Err(wrong(format!("larger than {} KiB", SECRET_BYTES_MAX >> 10)).hint(hint));
    }
    Ok(bytes)
}

fn columns() -> [Column<Secret>; 5] {
    [
        Column::left("secret", Rank::Always, |secret, _| {
            cells::safe(&secret.name)
        }),
        Column::left("project", Rank::Useful, |secret, _| {
            cells::safe(secret.project.as_deref().unwrap_or_default())
        }),
        Column::left("registry", Rank::Useful, |secret, _| {
            let host = secret.registry.as_deref().unwrap_or_default();
            match &secret.login {
                Some(login) => cells::safe(&format!("{login}@{host}")),
                None => cells::safe(host),
            }
        }),
        Column::left("changed", Rank::Useful, |secret, view| {
            cells::moment(&secret.changed_at, view)
        }),
        Column::left("by", Rank::Nice, |secret, _| {
            cells::safe(&secret.changed_by)
        }),
    ]
}
