//! Ended jobs and events: what leaves the state stays to be found, in pages that lose nothing.

use model::account::UserName;
use model::job::Outcome;
use model::log::{EndedPage, EndedSearch};
use model::{JobId, LogIndex, Timestamp};
use openraft::EntryPayload;
use openraft::storage::RaftStateMachine;

use super::stores::{apply, cancel, close, command, entry, log_id, open_tables, submit};
use crate::limits;
use crate::table_store::{TableStore, ended, history};
use crate::types::Entry;

/// Tables in which jobs 1 to `jobs` were submitted and ended in this order; job `n` ended at
/// 1000 + 2n ms.
async fn with_ended(dir: &std::path::Path, jobs: u64) -> TableStore {
    let tables = open_tables(dir).unwrap();
    let mut entries = vec![entry(1, 0, &command(0))];
    for job in 1..=jobs {
        let name = format!("{}-{job}", if job % 2 == 0 { "even" } else { "odd" });
        entries.push(entry(1, 2 * job - 1, &submit(&name, 10)));
        entries.push(entry(1, 2 * job, &cancel(job)));
    }
    apply(&tables, entries).await.unwrap();
    tables
}

fn ids(page: &EndedPage) -> Vec<u64> {
    page.jobs.iter().map(|job| job.id.0).collect()
}

/// Every page of a search, one after the other.
fn pages(tables: &TableStore, search: &EndedSearch) -> Vec<Vec<u64>> {
    let (view, mut search) = (tables.view(), search.clone());
    let mut pages = Vec::new();
    loop {
        let page = ended::page(&view, &search).unwrap();
        pages.push(ids(&page));
        match page.next {
            Some(next) => search.after = Some(next),
            None => return pages,
        }
    }
}

#[tokio::test]
async fn ended_jobs_come_newest_first_in_pages_that_lose_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let tables = with_ended(dir.path(), 10).await;
    close(move || tables.close()).await;
    let tables = open_tables(dir.path()).unwrap();
    let search = EndedSearch {
        limit: 4,
        ..EndedSearch::default()
    };
    let found = pages(&tables, &search);
    assert_eq!(found, [vec![10, 9, 8, 7], vec![6, 5, 4, 3], vec![2, 1]]);
    let of_admin = EndedSearch {
        owner: Some(UserName::from("admin")),
        ..search.clone()
    };
    assert_eq!(pages(&tables, &of_admin), found);
    // Somebody whose name only begins like another's is somebody else.
    let of_other = EndedSearch {
        owner: Some(UserName::from("adm")),
        ..search
    };
    assert_eq!(pages(&tables, &of_other), [vec![]; 1]);
}

#[tokio::test]
async fn ended_jobs_are_found_by_what_they_were() {
    let dir = tempfile::tempdir().unwrap();
    let tables = with_ended(dir.path(), 6).await;
    let all = EndedSearch {
        limit: 10,
        ..EndedSearch::default()
    };
    let check = |search: EndedSearch, wanted: &[u64]| {
        assert_eq!(pages(&tables, &search).concat(), wanted, "{search:?}");
    };
    check(all.clone(), &[6, 5, 4, 3, 2, 1]);
    let name = |name: &str| EndedSearch {
        name: Some(name.into()),
        ..all.clone()
    };
    check(name("even"), &[6, 4, 2]);
    check(name("odd-3"), &[3]);
    let between = |since, until| EndedSearch {
        since: since_ms(since),
        until: since_ms(until),
        ..all.clone()
    };
    check(between(Some(1_006), None), &[6, 5, 4, 3]);
    check(between(None, Some(1_006)), &[2, 1]);
    check(between(Some(1_004), Some(1_008)), &[3, 2]);
    check(between(None, Some(0)), &[]);
    let outcome = |outcome| EndedSearch {
        outcomes: vec![outcome],
        ..all.clone()
    };
    check(outcome(Outcome::Cancelled), &[6, 5, 4, 3, 2, 1]);
    check(outcome(Outcome::Succeeded), &[]);
    let tag = EndedSearch {
        tag: Some("none".into()),
        ..all.clone()
    };
    check(tag, &[]);
    let view = tables.view();
    assert_eq!(ended::job(&view, JobId(7)).unwrap(), None);
}

fn since_ms(at: Option<u64>) -> Option<Timestamp> {
    at.map(Timestamp)
}

#[tokio::test]
async fn events_go_on_where_the_reader_stopped() {
    let dir = tempfile::tempdir().unwrap();
    let tables = with_ended(dir.path(), 5).await;
    let view = tables.view();
    let mut at = LogIndex(0);
    let mut seen = Vec::new();
    loop {
        let page = history::events(&view, at, 3).unwrap().unwrap();
        let Some(last) = page.last() else {
            break;
        };
        assert!(page.len() <= 3);
        at = last.index;
        seen.extend(page.iter().map(|event| event.index.0));
    }
    assert_eq!(seen, (1..=10).collect::<Vec<_>>());
}

/// A reader that was away for too long is told so instead of being given a part.
#[tokio::test]
async fn events_that_are_no_longer_kept_are_not_passed_over() {
    let dir = tempfile::tempdir().unwrap();
    let tables = with_ended(dir.path(), 5).await;
    let last = limits::EVENTS_KEEP + limits::EVENTS_CUT_EVERY + 10;
    let blank = |index| Entry {
        log_id: log_id(1, index),
        payload: EntryPayload::Blank,
    };
    let entries = (11..=last).map(|index| Ok((blank(index), None)));
    let entries = Box::pin(futures_util::stream::iter(entries));
    tables.clone().apply(entries).await.unwrap();
    let view = tables.view();
    assert!(view.events_floor > 0);
    assert_eq!(history::events(&view, LogIndex(0), 10).unwrap(), None);
    let after = LogIndex(view.events_floor - 1);
    assert_eq!(history::events(&view, after, 10).unwrap(), Some(Vec::new()));
    let floor = view.events_floor;
    drop(view);
    close(move || tables.close()).await;
    let tables = open_tables(dir.path()).unwrap();
    assert_eq!(tables.view().events_floor, floor);
    assert_eq!(
        history::events(&tables.view(), LogIndex(5), 10).unwrap(),
        None
    );
}
