//! Logging in, logging out, and asking who one is.

use api_types::login::{LoginAnswer, LoginRequest, WhoAmI};
use api_types::problem::{MEDIA_TYPE, Problem, code};
use axum::extract::State;
use axum::http::StatusCode;
use model::account::{Token, TokenId, User, UserName};
use model::command::{Command, Rejection, Reply, RevokeToken, SetPassword};
use model::{Millis, State as Beliefs};

use crate::app::App;
use crate::auth::{self, Caller, Origin};
use crate::convert;
use crate::extract::Json;
use crate::limits::{BARRIER_WAIT, LOGIN_SECONDS, STRANGER_BYTES_MAX};
use crate::problem::Refused;
use crate::secret;

/// What the tokens of logins are labelled with.
const LABEL: &str = "login";

/// Turn a password into a bearer token.
///
/// A one-time password opens one login only, and only together with a new password.
#[utoipa::path(
    post, path = "/login", tag = "login", request_body = LoginRequest,
    responses(
        (status = 200, body = LoginAnswer),
        (status = 401, body = Problem, content_type = MEDIA_TYPE,
            description = "User name or password is wrong"),
        (status = 403, body = Problem, content_type = MEDIA_TYPE,
            description = "The password needs a new one, or the account is disabled"),
        (status = 429, body = Problem, content_type = MEDIA_TYPE,
            description = "Too many failures; `Retry-After` says when to try again"),
    ),
)]
pub(crate) async fn log_in(
    State(app): State<App>,
    Origin(address): Origin,
    Json(request): Json<LoginRequest, STRANGER_BYTES_MAX>,
) -> Result<axum::Json<LoginAnswer>, Refused> {
    // An account may be younger than what this head has applied.
    app.barrier(BARRIER_WAIT).await?;
    let user = auth::check_password(&app, &request.user, &request.password, address).await?;
    match &request.new_password {
        Some(_) if user.source.is_some() => {
            let detail = "a directory of the site keeps this password";
            return Err(Refused::forbidden(detail, "change it there"));
        }
        Some(new) => replace(&app, &user, &request.password, new).await?,
        None if user.one_time => {
            let detail = "this password opens one login only, together with a new one";
            let hint = "log in again with new_password (`goctl login` asks for it)";
            let code = code::PASSWORD_CHANGE_REQUIRED;
            let refused = Refused::new(StatusCode::FORBIDDEN, code, detail, hint);
            return Err(refused.with_field("new_password"));
        }
        None => {}
    }
    let ends = app.now().plus(Millis::seconds(LOGIN_SECONDS));
    let (text, token) = secret::new_token(user.name.clone(), LABEL, ends);
    keep(&app, token).await?;
    Ok(axum::Json(LoginAnswer {
        token: text,
        user: user.name.0,
        expires_at: convert::time(ends),
    }))
}

/// Replaces the password that was shown; of two that try at the same time, one wins.
async fn replace(app: &App, user: &User, old: &str, new: &str) -> Result<(), Refused> {
    if new == old {
        let message = "is the old password";
        return Err(Refused::invalid(
            "new_password",
            message,
            "choose another password",
        ));
    }
    let password = auth::hash_new(app, "new_password", new).await?;
    let set = SetPassword {
        user: user.name.clone(),
        password,
        one_time: false,
        replaces: Some(user.password.clone()),
    };
    app.change(Command::SetPassword(set)).await?;
    Ok(())
}

/// Keeps the token of a login. When the user has as many as one may have, the oldest login ends.
async fn keep(app: &App, token: Token) -> Result<(), Refused> {
    let user = token.user.clone();
    let command = Command::CreateToken(token);
    let reply = app.propose(command.clone()).await?;
    let why = match reply.reply {
        Reply::Rejected(why @ Rejection::Limit { .. }) => why,
        Reply::Rejected(why) => return Err(why.into()),
        Reply::Done
        | Reply::Submitted { .. }
        | Reply::Cancelled(_)
        | Reply::Planned { .. }
        | Reply::Joined(_)
        | Reply::Expired(_) => {
            app.catch_up(reply.index).await;
            return Ok(());
        }
    };
    let Some(id) = oldest_login(&app.log().read(), &user) else {
        return Err(why.into());
    };
    app.change(Command::RevokeToken(RevokeToken {
        id,
        user: Some(user),
    }))
    .await?;
    app.change(command).await?;
    Ok(())
}

fn oldest_login(state: &Beliefs, user: &UserName) -> Option<TokenId> {
    let logins = state.tokens_of(user).filter(|token| token.label == LABEL);
    logins
        .min_by_key(|token| token.created_at)
        .map(|token| token.id.clone())
}

/// End the token that the request is made with.
#[utoipa::path(post, path = "/logout", tag = "login", responses((status = 204)))]
pub(crate) async fn log_out(State(app): State<App>, caller: Caller) -> Result<StatusCode, Refused> {
    let (id, user) = (caller.token.id.clone(), Some(caller.name().clone()));
    app.change(Command::RevokeToken(RevokeToken { id, user }))
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Whom the token speaks for.
#[utoipa::path(get, path = "/whoami", tag = "login", responses((status = 200, body = WhoAmI)))]
pub(crate) async fn who_am_i(State(app): State<App>, caller: Caller) -> axum::Json<WhoAmI> {
    axum::Json(WhoAmI {
        user: convert::account::user(&caller.user),
        scopes: convert::account::scopes(&caller.token),
        token: caller.token.id.0,
        expires_at: convert::time(caller.token.expires_at),
        cluster: app.log().read().meta().name.clone(),
    })
}
