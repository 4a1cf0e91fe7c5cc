//! The audit log at the door: who asks for what, and from where, goes with every change that the
//! request leads to; what is refused for want of rights is noted too, the same things together, and
//! so is what nodes are asked to do.

mod deeds;

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, PoisonError};

use axum::extract::{ConnectInfo, Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use model::Timestamp;
use model::command::{Audited, Command, Refused as Refusal, Who};
use tokio::sync::Notify;
use tokio::time::sleep;

use crate::app::App;
use crate::auth::Caller;
use crate::limits::{NOTES_EVERY, REFUSALS_KEPT};

pub(crate) use deeds::{Deeds, Doing, answered, note_deeds, note_last_deeds};

/// Characters of a path that are kept.
const PATH_KEPT: usize = 200;

tokio::task_local! {
    /// Who stands at the door in this request, and what they ask for; only while it can change
    /// something.
    static DOOR: (Who, String);
}

/// Middleware of everything: notes what is refused.
pub(crate) async fn noted(State(app): State<App>, request: Request, next: Next) -> Response {
    let from = origin(&request);
    let what = what(&request);
    let response = next.run(request).await;
    let status = response.status();
    let told = response.extensions().get::<deeds::Told>().is_some();
    if !told && matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
        let caller = response.extensions().get::<Caller>();
        let who = who(caller, from);
        app.refusals().add(app.now(), who, what, status.as_u16());
    }
    response
}

/// Middleware behind the one that knows the caller: their changes carry their name.
pub(crate) async fn signed(request: Request, next: Next) -> Response {
    let caller = request.extensions().get::<Caller>().cloned();
    let changes = !matches!(*request.method(), Method::GET | Method::HEAD);
    let door = (who(caller.as_ref(), origin(&request)), what(&request));
    let mut response = if changes {
        DOOR.scope(door, next.run(request)).await
    } else {
        next.run(request).await
    };
    if let Some(caller) = caller {
        response.extensions_mut().insert(caller);
    }
    response
}

/// The command with the name of who asks for it, if this is a request that changes something.
pub(crate) fn sign(command: Command) -> Command {
    let door = DOOR.try_with(Clone::clone);
    match door {
        Ok((who, what)) => Command::Audited(Audited {
            who,
            what,
            command: Box::new(command),
        }),
        Err(_) => command,
    }
}

fn who(caller: Option<&Caller>, from: Option<IpAddr>) -> Who {
    Who {
        user: caller.map_or_else(String::new, |caller| caller.name().0.clone()),
        token: caller.map_or_else(String::new, |caller| caller.token.id.0.clone()),
        from: from.map_or_else(String::new, |from| from.to_string()),
    }
}

fn origin(request: &Request) -> Option<IpAddr> {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    peer.map(|info| info.0.ip())
}

/// Method and path, never the query: it may hold what is nobody's business.
fn what(request: &Request) -> String {
    let path = request.uri().path();
    let path = path.strip_prefix(api_types::PREFIX).unwrap_or(path);
    let path: String = path.chars().take(PATH_KEPT).collect();
    format!("{} {path}", request.method())
}

/// What was refused and is not noted yet, by who, what and status.
#[derive(Debug, Default)]
pub(crate) struct Refusals {
    kept: Mutex<HashMap<Key, (Timestamp, u32)>>,
    /// There are some.
    some: Notify,
}

/// User, token, address, what, status.
type Key = (String, String, String, String, u16);

impl Refusals {
    /// Beyond its bound new kinds are counted as one.
    fn add(&self, now: Timestamp, who: Who, what: String, status: u16) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let mut key = (who.user, who.token, who.from, what, status);
        if kept.len() >= REFUSALS_KEPT && !kept.contains_key(&key) {
            key = (
                String::new(),
                String::new(),
                String::new(),
                "others".into(),
                status,
            );
        }
        let (_, times) = kept.entry(key).or_insert((now, 0));
        *times = times.saturating_add(1);
        drop(kept);
        self.some.notify_one();
    }

    fn take(&self) -> Vec<Refusal> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = std::mem::take(&mut *kept);
        drop(kept);
        let mut refusals: Vec<Refusal> = taken
            .into_iter()
            .map(|((user, token, from, what, status), (at, times))| Refusal {
                at,
                who: Who { user, token, from },
                what,
                why: status.to_string(),
                times,
            })
            .collect();
        refusals.sort_by(|one, other| (one.at, &one.what).cmp(&(other.at, &other.what)));
        refusals
    }
}

/// Notes from time to time what was refused. A note that the log does not take is lost: whoever is
/// refused must not be able to fill a head's memory.
pub(crate) async fn note_refusals(app: App) {
    loop {
        app.refusals().some.notified().await;
        // Those of the same kind that follow are told with it.
        sleep(NOTES_EVERY).await;
        let refusals = app.refusals().take();
        let count = refusals.len();
        if app.propose(Command::NoteRefusals(refusals)).await.is_err() {
            tracing::warn!(count, "refusals could not be noted in the audit log");
        }
    }
}
