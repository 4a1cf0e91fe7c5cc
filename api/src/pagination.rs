//! Pages of jobs: live ones by falling id, then ended ones by falling end.
//!
//! A cursor names the last row told, not a count of rows, so what is added or taken away between
//! two pages neither hides a row nor tells it twice. A job that ends meanwhile may be told once
//! as live and once as ended, never not at all. No page looks at more than a bounded number of
//! rows: it may be short, or empty, and still have a next one.

use std::ops::Bound;

use api_types::query::JobQuery;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use model::job::{EndedJob, Job};
use model::log::{EndedSearch, Log};
use model::query::JobFilter;
use model::{JobId, State, Timestamp};
use sha2::{Digest, Sha256};

use crate::limits::{CURSOR_BYTES_MAX, PAGE_DEFAULT, PAGE_MAX, SCAN_MAX};
use crate::problem::Refused;
use crate::secret::hex;

/// Where a page begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Position {
    /// Among the live jobs, below this id, or at the newest.
    Live(Option<JobId>),
    /// Among the ended jobs, behind this one, or at the one that ended last.
    Ended(Option<(Timestamp, JobId)>),
}

/// Which jobs, live and ended.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wanted {
    /// Which live ones; `None`: none.
    pub(crate) live: Option<JobFilter>,
    /// Which ended ones; `None`: none. Position and limit are filled in here.
    pub(crate) ended: Option<EndedSearch>,
}

/// Rows, and where the next page begins.
#[derive(Debug)]
pub(crate) struct Page<T> {
    pub(crate) rows: Vec<T>,
    pub(crate) next: Option<Position>,
}

/// A row of a page.
#[derive(Debug)]
pub(crate) enum Row {
    Live(Box<Job>),
    Ended(Box<EndedJob>),
}

/// How many rows a page shall have.
pub(crate) fn limit(asked: Option<u32>, otherwise: u32) -> Result<usize, Refused> {
    let limit = asked.unwrap_or(otherwise);
    if limit == 0 || limit > PAGE_MAX {
        let message = format!("must be 1 to {PAGE_MAX}");
        return Err(Refused::invalid(
            "limit",
            message,
            "ask for fewer, and follow `next`",
        ));
    }
    Ok(usize::try_from(limit).unwrap_or(usize::MAX))
}

/// How many rows a page of jobs shall have.
pub(crate) fn job_limit(asked: Option<u32>) -> Result<usize, Refused> {
    limit(asked, PAGE_DEFAULT)
}

/// One page of jobs.
pub(crate) async fn page(
    log: &dyn Log,
    state: &State,
    wanted: &Wanted,
    from: Position,
    limit: usize,
) -> Result<Page<Row>, Refused> {
    let (mut rows, mut from) = (Vec::new(), from);
    if let Position::Live(before) = from {
        let live = wanted.live.as_ref();
        let found = live.map(|filter| live_page(state, filter, before, limit));
        if let Some(found) = found {
            let found_rows = found.rows.into_iter().cloned();
            rows.extend(found_rows.map(|job| Row::Live(Box::new(job))));
            if found.next.is_some() {
                return Ok(Page {
                    rows,
                    next: found.next,
                });
            }
        }
        from = Position::Ended(None);
    }
    let Some(search) = &wanted.ended else {
        return Ok(Page { rows, next: None });
    };
    if rows.len() >= limit {
        return Ok(Page {
            rows,
            next: Some(from),
        });
    }
    let after = match from {
        Position::Ended(after) => after,
        Position::Live(_) => None,
    };
    let search = EndedSearch {
        after,
        limit: limit - rows.len(),
        ..search.clone()
    };
    let found = log.ended_jobs(search).await?;
    rows.extend(found.jobs.into_iter().map(|job| Row::Ended(Box::new(job))));
    Ok(Page {
        rows,
        next: found.next.map(|next| Position::Ended(Some(next))),
    })
}

