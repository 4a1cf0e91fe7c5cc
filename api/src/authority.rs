//! Who may ask for what, in one table: what is not in it is refused.
//!
//! A row says what a token must be good for, what its user must be, and whose the thing asked for
//! must be. Scope and role are checked here, before a handler runs; whose a thing is only the
//! handler can see, which answers 404 for what is somebody else's. A test compares the table with
//! the routes, and another one walks all cells.

use std::collections::HashMap;
use std::sync::OnceLock;

use axum::extract::{MatchedPath, Request};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use model::account::{Role, Scope};

use crate::auth::Caller;
use crate::problem::Refused;

/// Whose a thing must be.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Whose {
    /// It is nobody's in particular.
    Nobodys,
    /// The caller's own job or one of a project that shows it to them; anybody's for operators.
    Jobs,
    /// The caller's own account, token, key or secret; but for secrets,
    /// anybody's for administrators.
    Own,
    /// A project or queue or volume that the caller may use; any for operators.
    Usable,
    /// A project that the caller manages; any for administrators.
    Managed,
}

/// One row: an operation and what it takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Row {
    /// `GET`, `POST`, `PUT` or `DELETE`.
    pub method: &'static str,
    /// As the routes have it, below the prefix.
    pub path: &'static str,
    /// What the token must be good for.
    pub scope: Scope,
    /// What its user must be at least.
    pub role: Role,
    /// Whose the thing must be.
    pub whose: Whose,
}

const fn row(
    method: &'static str,
    path: &'static str,
    scope: Scope,
    role: Role,
    whose: Whose,
) -> Row {
    Row {
        method,
        path,
        scope,
        role,
        whose,
    }
}

use Role::{Admin, Operator, User};
use Scope::{Account, Admin as Administer, Jobs as Work, Read};
use Whose::{Jobs, Managed, Nobodys, Own, Usable};

