//! `admin volume`: directories that jobs may ask for by name.

use std::path::Path;

use api_types::volume::{Volume as Known, VolumeRequest};
use reqwest::Method;

use crate::args::admin::Volume;
use crate::client::{Request, escaped};
use crate::commands::volumes;
use crate::error::Failure;
use crate::output::cells;
use crate::session::Session;

/// `goctl admin volume …`.
///
/// # Errors
/// What the server says.
pub async fn run(session: &Session, args: Volume) -> Result<(), Failure> {
    match args {
        Volume::List => volumes::list(session).await,
        Volume::Set {
            name,
            path,
            mount,
            rw,
        } => {
            let host_path = text("--path", &path)?;
            let mount_path = text("--mount", &mount)?;
            let body = VolumeRequest {
                host_path,
                mount_path,
                writable: rw,
                who: None,
            };
            let request = Request::new(Method::PUT, format!("/volumes/{}", escaped(&name)));
            let volume: Known = session.client()?.ask(&request.body(&body)?).await?;
            session.output.one(&volume, |_| {
                let mode = if volume.writable {
                    "read and write"
                } else {
                    "read"
                };
                let (name, mount) = (cells::safe(&volume.name), cells::safe(&volume.mount_path));
                format!("jobs may {mode} {name} at {mount}\n")
            })
        }
        Volume::Remove { name } => {
            let request = Request::new(Method::DELETE, format!("/volumes/{}", escaped(&name)));
            session.client()?.tell(&request).await?;
            session
                .output
                .data(&format!("volume {} is forgotten\n", cells::safe(&name)))
        }
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
