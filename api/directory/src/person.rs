//! A person, and the one judgement of what a directory says of one.
//!
//! An [`Entry`] is what was said; a [`Person`] is what is accepted of it. Nobody is ever root, a
//! system account, or another login than the one that was asked for.

use serde::Deserialize;

use crate::DirectoryError;
use crate::limits::{
    GID_MIN, GROUPS_MAX, LOGIN_BYTES_MAX, PASSWORD_BYTES_MAX, ROLE_BYTES_MAX, TEXT_BYTES_MAX,
    UID_MIN,
};

/// Ids that mean "nobody" or "no change": kernels and file servers put them where an id is not
/// known, and `-1` keeps whatever a process had.
const NOBODY: [u32; 4] = [65_534, 65_535, u32::MAX - 1, u32::MAX];

/// Which ids are accepted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Accept {
    /// The smallest user id; somebody with a smaller one is refused.
    pub uid_min: u32,
    /// The smallest group id; somebody whose first group has a smaller one is refused, and
    /// further groups with a smaller one are left out.
    pub gid_min: u32,
}

impl Default for Accept {
    fn default() -> Accept {
        Accept {
            uid_min: UID_MIN,
            gid_min: GID_MIN,
        }
    }
}

impl Accept {
    /// # Errors
    /// If root would be accepted.
    pub fn validate(&self) -> Result<(), DirectoryError> {
        let fields = [
            ("accept.uid_min", self.uid_min),
            ("accept.gid_min", self.gid_min),
        ];
        for (field, min) in fields {
            if min == 0 {
                let why = "0 is root, who is never accepted; write 1 or more, best 1000";
                return Err(DirectoryError::misconfigured(field, why));
            }
        }
        Ok(())
    }

    fn gid(&self, gid: u32) -> bool {
        gid != 0 && gid >= self.gid_min && !NOBODY.contains(&gid)
    }
}

/// What a directory says of somebody, as yet unjudged.
#[derive(Clone, PartialEq, Eq, Default, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// The login as the directory writes it.
    pub login: String,
    /// The user id.
    pub uid: u32,
    /// The id of the first group.
    pub gid: u32,
    /// The ids of further groups, in any order, the first one perhaps among them.
    #[serde(default)]
    pub groups: Vec<u32>,
    /// The home directory.
    #[serde(default)]
    pub home: Option<String>,
    /// The mail address.
    #[serde(default)]
    pub mail: Option<String>,
    /// The names of groups.
    #[serde(default)]
    pub roles: Vec<String>,
}

/// Somebody whom a directory knows, judged fit to run jobs.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Person {
    /// The login, a [plain name](is_login).
    pub login: String,
    /// The user id; never root's.
    pub uid: u32,
    /// The id of the first group; never root's.
    pub gid: u32,
    /// The ids of the further groups, ascending, each once, the first one not among them.
    pub groups: Vec<u32>,
    /// The home directory, an absolute path without `..`.
    pub home: Option<String>,
    /// The mail address.
    pub mail: Option<String>,
    /// The names of all groups, ascending, each once; those of groups whose id is left out too.
    pub roles: Vec<String>,
}

impl Person {
    /// Accepts what a directory says of `asked`.
    ///
    /// # Errors
    /// [`DirectoryError::Unfit`] with the reason.
    pub fn new(asked: &str, entry: Entry, accept: &Accept) -> Result<Person, DirectoryError> {
        if !is_login(asked) || entry.login != asked {
            return Err(DirectoryError::unfit("it is another login's"));
        }
        if entry.uid == 0 || entry.uid < accept.uid_min || NOBODY.contains(&entry.uid) {
            return Err(DirectoryError::unfit(format!(
                "user id {} is the system's own; accept.uid_min is {}",
                entry.uid, accept.uid_min
            )));
        }
        if !accept.gid(entry.gid) {
            return Err(DirectoryError::unfit(format!(
                "the first group's id {} is the system's own; accept.gid_min is {}",
                entry.gid, accept.gid_min
            )));
        }
        if entry.groups.len() > GROUPS_MAX || entry.roles.len() > GROUPS_MAX {
            let why = format!("more than {GROUPS_MAX} groups; narrow what counts as one");
            return Err(DirectoryError::unfit(why));
        }
        let accepted = |gid: &u32| accept.gid(*gid) && *gid != entry.gid;
        let named = |role: &String| {
            let length = (1..=ROLE_BYTES_MAX).contains(&role.len());
            length && !role.contains(char::is_control)
        };
        Ok(Person {
            uid: entry.uid,
            gid: entry.gid,
            groups: sorted(entry.groups.into_iter().filter(accepted)),
            home: entry
                .home
                .filter(|home| !home.is_empty())
                .map_or(Ok(None), home)?,
            mail: entry.mail.filter(|mail| is_mail(mail)),
            roles: sorted(entry.roles.into_iter().filter(named)),
            login: entry.login,
        })
    }
}

fn sorted<T: Ord>(items: impl Iterator<Item = T>) -> Vec<T> {
    let mut items: Vec<T> = items.collect();
    items.sort();
    items.dedup();
    items
}

fn home(path: String) -> Result<Option<String>, DirectoryError> {
    let plain = !path.contains(char::is_control) && path.len() <= TEXT_BYTES_MAX;
    if plain && path.starts_with('/') && !path.split('/').any(|part| part == "..") {
        return Ok(Some(path));
    }
    Err(DirectoryError::unfit(
        "its home directory is not an absolute path without `..`",
    ))
}

/// A mail address is where letters go, nothing that anybody is recognised by: one that cannot be
/// used is left out.
fn is_mail(mail: &str) -> bool {
    let bad = |letter: char| letter.is_control() || letter.is_whitespace();
    mail.len() <= TEXT_BYTES_MAX && mail.contains('@') && !mail.contains(bad)
}

/// Whether this can be somebody's login: letters, digits, `.`, `_` and `-` of ASCII, the first a
/// letter, digit or `_`. No directory is asked for anything else.
pub fn is_login(text: &str) -> bool {
    let first = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    let rest = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    text.len() <= LOGIN_BYTES_MAX
        && text.bytes().next().is_some_and(first)
        && text.bytes().all(rest)
}

/// Whether this can be somebody's password. An empty one is nobody's: an LDAP server takes a bind
/// with an empty password as anonymous, and lets it succeed.
pub fn is_password(text: &str) -> bool {
    (1..=PASSWORD_BYTES_MAX).contains(&text.len()) && !text.contains('\0')
}

#[cfg(test)]
#[path = "person/tests.rs"]
mod tests;
