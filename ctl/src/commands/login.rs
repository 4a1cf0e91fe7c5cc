//! `login` and `logout`.
//!
//! The password is sent only after the cluster's certificate was compared with a digest that the
//! user has from elsewhere, over a connection that this certificate vouches for.

use std::io::BufRead;

use api_types::cluster::ClusterInfo;
use api_types::login::{LoginAnswer, LoginRequest};
use api_types::problem::code;
use reqwest::Method;

use crate::args::account::Login;
use crate::client::tls::{self, Trust};
use crate::client::{Client, Request};
use crate::config::{Context, Credential, read_text};
use crate::error::{Failure, Kind};
use crate::limits::CONFIG_BYTES_MAX;
use crate::output::cells;
use crate::session::Session;

/// `goctl login`.
///
/// # Errors
/// When the cluster is not the one meant, or does not know the password.
pub async fn login(session: &Session, args: &Login) -> Result<(), Failure> {
    let ca = authority(session, args).await?;
    let trust = ca.as_deref().map_or(Trust::Nobody, Trust::Authority);
    let client = session.client_for(vec![args.url.clone()], trust, None)?;
    let info: ClusterInfo = client.ask(&Request::get("/cluster")).await?;
    let user = match (&args.user, session.environment.get("USER")) {
        (Some(user), _) => user.clone(),
        (None, Some(user)) if args.password_stdin => user.to_owned(),
        (None, known) => ask_user(session, known)?,
    };
    let answer = exchange(session, &client, user, args.password_stdin).await?;
    let context = Context {
        heads: heads(&args.url, &info),
        ca_sha256: ca.as_deref().map(tls::fingerprint).transpose()?,
        ca,
        ca_file: None,
        user: Some(answer.user.clone()),
    };
    let name = args.name.clone().unwrap_or_else(|| info.name.clone());
    let count = context.heads.len();
    remember(session, &name, context, answer.token)?;
    let until = cells::moment(&answer.expires_at, &session.output.view);
    let heads = if count == 1 {
        "1 head".into()
    } else {
        format!("{count} heads")
    };
    session.output.say(&format!(
        "logged in as {} at cluster {} ({heads}), until {until}; saved as context \"{}\"",
        cells::safe(&answer.user),
        cells::safe(&info.name),
        cells::safe(&name)
    ));
    Ok(())
}

fn ask_user(session: &Session, known: Option<&str>) -> Result<String, Failure> {
    let question = known.map_or("User: ".into(), |user| format!("User [{user}]: "));
    let typed = session.ask(&question)?;
    match (typed.is_empty(), known) {
        (true, Some(user)) => Ok(user.to_owned()),
        (true, None) | (false, _) => Ok(typed),
    }
}

/// The certificate to trust, after its digest was compared. None for a head on this machine that
/// is spoken to in the clear.
async fn authority(session: &Session, args: &Login) -> Result<Option<String>, Failure> {
    if let Some(path) = &args.ca_file {
        let pem =
            read_text(path, CONFIG_BYTES_MAX).map_err(|failure| failure.field("--ca-file"))?;
        return tls::fingerprint(&pem).map(|_| Some(pem));
    }
    if args.url.starts_with("http:") {
        return Ok(None);
    }
    // Nothing secret goes over this connection: what it says is checked below.
    let stranger = session.client_for(vec![args.url.clone()], Trust::Anyone, None)?;
    let info: ClusterInfo = stranger.ask(&Request::get("/cluster")).await?;
    let shown = tls::fingerprint(&info.ca_pem)?;
    if let Some(wanted) = &args.ca_sha256 {
        if !tls::same_fingerprint(wanted, &shown) {
            let message = format!(
                "{} belongs to another cluster: its SHA-256 is {shown}",
                args.url
            );
            return Err(Failure::failed(message)
                .field("--ca-sha256")
                .hint("compare it with what `goagent init` said; nothing was sent"));
        }
        return Ok(Some(info.ca_pem));
    }
    let known = session.files()?.read_config()?;
    let is_known = |context: &Context| {
        context
            .ca_sha256
            .as_deref()
            .is_some_and(|known| tls::same_fingerprint(known, &shown))
    };
    if known.context.values().any(is_known) {
        return Ok(Some(info.ca_pem));
    }
    let question = format!(
        "Cluster \"{}\" shows a certificate with SHA-256\n  {shown}\nIs it the one that your \
         administrator told you? [y/N] ",
        cells::safe(&info.name)
    );
    let answer = session.ask(&question).map_err(|_| {
        Failure::usage(format!(
            "the certificate of {} is not known: SHA-256 {shown}",
            args.url
        ))
        .field("--ca-sha256")
        .hint("give --ca-sha256 as `goagent init` said it, or --ca-file")
    })?;
    match answer.trim().to_ascii_lowercase().as_str() {
        "y" | "yes" => Ok(Some(info.ca_pem)),
        _ => Err(Failure::failed("not logged in; nothing was sent")),
    }
}

