//! What a head can do with the files of attempts, on whatever node they are.

use std::pin::Pin;

use bytes::Bytes;
use futures_util::Stream;
use model::account::UserName;
use model::log::Later;
use model::{AttemptId, NodeId};

use super::HostError;

/// Content as it comes. An error ends it short of its end; dropping it stops the node from sending.
pub type Content = Pin<Box<dyn Stream<Item = Result<Bytes, HostError>> + Send>>;

/// The files of attempts, on their nodes.
pub trait Files: Send + Sync {
    /// The entries of a directory whose names come after `after`, at most `limit`.
    ///
    /// # Errors
    /// See [`HostError`]; [`HostError::File`] about the path.
    fn list(
        &self,
        at: FilePlace,
        after: Option<String>,
        limit: u32,
    ) -> Later<'_, Result<FileList, HostError>>;

    /// Opens a file for reading.
    ///
    /// # Errors
    /// As [`Files::list`].
    fn open(&self, at: FilePlace) -> Later<'_, Result<OpenFile, HostError>>;

    /// Packs a directory or a file.
    ///
    /// # Errors
    /// As [`Files::list`].
    fn archive(&self, at: FilePlace, kind: ArchiveKind) -> Later<'_, Result<Content, HostError>>;

    /// Puts a file there, whole or not at all, and makes the directories on the way; answers how
    /// many bytes it has.
    ///
    /// # Errors
    /// As [`Files::list`]; an error of the content itself.
    fn write(
        &self,
        at: FilePlace,
        limit: u64,
        content: Content,
    ) -> Later<'_, Result<u64, HostError>>;

    /// Removes a file, or a directory with all that is in it.
    ///
    /// # Errors
    /// As [`Files::list`].
    fn remove(&self, at: FilePlace) -> Later<'_, Result<(), HostError>>;
}

/// A path in the directory of an attempt.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FilePlace {
    /// Whose directory.
    pub attempt: AttemptId,
    /// The node that ran it.
    pub node: NodeId,
    /// Whose job it is.
    pub owner: UserName,
    /// Relative; empty: the directory itself.
    pub path: String,
}

/// Some entries of a directory, in the order of their names.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct FileList {
    /// The entries.
    pub entries: Vec<FileEntry>,
    /// There are names behind these.
    pub more: bool,
}

/// One name in a directory.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FileEntry {
    /// The name as it is shown.
    pub name: String,
    /// What has it.
    pub kind: FileKind,
    /// Bytes of content.
    pub size: u64,
    /// When the content was changed last.
    pub modified: model::Timestamp,
    /// Permissions.
    pub mode: u32,
    /// Of a link: what is written in it.
    pub target: Option<String>,
}

/// What has a name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FileKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Link,
    /// A pipe, a socket or a device.
    Other,
}

/// A file, open on its node.
pub struct OpenFile {
    /// Bytes in it when it was opened.
    pub length: u64,
    /// Another number for another file or other content.
    pub version: u64,
    /// Sends so many bytes of it from a position on.
    pub send: Box<dyn FnOnce(u64, u64) -> Content + Send>,
}

/// Kinds of archives.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ArchiveKind {
    /// Tar, uncompressed.
    Tar,
    /// Tar, compressed with gzip.
    TarGz,
    /// Zip.
    Zip,
}

/// Why something is not done with a file, one for each thing to do about it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FileFault {
    /// The node has no directory of the attempt any more.
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
    /// What was sent broke off.
    BrokeOff,
    /// What was sent took too long.
    TooSlow,
    /// Something else keeps the node from it.
    Failed,
}