/// One page of live jobs; at most [`SCAN_MAX`] are looked at.
fn live_page<'a>(
    state: &'a State,
    filter: &JobFilter,
    before: Option<JobId>,
    limit: usize,
) -> Page<&'a Job> {
    let end = before.map_or(Bound::Unbounded, Bound::Excluded);
    let range = (Bound::Unbounded, end);
    let jobs: Box<dyn Iterator<Item = &Job>> = match &filter.owner {
        Some(owner) => Box::new(state.jobs_of_between(owner, range).rev()),
        None => Box::new(state.jobs_between(range).rev()),
    };
    let (mut rows, mut looked_at) = (Vec::new(), 0);
    let mut last = None;
    for job in jobs {
        if rows.len() == limit || looked_at == SCAN_MAX {
            return Page {
                rows,
                next: last.map(|id| Position::Live(Some(id))),
            };
        }
        (looked_at, last) = (looked_at + 1, Some(job.id));
        if state.matches(filter, job) {
            rows.push(job);
        }
    }
    Page { rows, next: None }
}

/// A position as a text for the client, which says for which list it is.
pub(crate) fn cursor(position: Position, query: &JobQuery, user: &str) -> String {
    let text = match position {
        Position::Live(before) => format!("L.{}", before.map_or(0, |id| id.0)),
        Position::Ended(None) => "E".into(),
        Position::Ended(Some((at, id))) => format!("E.{}.{}", at.0, id.0),
    };
    URL_SAFE_NO_PAD.encode(format!("{}.{text}", list_name(query, user)))
}

/// Where the page that a client asks for begins.
pub(crate) fn position(query: &JobQuery, user: &str) -> Result<Position, Refused> {
    let Some(text) = &query.cursor else {
        return Ok(Position::Live(None));
    };
    let remedy = "use `next` of the page before with the same filters, or start without a cursor";
    let bytes = Some(text).filter(|text| text.len() <= CURSOR_BYTES_MAX);
    let bytes = bytes.and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
    let plain = bytes
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .unwrap_or_default();
    let Some((list, position)) = plain.split_once('.') else {
        return Err(Refused::invalid("cursor", "is no cursor of ours", remedy));
    };
    if list != list_name(query, user) {
        return Err(Refused::invalid(
            "cursor",
            "belongs to a list with other filters",
            remedy,
        ));
    }
    read_position(position)
        .ok_or_else(|| Refused::invalid("cursor", "is no cursor of ours", remedy))
}

fn read_position(text: &str) -> Option<Position> {
    let mut parts = text.split('.');
    let kind = parts.next()?;
    let numbers: Result<Vec<u64>, _> = parts.map(str::parse).collect();
    match (kind, numbers.ok()?.as_slice()) {
        ("L", [0]) => Some(Position::Live(None)),
        ("L", [id]) => Some(Position::Live(Some(JobId(*id)))),
        ("E", []) => Some(Position::Ended(None)),
        ("E", [at, id]) => Some(Position::Ended(Some((Timestamp(*at), JobId(*id))))),
        _ => None,
    }
}

/// A short name of a list: what is asked for, apart from the position in it, and by whom.
fn list_name(query: &JobQuery, user: &str) -> String {
    let list = JobQuery {
        cursor: None,
        limit: None,
        ..query.clone()
    };
    let mut hash = Sha256::new_with_prefix(serde_json::to_vec(&list).unwrap_or_default());
    hash.update([0]);
    hash.update(user);
    hex(&hash.finalize()[..6])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_leads_back_to_its_position_in_its_own_list() {
        let query = JobQuery {
            all: Some(true),
            ..JobQuery::default()
        };
        for at in [
            Position::Live(None),
            Position::Live(Some(JobId(7))),
            Position::Ended(None),
            Position::Ended(Some((Timestamp(5), JobId(3)))),
        ] {
            let cursor = Some(cursor(at, &query, "alice"));
            let next = JobQuery {
                cursor: cursor.clone(),
                limit: Some(9),
                ..query.clone()
            };
            assert_eq!(position(&next, "alice"), Ok(at));
            assert!(position(&next, "bob").is_err());
            let other = JobQuery {
                cursor,
                ..JobQuery::default()
            };
            assert!(position(&other, "alice").is_err());
        }
    }

    #[test]
    fn what_is_no_cursor_is_refused() {
        for text in ["", "x", "AAAA", "====", &"A".repeat(10_000), "Li4uLg"] {
            let query = JobQuery {
                cursor: Some(text.into()),
                ..JobQuery::default()
            };
            assert!(position(&query, "alice").is_err(), "{text}");
        }
    }
}
