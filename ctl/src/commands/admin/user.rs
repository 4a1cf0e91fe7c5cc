//! `admin user`: accounts.

use std::io::BufRead;

use api_types::query::PageQuery;
use api_types::user::{PasswordRequest, User as Account, UserList, UserRequest};
use reqwest::Method;

use crate::args::admin::{Person, User};
use crate::client::{Client, Request, escaped, fresh_key};
use crate::commands::account::{person, role as role_word, runs_as};
use crate::error::{Failure, Kind};
use crate::output::table::{Column, Rank};
use crate::output::{cells, fields};
use crate::session::Session;

/// `goctl admin user …`.
///
/// # Errors
/// What the server says.
pub async fn run(session: &Session, args: User) -> Result<(), Failure> {
    let client = session.client()?;
    match args {
        User::List => session.output.list(&all(client).await?, &columns()),
        User::Show { name } => {
            let user = get(client, &name).await?;
            session.output.one(&user, |view| page(&user, view))
        }
        User::Create {
            name,
            role,
            ids,
            person,
            no_password,
        } => {
            let wanted = UserRequest {
                role,
                uid: ids.uid,
                gid: ids.gid,
                ..UserRequest::default()
            };
            let wanted = described(wanted, person);
            create(session, &name, &wanted, !no_password).await
        }
        User::Set {
            name,
            role,
            ids,
            person,
        } => {
            let wanted = request(&get(client, &name).await?);
            let mut wanted = described(wanted, person);
            wanted.role = role.unwrap_or(wanted.role);
            (wanted.uid, wanted.gid) = (ids.uid.or(wanted.uid), ids.gid.or(wanted.gid));
            let user = put(client, &name, &wanted).await?;
            session.output.one(&user, |view| page(&user, view))
        }
        User::Disable { name } => set_disabled(session, &name, true).await,
        User::Enable { name } => set_disabled(session, &name, false).await,
        User::SetPassword {
            name,
            stdin,
            lasting,
        } => {
            get(client, &name).await?;
            let given = if stdin { Some(first_line()?) } else { None };
            let password = give_password(client, &name, given.clone(), !lasting).await?;
            match given {
                Some(_) => session
                    .output
                    .data(&format!("{}: password set\n", cells::safe(&name))),
                None => session.output.data(&format!("{password}\n")),
            }
        }
    }
}

fn first_line() -> Result<String, Failure> {
    let line = std::io::stdin()
        .lock()
        .lines()
        .next()
        .transpose()?
        .unwrap_or_default();
    if line.is_empty() {
        return Err(Failure::usage("the password is empty").field("--stdin"));
    }
    Ok(line)
}

async fn create(
    session: &Session,
    name: &str,
    wanted: &UserRequest,
    with_password: bool,
) -> Result<(), Failure> {
    let client = session.client()?;
    match get(client, name).await {
        Ok(_) => {
            let failure = Failure::new(Kind::Conflict, format!("there is a user {name} already"));
            return Err(failure.hint(format!("goctl admin user set {name} …")));
        }
        Err(failure) if failure.kind == Kind::NotFound => {}
        Err(failure) => return Err(failure),
    }
    let user = put(client, name, wanted).await?;
    if !with_password {
        return session.output.one(&user, |view| page(&user, view));
    }
    let password = give_password(client, name, None, true).await?;
    if session.output.is_document() {
        let user = get(client, name).await?;
        let mut document = serde_json::to_value(&user).unwrap_or_default();
        document["one_time_password"] = password.into();
        return session.output.one(&document, |_| String::new());
    }
    session.output.data(&format!("{password}\n"))?;
    session.output.say(&format!(
        "  {} logs in with this once, and chooses another password then",
        cells::safe(name)
    ));
    Ok(())
}

async fn set_disabled(session: &Session, name: &str, disabled: bool) -> Result<(), Failure> {
    let client = session.client()?;
    let wanted = UserRequest {
        disabled,
        ..request(&get(client, name).await?)
    };
    let user = put(client, name, &wanted).await?;
    let said = if disabled { "disabled" } else { "enabled" };
    session.output.one(&user, |_| {
        format!("{} is {said}\n", cells::safe(&user.name))
    })
}

async fn all(client: &Client) -> Result<Vec<Account>, Failure> {
    let (mut users, mut query) = (Vec::new(), PageQuery::default());
    loop {
        let page: UserList = client.ask(&Request::get("/users").query(&query)?).await?;
        users.extend(page.items);
        match page.next {
            Some(next) => query.cursor = Some(next),
            None => return Ok(users),
        }
    }
}

async fn get(client: &Client, name: &str) -> Result<Account, Failure> {
    client
        .ask(&Request::get(format!("/users/{}", escaped(name))))
        .await
}

async fn put(client: &Client, name: &str, wanted: &UserRequest) -> Result<Account, Failure> {
    let request = Request::new(Method::PUT, format!("/users/{}", escaped(name)));
    client.ask(&request.body(wanted)?).await
}

/// Sets a password, made here if none is given: 128 random bits.
async fn give_password(
    client: &Client,
    name: &str,
    given: Option<String>,
    one_time: bool,
) -> Result<String, Failure> {
    let password = given.map_or_else(fresh_key, Ok)?;
    let body = PasswordRequest {
        password: password.clone(),
        current: None,
        one_time,
    };
    let request = Request::new(Method::PUT, format!("/users/{}/password", escaped(name)));
    client.tell(&request.body(&body)?).await?;
    Ok(password)
}

/// The request with what is said of the person.
fn described(request: UserRequest, person: Person) -> UserRequest {
    UserRequest {
        groups: person.groups.map_or(request.groups, |groups| groups.0),
        home: person.home.unwrap_or(request.home),
        mail: person.mail.unwrap_or(request.mail),
        ..request
    }
}

/// The request that makes an account what it is.
fn request(user: &Account) -> UserRequest {
    UserRequest {
        role: user.role,
        uid: user.uid,
        gid: user.gid,
        groups: user.groups.clone(),
        home: user.home.clone(),
        mail: user.mail.clone(),
        disabled: user.disabled,
    }
}

fn columns() -> [Column<Account>; 6] {
    [
        Column::left("user", Rank::Always, |user, _| cells::safe(&user.name)),
        Column::left("role", Rank::Always, |user, _| role_word(user.role).into()),
        Column::left("runs as", Rank::Useful, |user, _| {
            runs_as(user).unwrap_or_else(|| "-".into())
        }),
        Column::left("login", Rank::Useful, |user, _| login(user).into()),
        Column::left("created", Rank::Wide, |user, view| {
            cells::moment(&user.created_at, view)
        }),
        Column::left("disabled", Rank::Wide, |user, _| user.disabled.to_string()),
    ]
}

/// How far the account opens a login.
fn login(user: &Account) -> &'static str {
    match (user.disabled, user.has_password, user.password_one_time) {
        (true, _, _) => "disabled",
        (false, false, _) => "no password",
        (false, true, true) => "one-time password",
        (false, true, false) => "password",
    }
}

fn page(user: &Account, view: &crate::output::View) -> String {
    let mut lines = vec![
        ("user", Some(cells::safe(&user.name))),
        ("role", Some(role_word(user.role).into())),
    ];
    lines.extend(person(user, view));
    lines[2]
        .1
        .get_or_insert_with(|| "the nodes' default".into());
    lines.extend([
        ("login", Some(login(user).into())),
        ("created", Some(cells::moment(&user.created_at, view))),
    ]);
    fields::page(&lines)
}
