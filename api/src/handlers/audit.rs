//! The audit log, and what one may do.

use api_types::audit::{AuditLine, AuditPage, AuditQuery, CanI, CanIQuery};
use axum::extract::State;
use model::LogIndex;
use model::ledger::{self, Verdict};
use model::log::AuditSearch;

use crate::app::App;
use crate::auth::Caller;
use crate::authority::{self, Whose};
use crate::convert;
use crate::extract::Params;
use crate::limits::PAGE_MAX;
use crate::pagination;
use crate::problem::Refused;

/// Read the audit log, newest first. For administrators.
#[utoipa::path(
    get, path = "/audit", tag = "audit", params(AuditQuery),
    responses((status = 200, body = AuditPage)),
)]
pub(crate) async fn read_audit(
    State(app): State<App>,
    Params(query): Params<AuditQuery>,
) -> Result<axum::Json<AuditPage>, Refused> {
    let search = AuditSearch {
        user: query.user,
        before: query.before.map(LogIndex),
        limit: pagination::limit(query.limit, PAGE_MAX)?,
    };
    let page = app.log().audit(search).await?;
    let lines = page.lines.iter();
    Ok(axum::Json(AuditPage {
        items: lines.map(|(index, line)| shown(*index, line)).collect(),
        next: page.next.map(|index| index.0),
    }))
}

fn shown(index: LogIndex, line: &ledger::AuditLine) -> AuditLine {
    let (verdict, why, times) = match &line.verdict {
        Verdict::Done => ("done", None, None),
        Verdict::Rejected(why) => ("rejected", Some(why.clone()), None),
        Verdict::Refused { why, times } => ("refused", Some(why.clone()), Some(*times)),
        Verdict::DoneOften { times } => ("done", None, Some(*times)),
        Verdict::Failed { why, times } => ("failed", Some(why.clone()), Some(*times)),
    };
    AuditLine {
        index: index.0,
        at: convert::time(line.at),
        user: line.who.user.clone(),
        token: line.who.token.clone(),
        from: line.who.from.clone(),
        what: line.what.clone(),
        verdict: verdict.into(),
        why,
        times,
    }
}

/// Ask whether a request would be let in.
#[utoipa::path(
    get, path = "/can-i", tag = "audit", params(CanIQuery),
    responses((status = 200, body = CanI)),
)]
pub(crate) async fn can_i(
    caller: Caller,
    Params(query): Params<CanIQuery>,
) -> Result<axum::Json<CanI>, Refused> {
    let method = query.method.to_ascii_uppercase();
    let Some(row) = authority::find_written(&method, &query.path) else {
        let shown: String = query.path.chars().take(80).collect();
        let message = format!("{method} {shown} is no operation");
        let remedy = "name one of /api/v1/openapi.json";
        return Err(Refused::invalid("path", message, remedy));
    };
    Ok(axum::Json(match row.admits(&caller) {
        Err(refused) => CanI {
            allowed: false,
            why: Some(refused.detail().to_owned()),
        },
        Ok(()) => CanI {
            allowed: true,
            why: depends(row.whose).map(Into::into),
        },
    }))
}

/// What the answer depends on besides.
fn depends(whose: Whose) -> Option<&'static str> {
    match whose {
        Whose::Nobodys => None,
        Whose::Jobs => Some("for jobs of your own and of projects that show them to you"),
        Whose::Own => Some("for what is your own"),
        Whose::Usable => Some("for projects, queues and volumes that you may use"),
        Whose::Managed => Some("for projects that you manage"),
    }
}
