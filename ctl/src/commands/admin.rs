//! `admin`: what it takes to run a cluster. One file per noun.

pub mod audit;
pub mod directory;
pub mod join_token;
pub mod machine;
pub mod project;
pub mod quota;
pub mod raft;
pub mod rules;
pub mod settings;
pub mod user;
pub mod volume;

use api_types::job::Job;
use reqwest::Method;

use super::outcome;
use crate::args::admin::{Admin, Job as JobArgs};
use crate::client::Request;
use crate::error::Failure;
use crate::session::Session;

/// `goctl admin …`.
///
/// # Errors
/// What the server says.
pub async fn run(session: &Session, args: Admin) -> Result<(), Failure> {
    match args {
        Admin::Raft(args) => raft::run(session, args).await,
        Admin::Head(args) => machine::head(session, args).await,
        Admin::Node(args) => machine::node(session, args).await,
        Admin::JoinToken(args) => join_token::run(session, args).await,
        Admin::User(args) => user::run(session, args).await,
        Admin::Volume(args) => volume::run(session, args).await,
        Admin::Job(JobArgs::GiveUp { job, yes }) => give_up(session, job, yes).await,
        Admin::Project(args) => project::run(session, args).await,
        Admin::Queue(args) => project::run_queue(session, args).await,
        Admin::Quota(args) => quota::run(session, args).await,
        Admin::Rules(args) => rules::run(session, args).await,
        Admin::Audit(args) => audit::audit(session, args).await,
        Admin::Directory(args) => directory::run(session, args).await,
        Admin::Settings(args) => settings::run(session, args.action).await,
    }
}

async fn give_up(session: &Session, id: u64, yes: bool) -> Result<(), Failure> {
    let question = format!("Job {id} does not run on its lost machine any more, you are sure?");
    session.confirm(&question, yes)?;
    let request = Request::new(Method::POST, format!("/jobs/{id}/give-up"));
    let job: Job = session.client()?.ask(&request).await?;
    session
        .output
        .one(&job, |_| format!("{}\n", outcome::line(&job)))
}
