//! One file per command: what it asks, what it says, with which code it ends.

pub mod outcome;
pub mod submit;

pub mod cancel;
pub mod eff;
pub mod files;
pub mod logs;
pub mod ps;
pub mod show;
pub mod wait;

pub mod admin;
pub mod events;
pub mod nodes;
pub mod volumes;

pub mod grant;
pub mod project;
pub mod queue;
pub mod quota;
pub mod usage;

pub mod account;
pub mod can_i;
pub mod context;
pub mod key;
pub mod login;
pub mod secret;
pub mod token;

pub mod about;

use crate::args::Command;
use crate::error::Failure;
use crate::session::Session;

/// Carries a command out; gives the exit code.
///
/// # Errors
/// Why it could not be.
pub async fn run(session: &Session, command: Command) -> Result<u8, Failure> {
    let done = match command {
        Command::Submit(args) => return Box::pin(submit::submit(session, args)).await,
        Command::Run(args) => return Box::pin(submit::run(session, args)).await,
        Command::Wait(args) => return wait::wait(session, &args).await,
        Command::CanI(args) => return can_i::can_i(session, &args).await,
        Command::Cancel(args) => return cancel::cancel(session, args).await,
        Command::Ps(args) => ps::ps(session, args).await,
        Command::Show(args) => show::show(session, &args).await,
        Command::Logs(args) => Box::pin(logs::logs(session, &args)).await,
        Command::Files(args) => Box::pin(files::run(session, args)).await,
        Command::Nodes(args) => nodes::nodes(session, &args).await,
        Command::Volumes => volumes::list(session).await,
        Command::Events(args) => events::events(session, &args).await,
        Command::Projects => project::list(session).await,
        Command::Project(args) => project::run(session, args).await,
        Command::Queues => queue::list(session).await,
        Command::Queue(args) => queue::run(session, args).await,
        Command::Quota(args) => quota::quota(session, &args).await,
        Command::Usage(args) => usage::run(session, args).await,
        Command::Eff(args) => eff::eff(session, &args).await,
        Command::Admin(args) => admin::run(session, args).await,
        Command::Login(args) => Box::pin(login::login(session, &args)).await,
        Command::Logout => login::logout(session).await,
        Command::Whoami => account::whoami(session).await,
        Command::Passwd(args) => account::passwd(session, &args).await,
        Command::Token(args) => token::run(session, args).await,
        Command::Key(args) => key::run(session, args.action).await,
        Command::Secret(args) => secret::run(session, args.action).await,
        Command::Context(args) => context::context(session, args),
        Command::Config(args) => context::config(session, &args),
        Command::Completions { shell } => about::completions(shell),
        Command::Man { dir } => about::man(session, &dir),
        Command::Version => about::version(session).await,
    };
    done.map(|()| 0)
}
