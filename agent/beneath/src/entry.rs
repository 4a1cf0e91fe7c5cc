//! What a listing tells of one name. Nothing here follows a link.

use std::ffi::OsString;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::{FileType, Stat};

use crate::name::shown;

/// What is there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Link,
    /// A pipe, a socket or a device.
    Other,
}

impl fmt::Display for Kind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Kind::File => "a file",
            Kind::Directory => "a directory",
            Kind::Link => "a symbolic link",
            Kind::Other => "a pipe, a socket or a device",
        })
    }
}

impl Kind {
    pub(crate) fn of(stat: &Stat) -> Kind {
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Kind::File,
            FileType::Directory => Kind::Directory,
            FileType::Symlink => Kind::Link,
            FileType::Fifo
            | FileType::Socket
            | FileType::CharacterDevice
            | FileType::BlockDevice
            | FileType::Unknown => Kind::Other,
        }
    }
}

/// One name in a directory.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// The name, byte for byte: what to ask for. It need not be UTF-8; see [`Entry::shown`].
    pub name: OsString,
    /// What has it.
    pub kind: Kind,
    /// Bytes of content, as far as the kind has any.
    pub size: u64,
    /// When the content was changed last.
    pub modified: SystemTime,
    /// Permissions, with the set-id bits and the sticky bit.
    pub mode: u32,
    /// The owner.
    pub uid: u32,
    /// The owner's group.
    pub gid: u32,
    /// Of a link: what is written in it. It is text, and leads wherever its owner likes.
    pub target: Option<OsString>,
}

impl Entry {
    /// The name as people can read it; see [`shown`].
    pub fn shown(&self) -> String {
        shown(self.name.as_bytes())
    }

    pub(crate) fn new(name: OsString, stat: &Stat, target: Option<OsString>) -> Entry {
        Entry {
            name,
            kind: Kind::of(stat),
            size: size(stat),
            modified: modified(stat),
            mode: stat.st_mode & 0o7777,
            uid: stat.st_uid,
            gid: stat.st_gid,
            target,
        }
    }
}

pub(crate) fn size(stat: &Stat) -> u64 {
    u64::try_from(stat.st_size).unwrap_or(0)
}

/// The time of the last change; 1970 if it cannot be told.
pub(crate) fn modified(stat: &Stat) -> SystemTime {
    let seconds = Duration::from_secs(stat.st_mtime.unsigned_abs());
    let whole = if stat.st_mtime < 0 {
        UNIX_EPOCH.checked_sub(seconds)
    } else {
        UNIX_EPOCH.checked_add(seconds)
    };
    let rest = Duration::from_nanos(stat.st_mtime_nsec);
    let time = whole.and_then(|whole| whole.checked_add(rest));
    time.unwrap_or(UNIX_EPOCH)
}