/// Every operation that needs a token.
pub const TABLE: &[Row] = &[
    row("POST", "/logout", Read, User, Own),
    row("GET", "/whoami", Read, User, Own),
    row("GET", "/can-i", Read, User, Nobodys),
    row("GET", "/jobs", Read, User, Jobs),
    row("POST", "/jobs", Work, User, Usable),
    row("POST", "/jobs:batch", Work, User, Usable),
    row("POST", "/jobs:cancel", Work, User, Jobs),
    row("GET", "/jobs/{id}", Read, User, Jobs),
    row("GET", "/jobs/{id}/wait", Read, User, Jobs),
    row("GET", "/jobs/{id}/logs", Read, User, Jobs),
    row("GET", "/jobs/{id}/files", Read, User, Jobs),
    row("GET", "/jobs/{id}/files/content", Read, User, Jobs),
    row("PUT", "/jobs/{id}/files/content", Work, User, Jobs),
    row("DELETE", "/jobs/{id}/files/content", Work, User, Jobs),
    row("GET", "/jobs/{id}/files/archive", Read, User, Jobs),
    row("GET", "/jobs/{id}/usage", Read, User, Jobs),
    row("POST", "/jobs/{id}/cancel", Work, User, Jobs),
    row("POST", "/jobs/{id}/give-up", Administer, Operator, Nobodys),
    row("GET", "/events", Read, User, Jobs),
    row("GET", "/metrics", Read, Operator, Nobodys),
    row("GET", "/nodes", Read, User, Nobodys),
    row("GET", "/nodes/{node}", Read, User, Nobodys),
    row("DELETE", "/nodes/{node}", Administer, Admin, Nobodys),
    row("POST", "/nodes/{node}/drain", Administer, Operator, Nobodys),
    row(
        "DELETE",
        "/nodes/{node}/drain",
        Administer,
        Operator,
        Nobodys,
    ),
    row("GET", "/volumes", Read, User, Usable),
    row("GET", "/volumes/{name}", Read, User, Usable),
    row("PUT", "/volumes/{name}", Administer, Admin, Nobodys),
    row("DELETE", "/volumes/{name}", Administer, Admin, Nobodys),
    row("GET", "/projects", Read, User, Usable),
    row("GET", "/projects/{name}", Read, User, Usable),
    row("PUT", "/projects/{name}", Administer, Admin, Nobodys),
    row("DELETE", "/projects/{name}", Administer, Admin, Nobodys),
    row(
        "PUT",
        "/projects/{name}/members/{user}",
        Account,
        User,
        Managed,
    ),
    row(
        "DELETE",
        "/projects/{name}/members/{user}",
        Account,
        User,
        Managed,
    ),
    row("GET", "/projects/{name}/quota", Read, User, Usable),
    row(
        "DELETE",
        "/projects/{name}/quota/spent",
        Administer,
        Admin,
        Nobodys,
    ),
    row("GET", "/queues", Read, User, Usable),
    row("GET", "/queues/{name}", Read, User, Usable),
    row("PUT", "/queues/{name}", Administer, Admin, Nobodys),
    row("DELETE", "/queues/{name}", Administer, Admin, Nobodys),
    row("GET", "/users", Administer, Admin, Nobodys),
    row("GET", "/users/{name}", Read, User, Own),
    row("PUT", "/users/{name}", Administer, Admin, Nobodys),
    row("PUT", "/users/{name}/password", Account, User, Own),
    row("GET", "/users/{name}/quota", Read, User, Own),
    row("PUT", "/users/{name}/quota", Administer, Admin, Nobodys),
    row(
        "DELETE",
        "/users/{name}/quota/spent",
        Administer,
        Admin,
        Nobodys,
    ),
    row("GET", "/tokens", Read, User, Own),
    row("POST", "/tokens", Account, User, Own),
    row("DELETE", "/tokens/{id}", Account, User, Own),
    row("POST", "/tokens/{id}/rotate", Account, User, Own),
    row("GET", "/keys", Read, User, Own),
    row("POST", "/keys", Account, User, Own),
    row("DELETE", "/keys/{fingerprint}", Account, User, Own),
    row("GET", "/secrets", Read, User, Usable),
    row("PUT", "/secrets/{name}", Account, User, Own),
    row("DELETE", "/secrets/{name}", Account, User, Own),
    row(
        "PUT",
        "/projects/{name}/secrets/{secret}",
        Account,
        User,
        Managed,
    ),
    row(
        "DELETE",
        "/projects/{name}/secrets/{secret}",
        Account,
        User,
        Managed,
    ),
    row("GET", "/join-tokens", Administer, Admin, Nobodys),
    row("POST", "/join-tokens", Administer, Admin, Nobodys),
    row("DELETE", "/join-tokens/{id}", Administer, Admin, Nobodys),
    row("GET", "/raft", Administer, Operator, Nobodys),
    row("GET", "/raft/hash", Administer, Operator, Nobodys),
    row("PUT", "/heads/{node}", Administer, Admin, Nobodys),
    row("POST", "/raft/transfer", Administer, Admin, Nobodys),
    row("GET", "/settings", Read, User, Nobodys),
    row("PUT", "/settings", Administer, Admin, Nobodys),
    row("GET", "/usage", Read, User, Jobs),
    row("GET", "/audit", Administer, Admin, Nobodys),
    row("GET", "/directories", Administer, Admin, Nobodys),
    row("PUT", "/directories/{name}", Administer, Admin, Nobodys),
    row("DELETE", "/directories/{name}", Administer, Admin, Nobodys),
    row(
        "POST",
        "/directories/{name}/test",
        Administer,
        Admin,
        Nobodys,
    ),
];

