//! `submit` and `run`: a job into the cluster, and what becomes of it.
//!
//! Each submission has one idempotency key, kept over all heads and repetitions, so that a
//! broken connection never makes two jobs of one.

use api_types::job_request::{JobRequest, Submitted};
use reqwest::Method;
use serde::Serialize;

use super::{logs, outcome, wait};
use crate::args::job::{Run, Submit, Work};
use crate::client::{Client, Request, fresh_key};
use crate::error::{Failure, Kind};
use crate::jobfile;
use crate::limits::SECOND_INTERRUPT;
use crate::output::{Format, cells};
use crate::session::Session;

/// `goctl submit`.
///
/// # Errors
/// When the job is not described well, or not accepted.
pub async fn submit(session: &Session, args: Submit) -> Result<u8, Failure> {
    let request = describe(session, &args.work)?;
    if args.dry_run {
        return print(session, &request).map(|()| 0);
    }
    let client = session.client()?;
    let submitted = send(client, &args.work, &request).await?;
    tell(session, &submitted, args.wait)?;
    if !args.wait {
        return Ok(0);
    }
    let id = submitted.id;
    let ended = wait::or_interrupt(wait::until_ended(client, id), || wait::goes_on(id)).await?;
    session.output.say(&outcome::line(&ended));
    Ok(outcome::exit_code(&ended))
}

/// `goctl run`.
///
/// # Errors
/// When the job is not described well, not accepted, or cannot be followed.
pub async fn run(session: &Session, args: Run) -> Result<u8, Failure> {
    let request = describe(session, &args.work)?;
    let client = session.client()?;
    let submitted = send(client, &args.work, &request).await?;
    let (id, name) = (submitted.id, cells::safe(&submitted.name));
    session
        .output
        .say(&format!("job {id} \"{name}\" submitted"));
    let follow = async {
        logs::follow_both(client, id).await?;
        wait::until_ended(client, id).await
    };
    let ended = tokio::select! {
        ended = follow => ended?,
        interrupted = interrupts(client, id) => return Err(interrupted),
    };
    if outcome::exit_code(&ended) != 0 {
        session.output.say(&outcome::line(&ended));
    }
    Ok(outcome::exit_code(&ended))
}

/// Waits for Ctrl-C; a second one soon after it ends the job.
async fn interrupts(client: &Client, id: u64) -> Failure {
    if let Err(error) = tokio::signal::ctrl_c().await {
        return error.into();
    }
    crate::output::note("\nCtrl-C again within two seconds ends the job");
    if tokio::time::timeout(SECOND_INTERRUPT, tokio::signal::ctrl_c())
        .await
        .is_err()
    {
        return wait::goes_on(id);
    }
    let cancel = Request::new(Method::POST, format!("/jobs/{id}/cancel")).repeatable();
    match client.tell(&cancel).await {
        Ok(()) => Failure::new(Kind::Interrupted, format!("job {id} is being stopped")),
        Err(failure) => failure,
    }
}

fn describe(session: &Session, work: &Work) -> Result<JobRequest, Failure> {
    let program = jobfile::read(work, &mut std::io::stdin().lock())?;
    let directives = !work.no_directives;
    jobfile::compile(
        program,
        work.options.clone(),
        directives,
        &session.environment,
    )
}

/// Submits under one key, over as many heads and repetitions as it takes.
async fn send(client: &Client, work: &Work, request: &JobRequest) -> Result<Submitted, Failure> {
    let key = work.key.clone().map_or_else(fresh_key, Ok)?;
    let submit = Request::new(Method::POST, "/jobs").body(request)?.key(&key);
    client
        .ask(&submit)
        .await
        .map_err(|failure| match failure.kind {
            Kind::Unreachable | Kind::TimedOut => failure.hint(format!(
                "if it was accepted after all, --key {key} gives the same job"
            )),
            Kind::Failed
            | Kind::Usage
            | Kind::NotFound
            | Kind::LoggedOut
            | Kind::Forbidden
            | Kind::Conflict
            | Kind::Interrupted
            | Kind::Unread => failure,
        })
}

fn print<T: Serialize>(session: &Session, request: &T) -> Result<(), Failure> {
    let mut output = session.output.clone();
    if !output.is_document() {
        output.format = Format::Yaml;
    }
    output.one(request, |_| String::new())
}

/// Says what was submitted: the number alone if that is what was asked for.
fn tell(session: &Session, submitted: &Submitted, waits: bool) -> Result<(), Failure> {
    let (output, id) = (&session.output, submitted.id);
    if (output.quiet || output.format == Format::Name) && !output.is_document() {
        return output.data(&format!("{id}\n"));
    }
    let name = cells::safe(&submitted.name);
    let what = if submitted.replayed {
        "was submitted before with this key"
    } else {
        "submitted"
    };
    output.one(submitted, |_| format!("job {id} \"{name}\" {what}\n"))?;
    if !output.is_document() && !waits {
        output.say(&format!("  follow it: goctl logs -f {id}"));
    }
    Ok(())
}
