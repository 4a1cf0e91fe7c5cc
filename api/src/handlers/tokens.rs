//! A user's own bearer tokens.

use std::collections::BTreeSet;

use api_types::token::{self, RotateRequest, TokenCreated, TokenList, TokenRequest};
use axum::extract::State;
use axum::http::StatusCode;
use model::account::{Role, Scope, Token, TokenId};
use model::command::{Command, RevokeToken, RotateToken};
use model::spec::is_label;
use model::{Millis, Timestamp};

use crate::app::App;
use crate::auth::Caller;
use crate::convert;
use crate::extract::{JsonOrNothing, Name};
use crate::limits::{TOKEN_SECONDS_DEFAULT, TOKEN_SECONDS_MAX, TOKEN_SECONDS_MIN};
use crate::problem::Refused;
use crate::secret;

/// List the caller's tokens.
#[utoipa::path(get, path = "/tokens", tag = "tokens", responses((status = 200, body = TokenList)))]
pub(crate) async fn list_tokens(State(app): State<App>, caller: Caller) -> axum::Json<TokenList> {
    let state = app.log().read();
    let mut tokens: Vec<_> = state.tokens_of(caller.name()).collect();
    tokens.sort_by_key(|token| token.created_at);
    let items = tokens
        .into_iter()
        .map(|token| convert::account::token(token, &caller.token));
    axum::Json(TokenList {
        items: items.collect(),
    })
}

/// Make a token for the caller.
#[utoipa::path(
    post, path = "/tokens", tag = "tokens", request_body = TokenRequest,
    responses((status = 201, body = TokenCreated)),
)]
pub(crate) async fn create_token(
    State(app): State<App>,
    caller: Caller,
    JsonOrNothing(request): JsonOrNothing<TokenRequest>,
) -> Result<(StatusCode, axum::Json<TokenCreated>), Refused> {
    if !request.label.is_empty() && !is_label(&request.label) {
        let message = "must be at most 128 printable bytes";
        return Err(Refused::invalid("label", message, "choose a short label"));
    }
    let ends = ends(&app, request.ttl_seconds)?;
    let scopes = scopes(&caller, request.scopes)?;
    let (text, token) = secret::new_token(caller.name().clone(), &request.label, ends);
    let token = Token { scopes, ..token };
    let id = token.id.0.clone();
    app.change(Command::CreateToken(token)).await?;
    let created = TokenCreated {
        token: text,
        id,
        expires_at: convert::time(ends),
    };
    Ok((StatusCode::CREATED, axum::Json(created)))
}

/// When a token ends that shall live so long.
fn ends(app: &App, ttl_seconds: Option<u64>) -> Result<Timestamp, Refused> {
    let seconds = ttl_seconds.unwrap_or(TOKEN_SECONDS_DEFAULT);
    if !(TOKEN_SECONDS_MIN..=TOKEN_SECONDS_MAX).contains(&seconds) {
        let message = format!("must be {TOKEN_SECONDS_MIN} to {TOKEN_SECONDS_MAX} seconds");
        let remedy = "choose a life within these bounds";
        return Err(Refused::invalid("ttl_seconds", message, remedy));
    }
    Ok(app.now().plus(Millis::seconds(seconds)))
}

/// The scopes that are asked for, which the caller's own token must have.
fn scopes(caller: &Caller, asked: Option<Vec<token::Scope>>) -> Result<BTreeSet<Scope>, Refused> {
    let own = &caller.token.scopes;
    let Some(asked) = asked else {
        return Ok(own.clone());
    };
    let beyond = |scope: &&token::Scope| !own.contains(&convert::account::asked_scope(**scope));
    if let Some(scope) = asked.iter().find(beyond) {
        let message = format!(
            "the token of this request is not good for `{}`",
            scope.word()
        );
        let remedy = "ask for less, or log in";
        return Err(Refused::invalid("scopes", message, remedy));
    }
    if asked.is_empty() {
        let message = "a token that is good for nothing";
        let remedy = "name at least one, or leave it out";
        return Err(Refused::invalid("scopes", message, remedy));
    }
    Ok(asked
        .into_iter()
        .map(convert::account::asked_scope)
        .collect())
}

/// Replace a token of the caller's by a new one with the same label and scopes; the old one ends
/// in the same moment.
#[utoipa::path(
    post, path = "/tokens/{id}/rotate", tag = "tokens",
    params(("id" = String, Path, description = "The token's public half")),
    request_body = RotateRequest,
    responses((status = 201, body = TokenCreated)),
)]
pub(crate) async fn rotate_token(
    State(app): State<App>,
    caller: Caller,
    Name(id): Name,
    JsonOrNothing(request): JsonOrNothing<RotateRequest>,
) -> Result<(StatusCode, axum::Json<TokenCreated>), Refused> {
    let ends = ends(&app, request.ttl_seconds)?;
    let old = TokenId(id.chars().take(64).collect());
    let state = app.log().read();
    let known = state
        .token(&old)
        .filter(|token| token.user == *caller.name());
    let known = known.ok_or_else(|| Refused::not_found(format!("token {}", old.0)))?;
    if !known.scopes.is_subset(&caller.token.scopes) {
        let detail = "that token is good for more than the one of this request";
        return Err(Refused::forbidden(
            detail,
            "log in, or rotate it with itself",
        ));
    }
    let (text, token) = secret::new_token(caller.name().clone(), &known.label, ends);
    let rotate = RotateToken {
        old,
        user: caller.name().clone(),
        id: token.id.clone(),
        hash: token.hash,
        expires_at: ends,
    };
    app.change(Command::RotateToken(rotate)).await?;
    let created = TokenCreated {
        token: text,
        id: token.id.0,
        expires_at: convert::time(ends),
    };
    Ok((StatusCode::CREATED, axum::Json(created)))
}

/// End a token: one of the caller's, or, for administrators, anybody's.
#[utoipa::path(
    delete, path = "/tokens/{id}", tag = "tokens",
    params(("id" = String, Path, description = "The token's public half")),
    responses((status = 204)),
)]
pub(crate) async fn revoke_token(
    State(app): State<App>,
    caller: Caller,
    Name(id): Name,
) -> Result<StatusCode, Refused> {
    let user = (!caller.acts_as(Role::Admin)).then(|| caller.name().clone());
    let revoke = RevokeToken {
        id: TokenId(id.chars().take(64).collect()),
        user,
    };
    app.change(Command::RevokeToken(revoke)).await?;
    Ok(StatusCode::NO_CONTENT)
}
