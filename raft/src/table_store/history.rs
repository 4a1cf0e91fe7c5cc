//! Questions to the tables on disk: events and the audit log in pages, sums over the ledger. Ended
//! jobs are next door, in `ended`.

use std::collections::BTreeMap;
use std::io;
use std::ops::ControlFlow;

use model::ledger::{AuditLine, LedgerLine, UsageSearch, UsageSum};
use model::log::{AuditPage, AuditSearch};
use model::{Event, LogIndex, Timestamp};

use super::{View, keys};
use crate::disk::io_error;
use crate::limits;

/// Events behind `after`; `None` when some of them are no longer kept.
pub(crate) fn events(view: &View, after: LogIndex, limit: usize) -> io::Result<Option<Vec<Event>>> {
    let from = after.0.saturating_add(1);
    if from < view.events_floor {
        return Ok(None);
    }
    let limit = limit.clamp(1, limits::EVENTS_PAGE_MAX);
    let mut events = Vec::new();
    // The database may already hold more than the view shows.
    let end = keys::event(view.index.0.saturating_add(1));
    view.db.scan(&keys::event(from), &end, |_, value| {
        let event: Event = model::format::decode(value)
            .map_err(|why| io_error(format!("an event's record cannot be read: {why}")))?;
        events.push(event);
        let full = events.len() >= limit;
        Ok(if full {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        })
    })?;
    Ok(Some(events))
}

/// Lines of the audit log that match, newest first. Lines of one entry stay together.
pub(crate) fn audit(view: &View, search: &AuditSearch) -> io::Result<AuditPage> {
    // The database may already hold more than the view shows.
    let newest = view.index.0.saturating_add(1);
    let before = search.before.map_or(newest, |before| before.0.min(newest));
    let Some(first) = before.checked_sub(1) else {
        return Ok(AuditPage::default());
    };
    let limit = search.limit.clamp(1, limits::AUDIT_PAGE_MAX);
    let (mut page, mut seen) = (AuditPage::default(), 0);
    let mut last = None;
    let from = keys::audit(LogIndex(first), u32::MAX);
    view.db
        .scan(&from, &keys::behind(&keys::AUDIT), |key, value| {
            let index = keys::parse_audit(key);
            let index = index.ok_or_else(|| io_error("a key of the audit log is malformed"))?;
            let full = page.lines.len() >= limit || seen >= limits::AUDIT_SCAN_MAX;
            if full && last != Some(index) {
                page.next = last;
                return Ok(ControlFlow::Break(()));
            }
            seen += 1;
            last = Some(index);
            let line: AuditLine = model::format::decode(value)
                .map_err(|why| io_error(format!("an audit line cannot be read: {why}")))?;
            let wanted = search.user.as_ref();
            if wanted.is_none_or(|user| *user == line.who.user) {
                page.lines.push((index, line));
            }
            Ok(ControlFlow::Continue(()))
        })?;
    Ok(page)
}

/// A place among the accounting lines, which stand in the order in which they were written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LedgerPlace(Vec<u8>);

impl From<Timestamp> for LedgerPlace {
    /// Before all that were written at that time of the cluster or later.
    fn from(at: Timestamp) -> LedgerPlace {
        LedgerPlace(keys::ledger_from(at).to_vec())
    }
}

/// Accounting lines from a place on, at most `limit`, and the place behind the last.
pub(crate) fn ledger(
    view: &View,
    place: &LedgerPlace,
    limit: usize,
) -> io::Result<(Vec<LedgerLine>, LedgerPlace)> {
    let limit = limit.clamp(1, limits::LEDGER_PAGE_MAX);
    let (mut lines, mut next) = (Vec::new(), place.clone());
    let until = keys::ledger_from(Timestamp(u64::MAX));
    view.db.scan(&place.0, &until, |key, value| {
        lines.push(accounting_line(value)?);
        next = LedgerPlace([key, &[0]].concat());
        Ok(if lines.len() >= limit {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        })
    })?;
    Ok((lines, next))
}

fn accounting_line(value: &[u8]) -> io::Result<LedgerLine> {
    let line = model::format::decode(value);
    line.map_err(|why| io_error(format!("an accounting line cannot be read: {why}")))
}

/// Sums over accounting lines.
pub(crate) fn usage(view: &View, search: &UsageSearch) -> io::Result<BTreeMap<String, UsageSum>> {
    let mut sums = BTreeMap::new();
    let old = keys::OLD_LEDGER;
    view.db.scan(&old, &keys::behind(&old), |_, value| {
        let line = accounting_line(value)?;
        if (search.from..search.until).contains(&line.end.ended_at) {
            search.add(&mut sums, &line);
        }
        Ok(ControlFlow::Continue(()))
    })?;
    let (from, until) = (
        keys::ledger_from(search.from),
        keys::ledger_from(search.until),
    );
    view.db.scan(&from, &until, |_, value| {
        search.add(&mut sums, &accounting_line(value)?);
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(sums)
}
