//! The settings of the whole cluster.

use api_types::settings::{Settings, Timings};
use axum::extract::State;
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
    axum::Json(convert::policy::settings(app.log().read().policy()))
}

/// Change the settings. For administrators.
#[utoipa::path(
    put, path = "/settings", tag = "settings", request_body = Settings,
    responses((status = 200, body = Settings)),
)]
pub(crate) async fn put_settings(
    State(app): State<App>,
    Json(request): Json<Settings>,
) -> Result<axum::Json<Settings>, Refused> {
    let rules = request
        .rules
        .map(convert::policy::asked_rules)
        .transpose()?;
    if let Some(timings) = &request.timings {
        set_timings(&app, timings).await?;
    }
    if let Some(rules) = rules {
        app.change(Command::SetRules(rules)).await?;
    }
    Ok(axum::Json(convert::policy::settings(
        app.log().read().policy(),
    )))
}

async fn set_timings(app: &App, timings: &Timings) -> Result<(), Refused> {
    let timings = convert::policy::asked_timings(timings);
    if let Err(text) = timings.validate() {
        let (name, message) = text.split_once(": ").unwrap_or(("", text));
        let field = format!("timings.{name}_ms");
        return Err(Refused::invalid(
            field,
            message,
            "change the length as the message says",
        ));
    }
    app.change(Command::SetTimings(timings)).await
}
