//! Why somebody is not let in, one variant per thing to do about it.

use std::error::Error;

/// Why a directory gives no person.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// The password is wrong, or nobody has this login: which of them is not said.
    #[error("wrong login or password")]
    Denied,
    /// More than one entry matches the login, so it names nobody.
    #[error("more than one entry matches this login; narrow the base or the filter")]
    Ambiguous,
    /// The person is known, but lacks what a job needs or has what none may have.
    #[error("the directory's entry cannot be used: {why}")]
    Unfit {
        /// What is wrong with it.
        why: String,
    },
    /// The directory does not answer, or not in a way that can be relied on. Try again later.
    #[error("the directory cannot be asked: {why}")]
    Unavailable {
        /// What was tried, and what came of it.
        why: String,
        /// What the system or the library said.
        #[source]
        source: Option<Box<dyn Error + Send + Sync>>,
    },
    /// A setting is wrong. Trying again is vain.
    #[error("{field}: {why}")]
    Misconfigured {
        /// The setting.
        field: &'static str,
        /// Its limit, and the remedy.
        why: String,
    },
}

impl DirectoryError {
    pub(crate) fn unfit(why: impl Into<String>) -> DirectoryError {
        DirectoryError::Unfit { why: why.into() }
    }

    pub(crate) fn unavailable(why: impl Into<String>) -> DirectoryError {
        DirectoryError::Unavailable {
            why: why.into(),
            source: None,
        }
    }

    pub(crate) fn caused(
        why: impl Into<String>,
        source: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> DirectoryError {
        DirectoryError::Unavailable {
            why: why.into(),
            source: Some(source.into()),
        }
    }

    pub(crate) fn misconfigured(field: &'static str, why: impl Into<String>) -> DirectoryError {
        DirectoryError::Misconfigured {
            field,
            why: why.into(),
        }
    }
}
