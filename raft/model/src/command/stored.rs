//! What nodes keep.

use serde::{Deserialize, Serialize};

use crate::id::NodeId;
use crate::stored::Stored;

/// See [`super::Command::NoteStored`].
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct NoteStored {
    /// Which.
    pub node: NodeId,
    /// All that it keeps now.
    pub stored: Stored,
}
