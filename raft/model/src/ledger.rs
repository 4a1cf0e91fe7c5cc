//! Accounting: one line per attempt, written by the entry that ends it.

use alloc::string::String;
use serde::{Deserialize, Serialize};

use crate::account::UserName;
use crate::id::AttemptId;
use crate::job::AttemptEnd;
use crate::resource::Resources;
use crate::unit::Timestamp;

/// What one attempt cost, and whom.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LedgerLine {
    /// The attempt.
    pub attempt: AttemptId,
    /// Who pays.
    pub owner: UserName,
    /// What was asked for.
    pub asked: Resources,
    /// The image as it was asked for.
    pub image: String,
    /// When the job was submitted.
    pub submitted_at: Timestamp,
    /// The rest of the story.
    pub end: AttemptEnd,
}
