//! `token`: for programs that speak in the user's name.

use api_types::token::{
    RotateRequest, Scope, Token as Known, TokenCreated, TokenList, TokenRequest,
};
use reqwest::Method;

use crate::args::account::Token;
use crate::client::{Request, escaped};
use crate::config::Credential;
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
        Token::Create { label, ttl, scope } => {
            let body = TokenRequest {
                label,
                ttl_seconds: ttl,
                scopes: (!scope.is_empty()).then_some(scope),
            };
            let request = Request::new(Method::POST, "/tokens").body(&body)?;
            let made: TokenCreated = client.ask(&request).await?;
            tell(session, &made, "give it as GOCTL_TOKEN, ")
        }
        Token::Rotate { id, ttl } => {
            // Asked first: once there is an answer, nothing may keep it from being printed.
            let context = context_of(session, &id)?;
            let body = RotateRequest { ttl_seconds: ttl };
            let path = format!("/tokens/{}/rotate", escaped(&id));
            let request = Request::new(Method::POST, path).body(&body)?;
            let made: TokenCreated = client.ask(&request).await?;
            let where_to = match &context {
                Some(context) => format!("context \"{context}\" uses it from now on, "),
                None => "give it as GOCTL_TOKEN, ".into(),
            };
            tell(session, &made, &where_to)?;
            match context {
                Some(context) => remember(session, context, made.token),
                None => Ok(()),
            }
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

/// Prints a new token, this once.
fn tell(session: &Session, made: &TokenCreated, where_to: &str) -> Result<(), Failure> {
    session.output.one(made, |_| format!("{}\n", made.token))?;
    let ends = cells::moment(&made.expires_at, &session.output.view);
    session.output.say(&format!(
        "token {} ends {ends}; {where_to}it is not shown again",
        made.id
    ));
    Ok(())
}

/// The context in use, if this is the token of its login.
fn context_of(session: &Session, id: &str) -> Result<Option<String>, Failure> {
    let files = session.files()?;
    let Some(name) = session.context_name(&files.read_config()?)? else {
        return Ok(None);
    };
    let credentials = files.read_credentials()?;
    let known = credentials.get(&name);
    // A token is `god_`, its public half, `_` and its secret.
    let of_this = known.is_some_and(|known| known.token.split('_').nth(1) == Some(id));
    Ok(of_this.then_some(name))
}

fn remember(session: &Session, context: String, token: String) -> Result<(), Failure> {
    let files = session.files()?;
    let mut credentials = files.read_credentials()?;
    credentials.insert(context, Credential { token });
    files.write_credentials(&credentials)
}

/// Scopes in words.
pub fn scopes(scopes: &[Scope]) -> String {
    let words: Vec<&str> = scopes.iter().map(|scope| scope.word()).collect();
    words.join(",")
}

fn columns() -> [Column<Known>; 6] {
    [
        Column::left("token", Rank::Always, |token, _| cells::safe(&token.id)),
        Column::left("label", Rank::Useful, |token, _| cells::safe(&token.label)),
        Column::left("scopes", Rank::Useful, |token, _| scopes(&token.scopes)),
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
