//! What you type, what it means, how it prints; it never sees the server's code.
//!
//! Two stages: [`args`] holds what was typed, word for word; [`jobfile`] and [`commands`] decide
//! what it means. Everything that leaves this crate goes through [`client`] (to a head) or
//! [`output`] (to the user).

pub mod args;
pub mod directive;
pub mod jobfile;
pub mod parse;
pub mod text;

pub mod session;

pub mod commands;
pub mod select;

pub mod client;
pub mod config;
pub mod output;

pub mod environment;
pub mod error;
pub mod limits;

use std::ffi::OsString;
use std::process::ExitCode;

use environment::Environment;
use error::{Failure, Kind};
use session::Session;

pub use args::command;

/// Runs `goctl` with the arguments of this process.
pub fn main() -> ExitCode {
    let environment = Environment::real();
    let words: Vec<OsString> = std::env::args_os().collect();
    let cli = match args::parse(&words) {
        Ok(cli) => cli,
        Err(error) => return ExitCode::from(args::refuse(&error, &words)),
    };
    let format = cli.global.output;
    let as_the_job = cli.command.ends_as_the_job();
    let failure_code = environment
        .get("GOCTL_EXIT_ERROR")
        .and_then(|text| text.parse().ok());
    let session = Session::new(environment, &cli.global);
    let ended = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Failure::from)
        .and_then(|runtime| runtime.block_on(commands::run(&session, cli.command)));
    session.close();
    match ended {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            let own = failure.kind.exit_code();
            let code = if as_the_job {
                beside_a_job(failure.kind, failure_code)
            } else {
                own
            };
            output::failure(&failure, format, code);
            ExitCode::from(code)
        }
    }
}

/// The exit code of a failure where other codes are the job's own.
fn beside_a_job(kind: Kind, wished: Option<u8>) -> u8 {
    match kind {
        Kind::Usage | Kind::TimedOut | Kind::Interrupted | Kind::Unread => kind.exit_code(),
        Kind::Failed
        | Kind::NotFound
        | Kind::LoggedOut
        | Kind::Forbidden
        | Kind::Unreachable
        | Kind::Conflict => wished.unwrap_or(limits::EXIT_NOT_THE_JOB),
    }
}
