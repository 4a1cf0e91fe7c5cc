//! Accounting: sums over what attempts cost and used.

use api_types::usage::{self as seen, UsageQuery, UsageReport, UsageRow};
use axum::extract::State;
use model::ledger::{UsageBy, UsageSearch, UsageSum};
use model::spec::is_plain_name;
use model::{Millis, Timestamp};

use crate::app::App;
use crate::auth::Caller;
use crate::convert;
use crate::extract::Params;
use crate::problem::Refused;

/// How far back a report looks that does not say.
const USUAL_DAYS: u64 = 30;
/// Milliseconds of a day.
const DAY: u64 = 86_400_000;

/// Sum what attempts cost and used: one's own, those of a project that one manages, or, for
/// operators, everybody's.
#[utoipa::path(
    get, path = "/usage", tag = "usage", params(UsageQuery),
    responses((status = 200, body = UsageReport)),
)]
pub(crate) async fn report(
    State(app): State<App>,
    caller: Caller,
    Params(query): Params<UsageQuery>,
) -> Result<axum::Json<UsageReport>, Refused> {
    let now = app.now();
    let moment = |field: &str, text: &Option<String>, usual: Timestamp| match text {
        Some(text) => convert::parse_time(field, text),
        None => Ok(usual),
    };
    let until = moment("to", &query.to, now.plus(Millis(1)))?;
    let usual = Timestamp(until.0.saturating_sub(USUAL_DAYS * DAY));
    let from = moment("from", &query.from, usual)?;
    if from >= until {
        let message = "is not before `to`";
        return Err(Refused::invalid("from", message, "name an earlier moment"));
    }
    let by = query.by.unwrap_or_default();
    let search = UsageSearch {
        by: asked_by(by),
        from,
        until,
        owner: owner(&app, &caller, &query)?.map(|name| name.as_str().into()),
        project: query.project,
    };
    let sums = app.log().usage(search).await?;
    let total = sums
        .values()
        .fold(UsageSum::default(), |total, sum| total.plus(sum));
    let mut rows: Vec<UsageRow> = sums.iter().map(|(key, sum)| row(by, key, sum)).collect();
    rows.sort_by(|one, other| other.core_hours.total_cmp(&one.core_hours));
    Ok(axum::Json(UsageReport {
        from: convert::time(from),
        to: convert::time(until),
        by,
        rows,
        total: row(seen::UsageBy::User, "total", &total),
    }))
}

/// Whose attempts may be summed: the user asked for, or everybody.
fn owner(app: &App, caller: &Caller, query: &UsageQuery) -> Result<Option<String>, Refused> {
    if let Some(name) = query.user.as_ref().filter(|name| !is_plain_name(name)) {
        let shown: String = name.chars().take(40).collect();
        let message = format!("`{shown}` is no name of a user");
        let remedy = "letters, digits, `.`, `_` and `-`, at most 128 bytes";
        return Err(Refused::invalid("user", message, remedy));
    }
    let own = caller.name().0.clone();
    let manages = query.project.as_ref();
    let manages = manages.is_some_and(|name| app.log().read().manages(caller.name(), name));
    match &query.user {
        user if caller.sees_all() || manages => Ok(user.clone()),
        Some(user) if *user != own => {
            let detail = "what others used is for operators, and managers of a project";
            let refused = Refused::forbidden(detail, "leave it out to see your own");
            Err(refused.with_field("user"))
        }
        Some(_) | None => Ok(Some(own)),
    }
}

fn asked_by(by: seen::UsageBy) -> UsageBy {
    match by {
        seen::UsageBy::User => UsageBy::User,
        seen::UsageBy::Project => UsageBy::Project,
        seen::UsageBy::Queue => UsageBy::Queue,
        seen::UsageBy::Image => UsageBy::Image,
        seen::UsageBy::Node => UsageBy::Node,
        seen::UsageBy::State => UsageBy::State,
        seen::UsageBy::Day => UsageBy::Day,
    }
}

fn row(by: seen::UsageBy, key: &str, sum: &UsageSum) -> UsageRow {
    let key = match by {
        seen::UsageBy::Day => day(key),
        seen::UsageBy::User
        | seen::UsageBy::Project
        | seen::UsageBy::Queue
        | seen::UsageBy::Image
        | seen::UsageBy::Node
        | seen::UsageBy::State => key.to_owned(),
    };
    let (core_hours, gib_hours) = convert::project::effort(&sum.charged);
    let hours = convert::project::hours;
    UsageRow {
        key,
        attempts: sum.attempts,
        failed: sum.failed,
        core_hours,
        gib_hours,
        cpu_hours_used: std::time::Duration::from_micros(sum.cpu_micros).as_secs_f64() / 3600.0,
        memory_peak_bytes: sum.memory_peak.0,
        io_read_bytes: sum.io_read.0,
        io_written_bytes: sum.io_written.0,
        wait_hours: hours(sum.waited.0),
        wall_hours: hours(sum.ran.0),
    }
}

/// A day as people write it.
fn day(number: &str) -> String {
    let millis = number.parse::<u64>().unwrap_or(0).saturating_mul(DAY);
    let time = convert::time(Timestamp(millis));
    time.split('T').next().unwrap_or_default().to_owned()
}
