//! What jobs may have, named volumes, and the directories that know users.

use alloc::format;
use alloc::sync::Arc;

use super::{Writer, invalid, limit, not_found, reject, reply};
use crate::account::{Directory, Source, User};
use crate::change::RecordKey;
use crate::command::{ConfirmUser, Rejection, Reply};
use crate::limits;
use crate::mount;
use crate::policy::{Policy, Rules, Volume};
use crate::spec::is_plain_name;

impl Writer<'_> {
    pub(super) fn set_rules(&mut self, rules: Rules) -> Reply {
        reply(self.try_set_rules(rules))
    }

    fn try_set_rules(&mut self, rules: Rules) -> Result<Reply, Rejection> {
        if rules.window_days == 0 || rules.window_days > limits::WINDOW_DAYS_MAX {
            let message = format!("1 to {}", limits::WINDOW_DAYS_MAX);
            return Ok(invalid("window_days", message));
        }
        if rules.images.len() > limits::IMAGE_RULES_MAX {
            return Ok(limit("image rules", limits::IMAGE_RULES_MAX));
        }
        let bad = |text: &str| text.is_empty() || text.len() > limits::IMAGE_BYTES_MAX;
        if let Some(at) = (rules.images.iter()).position(|rule| bad(&rule.pattern)) {
            let message = format!("1 to {} bytes", limits::IMAGE_BYTES_MAX);
            return Ok(invalid(&format!("images[{at}].pattern"), message));
        }
        self.check_grant(&rules.bridge)?;
        self.check_grant(&rules.root)?;
        self.check_grant(&rules.publish)?;
        if rules.disk_max.is_some_and(|most| most < limits::DISK_LEAST) {
            let message = format!("at least {}", limits::DISK_LEAST);
            return Ok(invalid("disk_max", message));
        }
        self.state.policy = Arc::new(Policy {
            rules,
            ..(*self.state.policy).clone()
        });
        self.touch(RecordKey::Policy);
        Ok(Reply::Done)
    }

    /// An account that is kept here, or by another directory, is not taken over.
    pub(super) fn confirm_user(&mut self, confirm: ConfirmUser) -> Reply {
        if !self.state.directories.contains_key(&confirm.directory) {
            return reject(not_found("directory", &confirm.directory));
        }
        if !is_plain_name(&confirm.name.0) {
            return invalid(
                "name",
                "letters, digits, `.`, `_` and `-`, at most 128 bytes",
            );
        }
        if let Err(why) = check_person(&confirm.ids, &confirm.home, &confirm.mail) {
            return reject(why);
        }
        let now = self.now();
        let before = match self.state.users.get(&confirm.name) {
            None if self.state.users.size() >= limits::USERS_MAX => {
                return limit("users", limits::USERS_MAX);
            }
            None => User {
                name: confirm.name.clone(),
                created_at: now,
                ..User::default()
            },
            Some(user) => match &user.source {
                Some(source) if source.directory == confirm.directory => user.clone(),
                Some(_) | None => {
                    let what = format!("account {} is not of that directory", confirm.name);
                    return reject(Rejection::Conflict { what });
                }
            },
        };
        let user = User {
            ids: Some(confirm.ids),
            home: confirm.home,
            mail: confirm.mail,
            source: Some(Source {
                directory: confirm.directory,
                confirmed_at: now,
            }),
            ..before
        };
        self.state.users.insert_mut(confirm.name.clone(), user);
        self.touch(RecordKey::User(confirm.name));
        Reply::Done
    }

    pub(super) fn put_directory(&mut self, directory: Directory) -> Reply {
        if !is_plain_name(&directory.name) {
            return invalid(
                "name",
                "letters, digits, `.`, `_` and `-`, at most 128 bytes",
            );
        }
        let bytes = directory.settings.len() + directory.sealed.len();
        if bytes > limits::DIRECTORY_BYTES_MAX {
            return limit(
                "bytes of a directory's settings",
                limits::DIRECTORY_BYTES_MAX,
            );
        }
        if directory.life.0 == 0 || directory.life > limits::DIRECTORY_LIFE_MAX {
            let seconds = limits::DIRECTORY_LIFE_MAX.0 / 1000;
            return invalid("life", format!("more than 0, at most {seconds} seconds"));
        }
        let known = self.state.directories.contains_key(&directory.name);
        if !known && self.state.directories.size() >= limits::DIRECTORIES_MAX {
            return limit("directories", limits::DIRECTORIES_MAX);
        }
        self.touch(RecordKey::Directory(directory.name.clone()));
        self.state
            .directories
            .insert_mut(directory.name.clone(), directory);
        Reply::Done
    }

    pub(super) fn remove_directory(&mut self, name: &str) -> Reply {
        if !self.state.directories.remove_mut(name) {
            return reject(not_found("directory", name));
        }
        self.touch(RecordKey::Directory(name.into()));
        Reply::Done
    }

    pub(super) fn put_volume(&mut self, volume: Volume) -> Reply {
        if !is_plain_name(&volume.name) {
            return invalid(
                "name",
                "letters, digits, `.`, `_` and `-`, at most 128 bytes",
            );
        }
        if let Some(wrong) = mount::cannot_be_shown(&volume.host_path) {
            return invalid("host_path", wrong);
        }
        if let Some(unknown) = volume.unknown_variable() {
            return invalid(
                "host_path",
                format!("`{unknown}` is not $USER, $UID or $PROJECT"),
            );
        }
        if let Some(wrong) = mount::cannot_be_covered(&volume.mount_path) {
            return invalid("mount_path", wrong);
        }
        if let Err(why) = self.check_grant(&volume.who) {
            return reject(why);
        }
        let new = !self.state.volumes.contains_key(&volume.name);
        if new && self.state.volumes.size() >= limits::VOLUMES_MAX {
            return limit("volumes", limits::VOLUMES_MAX);
        }
        self.touch(RecordKey::Volume(volume.name.clone()));
        self.state.volumes.insert_mut(volume.name.clone(), volume);
        Reply::Done
    }

    pub(super) fn remove_volume(&mut self, name: &str) -> Reply {
        if !self.state.volumes.contains_key(name) {
            return reject(not_found("volume", name));
        }
        // Otherwise the job would run without it, and nobody would be told.
        if let Some(job) = self.state.jobs().find(|job| job.spec.asks_for(name)) {
            let id = job.id;
            let what = format!("job {id} asks for volume {name}; let it end, or cancel it");
            return reject(Rejection::Conflict { what });
        }
        self.state.volumes.remove_mut(name);
        self.touch(RecordKey::Volume(name.into()));
        Reply::Done
    }
}

/// What an account says of a person: nobody is root, paths are absolute, nothing is endless.
pub(super) fn check_person(
    ids: &crate::account::UnixIds,
    home: &str,
    mail: &str,
) -> Result<(), Rejection> {
    let wrong = |field: &str, message: &str| {
        Err(Rejection::Invalid {
            field: field.into(),
            message: message.into(),
        })
    };
    if ids.uid == 0 || ids.gid == 0 || ids.groups.contains(&0) {
        return wrong(
            "uid, gid, groups",
            "0 is root: nobody's jobs run as root of the machine",
        );
    }
    if ids.groups.len() > limits::GROUPS_MAX {
        return wrong("groups", "at most 1024");
    }
    let printable =
        |text: &str| text.len() <= limits::PATH_BYTES_MAX && !text.chars().any(char::is_control);
    let known = home.is_empty() || home.starts_with('/');
    if !known || !printable(home) {
        return wrong("home", "must be an absolute path of at most 4096 bytes");
    }
    if !printable(mail) {
        return wrong("mail", "must be printable, at most 4096 bytes");
    }
    Ok(())
}
