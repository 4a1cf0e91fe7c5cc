//! The settings of the whole cluster.

use api_types::settings::Settings;
use axum::extract::State;
use model::account::Role;
use model::command::Command;

use crate::app::App;
use crate::auth::Caller;
use crate::convert;
use crate::extract::Json;
use crate::problem::Refused;

/// Show the settings.
#[utoipa::path(
    get, path = "/settings", tag = "settings", responses((status = 200, body = Settings)),
)]
pub(crate) async fn show_settings(State(app): State<App>, _caller: Caller) -> axum::Json<Settings> {
    axum::Json(convert::node::settings(app.log().read().policy()))
}

/// Change the settings. For administrators.
#[utoipa::path(
    put, path = "/settings", tag = "settings", request_body = Settings,
    responses((status = 200, body = Settings)),
)]
pub(crate) async fn put_settings(
    State(app): State<App>,
    caller: Caller,
    Json(request): Json<Settings>,
) -> Result<axum::Json<Settings>, Refused> {
    caller.needs(Role::Admin)?;
    let timings = convert::node::asked_timings(&request.timings);
    if let Err(text) = timings.validate() {
        let (name, message) = text.split_once(": ").unwrap_or(("", text));
        let field = format!("timings.{name}_ms");
        return Err(Refused::invalid(
            field,
            message,
            "change the length as the message says",
        ));
    }
    let state = app.change_then_read(Command::SetTimings(timings)).await?;
    Ok(axum::Json(convert::node::settings(state.policy())))
}
