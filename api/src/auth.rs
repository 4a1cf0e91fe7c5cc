//! Who asks: a bearer token becomes a [`Caller`], a password becomes a bearer token.
//!
//! Nothing here tells a stranger whether a user or a token exists: unknown users cost as much
//! time as known ones, and all failures read the same.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, PoisonError};
use std::time::Instant;

use api_types::problem::code;
use axum::extract::{ConnectInfo, FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use model::account::{Role, Scope, Token, User, UserName};
use model::{State as Beliefs, Timestamp};
use tokio::sync::OwnedSemaphorePermit;

use crate::app::App;
use crate::directories;
use crate::limits::{BARRIER_WAIT, PASSWORD_BYTES_MAX, PASSWORD_BYTES_MIN};
use crate::problem::Refused;
use crate::secret;

/// Who asks, as the state knew them when the request came.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) user: User,
    pub(crate) token: Token,
}

impl Caller {
    pub(crate) fn name(&self) -> &UserName {
        &self.user.name
    }

    /// Refuses who may not do what it takes this role for.
    pub(crate) fn needs(&self, role: Role) -> Result<(), Refused> {
        if self.user.role >= role {
            return Ok(());
        }
        let (who, hint) = match role {
            Role::User => ("user", "log in"),
            Role::Operator => ("operator", "ask an operator or administrator to do it"),
            Role::Admin => ("administrator", "ask an administrator to do it"),
        };
        let detail = format!("{} is not an {who}", self.user.name);
        Err(Refused::forbidden(detail, hint))
    }

    /// Whether they are this, or more, and the token may be used as such.
    pub(crate) fn acts_as(&self, role: Role) -> bool {
        let scope = role == Role::User || self.token.scopes.contains(&Scope::Admin);
        self.user.role >= role && scope
    }

    /// Whether everybody's jobs are theirs to see and to end.
    pub(crate) fn sees_all(&self) -> bool {
        self.acts_as(Role::Operator)
    }

    pub(crate) fn sees(&self, owner: &UserName) -> bool {
        self.sees_all() || self.user.name == *owner
    }

    /// Whether a job of this owner and project is theirs to see.
    pub(crate) fn sees_job(&self, state: &Beliefs, owner: &UserName, project: &str) -> bool {
        self.sees(owner) || state.shares(self.name(), project)
    }

    /// Whether the token would still open the door. Streams ask from time to time.
    pub(crate) fn still_valid(&self, state: &Beliefs, now: Timestamp) -> bool {
        let user = state.user(&self.user.name.0);
        state.token(&self.token.id).is_some()
            && self.token.expires_at > now
            && user.is_some_and(|user| {
                let same = !user.disabled && user.role == self.user.role;
                same && directories::is_fresh(state, user, now)
            })
    }
}

/// Middleware of every route that is not for strangers: nobody gets past it without a token, even
/// if the handler behind it forgets to ask.
pub(crate) async fn known(
    State(app): State<App>,
    mut request: Request,
    next: Next,
) -> Result<Response, Refused> {
    let caller = authenticate(&app, request.headers()).await?;
    request.extensions_mut().insert(caller);
    Ok(next.run(request).await)
}

impl FromRequestParts<App> for Caller {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Refused> {
        // Put there by `known`; a route without that gate has no caller.
        let known = parts.extensions.get::<Caller>().cloned();
        known.ok_or_else(|| Refused::unauthenticated("there is no token"))
    }
}

async fn authenticate(app: &App, headers: &HeaderMap) -> Result<Caller, Refused> {
    let text = bearer(headers)?;
    let wrong = || Refused::unauthenticated("the token is not valid");
    let (id, secret) = secret::split_token(text).ok_or_else(wrong)?;
    let mut state = app.log().read();
    if state.token(&id).is_none() {
        // It may be younger than what this head has applied.
        let _turn = app.gates().token_lookup()?;
        app.barrier(BARRIER_WAIT).await?;
        state = app.log().read();
    }
    let token = state.token(&id).ok_or_else(wrong)?;
    if !secret::is_same(&token.hash, &secret::digest(secret)) {
        return Err(wrong());
    }
    let caller = caller(&state, token, app.now())?;
    Ok(Caller {
        user: directories::refresh(app, &state, caller.user).await?,
        ..caller
    })
}

