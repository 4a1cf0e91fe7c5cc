//! `admin project` and `admin queue`: what jobs are charged to, and where they wait.

use api_types::project::QueueRequest;
use api_types::project::{Grant, Project as Known, ProjectRequest, Queue as KnownQueue};
use reqwest::Method;

use crate::args::admin::project::{Project, ProjectSet, Queue, QueueSet};
use crate::client::{Request, escaped};
use crate::commands::{grant, project, queue, quota};
use crate::error::{Failure, Kind};
use crate::output::cells;
use crate::parse::change::Change;
use crate::session::Session;

/// `goctl admin project …`.
///
/// # Errors
/// What the server says.
pub async fn run(session: &Session, args: Project) -> Result<(), Failure> {
    let client = session.client()?;
    match args {
        Project::Set { name, wanted } => {
            let known = known(project::get(client, &name).await)?;
            let body = changed(wanted, known);
            let path = format!("/projects/{}", escaped(&name));
            let request = Request::new(Method::PUT, path).body(&body)?;
            project::print(session, client.ask(&request).await?).await
        }
        Project::Remove { name } => {
            let path = format!("/projects/{}", escaped(&name));
            client.tell(&Request::new(Method::DELETE, path)).await?;
            let name = cells::safe(&name);
            session
                .output
                .data(&format!("project {name} is forgotten\n"))
        }
        Project::Reset { name } => {
            let path = format!("/projects/{}/quota/spent", escaped(&name));
            client.tell(&Request::new(Method::DELETE, path)).await?;
            let name = cells::safe(&name);
            session.output.data(&format!(
                "the hours that project {name} has spent are forgotten\n"
            ))
        }
    }
}

/// What there is; nothing of what is made now.
fn known<T>(asked: Result<T, Failure>) -> Result<Option<T>, Failure> {
    match asked {
        Ok(known) => Ok(Some(known)),
        Err(failure) if failure.kind == Kind::NotFound => Ok(None),
        Err(failure) => Err(failure),
    }
}

/// The request that makes a project what it is to be. Who is in it is not said, and stays.
fn changed(wanted: ProjectSet, known: Option<Known>) -> ProjectRequest {
    let priority = known.as_ref().map(|known| known.priority);
    let known = known.unwrap_or_default();
    ProjectRequest {
        description: wanted.description.unwrap_or(known.description),
        everybody: wanted.everybody.unwrap_or(known.everybody),
        members: None,
        managers: None,
        shared: wanted.shared.unwrap_or(known.shared),
        closed: wanted.closed || (known.closed && !wanted.open),
        priority: wanted.priority.or(priority),
        quota: quota::changed(&wanted.bounds, &known.quota),
    }
}

/// `goctl admin queue …`.
///
/// # Errors
/// What the server says.
pub async fn run_queue(session: &Session, args: Queue) -> Result<(), Failure> {
    let client = session.client()?;
    match args {
        Queue::Set { name, wanted } => {
            let known = known(queue::get(client, &name).await)?;
            let body = changed_queue(*wanted, known.map(|known| known.rules));
            let path = format!("/queues/{}", escaped(&name));
            let request = Request::new(Method::PUT, path).body(&body)?;
            let set: KnownQueue = client.ask(&request).await?;
            queue::print(session, &set)
        }
        Queue::Remove { name } => {
            let path = format!("/queues/{}", escaped(&name));
            client.tell(&Request::new(Method::DELETE, path)).await?;
            let name = cells::safe(&name);
            session.output.data(&format!("queue {name} is forgotten\n"))
        }
    }
}

/// The request that makes a queue what it is to be.
fn changed_queue(wanted: QueueSet, known: Option<QueueRequest>) -> QueueRequest {
    let known = known.unwrap_or_default();
    let everybody = Grant {
        everybody: true,
        ..Grant::default()
    };
    QueueRequest {
        description: wanted.description.unwrap_or(known.description),
        who: Some(grant::changed(wanted.who, known.who.unwrap_or(everybody))),
        closed: wanted.close || (known.closed && !wanted.open),
        stopped: wanted.stop || (known.stopped && !wanted.start),
        wall_max_seconds: Change::over(wanted.time_max, known.wall_max_seconds),
        wall_default_seconds: Change::over(wanted.time_default, known.wall_default_seconds),
        cpu_max: Change::over(wanted.cpu_max, known.cpu_max),
        memory_max_bytes: Change::over(wanted.mem_max, known.memory_max_bytes),
        running_per_user: Change::over(wanted.running_per_user, known.running_per_user),
        pending_per_user: Change::over(wanted.pending_per_user, known.pending_per_user),
    }
}