/// The row of an operation; `path` is the pattern of its route, with or without the prefix.
pub(crate) fn find(method: &str, path: &str) -> Option<&'static Row> {
    static ROWS: OnceLock<HashMap<(&str, &str), &Row>> = OnceLock::new();
    let rows = ROWS.get_or_init(|| {
        let rows = TABLE.iter().map(|row| ((row.method, row.path), row));
        rows.collect()
    });
    let path = path.strip_prefix(api_types::PREFIX).unwrap_or(path);
    // What may be looked at may be asked for its headers.
    let method = if method == "HEAD" { "GET" } else { method };
    rows.get(&(method, path)).copied()
}

/// The methods of a path, as the header `Allow` has them.
fn methods(path: &str) -> String {
    let path = path.strip_prefix(api_types::PREFIX).unwrap_or(path);
    let rows = TABLE.iter().filter(|row| row.path == path);
    let methods = rows.map(|row| match row.method {
        "GET" => "GET,HEAD",
        method => method,
    });
    methods.collect::<Vec<_>>().join(",")
}

/// The row of a request to a path that is written out, as [`TABLE`] has it in patterns.
pub(crate) fn find_written(method: &str, path: &str) -> Option<&'static Row> {
    let path = path.strip_prefix(api_types::PREFIX).unwrap_or(path);
    let path = path.split('?').next().unwrap_or_default();
    let exact = find(method, path);
    let fits = |row: &&Row| row.method == method && is_instance(row.path, path);
    exact.or_else(|| TABLE.iter().find(fits))
}

fn is_instance(pattern: &str, path: &str) -> bool {
    let part = |(pattern, part): (&str, &str)| {
        pattern == part || (pattern.starts_with('{') && !part.is_empty())
    };
    pattern.split('/').count() == path.split('/').count()
        && pattern.split('/').zip(path.split('/')).all(part)
}

impl Row {
    /// Whether this caller may ask for it at all.
    pub(crate) fn admits(&self, caller: &Caller) -> Result<(), Refused> {
        if !caller.token.scopes.contains(&self.scope) {
            let scope = crate::convert::account::scope(self.scope).word();
            let detail = format!("the token is not good for `{scope}`");
            let hint = "use a token with that scope, or log in";
            return Err(Refused::forbidden(detail, hint));
        }
        caller.needs(self.role)
    }
}

/// Middleware behind the one that knows the caller: nobody gets past it whom no row admits.
pub(crate) async fn admitted(request: Request, next: Next) -> Result<Response, Refused> {
    let path = request.extensions().get::<MatchedPath>();
    let row = path.and_then(|path| find(request.method().as_str(), path.as_str()));
    let caller = request.extensions().get::<Caller>();
    match (row, caller) {
        (Some(row), Some(caller)) => row.admits(caller)?,
        // No route is without a row, a test sees to it; so it is the method that there is not.
        (None, _) => {
            let allow = [(header::ALLOW, methods(path.map_or("", MatchedPath::as_str)))];
            return Ok((StatusCode::METHOD_NOT_ALLOWED, allow).into_response());
        }
        (_, None) => return Err(Refused::unauthenticated("there is no token")),
    }
    Ok(next.run(request).await)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_is_written_out_finds_its_row() {
        let found = |method, path| find_written(method, path).map(|row| row.path);
        assert_eq!(found("GET", "/jobs"), Some("/jobs"));
        assert_eq!(found("GET", "/jobs/12"), Some("/jobs/{id}"));
        assert_eq!(found("GET", "/api/v1/jobs/12?x=1"), Some("/jobs/{id}"));
        assert_eq!(found("POST", "/jobs/12"), None);
        assert_eq!(found("GET", "/jobs/"), None);
        let members = "/projects/{name}/members/{user}";
        assert_eq!(found("PUT", "/projects/lab/members/ada"), Some(members));
    }

    #[test]
    fn no_operation_has_two_rows() {
        for (at, row) in TABLE.iter().enumerate() {
            let same = |other: &&Row| (other.method, other.path) == (row.method, row.path);
            assert_eq!(TABLE[..at].iter().find(same), None);
        }
    }
}
