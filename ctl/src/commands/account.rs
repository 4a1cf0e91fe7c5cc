//! `whoami` and `passwd`.

use std::io::BufRead;

use api_types::login::WhoAmI;
use api_types::user::{PasswordRequest, Role, User};
use reqwest::Method;

use crate::args::account::Passwd;
use crate::client::{Request, escaped};
use crate::error::Failure;
use crate::output::{Format, cells, fields};
use crate::session::Session;

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
    let head = client.head().to_owned();
    session.output.one(&me, |view| {
        fields::page(&[
            ("user", Some(cells::safe(&me.user.name))),
            ("role", Some(role(me.user.role).into())),
            ("runs as", runs_as(&me.user)),
            ("cluster", Some(cells::safe(&me.cluster))),
            ("head", Some(head)),
            (
                "token",
                Some(format!(
                    "{}, ends {}",
                    me.token,
                    cells::moment(&me.expires_at, view)
                )),
            ),
        ])
    })
}

/// A role's word.
pub fn role(role: Role) -> &'static str {
    match role {
        Role::User => "user",
        Role::Operator => "operator",
        Role::Admin => "admin",
    }
}

/// The user and group that somebody's jobs run as.
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
