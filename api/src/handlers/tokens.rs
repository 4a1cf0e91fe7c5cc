//! A user's own bearer tokens.

use api_types::token::{TokenCreated, TokenList, TokenRequest};
use axum::extract::State;
use axum::http::StatusCode;
use model::Millis;
use model::account::{Role, TokenId};
use model::command::{Command, RevokeToken};
use model::spec::is_label;

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
    let mut tokens: Vec<_> = state
        .tokens()
        .filter(|token| token.user == *caller.name())
        .collect();
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
    let seconds = request.ttl_seconds.unwrap_or(TOKEN_SECONDS_DEFAULT);
    if !(TOKEN_SECONDS_MIN..=TOKEN_SECONDS_MAX).contains(&seconds) {
        let message = format!("must be {TOKEN_SECONDS_MIN} to {TOKEN_SECONDS_MAX} seconds");
        return Err(Refused::invalid(
            "ttl_seconds",
            message,
            "choose a life within these bounds",
        ));
    }
    let ends = app.now().plus(Millis::seconds(seconds));
    let (text, token) = secret::new_token(caller.name().clone(), &request.label, ends);
    let id = token.id.0.clone();
    app.change(Command::CreateToken(token)).await?;
    let created = TokenCreated {
        token: text,
        id,
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
    let user = (caller.user.role < Role::Admin).then(|| caller.name().clone());
    let revoke = RevokeToken {
        id: TokenId(id.chars().take(64).collect()),
        user,
    };
    app.change(Command::RevokeToken(revoke)).await?;
    Ok(StatusCode::NO_CONTENT)
}
