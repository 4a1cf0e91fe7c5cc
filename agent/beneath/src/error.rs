//! What goes wrong with names and what they lead to, one variant per thing to do about it.
//!
//! Paths are told as the user wrote them, below the directory that cannot be left: no error tells
//! where that lies.

use std::io;
use std::path::PathBuf;

use crate::entry::Kind;
use crate::limits::{PART_BYTES_MAX, PARTS_MAX, PATH_BYTES_MAX};

/// Why something is not done.
#[derive(Debug, thiserror::Error)]
pub enum BeneathError {
    /// The text is no path of ours; nothing was looked up.
    #[error("`{path}` is refused: {why}")]
    Name {
        /// What was written.
        path: String,
        /// What is wrong with it.
        why: NameFault,
    },
    /// Nothing has this name.
    #[error("`{0}`: no such file or directory")]
    Missing(String),
    /// A symbolic link, at the end or on the way.
    #[error("`{0}` is a symbolic link; links are not followed")]
    Link(String),
    /// Something else than a directory, at the end or on the way.
    #[error("`{0}` is not a directory")]
    NotDirectory(String),
    /// A directory where a file is asked for or would be written.
    #[error("`{0}` is a directory")]
    Directory(String),
    /// Neither a regular file nor a directory.
    #[error("`{path}` is no regular file but {kind}")]
    NotFile {
        /// What was asked for.
        path: String,
        /// What is there.
        kind: Kind,
    },
    /// The user may not do this.
    #[error("`{0}`: permission denied")]
    Denied(String),
    /// The name leads out of the directory.
    #[error("`{0}` leads out of its directory")]
    Outside(String),
    /// Another file system is mounted there.
    #[error("`{0}` lies on another file system")]
    OtherFileSystem(String),
    /// There are more bytes than the caller allows.
    #[error("`{path}`: more than {limit} bytes")]
    TooLarge {
        /// What was written or packed.
        path: String,
        /// The bound.
        limit: u64,
    },
    /// There is more of something than a bound of this package.
    #[error("`{path}`: more than {limit} {what}")]
    TooMany {
        /// Where.
        path: String,
        /// Of what.
        what: &'static str,
        /// The bound.
        limit: u64,
    },
    /// These ids are not taken: root is nobody's user, and -1 is no id.
    #[error("user {uid}, group {gid}: {why}")]
    Ids {
        /// The user.
        uid: u32,
        /// The group.
        gid: u32,
        /// What is wrong.
        why: &'static str,
    },
    /// The thread did not become the user, so nothing was done.
    #[error("cannot act as user {uid}: {why}")]
    Identity {
        /// The user.
        uid: u32,
        /// Which step failed.
        why: &'static str,
        /// What the system said, if it did.
        #[source]
        source: Option<io::Error>,
    },
    /// A directory of the administrator's is not as it must be.
    #[error("{}: {why}", path.display())]
    Place {
        /// Where.
        path: PathBuf,
        /// What is wrong.
        why: &'static str,
    },
    /// A pin's name has other characters than letters, digits and `._#-`, or none, or too many.
    #[error("`{0}` is no name for a pin")]
    PinName(String),
    /// A pin of this name is there already.
    #[error("`{0}` is pinned already")]
    Pinned(String),
    /// Things appear as fast as they are removed. Try again when nothing runs there any more.
    #[error("`{0}` is being filled while it is removed")]
    Changing(String),
    /// What was to be written cannot be read.
    #[error("cannot read what is to be written")]
    Reader(#[source] io::Error),
    /// Nobody takes what is packed.
    #[error("cannot write the archive")]
    Writer(#[source] io::Error),
    /// The system refuses for a reason of its own: a full disk, a quota, a broken device.
    #[error("cannot {what} `{path}`")]
    System {
        /// What was tried.
        what: &'static str,
        /// With what.
        path: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// What is wrong with the text of a path.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NameFault {
    /// It begins with a slash.
    #[error("a path must be relative")]
    Absolute,
    /// Two slashes follow each other, or one ends it.
    #[error("a part is empty")]
    EmptyPart,
    /// A part is `.`.
    #[error("`.` is not allowed")]
    Dot,
    /// A part is `..`.
    #[error("`..` is not allowed")]
    DotDot,
    /// It contains the byte 0.
    #[error("it contains a NUL byte")]
    Nul,
    /// The whole is too long.
    #[error("more than {PATH_BYTES_MAX} bytes")]
    TooLong,
    /// A part is too long.
    #[error("a part has more than {PART_BYTES_MAX} bytes")]
    PartTooLong,
    /// There are too many parts.
    #[error("more than {PARTS_MAX} parts")]
    TooDeep,
    /// It names the directory itself, which must be left alone.
    #[error("it names no file")]
    Top,
}
