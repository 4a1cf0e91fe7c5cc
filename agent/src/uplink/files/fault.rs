//! What is told of a wish that is not done.

use std::error::Error;
use std::io::ErrorKind;

use beneath::BeneathError;
use net::message::{FileFault, FilesAnswer};

/// What to do about it, and why.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) fault: FileFault,
    pub(super) words: String,
}

impl Refusal {
    pub(super) fn answer(self) -> FilesAnswer {
        FilesAnswer::Refused {
            fault: self.fault,
            words: self.words,
        }
    }
}

impl From<BeneathError> for Refusal {
    fn from(error: BeneathError) -> Refusal {
        let fault = match &error {
            BeneathError::Name { .. } => FileFault::Name,
            BeneathError::Missing(_) => FileFault::Missing,
            BeneathError::Link(_)
            | BeneathError::NotFile { .. }
            | BeneathError::Outside(_)
            | BeneathError::OtherFileSystem(_) => FileFault::NotFile,
            BeneathError::NotDirectory(_) => FileFault::NotDirectory,
            BeneathError::Directory(_) => FileFault::IsDirectory,
            BeneathError::Denied(_) => FileFault::Denied,
            BeneathError::TooLarge { .. } | BeneathError::TooMany { .. } => FileFault::TooLarge,
            BeneathError::Changing(_) => FileFault::Again,
            BeneathError::System { source, .. } => match source.kind() {
                ErrorKind::StorageFull | ErrorKind::QuotaExceeded => FileFault::Full,
                _ => FileFault::Failed,
            },
            BeneathError::Ids { .. }
            | BeneathError::Identity { .. }
            | BeneathError::Place { .. }
            | BeneathError::PinName(_)
            | BeneathError::Pinned(_)
            | BeneathError::Reader(_)
            | BeneathError::Writer(_) => FileFault::Failed,
        };
        Refusal {
            fault,
            words: in_words(&error),
        }
    }
}

/// An error with its causes.
fn in_words(error: &dyn Error) -> String {
    let mut words = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        words.push_str(": ");
        words.push_str(&cause.to_string());
        next = cause.source();
    }
    words
}