/// Turns a password into a token; replaces the password if it was for one time.
async fn exchange(
    session: &Session,
    client: &Client,
    user: String,
    from_stdin: bool,
) -> Result<LoginAnswer, Failure> {
    let mut lines = std::io::stdin().lock().lines();
    let mut line = || lines.next().transpose().map(Option::unwrap_or_default);
    let password = match from_stdin {
        true => line()?,
        false => session.ask_secret("Password: ")?,
    };
    if password.is_empty() {
        return Err(Failure::usage("the password is empty").field("password"));
    }
    let mut body = LoginRequest {
        user,
        password,
        new_password: None,
    };
    let request = Request::new(Method::POST, "/login")
        .body(&body)?
        .repeatable();
    match client.ask(&request).await {
        Err(failure) if failure.is(code::PASSWORD_CHANGE_REQUIRED) => {
            let new = if from_stdin { line()? } else { String::new() };
            if from_stdin && new.is_empty() {
                return Err(failure.hint("write the new password on the second line"));
            }
            if !from_stdin {
                session
                    .output
                    .say("this password was for one time; choose another");
            }
            body.new_password = Some(if from_stdin {
                new
            } else {
                session.ask_new_secret()?
            });
        }
        ended => return ended,
    }
    client
        .ask(&Request::new(Method::POST, "/login").body(&body)?)
        .await
}

/// Where the heads are, the one that was named first.
fn heads(url: &str, info: &ClusterInfo) -> Vec<String> {
    let mut heads = vec![url.to_owned()];
    for head in &info.heads {
        if tls::check_url(&head.url).is_ok() && !heads.contains(&head.url) {
            heads.push(head.url.clone());
        }
    }
    heads
}

fn remember(session: &Session, name: &str, context: Context, token: String) -> Result<(), Failure> {
    let files = session.files()?;
    let mut config = files.read_config()?;
    let mut credentials = files.read_credentials()?;
    config.context.insert(name.into(), context);
    config.current = Some(name.into());
    credentials.insert(name.into(), Credential { token });
    files.write_credentials(&credentials)?;
    files.write_config(&config)
}

/// `goctl logout`.
///
/// # Errors
/// When there is no context, or its files cannot be written.
pub async fn logout(session: &Session) -> Result<(), Failure> {
    let files = session.files()?;
    let config = files.read_config()?;
    let Some(name) = session.context_name(&config)? else {
        return Err(Failure::new(Kind::LoggedOut, "no cluster is known"));
    };
    let mut credentials = files.read_credentials()?;
    if !credentials.contains_key(&name) {
        return Err(Failure::new(
            Kind::LoggedOut,
            format!("not logged in at \"{name}\""),
        ));
    }
    let ended = match session.client() {
        Ok(client) => {
            client
                .tell(&Request::new(Method::POST, "/logout").repeatable())
                .await
        }
        Err(failure) => Err(failure),
    };
    credentials.remove(&name);
    files.write_credentials(&credentials)?;
    match ended {
        Ok(()) => session.output.say(&format!("logged out of \"{name}\"")),
        Err(failure) if failure.kind == Kind::LoggedOut => {
            session
                .output
                .say(&format!("the login at \"{name}\" had ended before"));
        }
        Err(failure) => {
            let message = format!("the token is forgotten here, but may still be valid: {failure}");
            return Err(Failure::new(failure.kind, message));
        }
    }
    Ok(())
}
