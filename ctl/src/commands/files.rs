//! `files`: what jobs leave in their directories, and what is put there for them.

mod fetch;
mod target;

use api_types::file::{
    ArchiveQuery, File, FileKind, FileListQuery, FilePage, FileQuery, FileWritten,
};
use reqwest::Method;

use super::wait::or_interrupt;
use crate::args::files::{Archive, Files, Get, Ls, Put, Rm};
use crate::client::{Client, Request};
use crate::error::{Failure, Kind};
use crate::limits::FILES_LISTED_MAX;
use crate::output::table::{Column, Rank};
use crate::output::{cells, note};
use crate::select;
use crate::session::Session;
use target::Target;

/// `goctl files …`.
///
/// # Errors
/// What the server says, or that something here cannot be read or written.
pub async fn run(session: &Session, args: Files) -> Result<(), Failure> {
    match args {
        Files::Ls(args) => list(session, args).await,
        Files::Get(args) => get(session, args).await,
        Files::Archive(args) => archive(session, args).await,
        Files::Put(args) => put(session, args).await,
        Files::Rm(args) => remove(session, args).await,
    }
}

async fn list(session: &Session, args: Ls) -> Result<(), Failure> {
    let client = session.client()?;
    let job = select::one(client, &args.whose.job).await?;
    let mut query = FileListQuery {
        path: args.path.map(|path| trimmed(&path)),
        attempt: args.whose.attempt,
        ..FileListQuery::default()
    };
    let mut files = Vec::new();
    loop {
        let request = Request::get(format!("/jobs/{job}/files")).query(&query)?;
        let page: FilePage = client.ask(&request).await?;
        files.extend(page.files);
        query.cursor = page.next;
        if query.cursor.is_none() {
            break;
        }
        if files.len() >= FILES_LISTED_MAX {
            note(&format!("only the first {} are listed", files.len()));
            break;
        }
    }
    session.output.list(&files, &columns())
}

fn columns() -> [Column<File>; 4] {
    [
        Column::left("name", Rank::Always, |file: &File, _| {
            let name = cells::safe(&file.name);
            match (file.kind, &file.target) {
                (FileKind::Directory, _) => format!("{name}/"),
                (FileKind::Link, Some(target)) => format!("{name} -> {}", cells::safe(target)),
                (FileKind::Link | FileKind::File | FileKind::Other, _) => name,
            }
        }),
        Column::right("size", Rank::Always, |file, _| match file.kind {
            FileKind::File => cells::size(file.size),
            FileKind::Directory | FileKind::Link | FileKind::Other => String::new(),
        }),
        Column::left("modified", Rank::Useful, |file, view| {
            cells::moment(&file.modified_at, view)
        }),
        Column::left("mode", Rank::Nice, |file, _| file.mode.clone()),
    ]
}

async fn get(session: &Session, args: Get) -> Result<(), Failure> {
    let client = session.client()?;
    let job = select::one(client, &args.whose.job).await?;
    let name = args.path.rsplit('/').next().unwrap_or_default();
    let target = Target::choose(args.to, name, args.force)?;
    let query = FileQuery {
        path: args.path.clone(),
        attempt: args.whose.attempt,
    };
    let path = format!("/jobs/{job}/files/content");
    let request = || Request::get(path.clone()).query(&query);
    let got = match &target {
        Target::Out => fetch::to_stdout(client, &request()?).await?,
        Target::File(to) => {
            let stop = || interrupted("the same command goes on where it was");
            or_interrupt(fetch::to_file(client, request, to), stop).await?
        }
    };
    tell(session, &target, got);
    Ok(())
}

async fn archive(session: &Session, args: Archive) -> Result<(), Failure> {
    let client = session.client()?;
    let job = select::one(client, &args.whose.job).await?;
    let target = Target::choose(args.to, &format!("job-{job}.tar.gz"), args.force)?;
    let query = ArchiveQuery {
        path: args.path.map(|path| trimmed(&path)),
        attempt: args.whose.attempt,
        format: Some(target.format()?.into()),
    };
    let request = Request::get(format!("/jobs/{job}/files/archive")).query(&query)?;
    let got = match &target {
        Target::Out => fetch::to_stdout(client, &request).await?,
        Target::File(to) => {
            let stop = || interrupted("nothing is left: an archive cannot be continued");
            or_interrupt(fetch::whole_to_file(client, &request, to), stop).await?
        }
    };
    tell(session, &target, got);
    Ok(())
}

/// What Ctrl-C means to a download, and what it leaves.
fn interrupted(hint: &str) -> Failure {
    Failure::new(Kind::Interrupted, "not downloading any more").hint(hint)
}

fn tell(session: &Session, target: &Target, bytes: u64) {
    if let Target::File(to) = target {
        let size = cells::size(bytes);
        session.output.say(&format!("{}: {size}", to.display()));
    }
}

async fn put(session: &Session, args: Put) -> Result<(), Failure> {
    let client = session.client()?;
    let job = select::one(client, &args.whose.job).await?;
    let about = std::fs::metadata(&args.file)
        .map_err(|error| Failure::failed(format!("{}: {error}", args.file.display())))?;
    if !about.is_file() {
        let message = format!("{} is no regular file", args.file.display());
        return Err(Failure::usage(message).hint("pack a directory first: tar czf"));
    }
    let name = args.file.file_name().and_then(|name| name.to_str());
    let path = match (args.path, name) {
        (Some(path), _) => path,
        (None, Some(name)) => format!("work/{}", name.replace('\\', "\\x5c")),
        (None, None) => return Err(Failure::usage("say under which path the job finds it")),
    };
    let query = FileQuery {
        path,
        attempt: args.whose.attempt,
    };
    let request = Request::new(Method::PUT, format!("/jobs/{job}/files/content"));
    let request = request.query(&query)?.upload(&args.file);
    let written: FileWritten = client.ask(&request).await?;
    let size = cells::size(written.bytes);
    session
        .output
        .say(&format!("{}: {size}", cells::safe(&written.path)));
    Ok(())
}

async fn remove(session: &Session, args: Rm) -> Result<(), Failure> {
    let client: &Client = session.client()?;
    let job = select::one(client, &args.whose.job).await?;
    let query = FileQuery {
        path: trimmed(&args.path),
        attempt: args.whose.attempt,
    };
    let request = Request::new(Method::DELETE, format!("/jobs/{job}/files/content"));
    client.tell(&request.query(&query)?).await
}

/// Shells complete the name of a directory with a slash.
fn trimmed(path: &str) -> String {
    path.strip_suffix('/').unwrap_or(path).into()
}
