//! `can-i`: whether one may do something.

use api_types::audit::{CanI, CanIQuery};
use api_types::problem::code;

use crate::args::account::CanI as CanIArgs;
use crate::client::Request;
use crate::error::{Failure, Kind};
use crate::output::cells;
use crate::parse::verb;
use crate::session::Session;

/// The exit code for what one may not do.
const MAY_NOT: u8 = 1;

/// `goctl can-i`; gives the exit code.
///
/// # Errors
/// When there is no such verb or operation.
pub async fn can_i(session: &Session, args: &CanIArgs) -> Result<u8, Failure> {
    let (method, path) = verb::request(&args.what, args.path.as_deref()).map_err(|wrong| {
        Failure::usage(wrong)
            .field("VERB|METHOD")
            .hint("goctl help can-i")
    })?;
    let request = Request::get("/can-i").query(&CanIQuery { method, path })?;
    let asked = session.client()?.ask(&request).await;
    let answer: CanI = asked.map_err(|mut failure: Failure| {
        // A request that there is not is a mistake of the command line, and not a no.
        if failure.is(code::INVALID) {
            failure.kind = Kind::Usage;
        }
        failure
    })?;
    session.output.one(&answer, |_| {
        let word = if answer.allowed { "yes" } else { "no" };
        match &answer.why {
            Some(why) => format!("{word}: {}\n", cells::safe(why)),
            None => format!("{word}\n"),
        }
    })?;
    Ok(if answer.allowed { 0 } else { MAY_NOT })
}
