//! Questions about ended jobs: one by its number, and pages of those that match.
//!
//! Every filter but a part of a name has a list on disk, and all lists have the same order: newest
//! end first. A page is the intersection of the lists of its filters, found by letting each of them
//! catch up with the one that is furthest: work goes with the shortest list, not with the longest.
//! The steps of one page are bounded ([`limits::ENDED_STEPS_MAX`]); what it did not get to is
//! behind the cursor that it answers, even when the page is not full (`docs/decisions/0017`).

use std::io;

use model::job::{EndedJob, Outcome};
use model::log::{EndedPage, EndedSearch};
use model::{JobId, Timestamp};

use super::keys::{self, Facet, Place};
use super::{View, indexing};
use crate::database::{Cursor, Reader, WriteBatch};
use crate::disk::io_error;
use crate::limits;

/// Steps on to the next key before a search from the top.
const WALK: usize = 4;
/// What a search from the top costs, in steps.
const SEEK_STEPS: usize = 8;
/// What reading a job's record costs, in steps.
const RECORD_STEPS: usize = 8;

/// Keeps ended jobs, in every list that they belong to.
pub(crate) fn put(batch: &mut WriteBatch, jobs: &[EndedJob]) {
    for job in jobs {
        batch.put(keys::ended(job.id), model::format::encode(job));
    }
    let by_time = |job: &EndedJob| keys::by_time(job.ended_at, job.id);
    indexing::put_list(batch, jobs.iter().map(by_time));
    let by_owner = |job: &EndedJob| keys::by_owner(&job.owner, job.ended_at, job.id);
    indexing::put_list(batch, jobs.iter().map(by_owner));
    indexing::put(batch, jobs);
}

/// An ended job.
pub(crate) fn job(view: &View, id: JobId) -> io::Result<Option<EndedJob>> {
    match view.db.get(&keys::ended(id))? {
        Some(bytes) => parse(id, Some(&bytes)).map(Some),
        None => Ok(None),
    }
}

/// The job of a record that must be there.
pub(super) fn parse(id: JobId, bytes: Option<&[u8]>) -> io::Result<EndedJob> {
    let bytes = bytes.ok_or_else(|| io_error(format!("ended job {id} has no record")))?;
    model::format::decode(bytes).map_err(|why| {
        io_error(format!(
            "the record of ended job {id} cannot be read: {why}"
        ))
    })
}

pub(super) fn malformed(key: &[u8]) -> io::Error {
    let key = key.escape_ascii();
    io_error(format!(
        "the key {key} of the ended jobs' index is malformed"
    ))
}

/// Ended jobs that match, newest end first.
pub(crate) fn page(view: &View, search: &EndedSearch) -> io::Result<EndedPage> {
    counted(view, search).map(|(page, _)| page)
}

/// The same, and how many steps it took.
pub(crate) fn counted(view: &View, search: &EndedSearch) -> io::Result<(EndedPage, usize)> {
    let Some(first) = first(search) else {
        return Ok((EndedPage::default(), 0));
    };
    // The oldest that may be shown: it ended at `since`, as the first of those that did.
    let last = search
        .since
        .map_or(Place::LAST, |since| Place::new(since, JobId(0)));
    view.db.read(|reader| {
        let mut lists = lists(reader, search, first)?;
        let mut walk = Walk { last, steps: 0 };
        let page = walk.page(reader, &mut lists, search, first)?;
        Ok((page, walk.steps))
    })
}

/// The newest place that the search wants; `None` if it wants nothing.
fn first(search: &EndedSearch) -> Option<Place> {
    let until = match search.until {
        // Ended before: the newest that may be shown is a millisecond older.
        Some(until) => Place::new(Timestamp(until.0.checked_sub(1)?), JobId(u64::MAX)),
        None => Place::FIRST,
    };
    let after = search.after;
    let after = after.map_or(Place::FIRST, |(ended, id)| Place::new(ended, id).behind());
    Some(until.max(after))
}

