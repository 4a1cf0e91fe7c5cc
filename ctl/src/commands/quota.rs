//! `quota`: bounds of a user or a project, and what of them is taken.

use api_types::login::WhoAmI;
use api_types::project::{Quota, QuotaView, Taken};
use serde::Serialize;

use crate::args::admin::project::Bounds;
use crate::args::project::Quota as QuotaArgs;
use crate::client::{Client, Request, escaped};
use crate::error::Failure;
use crate::output::cells;
use crate::output::table::{Column, Rank};
use crate::parse::change::Change;
use crate::session::Session;

/// `goctl quota`.
///
/// # Errors
/// What the server says.
pub async fn quota(session: &Session, args: &QuotaArgs) -> Result<(), Failure> {
    let client = session.client()?;
    let view = match (&args.project, &args.user) {
        (Some(project), _) => of_project(client, project).await?,
        (None, Some(user)) => of_user(client, user).await?,
        (None, None) => {
            let me: WhoAmI = client.ask(&Request::get("/whoami")).await?;
            of_user(client, &me.user.name).await?
        }
    };
    print(session, &view)
}

/// The bounds of a project.
///
/// # Errors
/// What the server says.
pub async fn of_project(client: &Client, name: &str) -> Result<QuotaView, Failure> {
    let path = format!("/projects/{}/quota", escaped(name));
    client.ask(&Request::get(path)).await
}

/// The bounds of a user.
///
/// # Errors
/// What the server says.
pub async fn of_user(client: &Client, name: &str) -> Result<QuotaView, Failure> {
    let path = format!("/users/{}/quota", escaped(name));
    client.ask(&Request::get(path)).await
}

/// Prints bounds, a line each.
///
/// # Errors
/// When nobody reads, or a column is unknown.
pub fn print(session: &Session, view: &QuotaView) -> Result<(), Failure> {
    let output = &session.output;
    if output.is_document() {
        return output.one(view, |_| String::new());
    }
    output.list(&lines(view), &columns())?;
    let holder = cells::safe(&view.holder);
    let whose = if view.usual {
        "the bounds that everybody has"
    } else {
        "bounds of its own"
    };
    let days = view.window_days;
    output.say(&format!(
        "{holder}: {whose}; hours are summed over {days} days, today included"
    ));
    Ok(())
}

/// One bound, in units that people read.
#[derive(Serialize)]
struct Line {
    bound: &'static str,
    limit: Option<String>,
    taken: String,
    reserved: Option<String>,
    left: Option<String>,
    over: Option<String>,
    usual: bool,
}

fn columns() -> [Column<Line>; 7] {
    [
        Column::left("bound", Rank::Always, |line, _| line.bound.into()),
        Column::right("limit", Rank::Always, |line, _| or_dash(&line.limit)),
        Column::right("taken", Rank::Always, |line, _| line.taken.clone()),
        Column::right("reserved", Rank::Useful, |line, _| or_dash(&line.reserved)),
        Column::right("left", Rank::Always, |line, _| or_dash(&line.left)),
        Column::left("over", Rank::Nice, |line, _| or_dash(&line.over)),
        Column::left("set for", Rank::Nice, |line, _| set_for(line).into()),
    ]
}

fn or_dash(text: &Option<String>) -> String {
    text.clone().unwrap_or_else(|| "-".into())
}

/// For whom a bound was set.
fn set_for(line: &Line) -> &'static str {
    match (&line.limit, line.usual) {
        (None, _) => "-",
        (Some(_), true) => "everybody",
        (Some(_), false) => "this one",
    }
}

/// What is left of the room for job directories.
fn disk_left(quota: &Quota, taken: &Taken) -> Option<String> {
    let left = quota.disk_bytes?.saturating_sub(taken.disk_bytes);
    Some(cells::size(left.saturating_sub(taken.reserved_disk_bytes)))
}

