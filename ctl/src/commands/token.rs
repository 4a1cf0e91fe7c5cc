//! `token`: for programs that speak in the user's name.

use api_types::token::{Token as Known, TokenCreated, TokenList, TokenRequest};
use reqwest::Method;

use crate::args::account::Token;
use crate::client::{Request, escaped};
use crate::error::Failure;
use crate::output::cells;
use crate::output::table::{Column, Rank};
use crate::session::Session;

/// `goctl token …`.
///
/// # Errors
/// What the server says.
pub async fn run(session: &Session, args: Token) -> Result<(), Failure> {
    let client = session.client()?;
    match args {
        Token::List => {
            let list: TokenList = client.ask(&Request::get("/tokens")).await?;
            session.output.list(&list.items, &columns())
        }
        Token::Create { label, ttl } => {
            let body = TokenRequest {
                label,
                ttl_seconds: ttl,
                scopes: None,
            };
            let request = Request::new(Method::POST, "/tokens").body(&body)?;
            let made: TokenCreated = client.ask(&request).await?;
            session.output.one(&made, |_| format!("{}\n", made.token))?;
            let ends = cells::moment(&made.expires_at, &session.output.view);
            session.output.say(&format!(
                "token {} ends {ends}; give it as GOCTL_TOKEN, it is not shown again",
                made.id
            ));
            Ok(())
        }
        Token::Revoke { id } => {
            let path = format!("/tokens/{}", escaped(&id));
            client.tell(&Request::new(Method::DELETE, path)).await?;
            session
                .output
                .say(&format!("token {} is ended", cells::safe(&id)));
            Ok(())
        }
    }
}

fn columns() -> [Column<Known>; 5] {
    [
        Column::left("token", Rank::Always, |token, _| cells::safe(&token.id)),
        Column::left("label", Rank::Useful, |token, _| cells::safe(&token.label)),
        Column::left("created", Rank::Nice, |token, view| {
            cells::moment(&token.created_at, view)
        }),
        Column::left("ends", Rank::Useful, |token, view| {
            cells::moment(&token.expires_at, view)
        }),
        Column::left("current", Rank::Nice, |token, _| {
            if token.current {
                "this one".into()
            } else {
                String::new()
            }
        }),
    ]
}
