//! `admin volume`: directories that jobs may ask for by name.

use std::path::Path;

use api_types::project::Grant;
use api_types::volume::{Volume as Known, VolumeRequest};
use reqwest::Method;

use crate::args::admin::{Volume, VolumeSet};
use crate::client::{Request, escaped};
use crate::commands::{grant, volumes};
use crate::error::{Failure, Kind};
use crate::output::cells;
use crate::session::Session;

/// `goctl admin volume …`.
///
/// # Errors
/// What the server says.
pub async fn run(session: &Session, args: Volume) -> Result<(), Failure> {
    match args {
        Volume::List => volumes::list(session).await,
        Volume::Set { name, wanted } => set(session, &name, wanted).await,
        Volume::Remove { name } => {
            let request = Request::new(Method::DELETE, format!("/volumes/{}", escaped(&name)));
            session.client()?.tell(&request).await?;
            session
                .output
                .data(&format!("volume {} is forgotten\n", cells::safe(&name)))
        }
    }
}

async fn set(session: &Session, name: &str, wanted: VolumeSet) -> Result<(), Failure> {
    let client = session.client()?;
    let request = |method| Request::new(method, format!("/volumes/{}", escaped(name)));
    let known = match client.ask::<Known>(&request(Method::GET)).await {
        Ok(known) => known,
        Err(failure) if failure.kind == Kind::NotFound => Known {
            who: Some(Grant {
                everybody: true,
                ..Grant::default()
            }),
            ..Known::default()
        },
        Err(failure) => return Err(failure),
    };
    let needed = |option: &str| {
        Failure::usage(format!("there is no volume {name} yet: {option} is needed"))
            .field(option)
            .hint("--path says where it is on the machines, --mount where in the container")
    };
    let host_path = match &wanted.path {
        Some(path) => text("--path", path)?,
        None => known.host_path.ok_or_else(|| needed("--path"))?,
    };
    let mount_path = match &wanted.mount {
        Some(path) => text("--mount", path)?,
        None if known.mount_path.is_empty() => return Err(needed("--mount")),
        None => known.mount_path,
    };
    let body = VolumeRequest {
        host_path,
        mount_path,
        writable: wanted.rw || (known.writable && !wanted.ro),
        who: known.who.map(|who| grant::changed(wanted.who, who)),
    };
    let volume: Known = client.ask(&request(Method::PUT).body(&body)?).await?;
    session.output.one(&volume, |_| said(&volume))
}

fn said(volume: &Known) -> String {
    let mode = if volume.writable {
        "read and write"
    } else {
        "read"
    };
    let (name, mount) = (cells::safe(&volume.name), cells::safe(&volume.mount_path));
    let limited = volume.who.as_ref().filter(|who| !who.everybody);
    match limited {
        None => format!("jobs may {mode} {name} at {mount}\n"),
        Some(who) => format!(
            "jobs of {} may {mode} {name} at {mount}\n",
            grant::words(who)
        ),
    }
}

fn text(option: &str, path: &Path) -> Result<String, Failure> {
    let wrong = |what: &str| {
        Failure::usage(format!("{option} {} {what}", path.display()))
            .field(option)
            .hint("write a path that begins with /")
    };
    let text = path.to_str().ok_or_else(|| wrong("is not text"))?;
    if path.is_absolute() {
        Ok(text.to_owned())
    } else {
        Err(wrong("is not absolute"))
    }
}
