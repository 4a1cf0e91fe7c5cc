//! `admin audit`: who asked for what, and what became of it.

use api_types::audit::{AuditLine, AuditPage, AuditQuery};

use crate::args::admin::rules::Audit;
use crate::client::Request;
use crate::error::Failure;
use crate::output::cells;
use crate::output::table::{Column, Rank};
use crate::session::Session;

/// `goctl admin audit`.
///
/// # Errors
/// What the server says.
pub async fn audit(session: &Session, args: Audit) -> Result<(), Failure> {
    let user = args.user.clone();
    let query = AuditQuery {
        user: args.user,
        before: args.before,
        limit: args.limit,
    };
    let request = Request::get("/audit").query(&query)?;
    let page: AuditPage = session.client()?.ask(&request).await?;
    session.output.list(&page.items, &columns())?;
    if let Some(next) = page.next.filter(|_| !session.output.is_document()) {
        let user = user.map_or_else(String::new, |user| format!(" --user {user}"));
        session.output.say(&format!(
            "older ones: goctl admin audit{user} --before {next}"
        ));
    }
    Ok(())
}

fn columns() -> [Column<AuditLine>; 9] {
    [
        Column::right("entry", Rank::Always, |line, _| line.index.to_string()),
        Column::left("at", Rank::Useful, |line, view| {
            cells::moment(&line.at, view)
        }),
        Column::left("user", Rank::Always, |line, _| or_dash(&line.user)),
        Column::left("token", Rank::Wide, |line, _| or_dash(&line.token)),
        Column::left("from", Rank::Useful, |line, _| or_dash(&line.from)),
        Column::left("verdict", Rank::Always, |line, _| {
            cells::safe(&line.verdict)
        }),
        Column::right("times", Rank::Nice, |line, _| {
            line.times
                .map_or_else(|| "-".into(), |times| times.to_string())
        }),
        Column::left("what", Rank::Always, |line, _| cells::safe(&line.what)),
        Column::left("why", Rank::Useful, |line, _| {
            line.why.as_deref().map_or_else(String::new, cells::safe)
        }),
    ]
}

fn or_dash(text: &str) -> String {
    if text.is_empty() {
        "-".into()
    } else {
        cells::safe(text)
    }
}
