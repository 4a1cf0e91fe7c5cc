//! `admin settings`: the rules of the whole cluster.

use api_types::settings::{Settings, Timings};
use reqwest::Method;

use crate::args::admin::{SettingsAction, Timings as Wanted};
use crate::client::Request;
use crate::error::Failure;
use crate::output::fields;
use crate::session::Session;

/// `goctl admin settings …`.
///
/// # Errors
/// What the server says.
pub async fn run(session: &Session, action: Option<SettingsAction>) -> Result<(), Failure> {
    let client = session.client()?;
    let mut settings: Settings = client.ask(&Request::get("/settings")).await?;
    match action {
        None | Some(SettingsAction::Show) => {}
        Some(SettingsAction::Set(wanted)) => {
            let timings = settings.timings.map(|timings| changed(timings, &wanted));
            let body = Settings {
                timings,
                rules: None,
            };
            let request = Request::new(Method::PUT, "/settings").body(&body)?;
            settings = client.ask(&request).await?;
        }
    }
    session.output.one(&settings, |_| page(&settings))
}

fn changed(known: Timings, wanted: &Wanted) -> Timings {
    Timings {
        heartbeat_ms: wanted.heartbeat.unwrap_or(known.heartbeat_ms),
        suspect_after_ms: wanted.suspect_after.unwrap_or(known.suspect_after_ms),
        lease_ms: wanted.lease.unwrap_or(known.lease_ms),
        lease_margin_ms: wanted.lease_margin.unwrap_or(known.lease_margin_ms),
    }
}

fn page(settings: &Settings) -> String {
    let timings = settings.timings.unwrap_or_default();
    fields::page(&[
        ("heartbeat", Some(length(timings.heartbeat_ms))),
        ("suspect-after", Some(length(timings.suspect_after_ms))),
        ("lease", Some(length(timings.lease_ms))),
        ("lease-margin", Some(length(timings.lease_margin_ms))),
    ])
}

/// As `settings set` takes it.
fn length(millis: u64) -> String {
    if millis.is_multiple_of(1_000) {
        format!("{}s", millis / 1_000)
    } else {
        format!("{millis}ms")
    }
}