/// The lists whose intersection a search wants; that of all jobs if it names nothing else.
fn lists<'a>(
    reader: &'a Reader<'_>,
    search: &EndedSearch,
    first: Place,
) -> io::Result<Vec<Union<'a>>> {
    let facet = |of, value: &Option<String>| value.as_ref().map(|value| keys::facet(of, value));
    let single = [
        search.owner.as_ref().map(keys::owner),
        facet(Facet::Project, &search.project),
        facet(Facet::Queue, &search.queue),
        facet(Facet::Image, &search.image),
        facet(Facet::Tag, &search.tag),
    ];
    let mut wanted: Vec<Vec<Vec<u8>>> = single.into_iter().flatten().map(|key| vec![key]).collect();
    if !search.outcomes.is_empty() {
        let mut words: Vec<&str> = search.outcomes.iter().copied().map(Outcome::word).collect();
        words.sort_unstable();
        words.dedup();
        let keys = words.iter().map(|word| keys::facet(Facet::State, word));
        wanted.push(keys.collect());
    }
    if wanted.is_empty() {
        wanted.push(vec![keys::BY_TIME.to_vec()]);
    }
    let open = |prefixes: Vec<Vec<u8>>| {
        let lists = prefixes
            .into_iter()
            .map(|prefix| List::open(reader, prefix, first));
        lists.collect::<io::Result<Vec<_>>>().map(Union)
    };
    wanted.into_iter().map(open).collect()
}

/// One list of ended jobs, and where in it we are.
struct List<'a> {
    prefix: Vec<u8>,
    cursor: Cursor<'a>,
    /// Behind the last it is [`Place::LAST`].
    at: Place,
}

/// Lists of which no two have a job in common, as one.
struct Union<'a>(Vec<List<'a>>);

/// A walk through lists.
struct Walk {
    /// Nothing behind it is wanted.
    last: Place,
    steps: usize,
}

impl<'a> List<'a> {
    fn open(reader: &'a Reader<'_>, prefix: Vec<u8>, first: Place) -> io::Result<List<'a>> {
        let cursor = reader.cursor(&keys::behind(&prefix));
        let at = Place::FIRST;
        let mut list = List { prefix, cursor, at };
        list.seek(first)?;
        Ok(list)
    }

    fn seek(&mut self, to: Place) -> io::Result<()> {
        let key = [self.prefix.as_slice(), &to.bytes()].concat();
        self.cursor.seek(&key)?;
        self.look()
    }

    fn look(&mut self) -> io::Result<()> {
        self.at = match self.cursor.key() {
            Some(key) => Place::parse(key).ok_or_else(|| malformed(key))?,
            None => Place::LAST,
        };
        Ok(())
    }

    /// Goes on to the first place that is not before `to`.
    fn catch_up(&mut self, to: Place, steps: &mut usize) -> io::Result<()> {
        for _ in 0..WALK {
            if self.at >= to {
                return Ok(());
            }
            *steps += 1;
            self.cursor.next()?;
            self.look()?;
        }
        if self.at < to {
            *steps += SEEK_STEPS;
            self.seek(to)?;
        }
        Ok(())
    }
}

impl Union<'_> {
    fn catch_up(&mut self, to: Place, steps: &mut usize) -> io::Result<Place> {
        let mut nearest = Place::LAST;
        for list in &mut self.0 {
            list.catch_up(to, steps)?;
            nearest = nearest.min(list.at);
        }
        Ok(nearest)
    }
}

impl Walk {
    fn page(
        &mut self,
        reader: &Reader<'_>,
        lists: &mut [Union<'_>],
        search: &EndedSearch,
        first: Place,
    ) -> io::Result<EndedPage> {
        let limit = search.limit.clamp(1, limits::ENDED_PAGE_MAX);
        let count: usize = lists.iter().map(|union| union.0.len()).sum();
        // What a full page takes by itself comes on top.
        let most = limits::ENDED_STEPS_MAX + limit * (RECORD_STEPS + count * (WALK + SEEK_STEPS));
        let (mut page, mut at) = (EndedPage::default(), first);
        while let Some(found) = self.common(lists, &mut at, most)? {
            if !found || page.jobs.len() == limit || self.steps >= most {
                page.next = Some(at.before().job());
                break;
            }
            let (_, id) = at.job();
            self.steps += RECORD_STEPS;
            let job = parse(id, reader.get(&keys::ended(id))?.as_deref())?;
            if search.matches(&job) {
                page.jobs.push(job);
            }
            at = at.behind();
        }
        Ok(page)
    }

    /// Moves `at` to the next place that is in all lists, and says whether it is one or the steps
    /// ran out there; `None` when there is no more.
    fn common(
        &mut self,
        lists: &mut [Union<'_>],
        at: &mut Place,
        most: usize,
    ) -> io::Result<Option<bool>> {
        let (mut agreed, all) = (0, lists.len());
        while agreed < all {
            for union in &mut *lists {
                let found = union.catch_up(*at, &mut self.steps)?;
                if found > self.last || found == Place::LAST {
                    return Ok(None);
                }
                agreed = if found > *at { 1 } else { agreed + 1 };
                *at = found;
                if agreed == all {
                    break;
                }
            }
            if agreed < all && self.steps >= most {
                return Ok(Some(false));
            }
        }
        Ok(Some(true))
    }
}