/// Whom a proven token speaks for.
fn caller(state: &Beliefs, token: &Token, now: Timestamp) -> Result<Caller, Refused> {
    if token.expires_at <= now.max(state.now()) {
        return Err(Refused::unauthenticated("the token has expired"));
    }
    match state.user(&token.user.0) {
        Some(user) if !user.disabled => Ok(Caller {
            user: user.clone(),
            token: token.clone(),
        }),
        Some(_) | None => Err(Refused::unauthenticated("the account is disabled")),
    }
}

fn bearer(headers: &HeaderMap) -> Result<&str, Refused> {
    let Some(value) = headers.get(header::AUTHORIZATION) else {
        return Err(Refused::unauthenticated("there is no token"));
    };
    let text = value.to_str().unwrap_or_default();
    let (scheme, token) = text.split_once(' ').unwrap_or_default();
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(Refused::unauthenticated(
            "Authorization is not of the form `Bearer TOKEN`",
        ));
    }
    Ok(token.trim())
}

/// Where a request comes from.
pub(crate) struct Origin(pub(crate) IpAddr);

impl FromRequestParts<App> for Origin {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Refused> {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        Ok(Origin(
            peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |info| info.0.ip()),
        ))
    }
}

/// Whose password this is. Slows down who guesses; costs the same for unknown users.
pub(crate) async fn check_password(
    app: &App,
    name: &str,
    password: &str,
    from: IpAddr,
) -> Result<User, Refused> {
    if password.len() > PASSWORD_BYTES_MAX || name.len() > model::limits::NAME_BYTES_MAX {
        return Err(wrong_credentials());
    }
    // First the turn, then the count: who was not heard has not failed.
    let turn = app.gates().hash().await?;
    let who = (name.to_owned(), from);
    let throttle = || {
        app.throttle()
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    };
    throttle()
        .begin(who.clone(), Instant::now())
        .map_err(|wait| {
            let seconds = wait.as_secs() + 1;
            Refused::slow_down(format!("too many failed logins; wait {seconds} s"), seconds)
        })?;
    let state: Arc<Beliefs> = app.log().read();
    let known = state.user(name);
    let user = if known.is_some_and(|user| user.source.is_none()) || !has_directories(&state) {
        local(known.cloned(), turn, password).await?
    } else {
        drop(turn);
        directories::authenticate(app, &state, known, name, password).await?
    };
    let user = user.ok_or_else(wrong_credentials)?;
    throttle().succeeded(&who);
    if user.disabled {
        let hint = "ask an administrator";
        return Err(Refused::forbidden("the account is disabled", hint));
    }
    Ok(user)
}

fn has_directories(state: &Beliefs) -> bool {
    state.directories().next().is_some()
}

/// The account, if the password is the one that is kept for it.
async fn local(
    user: Option<User>,
    turn: OwnedSemaphorePermit,
    password: &str,
) -> Result<Option<User>, Refused> {
    let hash = user.as_ref().map(|user| user.password.clone());
    let password = password.to_owned();
    // Asked for unknown users too, so that they cost the same.
    let right = work(turn, move || {
        secret::verify_password(&password, hash.as_deref())
    });
    let right = right.await?;
    Ok(user.filter(|_| right))
}

fn wrong_credentials() -> Refused {
    let hint = "check user name and password; an administrator can set a new one";
    let detail = "the user name or the password is wrong";
    Refused::new(
        StatusCode::UNAUTHORIZED,
        code::BAD_CREDENTIALS,
        detail,
        hint,
    )
}

/// The form in which a new password is kept, if it is one to accept.
pub(crate) async fn hash_new(app: &App, field: &str, password: &str) -> Result<String, Refused> {
    let (least, most) = (PASSWORD_BYTES_MIN, PASSWORD_BYTES_MAX);
    if !(least..=most).contains(&password.len()) {
        let message = format!("must have {least} to {most} bytes");
        return Err(Refused::invalid(field, message, "choose another password"));
    }
    let password = password.to_owned();
    let turn = app.gates().hash().await?;
    let hashed = work(turn, move || secret::hash_password(&password)).await?;
    hashed.map_err(|error| Refused::internal(error.to_string()))
}

/// Runs what takes a processor for long away from the threads that wait; the turn ends with it.
async fn work<T: Send + 'static>(
    turn: OwnedSemaphorePermit,
    job: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Refused> {
    let done = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        job()
    });
    done.await
        .map_err(|error| Refused::internal(error.to_string()))
}
