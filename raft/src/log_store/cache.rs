//! What the log holds, in memory: its ends, and its newest entries.
//!
//! An entry is here before it is on disk, so that it can be read at once, and at least until it
//! is. The entries here are consecutive and end with the last of the log; those before are on
//! disk.

use std::collections::VecDeque;
use std::io;

use openraft::EntryPayload;

use crate::disk::io_error;
use crate::limits;
use crate::types::{Entry, LogId, Vote};

#[derive(Default)]
pub(crate) struct Cache {
    /// The last entry that was removed from the front.
    pub(crate) purged: Option<LogId>,
    /// The last entry, or `purged` if there is none.
    pub(crate) last: Option<LogId>,
    /// The last vote that is on disk.
    pub(crate) vote: Option<Vote>,
    /// The last entry known to be committed that was written down.
    pub(crate) committed: Option<LogId>,
    /// Entries below this are on disk.
    durable_below: u64,
    /// Nothing is below this; 0 unless the log was let begin anywhere.
    begins: u64,
    entries: VecDeque<Entry>,
    bytes: usize,
}

/// Where the next entries of a range are to be had.
pub(crate) enum Piece {
    /// Nothing is left of the range.
    Nothing,
    /// These; if there are more, ask again behind them.
    Here(Vec<Entry>),
    /// On disk, from `from` on, below `below`.
    OnDisk { from: u64, below: u64 },
}

impl Cache {
    pub(crate) fn loaded(purged: Option<LogId>, last: Option<LogId>) -> Cache {
        let last = last.or(purged);
        let durable_below = next(last.as_ref());
        Cache {
            purged,
            last,
            durable_below,
            ..Cache::default()
        }
    }

    /// Takes entries behind the last. `anywhere` lets an empty log begin at any index.
    ///
    /// # Errors
    /// If they leave a hole: what follows a hole could pass for a log that was never replicated.
    pub(crate) fn append(&mut self, entries: &[Entry], anywhere: bool) -> io::Result<()> {
        let free = anywhere && self.last.is_none();
        let first = match entries.first() {
            Some(first) if free => first.log_id.index,
            Some(_) | None => next(self.last.as_ref()),
        };
        for (expected, entry) in (first..).zip(entries) {
            if entry.log_id.index != expected {
                let found = entry.log_id.index;
                return Err(io_error(format!(
                    "entry {found} where {expected} is to follow"
                )));
            }
        }
        if free {
            self.begins = first;
        }
        for entry in entries {
            self.bytes += size(entry);
            self.last = Some(entry.log_id);
            self.entries.push_back(entry.clone());
        }
        Ok(())
    }

    /// Notes that entries up to `last` are on disk, and forgets the oldest of them if there are
    /// many.
    pub(crate) fn flushed(&mut self, last: LogId) {
        // An entry that was replaced meanwhile says nothing of the one that replaced it: the
        // write of that one is still to come and says it itself.
        let still = self
            .get(last.index)
            .is_none_or(|entry| entry.log_id == last);
        if still {
            let end = next(self.last.as_ref());
            self.durable_below = self.durable_below.max(last.index + 1).min(end);
        }
        while let Some(oldest) = self.entries.front() {
            let many = self.entries.len() > limits::CACHE_ENTRIES_MAX
                || self.bytes > limits::CACHE_BYTES_MAX;
            if !many || oldest.log_id.index >= self.durable_below {
                break;
            }
            self.bytes -= size(oldest);
            self.entries.pop_front();
        }
    }

    /// Drops everything behind `last`.
    pub(crate) fn truncate(&mut self, last: Option<LogId>) {
        let end = next(last.as_ref());
        if end >= next(self.last.as_ref()) {
            return;
        }
        while self
            .entries
            .back()
            .is_some_and(|entry| entry.log_id.index >= end)
        {
            if let Some(entry) = self.entries.pop_back() {
                self.bytes -= size(&entry);
            }
        }
        self.last = last.or(self.purged);
        self.durable_below = self.durable_below.min(end);
    }

    /// Drops everything up to `upto`; a log that ends before continues behind it.
    pub(crate) fn purge(&mut self, upto: LogId) {
        while self
            .entries
            .front()
            .is_some_and(|entry| entry.log_id.index <= upto.index)
        {
            if let Some(entry) = self.entries.pop_front() {
                self.bytes -= size(&entry);
            }
        }
        self.purged = Some(upto);
        if self.last.is_none_or(|last| last.index <= upto.index) {
            self.last = Some(upto);
            self.durable_below = self.durable_below.max(upto.index + 1);
        }
    }

    /// The next entries of `start..end`; the first always, further ones up to `bytes`.
    pub(crate) fn piece(&self, start: u64, end: u64, bytes: usize) -> Piece {
        let start = start.max(next(self.purged.as_ref())).max(self.begins);
        let end = end.min(next(self.last.as_ref()));
        if start >= end {
            return Piece::Nothing;
        }
        let first = self.entries.front().map(|entry| entry.log_id.index);
        match first {
            Some(first) if start >= first => {
                let skip = usize::try_from(start - first).unwrap_or(usize::MAX);
                let mut room = bytes;
                let mut taken = Vec::new();
                for entry in self.entries.iter().skip(skip) {
                    let size = size(entry);
                    if entry.log_id.index >= end || (!taken.is_empty() && size > room) {
                        break;
                    }
                    room = room.saturating_sub(size);
                    taken.push(entry.clone());
                }
                Piece::Here(taken)
            }
            Some(first) => Piece::OnDisk {
                from: start,
                below: end.min(first),
            },
            None => Piece::OnDisk {
                from: start,
                below: end,
            },
        }
    }

    fn get(&self, index: u64) -> Option<&Entry> {
        let first = self.entries.front()?.log_id.index;
        let at = usize::try_from(index.checked_sub(first)?).ok()?;
        self.entries.get(at)
    }
}

/// The index behind an entry.
pub(crate) fn next(last: Option<&LogId>) -> u64 {
    last.map_or(0, |last| last.index + 1)
}

/// About how many bytes an entry needs.
pub(crate) fn size(entry: &Entry) -> usize {
    let payload = match &entry.payload {
        EntryPayload::Blank => 0,
        EntryPayload::Normal(proposal) => proposal.command.0.len(),
        EntryPayload::Membership(_) => 256,
    };
    payload + 64
}
