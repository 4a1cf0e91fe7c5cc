//! The files of jobs, wherever they are: seen by whom the job is shown to, changed by its owner.
//!
//! A file is data of a job, not a page of this server: it is always offered for saving, under a
//! name in plain letters, and never with a type that a browser would show.

pub(crate) mod content;
mod range;
pub(crate) mod upload;

use api_types::file::{File, FileKind, FileListQuery, FilePage};
use axum::Json;
use axum::extract::State;
use model::log::LogError;
use model::{AttemptId, JobId};

use super::jobs::find;
use super::logs::attempts;
use crate::app::App;
use crate::auth::Caller;
use crate::convert::time;
use crate::extract::{JobNumber, Params};
use crate::gate::Lasting;
use crate::host::HostError;
use crate::host::files::{self, FilePlace};
use crate::limits::PAGE_MAX;
use crate::problem::Refused;

/// Whether a request only looks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Wish {
    Look,
    Change,
}

/// What a request is about: where it is, and the place that it takes among the lasting ones.
struct At {
    place: FilePlace,
    node: String,
    lasting: Lasting,
}

/// The attempt that is asked for, and where its files are.
async fn at(
    app: &App,
    caller: &Caller,
    id: JobId,
    number: Option<u32>,
    path: String,
    wish: Wish,
) -> Result<At, Refused> {
    let lasting = app.gates().lasting(caller.name())?;
    let seen = app.look_fresh().await?;
    let found = find(app, &seen, caller, id).await?;
    let owner = found.owner().clone();
    if wish == Wish::Change && *caller.name() != owner {
        let detail = format!("the files of job {id} are changed by {owner} only");
        return Err(Refused::forbidden(
            detail,
            "ask them, or copy what you need",
        ));
    }
    let known = attempts(&found);
    let wanted = match number {
        None => known.last(),
        Some(number) => known.iter().find(|known| known.number == number),
    };
    let wanted = match (wanted, number) {
        (Some(wanted), _) => wanted,
        (None, Some(number)) => {
            let attempt = id.task().attempt(number);
            return Err(Refused::not_found(format!("attempt {attempt}")).with_field("attempt"));
        }
        (None, None) => {
            let hint = "see `goctl show` for why it waits; files are there once it has started";
            return Err(Refused::not_found(format!("file of job {id}: it waits")).with_hint(hint));
        }
    };
    let node = seen.state.node(wanted.node);
    Ok(At {
        place: FilePlace {
            attempt: id.task().attempt(wanted.number),
            node: wanted.node,
            owner,
            path,
        },
        node: node.map_or_else(|| wanted.node.to_string(), |node| node.name.to_string()),
        lasting,
    })
}

/// What a node could not do, with its name.
fn refusal(error: HostError, node: &str) -> Refused {
    match error {
        HostError::Unreachable(why) => Refused::from(HostError::Unreachable(format!(
            "{node}: {why}"
        )))
        .with_hint("the files are on that node: try again when `goctl nodes` shows it ready"),
        other => Refused::from(other),
    }
}

/// List the files of a job.
///
/// The directory of an attempt holds its output (`god.log`, `god.err`), what it was (`god.info`,
/// once it has ended) and `work`, which the job sees as `/mnt/go-docker`. Links are told and never
/// followed.
#[utoipa::path(
    get, path = "/jobs/{id}/files", tag = "files",
    params(("id" = u64, Path, description = "The job's number"), FileListQuery),
    responses((status = 200, body = FilePage)),
)]
pub(crate) async fn list_files(
    State(app): State<App>,
    caller: Caller,
    JobNumber(id): JobNumber,
    Params(query): Params<FileListQuery>,
) -> Result<Json<FilePage>, Refused> {
    let limit = query.limit.unwrap_or(PAGE_MAX);
    if !(1..=PAGE_MAX).contains(&limit) {
        let message = format!("must be 1 to {PAGE_MAX}");
        let remedy = "ask for the rest with `cursor`";
        return Err(Refused::invalid("limit", message, remedy));
    }
    let path = query.path.unwrap_or_default();
    let at = at(&app, &caller, id, query.attempt, path, Wish::Look).await?;
    let attempt = at.place.attempt;
    let listing = app.host().files().list(at.place, query.cursor, limit);
    let listed = tokio::select! {
        listed = listing => listed.map_err(|error| refusal(error, &at.node))?,
        () = app.stopping() => return Err(LogError::Stopped.into()),
    };
    drop(at.lasting);
    let files: Vec<File> = listed.entries.into_iter().map(shown).collect();
    let last = files.last().filter(|_| listed.more);
    Ok(Json(FilePage {
        attempt: attempt.to_string(),
        node: at.node,
        next: last.map(|file| file.name.clone()),
        files,
    }))
}

fn shown(entry: files::FileEntry) -> File {
    File {
        name: entry.name,
        kind: match entry.kind {
            files::FileKind::File => FileKind::File,
            files::FileKind::Directory => FileKind::Directory,
            files::FileKind::Link => FileKind::Link,
            files::FileKind::Other => FileKind::Other,
        },
        size: entry.size,
        modified_at: time(entry.modified),
        mode: format!("{:04o}", entry.mode),
        target: entry.target,
    }
}

/// The name of an attempt in the name of a file.
fn stem(attempt: AttemptId) -> String {
    format!("job-{}-{}", attempt.task.job, attempt.number)
}
