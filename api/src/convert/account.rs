//! Users and tokens; never a hash.

use api_types::{join_token, token, user as seen};
use model::account::{JoinToken, Role, Scope, Token, User};

use super::node::role as node_role;
use super::time;

pub(crate) fn user(user: &User) -> seen::User {
    seen::User {
        name: user.name.0.clone(),
        role: role(user.role),
        uid: user.ids.as_ref().map(|ids| ids.uid),
        gid: user.ids.as_ref().map(|ids| ids.gid),
        groups: user
            .ids
            .as_ref()
            .map_or_else(Vec::new, |ids| ids.groups.clone()),
        home: user.home.clone(),
        mail: user.mail.clone(),
        directory: user.source.as_ref().map(|source| source.directory.clone()),
        confirmed_at: user.source.as_ref().map(|source| time(source.confirmed_at)),
        disabled: user.disabled,
        has_password: !user.password.is_empty(),
        password_one_time: user.one_time,
        created_at: time(user.created_at),
    }
}

fn role(role: Role) -> seen::Role {
    match role {
        Role::User => seen::Role::User,
        Role::Operator => seen::Role::Operator,
        Role::Admin => seen::Role::Admin,
    }
}

pub(crate) fn asked_role(role: seen::Role) -> Role {
    match role {
        seen::Role::User => Role::User,
        seen::Role::Operator => Role::Operator,
        seen::Role::Admin => Role::Admin,
    }
}

/// A token; `current` is the one that the request was made with.
pub(crate) fn token(token: &Token, current: &Token) -> token::Token {
    token::Token {
        id: token.id.0.clone(),
        user: token.user.0.clone(),
        label: token.label.clone(),
        created_at: time(token.created_at),
        expires_at: time(token.expires_at),
        current: token.id == current.id,
        scopes: scopes(token),
    }
}

pub(crate) fn scopes(token: &Token) -> Vec<token::Scope> {
    token.scopes.iter().copied().map(scope).collect()
}

pub(crate) fn scope(scope: Scope) -> token::Scope {
    match scope {
        Scope::Read => token::Scope::Read,
        Scope::Jobs => token::Scope::Jobs,
        Scope::Account => token::Scope::Account,
        Scope::Admin => token::Scope::Admin,
    }
}

pub(crate) fn asked_scope(scope: token::Scope) -> Scope {
    match scope {
        token::Scope::Read => Scope::Read,
        token::Scope::Jobs => Scope::Jobs,
        token::Scope::Account => Scope::Account,
        token::Scope::Admin => Scope::Admin,
    }
}

pub(crate) fn join_token(token: &JoinToken) -> join_token::JoinToken {
    join_token::JoinToken {
        id: token.id.0.clone(),
        role: node_role(token.role),
        by: token.by.0.clone(),
        expires_at: time(token.expires_at),
        used_by: token.used.map(|(node, _)| node.0),
    }
}