fn lines(view: &QuotaView) -> Vec<Line> {
    let (quota, taken) = (&view.quota, &view.taken);
    let line = |bound, limit: Option<String>, taken, left| Line {
        bound,
        limit,
        taken,
        reserved: None,
        left,
        over: None,
        usual: view.usual,
    };
    let count = |bound, limit: Option<u32>, taken: u32| {
        let left = limit.map(|limit| limit.saturating_sub(taken).to_string());
        line(
            bound,
            limit.map(|limit| limit.to_string()),
            taken.to_string(),
            left,
        )
    };
    let hours = |bound, limit: Option<f64>, spent: f64, reserved: f64| {
        let left = limit.map(|limit| cells::hours((limit - spent - reserved).max(0.0)));
        Line {
            reserved: Some(cells::hours(reserved)),
            over: Some(format!("{} days", view.window_days)),
            ..line(bound, limit.map(cells::hours), cells::hours(spent), left)
        }
    };
    let cpu_left = quota
        .cpu
        .map(|most| cells::cpus((most - taken.cpu).max(0.0)));
    let mem_left = |most: u64| cells::size(most.saturating_sub(taken.memory_bytes));
    vec![
        line(
            "cpu",
            quota.cpu.map(cells::cpus),
            cells::cpus(taken.cpu),
            cpu_left,
        ),
        line(
            "mem",
            quota.memory_bytes.map(cells::size),
            cells::size(taken.memory_bytes),
            quota.memory_bytes.map(mem_left),
        ),
        count("running", quota.running, taken.running),
        count("pending", quota.pending, taken.pending),
        hours(
            "core-hours",
            quota.core_hours,
            taken.core_hours,
            taken.reserved_core_hours,
        ),
        hours(
            "gib-hours",
            quota.gib_hours,
            taken.gib_hours,
            taken.reserved_gib_hours,
        ),
        Line {
            reserved: Some(cells::size(taken.reserved_disk_bytes)),
            ..line(
                "disk",
                quota.disk_bytes.map(cells::size),
                cells::size(taken.disk_bytes),
                disk_left(quota, taken),
            )
        },
    ]
}

/// All bounds in one line, with what is taken of each if that is known: `4/16 cpu, 2/10 running`.
/// Hours that running jobs have reserved count as taken.
pub fn short(quota: &Quota, taken: Option<&Taken>) -> String {
    let part = |limit: Option<String>, taken: Option<String>, unit: &str| {
        let limit = limit?;
        let taken = taken.map_or_else(String::new, |taken| format!("{taken}/"));
        Some(format!("{taken}{limit} {unit}"))
    };
    let core = |taken: &Taken| cells::hours(taken.core_hours + taken.reserved_core_hours);
    let disk = |taken: &Taken| cells::size(taken.disk_bytes + taken.reserved_disk_bytes);
    let gib = |taken: &Taken| cells::hours(taken.gib_hours + taken.reserved_gib_hours);
    let parts = [
        part(
            quota.cpu.map(cells::cpus),
            taken.map(|taken| cells::cpus(taken.cpu)),
            "cpu",
        ),
        part(
            quota.memory_bytes.map(cells::size),
            taken.map(|taken| cells::size(taken.memory_bytes)),
            "mem",
        ),
        part(
            quota.running.map(|most| most.to_string()),
            taken.map(|taken| taken.running.to_string()),
            "running",
        ),
        part(
            quota.pending.map(|most| most.to_string()),
            taken.map(|taken| taken.pending.to_string()),
            "pending",
        ),
        part(
            quota.core_hours.map(cells::hours),
            taken.map(core),
            "core-hours",
        ),
        part(
            quota.gib_hours.map(cells::hours),
            taken.map(gib),
            "GiB-hours",
        ),
        part(quota.disk_bytes.map(cells::size), taken.map(disk), "disk"),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    if parts.is_empty() {
        return "-".into();
    }
    parts.join(", ")
}

/// The bounds from now on: those that are named are changed.
pub fn changed(wanted: &Bounds, known: &Quota) -> Quota {
    Quota {
        cpu: Change::over(wanted.cpu, known.cpu),
        memory_bytes: Change::over(wanted.mem, known.memory_bytes),
        running: Change::over(wanted.running, known.running),
        pending: Change::over(wanted.pending, known.pending),
        core_hours: Change::over(wanted.core_hours, known.core_hours),
        gib_hours: Change::over(wanted.gib_hours, known.gib_hours),
        disk_bytes: Change::over(wanted.disk, known.disk_bytes),
    }
}
