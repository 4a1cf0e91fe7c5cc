//! `projects` and `project`: what jobs are charged to, and who is in it.

use api_types::project::{MemberRequest, Project, ProjectList, Taken};
use futures_util::{StreamExt, TryStreamExt, stream};
use reqwest::Method;
use serde::Serialize;

use super::quota;
use crate::args::project::{Members, Project as ProjectArgs};
use crate::client::{Client, Request, escaped};
use crate::error::{Failure, Kind};
use crate::limits::{ASK_AT_ONCE, PROJECTS_ASKED_MAX};
use crate::output::table::{Column, Rank};
use crate::output::{cells, fields};
use crate::session::Session;

/// A project and what of its bounds is taken.
#[derive(Serialize)]
pub struct Charged {
    #[serde(flatten)]
    project: Project,
    #[serde(skip_serializing_if = "Option::is_none")]
    taken: Option<Taken>,
    #[serde(skip_serializing_if = "Option::is_none")]
    window_days: Option<u32>,
}

/// `goctl projects`.
///
/// # Errors
/// What the server says.
pub async fn list(session: &Session) -> Result<(), Failure> {
    let client = session.client()?;
    let list: ProjectList = client.ask(&Request::get("/projects")).await?;
    let many = list.items.len();
    let asked = many <= PROJECTS_ASKED_MAX;
    let rows: Vec<Charged> = stream::iter(list.items)
        .map(|project| charged(client, project, asked))
        .buffered(ASK_AT_ONCE)
        .try_collect()
        .await?;
    session.output.list(&rows, &columns())?;
    if !asked {
        session.output.say(&format!(
            "{many} projects are more than {PROJECTS_ASKED_MAX}: what is taken is told by \
             goctl project show NAME"
        ));
    }
    Ok(())
}

/// A project with what is taken, if that shall be asked; one that is gone meanwhile has nothing.
async fn charged(client: &Client, project: Project, asked: bool) -> Result<Charged, Failure> {
    let view = if asked {
        match quota::of_project(client, &project.name).await {
            Ok(view) => Some(view),
            Err(failure) if failure.kind == Kind::NotFound => None,
            Err(failure) => return Err(failure),
        }
    } else {
        None
    };
    Ok(Charged {
        project,
        taken: view.as_ref().map(|view| view.taken),
        window_days: view.as_ref().map(|view| view.window_days),
    })
}

/// `goctl project …`.
///
/// # Errors
/// What the server says.
pub async fn run(session: &Session, args: ProjectArgs) -> Result<(), Failure> {
    match args {
        ProjectArgs::Show { name } => show(session, &name).await,
        ProjectArgs::Members(Members::Add {
            name,
            user,
            manager,
        }) => {
            let body = MemberRequest { manager };
            let request = member(Method::PUT, &name, &user).body(&body)?;
            session.client()?.tell(&request).await?;
            let role = if manager { "manages" } else { "is in" };
            let said = cells::safe(&format!("{user} {role} project {name}"));
            session.output.data(&format!("{said}\n"))
        }
        ProjectArgs::Members(Members::Remove { name, user }) => {
            let request = member(Method::DELETE, &name, &user);
            session.client()?.tell(&request).await?;
            let said = cells::safe(&format!("{user} is not in project {name} any more"));
            session.output.data(&format!("{said}\n"))
        }
    }
}

fn member(method: Method, project: &str, user: &str) -> Request {
    let (project, user) = (escaped(project), escaped(user));
    Request::new(method, format!("/projects/{project}/members/{user}"))
}

/// Asks for a project.
///
/// # Errors
/// What the server says.
pub async fn get(client: &Client, name: &str) -> Result<Project, Failure> {
    let path = format!("/projects/{}", escaped(name));
    client.ask(&Request::get(path)).await
}

async fn show(session: &Session, name: &str) -> Result<(), Failure> {
    let client = session.client()?;
    let project = get(client, name).await?;
    print(session, project).await
}

/// Prints all about a project.
///
/// # Errors
/// What the server says of what is taken.
pub async fn print(session: &Session, project: Project) -> Result<(), Failure> {
    let charged = charged(session.client()?, project, true).await?;
    session.output.one(&charged, |_| page(&charged))
}

fn columns() -> [Column<Charged>; 6] {
    [
        Column::left("project", Rank::Always, |row, _| {
            cells::safe(&row.project.name)
        }),
        Column::left("description", Rank::Nice, |row, _| {
            cells::safe(&row.project.description)
        }),
        Column::right("members", Rank::Useful, |row, _| members(&row.project)),
        Column::right("running", Rank::Useful, |row, _| {
            let running = row.taken.as_ref().map(|taken| taken.running.to_string());
            running.unwrap_or_else(|| "-".into())
        }),
        Column::left("new jobs", Rank::Wide, |row, _| {
            new_jobs(&row.project).into()
        }),
        Column::left("quota", Rank::Useful, |row, _| {
            quota::short(&row.project.quota, row.taken.as_ref())
        }),
    ]
}

/// How many are in it.
fn members(project: &Project) -> String {
    if project.everybody {
        return "all".into();
    }
    (project.members.len() + project.managers.len()).to_string()
}

fn new_jobs(project: &Project) -> &'static str {
    if project.closed { "refused" } else { "taken" }
}

fn page(charged: &Charged) -> String {
    let project = &charged.project;
    let text = |text: &str| (!text.is_empty()).then(|| cells::safe(text));
    let open_to = if project.everybody {
        "everybody"
    } else {
        "its members"
    };
    let seen = if project.shared {
        "members see each other's"
    } else {
        "members see their own"
    };
    let hours = project.quota.core_hours.or(project.quota.gib_hours);
    let days = charged.window_days.filter(|_| hours.is_some());
    fields::page(&[
        ("project", Some(cells::safe(&project.name))),
        ("description", text(&project.description)),
        ("open to", Some(open_to.into())),
        ("managers", text(&project.managers.join(", "))),
        ("members", text(&project.members.join(", "))),
        ("jobs", Some(seen.into())),
        ("new jobs", Some(new_jobs(project).into())),
        ("priority", Some(project.priority.to_string())),
        (
            "running",
            charged.taken.map(|taken| taken.running.to_string()),
        ),
        (
            "waiting",
            charged.taken.map(|taken| taken.pending.to_string()),
        ),
        (
            "quota",
            Some(quota::short(&project.quota, charged.taken.as_ref())),
        ),
        (
            "hours",
            days.map(|days| format!("summed over {days} days, today included")),
        ),
    ])
}
