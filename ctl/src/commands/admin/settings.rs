//! `admin settings`: the rules of the whole cluster.

use api_types::settings::Settings;
use reqwest::Method;

use crate::args::admin::{SettingsAction, Timings};
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
            put(&mut settings, wanted);
            let request = Request::new(Method::PUT, "/settings").body(&settings)?;
            settings = client.ask(&request).await?;
        }
    }
    session.output.one(&settings, |_| page(&settings))
}

fn put(settings: &mut Settings, wanted: Timings) {
    let timings = &mut settings.timings;
    timings.heartbeat_ms = wanted.heartbeat.unwrap_or(timings.heartbeat_ms);
    timings.suspect_after_ms = wanted.suspect_after.unwrap_or(timings.suspect_after_ms);
    timings.lease_ms = wanted.lease.unwrap_or(timings.lease_ms);
    timings.lease_margin_ms = wanted.lease_margin.unwrap_or(timings.lease_margin_ms);
}

fn page(settings: &Settings) -> String {
    let timings = &settings.timings;
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
