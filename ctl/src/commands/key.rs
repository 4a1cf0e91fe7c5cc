//! `key`: one's public keys. A private key is never sent.

use std::path::{Path, PathBuf};

use api_types::key::{SshKey, SshKeyList, SshKeyRequest};
use reqwest::Method;

use crate::args::account::KeyAction;
use crate::client::{Request, escaped};
use crate::error::Failure;
use crate::limits::KEY_BYTES_MAX;
use crate::output::cells;
use crate::output::table::{Column, Rank};
use crate::session::Session;
use crate::text;

/// The key that is added unless another is named, below the home directory.
const USUAL: &str = ".ssh/id_ed25519.pub";

/// What to give.
const HINT: &str = "give a .pub file with one key, as ssh-keygen writes it";

/// `goctl key …`.
///
/// # Errors
/// When the file holds no public key, or what the server says.
pub async fn run(session: &Session, action: Option<KeyAction>) -> Result<(), Failure> {
    match action {
        None | Some(KeyAction::List) => {
            let list: SshKeyList = session.client()?.ask(&Request::get("/keys")).await?;
            session.output.list(&list.items, &columns())
        }
        Some(KeyAction::Add { file, label }) => add(session, file, label).await,
        Some(KeyAction::Remove { fingerprint }) => {
            let request = Request::new(Method::DELETE, format!("/keys/{}", escaped(&fingerprint)));
            session.client()?.tell(&request).await?;
            let said = cells::safe(&fingerprint);
            session.output.data(&format!("key {said} is removed\n"))
        }
    }
}

async fn add(
    session: &Session,
    file: Option<PathBuf>,
    label: Option<String>,
) -> Result<(), Failure> {
    let path = match file {
        Some(path) => path,
        None => usual(session)?,
    };
    let text = text::whole(&path, KEY_BYTES_MAX, HINT, &mut std::io::stdin().lock())
        .map_err(|failure| failure.field("FILE"))?;
    let key = public_key(&path, &text)?.to_owned();
    // The same key again is the same key.
    let request = Request::new(Method::POST, "/keys").repeatable();
    let request = request.body(&SshKeyRequest { key, label })?;
    let key: SshKey = session.client()?.ask(&request).await?;
    session.output.one(&key, |_| {
        let label = if key.label.is_empty() {
            String::new()
        } else {
            format!(" \"{}\"", cells::safe(&key.label))
        };
        format!("key {}{label} is added\n", cells::safe(&key.fingerprint))
    })
}

fn usual(session: &Session) -> Result<PathBuf, Failure> {
    let home = session.environment.get("HOME").unwrap_or("/");
    let path = Path::new(home).join(USUAL);
    if path.exists() {
        return Ok(path);
    }
    let message = format!("no key is named, and there is no {}", path.display());
    Err(Failure::usage(message)
        .field("FILE")
        .hint("goctl key add FILE, or make one first: ssh-keygen -t ed25519"))
}

/// The one public key of a text.
fn public_key<'a>(path: &Path, text: &'a str) -> Result<&'a str, Failure> {
    let wrong = |what: &str| {
        let origin = text::origin(path);
        Failure::usage(format!("{origin}: {what}")).field("FILE")
    };
    if text.contains("PRIVATE KEY") {
        let public = format!("{}.pub", path.display());
        return Err(
            wrong("this is a private key; it was not sent").hint(format!(
                "keep it to yourself, and give the public one: {public}"
            )),
        );
    }
    let said = |line: &&str| !line.is_empty() && !line.starts_with('#');
    let lines: Vec<&str> = text.lines().map(str::trim).filter(said).collect();
    match lines[..] {
        [only] => Ok(only),
        [] => Err(wrong("no key in it").hint(HINT)),
        [_, _, ..] => {
            let many = lines.len();
            Err(wrong(&format!("{many} lines; a key is one line")).hint(HINT))
        }
    }
}

fn columns() -> [Column<SshKey>; 4] {
    [
        Column::left("key", Rank::Always, |key, _| cells::safe(&key.fingerprint)),
        Column::left("kind", Rank::Useful, |key, _| {
            cells::safe(key.key.split(' ').next().unwrap_or_default())
        }),
        Column::left("added", Rank::Nice, |key, view| {
            cells::moment(&key.created_at, view)
        }),
        Column::left("label", Rank::Useful, |key, _| cells::safe(&key.label)),
    ]
}
