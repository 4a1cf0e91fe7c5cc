//! `usage report`: what attempts cost and used, summed.

use api_types::usage::{UsageQuery, UsageReport, UsageRow};
use jiff::tz::TimeZone;

use crate::args::look::{Report, Usage};
use crate::client::Request;
use crate::error::Failure;
use crate::output::table::{Column, Rank};
use crate::output::{Format, cells};
use crate::parse;
use crate::session::Session;

/// `goctl usage …`.
///
/// # Errors
/// What the server says.
pub async fn run(session: &Session, args: Usage) -> Result<(), Failure> {
    match args {
        Usage::Report(args) => report(session, args).await,
    }
}

async fn report(session: &Session, args: Report) -> Result<(), Failure> {
    let view = session.output.view;
    let zone = if view.utc {
        TimeZone::UTC
    } else {
        TimeZone::system()
    };
    let moment = |name: &str, text: Option<&str>| {
        let at = text.map(|text| parse::moment(text, view.now, &zone));
        at.transpose()
            .map(|at| at.map(|at| at.to_string()))
            .map_err(|message| Failure::usage(message).field(name))
    };
    let query = UsageQuery {
        by: args.by,
        from: moment("--from", args.from.as_deref())?,
        to: moment("--to", args.to.as_deref())?,
        user: args.user,
        project: args.project,
    };
    let request = Request::get("/usage").query(&query)?;
    let report: UsageReport = session.client()?.ask(&request).await?;
    let mut rows = report.rows;
    // Programs add up themselves.
    let for_people = matches!(session.output.format, Format::Table | Format::Wide);
    if for_people && rows.len() > 1 {
        rows.push(report.total);
    }
    session.output.list(&rows, &columns())?;
    if for_people {
        let (from, to) = (
            cells::moment(&report.from, &view),
            cells::moment(&report.to, &view),
        );
        session
            .output
            .say(&format!("attempts that ended from {from} to {to}"));
    }
    Ok(())
}

fn columns() -> [Column<UsageRow>; 10] {
    [
        Column::left("of", Rank::Always, |row, _| cells::safe(&row.key)),
        Column::right("attempts", Rank::Always, |row, _| row.attempts.to_string()),
        Column::right("failed", Rank::Useful, |row, _| row.failed.to_string()),
        Column::right("core-hours", Rank::Always, |row, _| hours(row.core_hours)),
        Column::right("cpu used", Rank::Useful, |row, _| {
            share(row.cpu_hours_used, row.core_hours)
        }),
        Column::right("gib-hours", Rank::Useful, |row, _| hours(row.gib_hours)),
        Column::right("mem peak", Rank::Nice, |row, _| {
            cells::size(row.memory_peak_bytes)
        }),
        Column::right("wait", Rank::Nice, |row, _| hours(row.wait_hours)),
        Column::right("wall", Rank::Nice, |row, _| hours(row.wall_hours)),
        Column::right("io", Rank::Wide, |row, _| {
            cells::size(row.io_read_bytes.saturating_add(row.io_written_bytes))
        }),
    ]
}

fn hours(hours: f64) -> String {
    format!("{hours:.2}")
}

/// What was used of what was asked for.
fn share(used: f64, asked: f64) -> String {
    if asked > 0.0 {
        format!("{:.0}%", used / asked * 100.0)
    } else {
        "-".into()
    }
}
