//! Accounts and their passwords.

use api_types::project::{Quota, QuotaView};
use api_types::query::PageQuery;
use api_types::user::{PasswordRequest, User, UserList, UserRequest};
use axum::extract::State;
use axum::http::StatusCode;
use model::account::{Role, UnixIds, UserName};
use model::command::{Command, PutUser, SetPassword, SetQuota};
use model::quota::Holder;

use crate::app::App;
use crate::auth::{self, Caller, Origin};
use crate::convert;
use crate::extract::{Json, JsonOrNothing, Name, Params};
use crate::limits::PAGE_MAX;
use crate::pagination;
use crate::problem::Refused;

/// List the accounts by name. For administrators.
#[utoipa::path(
    get, path = "/users", tag = "users", params(PageQuery),
    responses((status = 200, body = UserList)),
)]
pub(crate) async fn list_users(
    State(app): State<App>,
    Params(query): Params<PageQuery>,
) -> Result<axum::Json<UserList>, Refused> {
    let limit = pagination::limit(query.limit, PAGE_MAX)?;
    let (state, after) = (app.log().read(), query.cursor.unwrap_or_default());
    let mut users = state
        .users()
        .skip_while(|user| user.name.0 <= after && !after.is_empty());
    let items: Vec<User> = users
        .by_ref()
        .take(limit)
        .map(convert::account::user)
        .collect();
    let more = users.next().is_some();
    let next = items.last().filter(|_| more).map(|user| user.name.clone());
    Ok(axum::Json(UserList { items, next }))
}

/// Show an account: one's own, or, for administrators, any.
#[utoipa::path(
    get, path = "/users/{name}", tag = "users",
    params(("name" = String, Path, description = "The login")),
    responses((status = 200, body = User)),
)]
pub(crate) async fn show_user(
    State(app): State<App>,
    caller: Caller,
    Name(name): Name,
) -> Result<axum::Json<User>, Refused> {
    let state = app.log().read();
    let seen = caller.acts_as(Role::Admin) || caller.name().0 == name;
    let user = state.user(&name).filter(|_| seen);
    user.map(|user| axum::Json(convert::account::user(user)))
        .ok_or_else(|| no_user(&name))
}

fn no_user(name: &str) -> Refused {
    let shown: String = name.chars().take(40).collect();
    Refused::not_found(format!("user {shown}"))
}

/// Make an account, or change it. For administrators.
///
/// A new account has no password: set one for it.
#[utoipa::path(
    put, path = "/users/{name}", tag = "users",
    params(("name" = String, Path, description = "The login")),
    request_body = UserRequest,
    responses((status = 200, body = User)),
)]
pub(crate) async fn put_user(
    State(app): State<App>,
    Name(name): Name,
    Json(request): Json<UserRequest>,
) -> Result<axum::Json<User>, Refused> {
    let ids = match (request.uid, request.gid) {
        (Some(uid), Some(gid)) => Some(UnixIds {
            uid,
            gid,
            groups: request.groups,
        }),
        (None, None) if request.groups.is_empty() => None,
        (None, None) => {
            let message = "go together with uid and gid";
            return Err(Refused::invalid("groups", message, "give all three"));
        }
        (given, _) => {
            let field = if given.is_some() { "gid" } else { "uid" };
            let message = "uid and gid go together";
            return Err(Refused::invalid(field, message, "give both, or neither"));
        }
    };
    let put = PutUser {
        name: UserName(name.clone()),
        role: convert::account::asked_role(request.role),
        ids,
        disabled: request.disabled,
        home: request.home,
        mail: request.mail,
    };
    let state = app.change_then_read(Command::PutUser(put)).await?;
    let user = state.user(&name).ok_or_else(|| no_user(&name))?;
    Ok(axum::Json(convert::account::user(user)))
}

