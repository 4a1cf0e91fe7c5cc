//! What heads want of the files of attempts: done here with the rights of the job's user, in a
//! directory that nobody leaves.
//!
//! Content is sent and taken a few frames at a time (see [`net::message`]); what blocks has a
//! thread of its own and at most one chunk between it and the stream. Whatever goes wrong after
//! the first frame breaks the stream off: nobody takes a part for the whole.

mod content;
mod fault;
mod packing;
mod places;
mod writing;

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::time::UNIX_EPOCH;

use beneath::{BeneathError, Entry, Kind, NameFault, Tree, shown, unshown};
use model::Fence;
use model::assignment::Held;
use net::message::{FileEntry, FileFault, FileKind, FilesAnswer, FilesCall, FilesWish};
use net::{NetError, Stream};

use super::Uplink;
use crate::files::owner::Owner;
use crate::runtime::Place;
use fault::Refusal;
pub(super) use places::Places;

/// Bytes of names and targets that one answer tells; there is more for the next.
const LISTED_BYTES_MAX: usize = 1 << 20;

/// Answers one wish.
pub(super) async fn serve(
    uplink: &Uplink,
    call: FilesCall,
    stream: &mut Stream,
) -> Result<(), NetError> {
    let _place = match uplink.files.take(&call.owner) {
        Ok(place) => place,
        Err(words) => {
            let fault = FileFault::Again;
            return stream
                .sender
                .send(&FilesAnswer::Refused { fault, words })
                .await;
        }
    };
    // The directory's name does not depend on the fence.
    let place = uplink.runner.place(Held {
        attempt: call.attempt,
        fence: Fence(0),
    });
    let (runner, changed) = (uplink.runner.clone(), place.clone());
    let knows = runner.clone();
    let opened = blocking(move || open(&place, call, knows.owner(place.attempt))).await;
    let done = match opened {
        Ok(mut at) => match std::mem::replace(&mut at.wish, FilesWish::Read) {
            FilesWish::List { after, limit } => blocking(move || list(&at, after, limit)).await,
            FilesWish::Read => return content::send(at, stream).await,
            FilesWish::Archive(kind) => return packing::send(at, kind, stream).await,
            FilesWish::Write { limit } => {
                let written = writing::take(at, limit, stream).await;
                tokio::task::spawn_blocking(move || runner.files_changed(&changed));
                return written;
            }
            FilesWish::Remove => {
                let done = blocking(move || remove(&at)).await;
                tokio::task::spawn_blocking(move || runner.files_changed(&changed));
                done
            }
        },
        Err(refusal) => Err(refusal),
    };
    let answer = done.unwrap_or_else(Refusal::answer);
    stream.sender.send(&answer).await
}

/// A path in an open directory, and what is wanted of it.
struct At {
    tree: Tree,
    path: PathBuf,
    wish: FilesWish,
}

/// Opens the directory of an attempt, if it is whose the head says.
fn open(place: &Place, call: FilesCall, owner: io::Result<Option<Owner>>) -> Result<At, Refusal> {
    let none = || Refusal {
        fault: FileFault::NoDirectory,
        words: format!("this node has no files of attempt {}", place.attempt),
    };
    let owner = owner.map_err(|error| Refusal {
        fault: FileFault::Failed,
        words: format!("whose the directory is cannot be read: {error}"),
    })?;
    let owner = owner.ok_or_else(none)?;
    if !owner.is(&call.owner) {
        tracing::warn!(attempt = %place.attempt, asked = %call.owner, "not whose the files are");
        return Err(none());
    }
    let tree = match Tree::open(&place.dir, owner.ids()?) {
        Err(BeneathError::Missing(_)) => return Err(none()),
        opened => opened?,
    };
    let path = named(&call.path).ok_or_else(|| Refusal {
        fault: FileFault::Name,
        words: "a backslash in a path begins `\\xNN`, a byte in two small hexadecimal digits"
            .into(),
    })?;
    Ok(At {
        tree,
        path,
        wish: call.wish,
    })
}

fn named(text: &str) -> Option<PathBuf> {
    let bytes = unshown(text)?;
    Some(PathBuf::from(OsStr::from_bytes(&bytes)))
}

fn list(at: &At, after: Option<String>, limit: u32) -> Result<FilesAnswer, Refusal> {
    let unknown = || BeneathError::Name {
        path: String::new(),
        why: NameFault::Nul,
    };
    let after = match after {
        Some(after) => Some(named(&after).ok_or_else(unknown)?),
        None => None,
    };
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let after = after.as_ref().map(|after| after.as_os_str());
    let page = at.tree.list(&at.path, after, limit)?;
    let (mut entries, mut bytes, count) = (Vec::new(), 0, page.entries.len());
    for entry in page.entries {
        let entry = told(&entry);
        bytes += entry.name.len() + entry.target.as_ref().map_or(0, String::len);
        entries.push(entry);
        if bytes >= LISTED_BYTES_MAX {
            break;
        }
    }
    let more = page.more || entries.len() < count;
    Ok(FilesAnswer::Listed { entries, more })
}

fn told(entry: &Entry) -> FileEntry {
    let since = entry.modified.duration_since(UNIX_EPOCH);
    FileEntry {
        name: entry.shown(),
        kind: match entry.kind {
            Kind::File => FileKind::File,
            Kind::Directory => FileKind::Directory,
            Kind::Link => FileKind::Link,
            Kind::Other => FileKind::Other,
        },
        size: entry.size,
        modified_ms: since.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(0)),
        mode: entry.mode,
        target: entry.target.as_ref().map(|target| shown(target.as_bytes())),
    }
}

fn remove(at: &At) -> Result<FilesAnswer, Refusal> {
    at.tree.remove(&at.path)?;
    Ok(FilesAnswer::Done { bytes: 0 })
}

/// Waits for what blocks.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Refusal> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|died| {
        Err(Refusal {
            fault: FileFault::Failed,
            words: died.to_string(),
        })
    })
}
