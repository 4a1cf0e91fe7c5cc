//! Who wanted what: commands that are signed, and notes of what was refused or done without one.

use alloc::boxed::Box;
use alloc::string::String;
use serde::{Deserialize, Serialize};

use super::Command;
use crate::ledger::Verdict;
use crate::unit::Timestamp;

/// See [`Command::Audited`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Audited {
    /// Who and from where.
    pub who: Who,
    /// What they asked for: the method and path of the request.
    pub what: String,
    /// What is to be done; another [`Audited`] is refused.
    pub command: Box<Command>,
}

/// Who stood at the door.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Who {
    /// The account, as far as it was proven; empty: nobody.
    pub user: String,
    /// The public half of the token that was shown; empty: none.
    pub token: String,
    /// The address that the request came from.
    pub from: String,
}

/// Something that was refused at the door.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Refused {
    /// By the clock of the head that refused.
    pub at: Timestamp,
    /// Who and from where.
    pub who: Who,
    /// What they asked for.
    pub what: String,
    /// Why not: the code of the answer.
    pub why: String,
    /// How often the same was refused since the last such note.
    pub times: u32,
}

/// Something that somebody asked a node to do, and that is no command of the log.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Deed {
    /// Who and from where.
    pub who: Who,
    /// What they asked for.
    pub what: String,
    /// What became of it.
    pub verdict: Verdict,
}
