//! Commands about secrets that are more than a [`crate::secret::Secret`].

use alloc::string::String;
use serde::{Deserialize, Serialize};

use crate::account::UserName;
use crate::quota::Holder;

/// See [`super::Command::RemoveSecret`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RemoveSecret {
    /// Whose.
    pub owner: Holder,
    /// Which.
    pub name: String,
    /// Who says so; must be the owner, or manage the project.
    pub by: UserName,
}
