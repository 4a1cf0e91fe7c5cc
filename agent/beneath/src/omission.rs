//! What was left out of something that was done to a whole tree, and why.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use rustix::io::Errno;

use crate::limits::OMISSIONS_MAX;
use crate::name::shown;

/// Why something was left out.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Why {
    /// A zip file holds no links.
    #[error("a symbolic link")]
    Link,
    /// A pipe, a socket or a device.
    #[error("a pipe, a socket or a device")]
    Special,
    /// It has other names, which may be outside.
    #[error("it has other names too (a hard link)")]
    HardLink,
    /// Its owner is not one of those whose files were to be given away.
    #[error("it belongs to somebody else")]
    OtherOwner,
    /// The user may not read it.
    #[error("permission denied")]
    Denied,
    /// Another file system is mounted there.
    #[error("on another file system")]
    OtherFileSystem,
    /// Too many directories inside each other, or too long a path.
    #[error("too deep")]
    TooDeep,
    /// It was changed meanwhile: what was taken may be neither the old nor the new content.
    #[error("changed meanwhile")]
    Changed,
    /// It became shorter while it was packed.
    #[error("became shorter while it was read; the rest of it is filled with zeros")]
    Shorter,
    /// The system cannot read it.
    #[error("cannot be read")]
    Unreadable,
}

impl Why {
    pub(crate) fn from_errno(errno: Errno) -> Why {
        match errno {
            Errno::ACCESS | Errno::PERM => Why::Denied,
            Errno::XDEV => Why::OtherFileSystem,
            Errno::LOOP | Errno::NOTDIR | Errno::NOENT => Why::Changed,
            _ => Why::Unreadable,
        }
    }
}

/// One thing that was left out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Omission {
    /// Its path, byte for byte.
    pub path: OsString,
    /// The reason.
    pub why: Why,
}

impl Omission {
    /// The path as people can read it; see [`shown`].
    pub fn shown(&self) -> String {
        shown(self.path.as_bytes())
    }
}

/// All that was left out: the first [`OMISSIONS_MAX`] by name, the others as a number.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Omissions {
    /// The first ones.
    pub told: Vec<Omission>,
    /// How many there were, told or not.
    pub count: u64,
}

impl Omissions {
    pub(crate) fn add(&mut self, path: &[u8], why: Why) {
        self.count += 1;
        if self.told.len() < OMISSIONS_MAX {
            let path = OsString::from_vec(path.to_vec());
            self.told.push(Omission { path, why });
        }
    }

    /// All of it in lines for people: the path, a colon, the reason.
    pub(crate) fn text(&self) -> String {
        let mut text = String::from("Not in this archive, or not whole:\n");
        for one in &self.told {
            text.push_str(&format!("{}: {}\n", one.shown(), one.why));
        }
        let others = self.count - self.told.len() as u64;
        if others > 0 {
            text.push_str(&format!("and {others} others\n"));
        }
        text
    }
}
