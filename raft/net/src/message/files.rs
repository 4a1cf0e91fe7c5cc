//! Words between a head and an agent about the files of an attempt.
//!
//! A stream carries one wish. Content flows in raw frames of at most
//! [`FILE_FRAME_MAX`](crate::limits::FILE_FRAME_MAX) bytes; whoever receives it says each time that
//! it took one, and only [`FILE_FRAMES_AHEAD`](crate::limits::FILE_FRAMES_AHEAD) may be sent that
//! were not taken. All streams of a node share what may wait on its one connection: so nobody who
//! reads slowly keeps heartbeats waiting. Names are text as `beneath` shows them.

use model::AttemptId;
use model::account::UserName;
use serde::{Deserialize, Serialize};

/// A wish about one path in the directory of an attempt.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct FilesCall {
    /// Whose directory.
    pub attempt: AttemptId,
    /// Whose job it is, as the head knows it. The agent compares it with what it wrote down itself.
    pub owner: UserName,
    /// Relative; empty: the directory itself.
    pub path: String,
    /// What is wanted.
    pub wish: FilesWish,
}

/// What is wanted of a path.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum FilesWish {
    /// The entries of a directory.
    List {
        /// Only names behind this one.
        after: Option<String>,
        /// At most so many.
        limit: u32,
    },
    /// The content of a file. After [`FilesAnswer::Content`] the head says which [`Span`] of it.
    Read,
    /// A directory or a file, packed.
    Archive(ArchiveKind),
    /// Put a file there. After [`FilesAnswer::Ready`] the head sends its content.
    Write {
        /// Refuse more bytes than this.
        limit: u64,
    },
    /// Remove a file, or a directory with all that is in it.
    Remove,
}

/// Kinds of archives.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum ArchiveKind {
    /// Tar, uncompressed.
    Tar,
    /// Tar, compressed with gzip.
    TarGz,
    /// Zip.
    Zip,
}

/// The answer to a [`FilesCall`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum FilesAnswer {
    /// Some entries of a directory, in the order of their names.
    Listed {
        /// The entries.
        entries: Vec<FileEntry>,
        /// There are names behind these.
        more: bool,
    },
    /// The file is open. It stays the same one, whatever becomes of its name.
    Content {
        /// Bytes in it now.
        length: u64,
        /// Another number for another file or other content.
        version: u64,
    },
    /// Frames of the archive follow. Only if the stream is finished they are all of it.
    Archive,
    /// Send the content.
    Ready,
    /// So many frames of the content were taken.
    Taken(u32),
    /// It is done.
    Done {
        /// Bytes that were written.
        bytes: u64,
    },
    /// It is not done.
    Refused {
        /// What to do about it.
        fault: FileFault,
        /// The reason in words; it tells paths as the user wrote them.
        words: String,
    },
}

/// Which bytes of an open file.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Span {
    /// The first one, counted from 0.
    pub offset: u64,
    /// How many.
    pub length: u64,
}

/// So many frames were taken by who asked for them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Taken(pub u32);

/// One name in a directory.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct FileEntry {
    /// The name.
    pub name: String,
    /// What has it.
    pub kind: FileKind,
    /// Bytes of content.
    pub size: u64,
    /// When the content was changed last: milliseconds since 1970.
    pub modified_ms: u64,
    /// Permissions.
    pub mode: u32,
    /// Of a link: what is written in it.
    pub target: Option<String>,
}

/// What has a name.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum FileKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link; it is never followed.
    Link,
    /// A pipe, a socket or a device.
    Other,
}

/// Why something is not done with a file, one for each thing to do about it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum FileFault {
    /// This node has no directory of the attempt (any more), or it is somebody else's.
    NoDirectory,
    /// Nothing has this name.
    Missing,
    /// The text is no path.
    Name,
    /// It is a directory, and a file is wanted.
    IsDirectory,
    /// It is no directory, and one is wanted.
    NotDirectory,
    /// It is a link, a pipe, a socket or a device, or leads through one.
    NotFile,
    /// The job's user may not do this.
    Denied,
    /// There is too much of something.
    TooLarge,
    /// The disk or the user's quota is full.
    Full,
    /// It changes meanwhile, or the node is busy: try again.
    Again,
    /// Something else keeps the node from it.
    Failed,
}
