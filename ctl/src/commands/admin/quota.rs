//! `admin quota`: bounds of users.

use api_types::project::QuotaView;
use reqwest::Method;

use crate::args::admin::project::{Bounds, Quota};
use crate::client::{Request, escaped};
use crate::commands::quota;
use crate::error::Failure;
use crate::output::cells;
use crate::session::Session;

/// `goctl admin quota …`.
///
/// # Errors
/// When no bound is named, or what the server says.
pub async fn run(session: &Session, args: Quota) -> Result<(), Failure> {
    let client = session.client()?;
    match args {
        Quota::Set { user, bounds } => {
            if bounds == Bounds::default() {
                return Err(Failure::usage("no bound is named")
                    .field("--cpu")
                    .hint("give one, for example --cpu 16 or --core-hours none"));
            }
            // Whoever had the usual bounds keeps those that are not named, as their own.
            let known = quota::of_user(client, &user).await?;
            let body = quota::changed(&bounds, &known.quota);
            let view: QuotaView = client.ask(&put(&user).body(&body)?).await?;
            quota::print(session, &view)
        }
        Quota::Reset { user } => {
            let path = format!("/users/{}/quota/spent", escaped(&user));
            client.tell(&Request::new(Method::DELETE, path)).await?;
            let user = cells::safe(&user);
            session
                .output
                .data(&format!("the hours that {user} has spent are forgotten\n"))
        }
        Quota::Clear { user } => {
            let view: QuotaView = client.ask(&put(&user)).await?;
            quota::print(session, &view)
        }
    }
}

fn put(user: &str) -> Request {
    Request::new(Method::PUT, format!("/users/{}/quota", escaped(user)))
}
