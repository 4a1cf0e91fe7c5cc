//! Users, bearer tokens, and the end of what has expired.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use rpds::RedBlackTreeSetSync as Set;

use super::policy::check_person;
use super::{Writer, clip, invalid, limit, not_found, reject};
use crate::account::{Role, SshKey, Token, TokenId, UnixIds, User, UserName};
use crate::change::RecordKey;
use crate::command::{
    PutUser, Rejection, RemoveSshKey, Reply, RevokeToken, RotateToken, SetPassword,
};
use crate::limits;
use crate::spec::is_plain_name;
use crate::unit::Timestamp;

impl Writer<'_> {
    pub(super) fn put_user(&mut self, put: PutUser) -> Reply {
        if !is_plain_name(&put.name.0) {
            return invalid(
                "name",
                "letters, digits, `.`, `_` and `-`, at most 128 bytes",
            );
        }
        let known = self.state.users.get(&put.name).cloned();
        if known.is_none() && self.state.users.size() >= limits::USERS_MAX {
            return limit("users", limits::USERS_MAX);
        }
        let person = put.ids.clone().unwrap_or_else(nobody);
        if let Err(why) = check_person(&person, &put.home, &put.mail) {
            return reject(why);
        }
        let loses_power = put.role != Role::Admin || put.disabled;
        if loses_power && self.is_last_admin(&put.name) {
            let what = format!("{} is the last administrator", put.name);
            return reject(Rejection::Conflict { what });
        }
        let now = self.now();
        let before = known.unwrap_or(User {
            created_at: now,
            ..User::default()
        });
        let user = User {
            name: put.name.clone(),
            role: put.role,
            ids: put.ids,
            disabled: put.disabled,
            home: put.home,
            mail: put.mail,
            ..before
        };
        self.state.users.insert_mut(put.name.clone(), user);
        self.touch(RecordKey::User(put.name));
        Reply::Done
    }

    fn is_last_admin(&self, name: &UserName) -> bool {
        let admin = |user: &User| user.role == Role::Admin && !user.disabled;
        self.state.users.get(name).is_some_and(admin)
            && !self
                .state
                .users
                .values()
                .any(|user| admin(user) && user.name != *name)
    }

    pub(super) fn set_password(&mut self, set: SetPassword) -> Reply {
        let Some(mut user) = self.state.users.get(&set.user).cloned() else {
            return reject(not_found("user", &set.user));
        };
        if set.replaces.is_some_and(|old| old != user.password) {
            let what = "the password was changed by somebody else meanwhile".to_string();
            return reject(Rejection::Conflict { what });
        }
        user.password = set.password;
        user.one_time = set.one_time;
        self.state.users.insert_mut(set.user.clone(), user);
        self.touch(RecordKey::User(set.user));
        Reply::Done
    }

    pub(super) fn create_token(&mut self, token: Token) -> Reply {
        if self
            .state
            .users
            .get(&token.user)
            .is_none_or(|user| user.disabled)
        {
            return reject(not_found("user", &token.user));
        }
        if self.state.tokens.contains_key(&token.id) {
            return reject(Rejection::Conflict {
                what: "the token exists".to_string(),
            });
        }
        let count = self.state.tokens_of(&token.user).count();
        if count >= limits::TOKENS_PER_USER_MAX {
            return limit("tokens of one user", limits::TOKENS_PER_USER_MAX);
        }
        self.touch(RecordKey::Token(token.id.clone()));
        self.state.put_token(Token {
            created_at: self.now(),
            label: clip(token.label),
            ..token
        });
        Reply::Done
    }

    pub(super) fn revoke_token(&mut self, revoke: &RevokeToken) -> Reply {
        let token = self.state.tokens.get(&revoke.id);
        let theirs = |token: &&Token| revoke.user.as_ref().is_none_or(|user| *user == token.user);
        if token.filter(theirs).is_none() {
            return reject(not_found("token", &revoke.id.0));
        }
        self.state.remove_token(&revoke.id);
        self.touch(RecordKey::Token(revoke.id.clone()));
        Reply::Done
    }

    /// The new token has the purpose and the scopes of the old one, which ends.
    pub(super) fn rotate_token(&mut self, rotate: &RotateToken) -> Reply {
        let theirs = |token: &&Token| token.user == rotate.user;
        let Some(old) = self.state.tokens.get(&rotate.old).filter(theirs).cloned() else {
            return reject(not_found("token", &rotate.old.0));
        };
        if self.state.tokens.contains_key(&rotate.id) {
            return reject(Rejection::Conflict {
                what: "the token exists".to_string(),
            });
        }
        self.state.remove_token(&old.id);
        self.touch(RecordKey::Token(old.id.clone()));
        self.touch(RecordKey::Token(rotate.id.clone()));
        self.state.put_token(Token {
            id: rotate.id.clone(),
            hash: rotate.hash,
            created_at: self.now(),
            expires_at: rotate.expires_at,
            ..old
        });
        Reply::Done
    }

    pub(super) fn put_ssh_key(&mut self, key: SshKey) -> Reply {
        if let Err(why) = self.user(&key.user) {
            return reject(why);
        }
        let plain = |text: &str| !text.is_empty() && !text.chars().any(char::is_control);
        let most = limits::SSH_KEY_BYTES_MAX;
        if !plain(&key.key) || !plain(&key.fingerprint) || key.key.len() > most {
            return invalid("key", format!("one line of at most {most} bytes"));
        }
        if key.fingerprint.len() > limits::NAME_BYTES_MAX {
            return invalid(
                "fingerprint",
                format!("at most {} bytes", limits::NAME_BYTES_MAX),
            );
        }
        let name = (key.user.clone(), key.fingerprint.clone());
        let known = self.state.ssh_keys.contains_key(&name);
        let count = self.state.ssh_keys_of(&key.user).count();
        if !known && count >= limits::SSH_KEYS_PER_USER_MAX {
            return limit("keys of one user", limits::SSH_KEYS_PER_USER_MAX);
        }
        self.touch(RecordKey::SshKey(name.0.clone(), name.1.clone()));
        let (created_at, label) = (self.now(), clip(key.label));
        let key = SshKey {
            created_at,
            label,
            ..key
        };
        self.state.ssh_keys.insert_mut(name, key);
        Reply::Done
    }

    pub(super) fn remove_ssh_key(&mut self, remove: RemoveSshKey) -> Reply {
        let name = (remove.user, remove.fingerprint);
        if !self.state.ssh_keys.remove_mut(&name) {
            return reject(not_found("key", &name.1));
        }
        self.touch(RecordKey::SshKey(name.0, name.1));
        Reply::Done
    }

    /// Removes what has expired, at most [`limits::EXPIRE_BATCH_MAX`] records at a time.
    pub(super) fn expire(&mut self) -> Reply {
        let (now, most) = (self.now(), limits::EXPIRE_BATCH_MAX);
        let old = |at: Timestamp| at.plus(limits::SUBMIT_KEY_LIFE) <= now;
        let keys: Vec<(UserName, String)> = (self.state.key_ages.iter())
            .take_while(|(at, _, _)| old(*at))
            .map(|(_, user, key)| (user.clone(), key.clone()))
            .take(most)
            .collect();
        let ended = |ends: &Set<(Timestamp, TokenId)>| -> Vec<TokenId> {
            let ended = ends.iter().take_while(|(end, _)| *end <= now);
            ended.map(|(_, id)| id.clone()).take(most).collect()
        };
        let tokens = ended(&self.state.token_ends);
        let joins = ended(&self.state.join_ends);
        let count = keys.len() + tokens.len() + joins.len();
        for (user, key) in keys {
            self.state.remove_submit_key(&user, &key);
            self.touch(RecordKey::SubmitKey(user, key));
        }
        for id in tokens {
            self.state.remove_token(&id);
            self.touch(RecordKey::Token(id));
        }
        for id in joins {
            self.state.remove_join_token(&id);
            self.touch(RecordKey::JoinToken(id));
        }
        Reply::Expired(u32::try_from(count).unwrap_or(u32::MAX))
    }
}

/// Ids that pass every check, for accounts that have none.
fn nobody() -> UnixIds {
    UnixIds {
        uid: u32::MAX - 1,
        gid: u32::MAX - 1,
        groups: Vec::new(),
    }
}
