//! `admin join-token`: permissions for machines to join.

use api_types::join_token::{
    JoinToken as Known, JoinTokenCreated, JoinTokenList, JoinTokenRequest,
};
use api_types::node::NodeRole;
use reqwest::Method;

use crate::args::admin::JoinToken;
use crate::client::{Request, escaped};
use crate::error::Failure;
use crate::output::cells;
use crate::output::table::{Column, Rank};
use crate::session::Session;

/// `goctl admin join-token …`.
///
/// # Errors
/// What the server says.
pub async fn run(session: &Session, args: JoinToken) -> Result<(), Failure> {
    let client = session.client()?;
    match args {
        JoinToken::Create { role, ttl } => {
            let body = JoinTokenRequest {
                role,
                ttl_seconds: ttl,
            };
            let request = Request::new(Method::POST, "/join-tokens").body(&body)?;
            let made: JoinTokenCreated = client.ask(&request).await?;
            session.output.one(&made, |_| format!("{}\n", made.token))?;
            let ends = cells::moment(&made.expires_at, &session.output.view);
            session.output.say(&format!(
                "  for one {}, ends {ends}; there: goagent join TOKEN",
                word(made.role)
            ));
            Ok(())
        }
        JoinToken::List => {
            let list: JoinTokenList = client.ask(&Request::get("/join-tokens")).await?;
            session.output.list(&list.items, &columns())
        }
        JoinToken::Revoke { id } => {
            let path = format!("/join-tokens/{}", escaped(&id));
            client.tell(&Request::new(Method::DELETE, path)).await?;
            session
                .output
                .data(&format!("join token {} is revoked\n", cells::safe(&id)))
        }
    }
}

fn word(role: NodeRole) -> &'static str {
    match role {
        NodeRole::Head => "head",
        NodeRole::Agent => "agent",
    }
}

fn columns() -> [Column<Known>; 5] {
    [
        Column::left("token", Rank::Always, |token, _| cells::safe(&token.id)),
        Column::left("role", Rank::Always, |token, _| word(token.role).into()),
        Column::left("by", Rank::Useful, |token, _| cells::safe(&token.by)),
        Column::left("ends", Rank::Useful, |token, view| {
            cells::moment(&token.expires_at, view)
        }),
        Column::left("used", Rank::Useful, |token, _| {
            token
                .used_by
                .map_or_else(|| "-".into(), |node| format!("by node {node}"))
        }),
    ]
}
