//! Permissions for one node each to join. For administrators.

use api_types::join_token::{JoinTokenCreated, JoinTokenList, JoinTokenRequest};
use axum::extract::State;
use axum::http::StatusCode;
use model::Millis;
use model::account::TokenId;
use model::command::{Command, CreateJoinToken};

use crate::app::App;
use crate::auth::Caller;
use crate::convert;
use crate::extract::{Json, Name};
use crate::limits::{JOIN_SECONDS_DEFAULT, JOIN_SECONDS_MAX, TOKEN_SECONDS_MIN};
use crate::problem::Refused;
use crate::secret;

/// List the permissions that have not expired.
#[utoipa::path(
    get, path = "/join-tokens", tag = "join-tokens",
    responses((status = 200, body = JoinTokenList)),
)]
pub(crate) async fn list_join_tokens(
    State(app): State<App>,
) -> Result<axum::Json<JoinTokenList>, Refused> {
    let (state, now) = (app.log().read(), app.now());
    let tokens = state.join_tokens().filter(|token| token.expires_at > now);
    let items = tokens.map(convert::account::join_token).collect();
    Ok(axum::Json(JoinTokenList { items }))
}

/// Allow one machine to join.
#[utoipa::path(
    post, path = "/join-tokens", tag = "join-tokens", request_body = JoinTokenRequest,
    responses((status = 201, body = JoinTokenCreated)),
)]
pub(crate) async fn create_join_token(
    State(app): State<App>,
    caller: Caller,
    Json(request): Json<JoinTokenRequest>,
) -> Result<(StatusCode, axum::Json<JoinTokenCreated>), Refused> {
    let seconds = request.ttl_seconds.unwrap_or(JOIN_SECONDS_DEFAULT);
    if !(TOKEN_SECONDS_MIN..=JOIN_SECONDS_MAX).contains(&seconds) {
        let message = format!("must be {TOKEN_SECONDS_MIN} to {JOIN_SECONDS_MAX} seconds");
        return Err(Refused::invalid(
            "ttl_seconds",
            message,
            "choose a life within these bounds",
        ));
    }
    let (id, secret) = secret::join_secret();
    let (id, role) = (TokenId(id), convert::node::asked_role(request.role));
    let expires_at = app.now().plus(Millis::seconds(seconds));
    app.change(Command::CreateJoinToken(CreateJoinToken {
        id: id.clone(),
        hash: secret::digest(&secret),
        role,
        by: caller.name().clone(),
        expires_at,
    }))
    .await?;
    let created = JoinTokenCreated {
        token: app.host().encode_join_token(&id, &secret, role),
        id: id.0,
        role: request.role,
        expires_at: convert::time(expires_at),
    };
    Ok((StatusCode::CREATED, axum::Json(created)))
}

/// Take a permission back that has not been used.
#[utoipa::path(
    delete, path = "/join-tokens/{id}", tag = "join-tokens",
    params(("id" = String, Path, description = "The permission's public half")),
    responses((status = 204)),
)]
pub(crate) async fn revoke_join_token(
    State(app): State<App>,
    Name(id): Name,
) -> Result<StatusCode, Refused> {
    let id = TokenId(id.chars().take(64).collect());
    app.change(Command::RevokeJoinToken(id)).await?;
    Ok(StatusCode::NO_CONTENT)
}
