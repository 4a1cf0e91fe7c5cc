//! `whoami` and `passwd`.

use std::io::BufRead;

use api_types::login::WhoAmI;
use api_types::project::{Project, ProjectList};
use api_types::user::{PasswordRequest, Role, User};
use reqwest::Method;
use serde::Serialize;

use super::token;
use crate::args::account::Passwd;
use crate::client::{Request, escaped};
use crate::error::Failure;
use crate::output::{Format, View, cells, fields};
use crate::session::Session;

/// Who one is, and what one may do.
#[derive(Serialize)]
struct Myself {
    #[serde(flatten)]
    me: WhoAmI,
    /// The projects that one may charge jobs to.
    projects: Vec<String>,
}

/// `goctl whoami`.
///
/// # Errors
/// When nobody is logged in.
pub async fn whoami(session: &Session) -> Result<(), Failure> {
    let client = session.client()?;
    let me: WhoAmI = client.ask(&Request::get("/whoami")).await?;
    if session.output.format == Format::Name {
        return session
            .output
            .data(&format!("{}\n", cells::safe(&me.user.name)));
    }
    let all: ProjectList = client.ask(&Request::get("/projects")).await?;
    // Operators are shown those of others too.
    let mine = |project: &Project| {
        let mut people = project.members.iter().chain(&project.managers);
        project.everybody || people.any(|user| *user == me.user.name)
    };
    let mine = all.items.into_iter().filter(mine);
    let projects = mine.map(|project| project.name).collect();
    let myself = Myself { projects, me };
    let head = client.head().to_owned();
    session
        .output
        .one(&myself, |view| page(&myself, head, view))
}

fn page(myself: &Myself, head: String, view: &View) -> String {
    let me = &myself.me;
    let ends = cells::moment(&me.expires_at, view);
    let mut lines = vec![
        ("user", Some(cells::safe(&me.user.name))),
        ("role", Some(role(me.user.role).into())),
    ];
    lines.extend(person(&me.user, view));
    let projects = &myself.projects;
    lines.extend([
        (
            "projects",
            (!projects.is_empty()).then(|| cells::safe(&projects.join(", "))),
        ),
        ("cluster", Some(cells::safe(&me.cluster))),
        ("head", Some(head)),
        ("token", Some(format!("{}, ends {ends}", me.token))),
        (
            "scopes",
            (!me.scopes.is_empty()).then(|| token::scopes(&me.scopes)),
        ),
    ]);
    fields::page(&lines)
}

/// Whom somebody's jobs run as, and what else is known of them.
pub fn person(user: &User, view: &View) -> [(&'static str, Option<String>); 5] {
    let text = |text: &str| (!text.is_empty()).then(|| cells::safe(text));
    let groups: Vec<String> = user.groups.iter().map(u32::to_string).collect();
    let directory = user.directory.as_ref().map(|directory| {
        let confirmed = user.confirmed_at.as_deref();
        let confirmed = confirmed.map(|at| format!(", confirmed {}", cells::moment(at, view)));
        format!(
            "{}{}",
            cells::safe(directory),
            confirmed.unwrap_or_default()
        )
    });
    [
        ("runs as", runs_as(user)),
        ("groups", text(&groups.join(", "))),
        ("home", text(&user.home)),
        ("mail", text(&user.mail)),
        ("directory", directory),
    ]
}

/// A role's word.
pub fn role(role: Role) -> &'static str {
    match role {
        Role::User => "user",
        Role::Operator => "operator",
        Role::Admin => "admin",
    }
}

/// The user and group that somebody's jobs run as: `1001:1002`.
pub fn runs_as(user: &User) -> Option<String> {
    user.uid
        .zip(user.gid)
        .map(|(uid, gid)| format!("{uid}:{gid}"))
}

/// `goctl passwd`.
///
/// # Errors
/// When the old password is wrong, or the new one is refused.
pub async fn passwd(session: &Session, args: &Passwd) -> Result<(), Failure> {
    let client = session.client()?;
    let me: WhoAmI = client.ask(&Request::get("/whoami")).await?;
    let (current, password) = if args.stdin {
        let mut lines = std::io::stdin().lock().lines();
        let mut line = || lines.next().transpose().map(Option::unwrap_or_default);
        (line()?, line()?)
    } else {
        (
            session.ask_secret("Password of now: ")?,
            session.ask_new_secret()?,
        )
    };
    let body = PasswordRequest {
        password,
        current: Some(current),
        one_time: false,
    };
    let path = format!("/users/{}/password", escaped(&me.user.name));
    client
        .tell(&Request::new(Method::PUT, path).body(&body)?)
        .await?;
    session.output.say("the password is changed");
    Ok(())
}
