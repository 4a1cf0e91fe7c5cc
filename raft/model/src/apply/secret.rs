//! Secrets: who may keep and forget them, and how many.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::{Writer, invalid, limit, not_found, reply};
use crate::account::{Role, UserName};
use crate::change::RecordKey;
use crate::command::{Rejection, RemoveSecret, Reply};
use crate::limits;
use crate::quota::Holder;
use crate::secret::{Secret, SecretKind};
use crate::spec::is_label;

impl Writer<'_> {
    pub(super) fn put_secret(&mut self, secret: Secret) -> Reply {
        reply(self.try_put_secret(secret))
    }

    fn try_put_secret(&mut self, secret: Secret) -> Result<Reply, Rejection> {
        self.may_keep(&secret.owner, &secret.changed_by)?;
        self.check_name(&secret.name)?;
        let most = limits::SECRET_BYTES_MAX + limits::SEALED_MORE_MAX;
        if secret.sealed.is_empty() || secret.sealed.len() > most {
            let message = format!("1 to {} bytes", limits::SECRET_BYTES_MAX);
            return Ok(invalid("value", message));
        }
        if let SecretKind::Registry { host, login } = &secret.kind {
            if !is_host(host) {
                return Ok(invalid(
                    "registry",
                    "a host, and a port if need be: `registry.lab:5000`",
                ));
            }
            if !is_label(login) {
                return Ok(invalid("login", "1 to 128 printable bytes"));
            }
            let other = |known: &&Secret| known.name != secret.name && is_for(known, host);
            if let Some(known) = self.state.secrets_of(&secret.owner).find(other) {
                let what = format!("secret {} is for {host} already", known.name);
                return Err(Rejection::Conflict { what });
            }
        }
        let known = self.state.secret(&secret.owner, &secret.name);
        let created_at = known.map_or(self.now(), |known| known.created_at);
        if known.is_none() {
            if self.state.secrets_of(&secret.owner).count() >= limits::SECRETS_PER_OWNER_MAX {
                let name = format!("secrets of {}", secret.owner);
                return Ok(limit(&name, limits::SECRETS_PER_OWNER_MAX));
            }
            if self.state.secrets.size() >= limits::SECRETS_MAX {
                return Ok(limit("secrets", limits::SECRETS_MAX));
            }
        }
        let key = (secret.owner.clone(), secret.name.clone());
        self.touch(RecordKey::Secret(key.0.clone(), key.1.clone()));
        let secret = Secret {
            created_at,
            changed_at: self.now(),
            ..secret
        };
        self.state.secrets.insert_mut(key, secret);
        Ok(Reply::Done)
    }

    pub(super) fn remove_secret(&mut self, remove: &RemoveSecret) -> Reply {
        reply(self.try_remove_secret(remove))
    }

    /// Also one that live jobs ask for: whoever finds out that others know it takes it back at
    /// once. Attempts that would begin later end, and say why.
    fn try_remove_secret(&mut self, remove: &RemoveSecret) -> Result<Reply, Rejection> {
        self.may_keep(&remove.owner, &remove.by)?;
        if self.state.secret(&remove.owner, &remove.name).is_none() {
            return Err(not_found("secret", &remove.name));
        }
        self.forget_secret(remove.owner.clone(), remove.name.clone());
        Ok(Reply::Done)
    }

    /// Takes away all that somebody kept who is no more.
    pub(super) fn forget_secrets(&mut self, owner: &Holder) {
        let names = self
            .state
            .secrets_of(owner)
            .map(|secret| secret.name.clone());
        for name in names.collect::<Vec<_>>() {
            self.forget_secret(owner.clone(), name);
        }
    }

    fn forget_secret(&mut self, owner: Holder, name: String) {
        let key = (owner, name);
        self.state.secrets.remove_mut(&key);
        self.touch(RecordKey::Secret(key.0, key.1));
    }

    /// A user's own, and a project's for those who manage it; administrators may keep those of
    /// projects, and nobody another user's.
    fn may_keep(&self, owner: &Holder, by: &UserName) -> Result<(), Rejection> {
        let admin = self.user(by)?.role >= Role::Admin;
        match owner {
            Holder::User(name) if name == by => Ok(()),
            Holder::User(name) => Err(not_found("user", name)),
            Holder::Project(name) => {
                let known = self.state.project(name);
                let seen = known.filter(|project| admin || project.has(by));
                let project = seen.ok_or_else(|| not_found("project", name))?;
                if admin || project.managers.contains(by) {
                    return Ok(());
                }
                let what = format!("{by} does not manage project {name}");
                Err(Rejection::Forbidden { what })
            }
        }
    }
}

fn is_for(secret: &Secret, wanted: &str) -> bool {
    match &secret.kind {
        SecretKind::Registry { host, .. } => host == wanted,
        SecretKind::File => false,
    }
}

/// Whether it is what an image's reference may begin with.
fn is_host(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b".-:[]".contains(&b);
    let named = text.contains(['.', ':']) || text == "localhost";
    named && text.len() <= limits::NAME_BYTES_MAX && text.bytes().all(allowed)
}
