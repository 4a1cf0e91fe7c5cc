//! Questions to the tables on disk: ended jobs and events, in pages.
//!
//! A search looks at a bounded number of jobs per page; what it did not get to is behind the
//! cursor that it answers, even when the page is not full.

use std::collections::BTreeMap;
use std::io;
use std::ops::ControlFlow;

use model::job::EndedJob;
use model::ledger::{AuditLine, LedgerLine, UsageSearch, UsageSum};
use model::log::{AuditPage, AuditSearch, EndedPage, EndedSearch};
use model::{Event, JobId, LogIndex, Timestamp};

use super::{View, keys};
use crate::disk::io_error;
use crate::limits;

/// An ended job.
pub(crate) fn ended_job(view: &View, id: JobId) -> io::Result<Option<EndedJob>> {
    let found = view.db.get(&keys::ended(id))?;
    found.map(|bytes| parse_job(id, &bytes)).transpose()
}

fn parse_job(id: JobId, bytes: &[u8]) -> io::Result<EndedJob> {
    let job = model::format::decode(bytes);
    job.map_err(|why| {
        io_error(format!(
            "the record of ended job {id} cannot be read: {why}"
        ))
    })
}

/// Ended jobs that match, newest end first.
pub(crate) fn ended_jobs(view: &View, search: &EndedSearch) -> io::Result<EndedPage> {
    let prefix = search
        .owner
        .as_ref()
        .map_or_else(|| vec![b'T'], keys::owner);
    let Some(from) = first_key(search, &prefix) else {
        return Ok(EndedPage::default());
    };
    let limit = search.limit.clamp(1, limits::ENDED_PAGE_MAX);
    let mut page = EndedPage::default();
    let mut seen = 0;
    let mut last = None;
    view.db.scan(&from, &keys::behind(&prefix), |key, _| {
        let at = keys::parse_newest_first(key);
        let at = at.ok_or_else(|| io_error("a key of the ended jobs' index is malformed"))?;
        if search.since.is_some_and(|since| at.0 < since) {
            return Ok(ControlFlow::Break(()));
        }
        if page.jobs.len() >= limit || seen >= limits::ENDED_SCAN_MAX {
            page.next = last;
            return Ok(ControlFlow::Break(()));
        }
        seen += 1;
        last = Some(at);
        let job = ended_job(view, at.1)?;
        let job = job.ok_or_else(|| io_error(format!("ended job {} has no record", at.1)))?;
        if matches(search, &job) {
            page.jobs.push(job);
        }
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(page)
}

/// The first key of the index that the search wants; `None` if it wants nothing.
fn first_key(search: &EndedSearch, prefix: &[u8]) -> Option<Vec<u8>> {
    let key = |ended: Timestamp, id: JobId| match &search.owner {
        Some(owner) => keys::by_owner(owner, ended, id),
        None => keys::by_time(ended, id),
    };
    let until = match search.until {
        // Ended before: the newest that may be shown is a millisecond older.
        Some(until) => Some(key(Timestamp(until.0.checked_sub(1)?), JobId(u64::MAX))),
        None => None,
    };
    let after = search.after.map(|(ended, id)| {
        let mut key = key(ended, id);
        key.push(0);
        key
    });
    Some(until.max(after).unwrap_or_else(|| prefix.to_vec()))
}

fn matches(search: &EndedSearch, job: &EndedJob) -> bool {
    let tagged = |tag: &String| job.spec.tags.contains(tag);
    let named = |part: &String| job.spec.name.contains(part.as_str());
    (search.outcomes.is_empty() || search.outcomes.contains(&job.outcome))
        && (search.project.as_ref()).is_none_or(|project| *project == job.spec.project)
        && search.tag.as_ref().is_none_or(tagged)
        && search.name.as_ref().is_none_or(named)
}

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

/// Sums over accounting lines.
pub(crate) fn usage(view: &View, search: &UsageSearch) -> io::Result<BTreeMap<String, UsageSum>> {
    let mut sums = BTreeMap::new();
    let read = |value: &[u8]| -> io::Result<LedgerLine> {
        let line = model::format::decode(value);
        line.map_err(|why| io_error(format!("an accounting line cannot be read: {why}")))
    };
    let old = keys::OLD_LEDGER;
    view.db.scan(&old, &keys::behind(&old), |_, value| {
        let line = read(value)?;
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
        search.add(&mut sums, &read(value)?);
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(sums)
}
