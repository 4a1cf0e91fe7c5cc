//! What nodes keep of ended attempts.

use super::{Writer, reply};
use crate::change::RecordKey;
use crate::command::{NoteStored, Reply};
use crate::id::NodeId;
use crate::stored::Stored;

impl Writer<'_> {
    pub(super) fn note_stored(&mut self, note: NoteStored) -> Reply {
        reply(self.node(note.node).map(|node| {
            self.put_stored(node.id, note.stored.bounded());
            Reply::Done
        }))
    }

    /// Takes over what a node keeps; nothing when it is removed.
    pub(super) fn put_stored(&mut self, node: NodeId, stored: Stored) {
        let known = self.state.stored_on(node).cloned().unwrap_or_default();
        if known != stored {
            self.touch(RecordKey::Stored(node));
            self.state.put_stored(node, stored);
        }
    }
}
