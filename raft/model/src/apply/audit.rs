//! The audit log: who wanted what, from where, and what became of it, in the order of the log.

use alloc::format;
use alloc::vec::Vec;

use super::{Writer, clip, invalid, limit};
use crate::command::{Audited, Command, Deed, Refused, Rejection, Reply, Who};
use crate::ledger::{AuditLine, Verdict};
use crate::limits;

impl Writer<'_> {
    pub(super) fn audited(&mut self, audited: Audited) -> Reply {
        let Audited { who, what, command } = audited;
        if matches!(*command, Command::Audited(_) | Command::InitCluster(_)) {
            return invalid("command", "cannot be audited");
        }
        let reply = self.dispatch(*command);
        let verdict = match &reply {
            Reply::Rejected(why) => Verdict::Rejected(clip(told(why))),
            Reply::Done
            | Reply::Submitted { .. }
            | Reply::Cancelled(_)
            | Reply::Planned { .. }
            | Reply::Joined(_)
            | Reply::Expired(_) => Verdict::Done,
        };
        self.note(who, what, verdict);
        reply
    }

    pub(super) fn note_refusals(&mut self, refusals: Vec<Refused>) -> Reply {
        if refusals.len() > limits::REFUSALS_MAX {
            return limit("refusals in one note", limits::REFUSALS_MAX);
        }
        for refused in refusals {
            let verdict = Verdict::Refused {
                why: clip(refused.why),
                times: refused.times,
            };
            self.note(refused.who, refused.what, verdict);
        }
        Reply::Done
    }

    pub(super) fn note_deeds(&mut self, deeds: Vec<Deed>) -> Reply {
        if deeds.len() > limits::DEEDS_MAX {
            return limit("deeds in one note", limits::DEEDS_MAX);
        }
        for deed in deeds {
            let verdict = match deed.verdict {
                Verdict::Done => Verdict::Done,
                Verdict::Rejected(why) => Verdict::Rejected(clip(why)),
                Verdict::Refused { why, times } => Verdict::Refused {
                    why: clip(why),
                    times,
                },
                Verdict::DoneOften { times } => Verdict::DoneOften { times },
                Verdict::Failed { why, times } => Verdict::Failed {
                    why: clip(why),
                    times,
                },
            };
            self.note(deed.who, deed.what, verdict);
        }
        Reply::Done
    }

    fn note(&mut self, who: Who, what: alloc::string::String, verdict: Verdict) {
        let who = Who {
            user: clip(who.user),
            token: clip(who.token),
            from: clip(who.from),
        };
        self.changes.audit.push(AuditLine {
            at: self.now(),
            who,
            what: clip(what),
            verdict,
        });
    }
}

/// A rejection in a few words.
fn told(why: &Rejection) -> alloc::string::String {
    match why {
        Rejection::NotFound { what } => format!("not found: {what}"),
        Rejection::Conflict { what } => format!("conflict: {what}"),
        Rejection::Limit { name, limit } => format!("limit: {name}, {limit}"),
        Rejection::Forbidden { what } => format!("forbidden: {what}"),
        Rejection::BadToken => "bad token".into(),
        Rejection::Invalid { field, message } => format!("invalid {field}: {message}"),
        Rejection::WrongTime { what } => format!("wrong time: {what}"),
    }
}
