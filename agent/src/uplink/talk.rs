//! What an agent remembers while it speaks with one head. Pure: time and words come in.

use std::cmp::Ordering;
use std::collections::VecDeque;

use model::assignment::Report;
use model::unit::Millis;

use crate::runner::book::Book;

/// Heartbeats without an answer before the session is given up.
const UNANSWERED_MAX: usize = 10;

/// One session, from the agent's side.
#[derive(Clone, Debug, Default)]
pub struct Talk {
    /// Heartbeats that were sent and not answered: number and moment.
    beats: VecDeque<(u64, Millis)>,
    last_beat: u64,
    /// The term in which the head leads, once it has said so.
    leads: Option<u64>,
    /// Up to where the head was told what there is to report.
    told: u64,
}

/// What a term means to an agent that has heard others.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Term {
    /// Whoever speaks in it leads no more.
    Deposed,
    /// The highest that was heard.
    Known,
    /// Higher than any that was heard: to be written down before it is obeyed.
    New,
}

/// Weighs a term against the highest that was heard.
pub fn weigh(term: u64, highest: u64) -> Term {
    match term.cmp(&highest) {
        Ordering::Less => Term::Deposed,
        Ordering::Equal => Term::Known,
        Ordering::Greater => Term::New,
    }
}

impl Talk {
    /// The number of the heartbeat to send now; `None`: the session is given up.
    pub fn beat(&mut self, now: Millis) -> Option<u64> {
        if self.beats.len() >= UNANSWERED_MAX {
            return None;
        }
        self.last_beat += 1;
        self.beats.push_back((self.last_beat, now));
        Some(self.last_beat)
    }

    /// A heartbeat is answered; says when it was sent, unless that is known to be answered.
    pub fn answered(&mut self, number: u64) -> Option<Millis> {
        let mut sent = None;
        while let Some((beat, at)) = self.beats.front().copied() {
            if beat > number {
                break;
            }
            self.beats.pop_front();
            sent = Some(at);
        }
        sent
    }

    /// Whether the head has said that it leads.
    pub fn leads(&self) -> bool {
        self.leads.is_some()
    }

    /// The head does not lead.
    pub fn follows(&mut self) {
        self.leads = None;
    }

    /// The head leads; `true` if that is new: it is to be told everything.
    pub fn begins(&mut self, term: u64) -> bool {
        let new = self.leads != Some(term);
        if new {
            self.leads = Some(term);
            self.told = 0;
        }
        new
    }

    /// What there is to report and was not told yet; it counts as told.
    pub fn untold(&mut self, book: &Book) -> Vec<Report> {
        let (reports, told) = book.reports_after(self.told);
        self.told = told;
        reports
    }

    /// Everything that is not acknowledged is to be told again.
    pub fn repeat(&mut self) {
        self.told = 0;
    }
}
