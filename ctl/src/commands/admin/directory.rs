//! `admin directory`: what is asked who people are.

use std::io::stdin;
use std::path::Path;

use api_types::directory::{
    Directory as Known, DirectoryAnswer, DirectoryList, DirectoryRequest, DirectoryTest,
};
use reqwest::Method;
use serde_json::Value;

use crate::args::admin::directory::Directory;
use crate::client::{Request, escaped};
use crate::error::Failure;
use crate::limits::JOB_FILE_BYTES_MAX;
use crate::output::table::{Column, Rank};
use crate::output::{cells, fields};
use crate::session::Session;
use crate::text;

const ELSEWHERE: &str = "settings of a directory are a few lines";

/// `goctl admin directory …`.
///
/// # Errors
/// What the server says.
pub async fn run(session: &Session, args: Directory) -> Result<(), Failure> {
    let client = session.client()?;
    let path = |name: &str| format!("/directories/{}", escaped(name));
    match args {
        Directory::List => {
            let list: DirectoryList = client.ask(&Request::get("/directories")).await?;
            session.output.list(&list.items, &columns())
        }
        Directory::Set {
            name,
            file,
            secret_file,
            no_secret,
        } => {
            let secret = match secret_file {
                Some(path) => Some(secret(&path)?),
                None => no_secret.then(String::new),
            };
            let settings = settings(&file)?;
            let body = DirectoryRequest { settings, secret };
            let request = Request::new(Method::PUT, path(&name)).body(&body)?;
            let kept: Known = client.ask(&request).await?;
            let said = format!(
                "directory {} is asked from now on; try it: goctl admin directory test {} LOGIN\n",
                cells::safe(&kept.name),
                cells::safe(&kept.name)
            );
            session.output.one(&kept, |_| said)
        }
        Directory::Test { name, login } => {
            let path = format!("{}/test", path(&name));
            let request = Request::new(Method::POST, path).body(&DirectoryTest { login })?;
            let answer: DirectoryAnswer = client.ask(&request).await?;
            session.output.one(&answer, |_| page(&answer))
        }
        Directory::Remove { name } => {
            let request = Request::new(Method::DELETE, path(&name));
            client.tell(&request).await?;
            let said = format!("directory {} is forgotten\n", cells::safe(&name));
            session.output.data(&said)
        }
    }
}

/// The settings in a file of TOML or JSON.
fn settings(path: &Path) -> Result<Value, Failure> {
    let text = text::whole(path, JOB_FILE_BYTES_MAX, ELSEWHERE, &mut stdin())
        .map_err(|failure| failure.field("--file"))?;
    let parsed: Result<Value, String> = if text.trim_start().starts_with('{') {
        serde_json::from_str(&text).map_err(|error| error.to_string())
    } else {
        toml::from_str(&text).map_err(|error| error.message().to_owned())
    };
    let mut settings = parsed.map_err(|why| {
        Failure::usage(format!("{}: {why}", path.display()))
            .field("--file")
            .hint("docs/directories.md has whole examples")
    })?;
    Ok(match settings.get_mut("directory") {
        Some(inner) => inner.take(),
        None => settings,
    })
}

/// The first line of a file.
fn secret(path: &Path) -> Result<String, Failure> {
    let text = text::whole(path, JOB_FILE_BYTES_MAX, ELSEWHERE, &mut stdin())
        .map_err(|failure| failure.field("--secret-file"))?;
    match text.lines().next().filter(|line| !line.is_empty()) {
        Some(line) => Ok(line.to_owned()),
        None => Err(Failure::usage("the password is empty")
            .field("--secret-file")
            .hint("write it in the first line, or give --no-secret")),
    }
}

fn page(answer: &DirectoryAnswer) -> String {
    if !answer.found {
        return "nobody has this login there\n".into();
    }
    let groups: Vec<String> = answer.groups.iter().map(u32::to_string).collect();
    fields::page(&[
        ("uid", answer.uid.map(|uid| uid.to_string())),
        ("gid", answer.gid.map(|gid| gid.to_string())),
        ("groups", (!groups.is_empty()).then(|| groups.join(","))),
        ("home", answer.home.as_deref().map(cells::safe)),
        ("mail", answer.mail.as_deref().map(cells::safe)),
    ])
}

fn columns() -> [Column<Known>; 4] {
    [
        Column::left("directory", Rank::Always, |known, _| {
            cells::safe(&known.name)
        }),
        Column::left("kind", Rank::Always, |known, _| {
            cells::safe(known.settings["kind"].as_str().unwrap_or("?"))
        }),
        Column::left("believed", Rank::Useful, |known, _| {
            cells::length(known.believed_seconds)
        }),
        Column::left("password", Rank::Useful, |known, _| {
            if known.has_secret { "set" } else { "none" }.into()
        }),
    ]
}
