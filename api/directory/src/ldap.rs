//! People on LDAP servers: found under a service account, proved by a bind with their own name and
//! password on a connection of its own.
//!
//! Nothing is said before TLS is up and the server has shown who it is; an empty password is
//! refused before any server hears of it; references to other servers are not followed.

mod address;
mod ber;
mod filter;
mod message;
mod session;
mod settings;
mod tls;

use std::error::Error;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tracing::warn;

pub use settings::{Attributes, GroupSettings, LdapSettings};

use crate::limits::{GROUPS_MAX, QUESTIONS_MAX};
use crate::settings::span;
use crate::{Directory, DirectoryError, Entry, Later, Person, Secret};
use address::Address;
use filter::{Asked, Filter};
use message::{Found, Outcome, Search};
use session::Session;

/// Result codes (RFC 4511, appendix A.1) of a search.
const SUCCESS: u32 = 0;
const SIZE_LIMIT_EXCEEDED: u32 = 4;
/// Result codes of a bind that say that this password lets nobody in: it is wrong, or the account
/// is locked, expired, or has none. Any other code says nothing of the password.
const DENIED: [u32; 6] = [
    19, // constraintViolation: locked
    32, // noSuchObject
    48, // inappropriateAuthentication: the entry has no password
    49, // invalidCredentials
    50, // insufficientAccessRights
    53, // unwillingToPerform: disabled
];
/// Entries that are asked for where one is wanted: the second shows that it is not the only one.
const PEOPLE_MAX: u32 = 2;

/// A directory on LDAP servers.
pub struct Ldap {
    settings: Box<LdapSettings>,
    secret: Option<Secret>,
    servers: Vec<Address>,
    connector: TlsConnector,
    person_filter: Filter,
    group_filter: Option<Filter>,
    places: Semaphore,
}

impl Ldap {
    /// Makes ready to ask; reads the authorities' certificates and asks no server.
    ///
    /// # Errors
    /// [`DirectoryError::Misconfigured`] with the field and the remedy.
    pub fn open(
        settings: Box<LdapSettings>,
        secret: Option<Secret>,
    ) -> Result<Ldap, DirectoryError> {
        settings.validate()?;
        let filled = secret
            .as_ref()
            .is_some_and(|secret| !secret.expose().is_empty());
        if settings.bind_dn.is_some() != filled {
            let why = "`bind_dn` and a secret that is not empty go together";
            return Err(DirectoryError::misconfigured("bind_dn", why));
        }
        Ok(Ldap {
            servers: settings.addresses()?,
            connector: tls::connector(&settings)?,
            person_filter: settings.person_filter()?,
            group_filter: settings.group_filter()?,
            places: Semaphore::new(QUESTIONS_MAX),
            settings,
            secret,
        })
    }

    fn step(&self) -> Duration {
        span(self.settings.step_timeout_ms)
    }

    /// Asks one server after the other until one answers; a password, if there is one, must be
    /// the person's.
    async fn ask(
        &self,
        login: &str,
        password: Option<&str>,
    ) -> Result<Option<Person>, DirectoryError> {
        let answered = async {
            let place = self.places.acquire().await;
            let _place = place.map_err(|closed| DirectoryError::caused("no places", closed))?;
            let mut last = DirectoryError::unavailable("no server");
            for server in &self.servers {
                match self.ask_server(server, login, password).await {
                    Err(error @ DirectoryError::Unavailable { .. }) => {
                        let cause: &dyn Error = &error;
                        warn!(%server, cause, "an LDAP server cannot be asked");
                        last = error;
                    }
                    answer => return answer,
                }
            }
            Err(last)
        };
        let limit = span(self.settings.timeout_ms);
        let late = |passed| DirectoryError::caused("no LDAP server answers in time", passed);
        timeout(limit, answered).await.map_err(late)?
    }

    async fn ask_server(
        &self,
        server: &Address,
        login: &str,
        password: Option<&str>,
    ) -> Result<Option<Person>, DirectoryError> {
        let mut session = Session::open(server, &self.connector, self.step()).await?;
        if let (Some(dn), Some(secret)) = (&self.settings.bind_dn, &self.secret) {
            let outcome = session.bind(dn, secret.expose()).await?;
            expect_success("the bind of `bind_dn`", outcome)?;
        }
        let Some(found) = self.look_up(&mut session, login).await? else {
            session.close().await;
            return Ok(None);
        };
        if let Some(password) = password {
            self.prove(server, &found.dn, password).await?;
        }
        let mut entry = self.entry(&found, login)?;
        self.add_groups(&mut session, &found.dn, &mut entry).await?;
        session.close().await;
        Person::new(login, entry, &self.settings.accept).map(Some)
    }