/// Set a password: one's own with the current one, or, for administrators, anybody's.
#[utoipa::path(
    put, path = "/users/{name}/password", tag = "users",
    params(("name" = String, Path, description = "The login")),
    request_body = PasswordRequest,
    responses((status = 204)),
)]
pub(crate) async fn set_password(
    State(app): State<App>,
    caller: Caller,
    Origin(address): Origin,
    Name(name): Name,
    Json(request): Json<PasswordRequest>,
) -> Result<StatusCode, Refused> {
    let own = caller.name().0 == name;
    let admin = caller.acts_as(Role::Admin);
    if !own && !admin {
        return Err(no_user(&name));
    }
    let kept_by = app
        .log()
        .read()
        .user(&name)
        .and_then(|user| user.source.clone());
    if let Some(source) = kept_by {
        let detail = format!("directory {} keeps this password", source.directory);
        return Err(Refused::forbidden(detail, "change it there"));
    }
    if request.one_time && !admin {
        let refused = Refused::forbidden("one_time is for administrators", "leave it out");
        return Err(refused.with_field("one_time"));
    }
    let replaces = match (own, &request.current) {
        (true, Some(current)) => Some(
            auth::check_password(&app, &name, current, address)
                .await?
                .password,
        ),
        (true, None) => {
            let message = "is needed to change one's own password";
            return Err(Refused::invalid(
                "current",
                message,
                "give the password of now",
            ));
        }
        (false, _) => None,
    };
    let password = auth::hash_new(&app, "password", &request.password).await?;
    let (user, one_time) = (UserName(name), request.one_time);
    app.change(Command::SetPassword(SetPassword {
        user,
        password,
        one_time,
        replaces,
    }))
    .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Show the bounds of a user and what of them is taken: one's own, or, for administrators, any.
#[utoipa::path(
    get, path = "/users/{name}/quota", tag = "users",
    params(("name" = String, Path, description = "The login")),
    responses((status = 200, body = QuotaView)),
)]
pub(crate) async fn user_quota(
    State(app): State<App>,
    caller: Caller,
    Name(name): Name,
) -> Result<axum::Json<QuotaView>, Refused> {
    let state = app.log().read();
    let seen = caller.sees_all() || caller.name().0 == name;
    let user = state.user(&name).filter(|_| seen);
    let user = user.ok_or_else(|| no_user(&name))?;
    let holder = Holder::User(user.name.clone());
    Ok(axum::Json(convert::project::quota_view(&state, &holder)))
}

/// Bound what a user may have. For administrators. Without a body: what everybody has.
#[utoipa::path(
    put, path = "/users/{name}/quota", tag = "users",
    params(("name" = String, Path, description = "The login")),
    request_body = Option<Quota>,
    responses((status = 200, body = QuotaView)),
)]
pub(crate) async fn put_quota(
    State(app): State<App>,
    Name(name): Name,
    JsonOrNothing(request): JsonOrNothing<Option<Quota>>,
) -> Result<axum::Json<QuotaView>, Refused> {
    let asked = request.as_ref();
    let quota = asked.map(|quota| convert::project::asked_quota(quota, ""));
    let set = SetQuota {
        user: UserName(name.clone()),
        quota: quota.transpose()?,
    };
    let state = app.change_then_read(Command::SetQuota(set)).await?;
    let holder = Holder::User(UserName(name));
    Ok(axum::Json(convert::project::quota_view(&state, &holder)))
}

/// Forget what a user has spent in the window. For administrators.
#[utoipa::path(
    delete, path = "/users/{name}/quota/spent", tag = "users",
    params(("name" = String, Path, description = "The login")),
    responses((status = 204)),
)]
pub(crate) async fn reset_user(
    State(app): State<App>,
    Name(name): Name,
) -> Result<StatusCode, Refused> {
    let holder = Holder::User(UserName(name));
    app.change(Command::ResetSpent(holder)).await?;
    Ok(StatusCode::NO_CONTENT)
}
