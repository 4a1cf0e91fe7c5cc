//! The directories of users that the log names, opened on this head: opened again when their
//! settings change, asked about who logs in and about who has not been confirmed for too long.
//!
//! Whatever a directory cannot say is a refusal. An account that is kept in the cluster itself is
//! never taken over by a directory, nor one of another directory.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use directory::{Directory, DirectoryError, Person, Secret, Settings};
use model::account::{self, UnixIds, User, UserName};
use model::command::{Command, ConfirmUser};
use model::{Millis, State, Timestamp};

use crate::app::App;
use crate::problem::Refused;

/// Seconds after which somebody may ask again whom a directory did not answer about.
const ASK_AGAIN: u64 = 5;

/// Directories that are open, by name, with what they were opened from.
#[derive(Default)]
pub(crate) struct Directories(Mutex<HashMap<String, Open>>);

/// One that is open.
type Open = (account::Directory, Arc<dyn Directory>);

impl Directories {
    fn open(&self, app: &App, known: &account::Directory) -> Result<Arc<dyn Directory>, Refused> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((from, directory)) = open.get(&known.name)
            && from == known
        {
            return Ok(directory.clone());
        }
        let secret = unsealed(app, &known.sealed)?;
        let settings = parse(&known.settings).map_err(|why| unusable(&known.name, &why))?;
        let directory = directory::open(settings, secret);
        let directory: Arc<dyn Directory> =
            Arc::from(directory.map_err(|error| unusable(&known.name, &error.to_string()))?);
        open.insert(known.name.clone(), (known.clone(), directory.clone()));
        Ok(directory)
    }
}

/// The settings in a text of JSON.
pub(crate) fn parse(text: &str) -> Result<Settings, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}

fn unsealed(app: &App, sealed: &[u8]) -> Result<Option<Secret>, Refused> {
    if sealed.is_empty() {
        return Ok(None);
    }
    let opened = app.host().unseal(sealed);
    let bytes = opened.ok_or_else(|| Refused::internal("a sealed secret cannot be opened"))?;
    let text = String::from_utf8(bytes);
    let text = text.map_err(|_| Refused::internal("a sealed secret is no text"))?;
    Ok(Some(Secret::new(text)))
}

/// Whose password this is, as directories say; `None` if none of them knows. `known` is the account
/// that there is already.
pub(crate) async fn authenticate(
    app: &App,
    state: &State,
    known: Option<&User>,
    login: &str,
    password: &str,
) -> Result<Option<User>, Refused> {
    let source = known.and_then(|user| user.source.as_ref());
    for directory in state.directories() {
        if source.is_some_and(|source| source.directory != directory.name) {
            continue;
        }
        let asked = app.directories().open(app, directory)?;
        match asked.authenticate(login, password).await {
            Ok(person) => return confirm(app, &directory.name, person).await.map(Some),
            Err(DirectoryError::Denied) => {}
            Err(error) => return Err(unanswered(&directory.name, &error)),
        }
    }
    Ok(None)
}

/// The account as its directory knows it now, if what it said last is too old to be believed.
pub(crate) async fn refresh(app: &App, state: &State, user: User) -> Result<User, Refused> {
    if is_fresh(state, &user, app.now()) {
        return Ok(user);
    }
    let Some(source) = &user.source else {
        return Ok(user);
    };
    let gone = || Refused::unauthenticated("the account is not in its directory any more");
    let directory = state.directory(&source.directory).ok_or_else(gone)?;
    let person = ask(app, directory, &user.name.0).await?;
    confirm(app, &directory.name, person.ok_or_else(gone)?).await
}

/// What a directory says of somebody.
pub(crate) async fn ask(
    app: &App,
    directory: &account::Directory,
    login: &str,
) -> Result<Option<Person>, Refused> {
    let asked = app.directories().open(app, directory)?;
    let found = asked.find(login).await;
    found.map_err(|error| unanswered(&directory.name, &error))
}

/// Whether what is known of an account may still be believed without asking.
pub(crate) fn is_fresh(state: &State, user: &User, now: Timestamp) -> bool {
    let Some(source) = &user.source else {
        return true;
    };
    let life = state.directory(&source.directory).map(|known| known.life);
    life.is_some_and(|life| now.max(state.now()) < source.confirmed_at.plus(life))
}

async fn confirm(app: &App, directory: &str, person: Person) -> Result<User, Refused> {
    let name = person.login.clone();
    let confirm = ConfirmUser {
        name: UserName(person.login),
        directory: directory.into(),
        ids: UnixIds {
            uid: person.uid,
            gid: person.gid,
            groups: person.groups,
        },
        home: person.home.unwrap_or_default(),
        mail: person.mail.unwrap_or_default(),
    };
    let state = app.change_then_read(Command::ConfirmUser(confirm)).await?;
    let user = state.user(&name).cloned();
    user.ok_or_else(|| Refused::internal("a confirmed account is not there"))
}

/// How long what a directory says is believed: as its settings have it, a second at least.
pub(crate) fn life(settings: &Settings) -> Millis {
    Millis(settings.lifetime_ms().max(1_000))
}

fn unanswered(name: &str, error: &DirectoryError) -> Refused {
    tracing::warn!(directory = name, %error, "a directory of users gives no answer");
    match error {
        DirectoryError::Unfit { why } => {
            let hint = "ask whoever keeps the directory to complete the entry";
            Refused::forbidden(format!("directory {name}: {why}"), hint)
        }
        DirectoryError::Ambiguous => {
            let hint = "ask an administrator to narrow the directory's filter";
            Refused::forbidden(format!("directory {name}: more than one entry fits"), hint)
        }
        DirectoryError::Denied => Refused::unauthenticated("the directory says no"),
        DirectoryError::Unavailable { .. } | DirectoryError::Misconfigured { .. } => {
            let detail = format!("directory {name} cannot be asked now, so nobody of it is let in");
            Refused::overloaded(detail).with_retry_after(ASK_AGAIN)
        }
    }
}

fn unusable(name: &str, why: &str) -> Refused {
    tracing::error!(directory = name, why, "a directory of users cannot be used");
    let detail = format!("directory {name} cannot be used on this head");
    Refused::overloaded(detail).with_retry_after(ASK_AGAIN)
}

impl std::fmt::Debug for Directories {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Directories").finish_non_exhaustive()
    }
}
