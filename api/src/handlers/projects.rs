//! Projects, their members, and what of their bounds is taken.

use api_types::project::{MemberRequest, Project, ProjectList, ProjectRequest, QuotaView};
use axum::extract::State;
use axum::http::StatusCode;
use model::account::UserName;
use model::command::{Command, Membership, PutMember};
use model::quota::Holder;
use model::{State as Beliefs, project};

use crate::app::App;
use crate::auth::Caller;
use crate::convert;
use crate::extract::{Json, JsonOrNothing, Name, Names};
use crate::problem::Refused;

/// List the projects that the caller may charge jobs to; all of them for operators.
#[utoipa::path(
    get, path = "/projects", tag = "projects", responses((status = 200, body = ProjectList)),
)]
pub(crate) async fn list_projects(
    State(app): State<App>,
    caller: Caller,
) -> axum::Json<ProjectList> {
    let state = app.log().read();
    let mine = |project: &&project::Project| caller.sees_all() || project.has(caller.name());
    let projects = state.projects().filter(mine);
    axum::Json(ProjectList {
        items: projects.map(convert::project::project).collect(),
    })
}

/// Show a project.
#[utoipa::path(
    get, path = "/projects/{name}", tag = "projects",
    params(("name" = String, Path, description = "The project's name")),
    responses((status = 200, body = Project)),
)]
pub(crate) async fn show_project(
    State(app): State<App>,
    caller: Caller,
    Name(name): Name,
) -> Result<axum::Json<Project>, Refused> {
    let state = app.log().read();
    let project = find(&state, &caller, &name)?;
    Ok(axum::Json(convert::project::project(project)))
}

/// Make a project, or change it. For administrators.
#[utoipa::path(
    put, path = "/projects/{name}", tag = "projects",
    params(("name" = String, Path, description = "The project's name")),
    request_body = ProjectRequest,
    responses((status = 200, body = Project)),
)]
pub(crate) async fn put_project(
    State(app): State<App>,
    caller: Caller,
    Name(name): Name,
    Json(request): Json<ProjectRequest>,
) -> Result<axum::Json<Project>, Refused> {
    let state = app.log().read();
    let known = state.project(&name);
    let project = convert::project::asked_project(name.clone(), request, known)?;
    let state = app.change_then_read(Command::PutProject(project)).await?;
    let project = find(&state, &caller, &name)?;
    Ok(axum::Json(convert::project::project(project)))
}

/// Forget a project that no live job is charged to. For administrators.
#[utoipa::path(
    delete, path = "/projects/{name}", tag = "projects",
    params(("name" = String, Path, description = "The project's name")),
    responses((status = 204)),
)]
pub(crate) async fn remove_project(
    State(app): State<App>,
    Name(name): Name,
) -> Result<StatusCode, Refused> {
    app.change(Command::RemoveProject(name)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Take a user into a project, or change what they are in it. For its managers.
#[utoipa::path(
    put, path = "/projects/{name}/members/{user}", tag = "projects",
    params(
        ("name" = String, Path, description = "The project's name"),
        ("user" = String, Path, description = "The login"),
    ),
    request_body = MemberRequest,
    responses((status = 204)),
)]
pub(crate) async fn put_member(
    State(app): State<App>,
    caller: Caller,
    Names(name, user): Names,
    JsonOrNothing(request): JsonOrNothing<MemberRequest>,
) -> Result<StatusCode, Refused> {
    let membership = if request.manager {
        Membership::Manager
    } else {
        Membership::Member
    };
    set_member(&app, &caller, name, user, membership).await
}

/// Take a user out of a project. For its managers. Their jobs go on.
#[utoipa::path(
    delete, path = "/projects/{name}/members/{user}", tag = "projects",
    params(
        ("name" = String, Path, description = "The project's name"),
        ("user" = String, Path, description = "The login"),
    ),
    responses((status = 204)),
)]
pub(crate) async fn remove_member(
    State(app): State<App>,
    caller: Caller,
    Names(name, user): Names,
) -> Result<StatusCode, Refused> {
    set_member(&app, &caller, name, user, Membership::None).await
}

async fn set_member(
    app: &App,
    caller: &Caller,
    project: String,
    user: String,
    membership: Membership,
) -> Result<StatusCode, Refused> {
    let put = PutMember {
        project,
        user: UserName(user),
        membership,
        by: caller.name().clone(),
    };
    app.change(Command::PutMember(put)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Show the bounds of a project and what of them is taken.
#[utoipa::path(
    get, path = "/projects/{name}/quota", tag = "projects",
    params(("name" = String, Path, description = "The project's name")),
    responses((status = 200, body = QuotaView)),
)]
pub(crate) async fn project_quota(
    State(app): State<App>,
    caller: Caller,
    Name(name): Name,
) -> Result<axum::Json<QuotaView>, Refused> {
    let state = app.log().read();
    let holder = Holder::Project(find(&state, &caller, &name)?.name.clone());
    Ok(axum::Json(convert::project::quota_view(&state, &holder)))
}

/// Forget what a project has spent in the window. For administrators.
#[utoipa::path(
    delete, path = "/projects/{name}/quota/spent", tag = "projects",
    params(("name" = String, Path, description = "The project's name")),
    responses((status = 204)),
)]
pub(crate) async fn reset_project(
    State(app): State<App>,
    Name(name): Name,
) -> Result<StatusCode, Refused> {
    app.change(Command::ResetSpent(Holder::Project(name)))
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A project that the caller has to do with.
fn find<'a>(
    state: &'a Beliefs,
    caller: &Caller,
    name: &str,
) -> Result<&'a project::Project, Refused> {
    let seen = |project: &&project::Project| caller.sees_all() || project.has(caller.name());
    let shown: String = name.chars().take(40).collect();
    let project = state.project(name).filter(seen);
    project.ok_or_else(|| Refused::not_found(format!("project {shown}")))
}
