//! The files of a job: what its attempts left in their directories.
//!
//! A name is told as text in one line: a byte that is not UTF-8, a control character and the
//! backslash are written as `\xNN`. What is asked for is written the same.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Some entries of a directory, in the order of their names.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct FilePage {
    /// The attempt whose directory it is, as `12_0#1`.
    pub attempt: String,
    /// The node that has it.
    pub node: String,
    /// The entries.
    pub files: Vec<File>,
    /// Ask with this as `cursor` for those that follow. Left out: there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// One name in a directory.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct File {
    /// The name.
    pub name: String,
    /// What has it.
    pub kind: FileKind,
    /// Bytes of content.
    pub size: u64,
    /// When the content was changed last.
    pub modified_at: String,
    /// Permissions, as `0640`.
    pub mode: String,
    /// Of a link: what is written in it. Links are not followed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
}

/// What has a name.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FileKind {
    /// A regular file.
    #[default]
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Link,
    /// A pipe, a socket or a device.
    Other,
}

/// A file that was put into a job's directory.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct FileWritten {
    /// The attempt whose directory it is in, as `12_0#1`.
    pub attempt: String,
    /// Its path there.
    pub path: String,
    /// Bytes in it.
    pub bytes: u64,
}

/// Parameters of `GET /jobs/{id}/files`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct FileListQuery {
    /// The directory. Left out: that of the attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The number of the attempt. Left out: the current or last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    /// Only what follows this; `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// At most so many entries; at most 1000. Left out: 1000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// Parameters of `/jobs/{id}/files/content`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct FileQuery {
    /// The path below the directory of the attempt.
    pub path: String,
    /// The number of the attempt. Left out: the current or last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
}

/// Parameters of `GET /jobs/{id}/files/archive`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct ArchiveQuery {
    /// The directory or file to pack. Left out: all of the attempt's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The number of the attempt. Left out: the current or last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    /// `tar`, `tar.gz` or `zip`. Left out: `tar.gz`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
}
