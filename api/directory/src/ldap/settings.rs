//! What an administrator writes about LDAP servers.
//!
//! There is no setting that turns TLS or its verification off, and none that holds a password.

use std::path::PathBuf;

use serde::Deserialize;

use super::address::Address;
use super::filter::{Filter, Piece, is_attribute};
use crate::limits::{LIFETIME_MS, SERVERS_MAX, STEP_TIMEOUT_MS, TIMEOUT_MS};
use crate::settings::{check_text, check_timeout};
use crate::{Accept, DirectoryError};

/// How people are looked up on LDAP servers, and how their passwords are tried.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LdapSettings {
    /// `ldaps://HOST[:PORT]` for TLS from the first byte, `ldap://HOST[:PORT]` for StartTLS before
    /// anything else; tried in this order.
    pub servers: Vec<String>,
    /// A file of certificates (PEM) that vouch for the servers. Either this or `ca_pem`.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// The same certificates, written here.
    #[serde(default)]
    pub ca_pem: Option<String>,
    /// The entry under whose name people are looked up; its password is given apart. Absent: they
    /// are looked up under no name.
    #[serde(default)]
    pub bind_dn: Option<String>,
    /// The entry below which people are.
    pub base: String,
    /// Which of these is asked for, with `{login}` where the login goes.
    #[serde(default = "default_filter")]
    pub filter: String,
    /// What is read of a person's entry.
    #[serde(default)]
    pub attributes: Attributes,
    /// Where groups are; absent: nobody has further groups.
    #[serde(default)]
    pub groups: Option<GroupSettings>,
    /// The time-out of each step (to connect, to bind, to search), in milliseconds.
    #[serde(default = "default_step_timeout")]
    pub step_timeout_ms: u64,
    /// The time-out of one question, all servers and steps together, in milliseconds.
    #[serde(default = "default_timeout")]
    pub timeout_ms: u64,
    /// How long what was found is said again without asking, in milliseconds.
    #[serde(default = "default_lifetime")]
    pub lifetime_ms: u64,
    /// Which ids are accepted.
    #[serde(default)]
    pub accept: Accept,
}

/// The attributes of a person's entry.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Attributes {
    /// The login.
    pub login: String,
    /// The user id.
    pub uid: String,
    /// The id of the first group.
    pub gid: String,
    /// The home directory.
    pub home: String,
    /// The mail address.
    pub mail: String,
}

impl Default for Attributes {
    fn default() -> Attributes {
        Attributes {
            login: "uid".into(),
            uid: "uidNumber".into(),
            gid: "gidNumber".into(),
            home: "homeDirectory".into(),
            mail: "mail".into(),
        }
    }
}

/// Where groups are, and what is read of them.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupSettings {
    /// The entry below which groups are.
    pub base: String,
    /// Which of these somebody is in, with `{login}` or `{dn}` where the person goes.
    pub filter: String,
    /// The attribute with the group's id; a group without it gives its name only.
    #[serde(default = "default_group_gid")]
    pub gid: String,
    /// The attribute with the group's name.
    #[serde(default = "default_group_name")]
    pub name: String,
}

fn default_filter() -> String {
    "(&(objectClass=posixAccount)(uid={login}))".into()
}

fn default_group_gid() -> String {
    "gidNumber".into()
}

fn default_group_name() -> String {
    "cn".into()
}

fn default_step_timeout() -> u64 {
    STEP_TIMEOUT_MS
}

fn default_timeout() -> u64 {
    TIMEOUT_MS
}

fn default_lifetime() -> u64 {
    LIFETIME_MS
}

impl LdapSettings {
    pub(crate) fn validate(&self) -> Result<(), DirectoryError> {
        self.addresses()?;
        if self.ca_file.is_some() == self.ca_pem.is_some() {
            let why = "write either `ca_file` or `ca_pem`: servers must be vouched for";
            return Err(DirectoryError::misconfigured("ca_file", why));
        }
        check_text("base", &self.base)?;
        if let Some(dn) = &self.bind_dn {
            check_text("bind_dn", dn)?;
        }
        self.person_filter()?;
        self.group_filter()?;
        self.check_attributes()?;
        check_timeout("step_timeout_ms", self.step_timeout_ms)
    }

    pub(super) fn addresses(&self) -> Result<Vec<Address>, DirectoryError> {
        let wrong = |why: String| DirectoryError::misconfigured("servers", why);
        if !(1..=SERVERS_MAX).contains(&self.servers.len()) {
            return Err(wrong(format!("write 1 to {SERVERS_MAX} servers")));
        }
        let read = |text: &String| Address::read(text).map_err(wrong);
        self.servers.iter().map(read).collect()
    }

    pub(super) fn person_filter(&self) -> Result<Filter, DirectoryError> {
        let wrong = |why: String| DirectoryError::misconfigured("filter", why);
        check_text("filter", &self.filter)?;
        let filter = Filter::read(&self.filter).map_err(|error| wrong(error.to_string()))?;
        if !filter.asks(&Piece::Login) {
            return Err(wrong("{login} is missing, or is only denied".into()));
        }
        if filter.mentions(&Piece::Dn) {
            return Err(wrong("{dn} is not known before somebody is found".into()));
        }
        Ok(filter)
    }

    pub(super) fn group_filter(&self) -> Result<Option<Filter>, DirectoryError> {
        let Some(groups) = &self.groups else {
            return Ok(None);
        };
        let wrong = |why: String| DirectoryError::misconfigured("groups.filter", why);
        check_text("groups.base", &groups.base)?;
        check_text("groups.filter", &groups.filter)?;
        let filter = Filter::read(&groups.filter).map_err(|error| wrong(error.to_string()))?;
        if !filter.asks(&Piece::Login) && !filter.asks(&Piece::Dn) {
            return Err(wrong(
                "{login} or {dn} is missing, or is only denied".into(),
            ));
        }
        Ok(Some(filter))
    }

    fn check_attributes(&self) -> Result<(), DirectoryError> {
        let Attributes {
            login,
            uid,
            gid,
            home,
            mail,
        } = &self.attributes;
        let of_groups = self.groups.as_ref();
        let of_groups = of_groups.map(|of| [("groups.gid", &of.gid), ("groups.name", &of.name)]);
        let fields = [
            ("attributes.login", login),
            ("attributes.uid", uid),
            ("attributes.gid", gid),
            ("attributes.home", home),
            ("attributes.mail", mail),
        ];
        for (field, name) in fields.into_iter().chain(of_groups.into_iter().flatten()) {
            check_text(field, name)?;
            if !is_attribute(name) {
                let why = "an attribute is a word of letters, digits and `-`";
                return Err(DirectoryError::misconfigured(field, why));
            }
        }
        Ok(())
    }
}