    /// The only entry with exactly this login.
    async fn look_up(
        &self,
        session: &mut Session,
        login: &str,
    ) -> Result<Option<Found>, DirectoryError> {
        let of = &self.settings.attributes;
        let attributes = [&*of.login, &*of.uid, &*of.gid, &*of.home, &*of.mail];
        let search = Search {
            base: &self.settings.base,
            filter: &self.person_filter,
            asked: Asked { login, dn: "" },
            attributes: &attributes,
            size_limit: PEOPLE_MAX,
            seconds: self.seconds(),
        };
        let mut all = session.search(&search).await?;
        if all.entries.len() > 1 {
            return Err(DirectoryError::Ambiguous);
        }
        expect_success("the search for a person", all.outcome)?;
        let Some(found) = all.entries.pop() else {
            return Ok(None);
        };
        if found.dn.is_empty() {
            return Err(DirectoryError::unfit("it is the root of the directory"));
        }
        // Servers take `ADA` for `ada`; here they are two.
        let same = found.texts(&of.login).any(|told| told == login);
        Ok(same.then_some(found))
    }

    /// Binds as the person, on a connection that has no other rights.
    async fn prove(
        &self,
        server: &Address,
        dn: &str,
        password: &str,
    ) -> Result<(), DirectoryError> {
        let mut session = Session::open(server, &self.connector, self.step()).await?;
        let outcome = session.bind(dn, password).await?;
        session.close().await;
        if DENIED.contains(&outcome.code) {
            return Err(DirectoryError::Denied);
        }
        expect_success("the bind of a person", outcome)
    }

    /// What the entry says, without further groups.
    fn entry(&self, found: &Found, login: &str) -> Result<Entry, DirectoryError> {
        let of = &self.settings.attributes;
        if found.values(&of.login).count() != 1 {
            let why = format!("it has more than one `{}`", of.login);
            return Err(DirectoryError::unfit(why));
        }
        let first = |name: &str| found.texts(name).next().map(str::to_owned);
        Ok(Entry {
            login: login.to_owned(),
            uid: one_number(found, &of.uid)?,
            gid: one_number(found, &of.gid)?,
            groups: Vec::new(),
            home: first(&of.home),
            mail: first(&of.mail),
            roles: Vec::new(),
        })
    }

    async fn add_groups(
        &self,
        session: &mut Session,
        dn: &str,
        entry: &mut Entry,
    ) -> Result<(), DirectoryError> {
        let (Some(of), Some(filter)) = (&self.settings.groups, &self.group_filter) else {
            return Ok(());
        };
        let login = &entry.login;
        let search = Search {
            base: &of.base,
            filter,
            asked: Asked { login, dn },
            attributes: &[&of.gid, &of.name],
            size_limit: u32::try_from(GROUPS_MAX + 1).unwrap_or(u32::MAX),
            seconds: self.seconds(),
        };
        let all = session.search(&search).await?;
        if all.outcome.code == SIZE_LIMIT_EXCEEDED {
            let why = "it is in more groups than the server tells; narrow groups.filter";
            return Err(DirectoryError::unfit(why));
        }
        expect_success("the search for groups", all.outcome)?;
        for group in &all.entries {
            entry.groups.extend(group.texts(&of.gid).filter_map(number));
            entry.roles.extend(group.texts(&of.name).map(str::to_owned));
        }
        Ok(())
    }

    /// How long a server looks at the most, in its own unit.
    fn seconds(&self) -> u32 {
        u32::try_from(self.settings.step_timeout_ms.div_ceil(1_000)).unwrap_or(u32::MAX)
    }
}

fn expect_success(what: &str, outcome: Outcome) -> Result<(), DirectoryError> {
    let Outcome { code, said } = outcome;
    match code {
        SUCCESS => Ok(()),
        _ => {
            let why = format!("{what} comes out with code {code} {said}");
            Err(DirectoryError::unavailable(why))
        }
    }
}

fn one_number(found: &Found, name: &str) -> Result<u32, DirectoryError> {
    let mut texts = found.texts(name);
    let only = texts.next().filter(|_| texts.next().is_none());
    only.and_then(number).ok_or_else(|| {
        let why = format!("it has no `{name}`, several, or one that is no number");
        DirectoryError::unfit(why)
    })
}

fn number(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

impl Directory for Ldap {
    fn authenticate<'a>(
        &'a self,
        login: &'a str,
        password: &'a str,
    ) -> Later<'a, Result<Person, DirectoryError>> {
        Box::pin(async move {
            let person = self.ask(login, Some(password)).await?;
            person.ok_or(DirectoryError::Denied)
        })
    }

    fn find<'a>(&'a self, login: &'a str) -> Later<'a, Result<Option<Person>, DirectoryError>> {
        Box::pin(async move { self.ask(login, None).await })
    }
}

#[cfg(test)]
#[path = "ldap/tests.rs"]
mod tests;
