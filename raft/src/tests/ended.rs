//! Searches among ended jobs: every filter finds what it should, in steps that do not grow with
//! what does not match; and tables of an older release get the index that they lack.

use std::time::{Duration, Instant};

use model::job::{EndedJob, Outcome};
use model::log::{EndedPage, EndedSearch};
use model::spec::JobSpec;
use model::{JobId, Timestamp};
use openraft::RaftSnapshotBuilder;
use openraft::storage::RaftStateMachine;

use super::stores::{apply, cancel, close, command, entry, open_tables, submit};
use crate::database::{Database, Kind, WriteBatch};
use crate::limits;
use crate::table_store::{TableStore, ended, keys, load};

/// How many ended jobs [`no_filter_walks_through_what_it_does_not_want`] makes, if
/// `GODOCKER_ENDED_JOBS` does not say.
const USUAL: u64 = 20_000;

/// Job `id` of `all`. What is odd about it is told by its number, so that a test can count.
fn job(id: u64, all: u64) -> EndedJob {
    let text = |what: &str, of: u64| format!("{what}-{}", id % of);
    let outcome = match id {
        3 | 5 | 7 => Outcome::OutOfMemory,
        _ if id.is_multiple_of(20) => Outcome::Failed,
        _ if id % 1_000 == 1 => Outcome::TimedOut,
        _ => Outcome::Succeeded,
    };
    let rare = id == all / 2;
    EndedJob {
        id: JobId(id),
        owner: text("user", 50).as_str().into(),
        submitted_at: Timestamp(id),
        // Some end in the same millisecond, and not in the order of their numbers.
        ended_at: Timestamp(1_000_000 + (id ^ 5) / 4),
        spec: std::sync::Arc::new(JobSpec {
            name: text("name", 7),
            project: if rare {
                "rare".into()
            } else {
                text("project", 20)
            },
            queue: text("queue", 4),
            image: text("docker.io/library/image", 100),
            tags: if id.is_multiple_of(97) {
                vec!["tagged".into()]
            } else {
                Vec::new()
            },
            ..JobSpec::default()
        }),
        cancel: None,
        outcome,
        attempts: Vec::new(),
    }
}

/// Tables with so many ended jobs.
fn tables(dir: &std::path::Path, all: u64) -> TableStore {
    let tables = open_tables(dir).unwrap();
    let db = tables.view().db.clone();
    let ids: Vec<u64> = (1..=all).collect();
    for ids in ids.chunks(1_000) {
        let mut batch = WriteBatch::default();
        for id in ids {
            ended::put(&mut batch, &[job(*id, all)]);
        }
        db.write(batch, false).unwrap();
    }
    db.flush().unwrap();
    tables
}

fn search() -> EndedSearch {
    EndedSearch {
        limit: 50,
        ..EndedSearch::default()
    }
}

fn with(set: impl FnOnce(&mut EndedSearch)) -> EndedSearch {
    let mut search = search();
    set(&mut search);
    search
}

fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

/// Each with a name.
fn searches(all: u64) -> Vec<(&'static str, EndedSearch)> {
    let bad = vec![Outcome::OutOfMemory, Outcome::TimedOut, Outcome::Failed];
    let state = |outcome| with(|it| it.outcomes = vec![outcome]);
    let image = "docker.io/library/image";
    let mut searches = vec![
        ("all", search()),
        ("user", with(|it| it.owner = Some("user-7".into()))),
        ("nobody", with(|it| it.owner = Some("user".into()))),
        ("project", with(|it| it.project = text("project-7"))),
        ("rare project", with(|it| it.project = text("rare"))),
        ("no project", with(|it| it.project = text("project"))),
        ("queue", with(|it| it.queue = text("queue-3"))),
        ("no queue", with(|it| it.queue = text("queue"))),
        ("image", with(|it| it.image = Some(format!("{image}-7")))),
        ("no image", with(|it| it.image = text(image))),
        ("tag", with(|it| it.tag = text("tagged"))),
        ("failed", state(Outcome::Failed)),
        ("out of memory", state(Outcome::OutOfMemory)),
        ("lost", state(Outcome::NodeLost)),
        ("bad", with(|it| it.outcomes = bad)),
    ];
    searches.extend(combined(all));
    searches
}

/// Several filters at once.
fn combined(all: u64) -> [(&'static str, EndedSearch); 6] {
    let middle = Timestamp(1_000_000 + all / 8);
    let rare = with(|it| {
        it.owner = Some("user-7".into());
        it.outcomes = vec![Outcome::OutOfMemory];
    });
    let failed = with(|it| {
        it.project = text("project-0");
        it.outcomes = vec![Outcome::Failed];
    });
    let three = with(|it| {
        it.queue = text("queue-3");
        it.image = text("docker.io/library/image-7");
        it.outcomes = vec![Outcome::Succeeded];
    });
    let old = with(|it| {
        it.owner = Some("user-8".into());
        it.queue = text("queue-2");
        it.until = Some(middle);
    });
    let narrow = with(|it| {
        it.outcomes = vec![Outcome::TimedOut];
        it.since = Some(middle);
        it.until = Some(Timestamp(middle.0 + 10));
    });
    let newest = with(|it| {
        it.outcomes = vec![Outcome::OutOfMemory];
        it.since = Some(middle);
    });
    [
        ("user, rare state", rare),
        ("project, failed", failed),
        ("queue, image, state", three),
        ("user, queue, old time", old),
        ("state, narrow time", narrow),
        ("rare state, newest time", newest),
    ]
}

/// Every page of a search, and the most steps that one of them took.
fn scroll(tables: &TableStore, search: &EndedSearch) -> (Vec<EndedPage>, usize) {
    let (view, mut search) = (tables.view(), search.clone());
    let (mut pages, mut most) = (Vec::new(), 0);
    loop {
        let (page, steps) = ended::counted(&view, &search).unwrap();
        most = most.max(steps);
        let next = page.next;
        pages.push(page);
        match next {
            Some(next) => search.after = Some(next),
            None => return (pages, most),
        }
    }
}

fn ids(pages: &[EndedPage]) -> Vec<u64> {
    let jobs = pages.iter().flat_map(|page| &page.jobs);
    jobs.map(|job| job.id.0).collect()
}

fn all_that_match(search: &EndedSearch, all: u64) -> Vec<u64> {
    let mut jobs: Vec<EndedJob> = (1..=all).map(|id| job(id, all)).collect();
    jobs.retain(|job| search.matches(job));
    jobs.sort_by_key(|job| std::cmp::Reverse((job.ended_at, job.id)));
    jobs.iter().map(|job| job.id.0).collect()
}

#[tokio::test]
async fn every_filter_finds_all_that_match_page_by_page() {
    let dir = tempfile::tempdir().unwrap();
    let all = 3_000;
    let tables = tables(dir.path(), all);
    for (name, search) in searches(all) {
        let (pages, _) = scroll(&tables, &search);
        assert_eq!(ids(&pages), all_that_match(&search, all), "{name}");
        let (_, before) = pages.split_last().unwrap();
        let full = before.iter().all(|page| page.jobs.len() == search.limit);
        assert!(full, "{name}: a page is short, and not the last");
    }
    // A name is the one thing that has no list: short pages are allowed, lost jobs are not.
    let named = EndedSearch {
        name: Some("name-3".into()),
        queue: Some("queue-1".into()),
        ..search()
    };
    assert_eq!(ids(&scroll(&tables, &named).0), all_that_match(&named, all));
    close(move || tables.close()).await;
}

/// Counted in steps, which are the same on every machine; told in milliseconds for people
/// (`docs/performance.md`).
#[tokio::test]
async fn no_filter_walks_through_what_it_does_not_want() {
    let all = std::env::var("GODOCKER_ENDED_JOBS").ok();
    let all = all.map_or(USUAL, |all| all.parse().unwrap());
    let dir = tempfile::tempdir().unwrap();
    let begun = Instant::now();
    let tables = tables(dir.path(), all);
    println!("{all} ended jobs made in {:.1?}", begun.elapsed());
    println!(
        "{:26}{:>6}{:>8}{:>10}{:>10}",
        "filter", "rows", "steps", "p50 ms", "p99 ms"
    );
    let view = tables.view();
    for (name, search) in searches(all) {
        let (page, steps) = ended::counted(&view, &search).unwrap();
        let (p50, p99) = times(|| {
            let again = ended::page(&view, &search).unwrap();
            assert_eq!(again, page);
        });
        println!(
            "{name:26}{:>6}{steps:>8}{p50:>10.2}{p99:>10.2}",
            page.jobs.len()
        );
        let full = page.jobs.len() == search.limit || page.next.is_none();
        assert!(full, "{name}: the first page is not full");
        // A row takes a record, and a few steps in each list; "queue, image, state" the most.
        let wanted = 300 + 100 * search.limit;
        assert!(steps <= wanted, "{name}: {steps} steps, at most {wanted}");
    }
    close(move || tables.close()).await;
}

/// The half and the slowest hundredth of many tries, in milliseconds.
fn times(work: impl Fn()) -> (f64, f64) {
    let mut times: Vec<Duration> = Vec::new();
    for _ in 0..100 {
        let begun = Instant::now();
        work();
        times.push(begun.elapsed());
    }
    times.sort();
    let ms = |at: usize| times[at].as_secs_f64() * 1_000.0;
    (ms(50), ms(98))
}

/// Two filters that each match half of all jobs, in turns, and never together.
#[tokio::test]
async fn a_page_that_finds_nothing_for_long_says_where_it_stopped() {
    let dir = tempfile::tempdir().unwrap();
    let all = 60_000;
    let tables = tables(dir.path(), all);
    let never = EndedSearch {
        queue: Some("queue-1".into()),
        project: Some("project-2".into()),
        ..search()
    };
    let (pages, most) = scroll(&tables, &never);
    assert_eq!(ids(&pages), [0; 0]);
    assert!(pages.len() > 1, "{all} jobs were walked through at once");
    let bound = limits::ENDED_STEPS_MAX + 50 * 100;
    assert!(most <= bound, "{most} steps, at most {bound}");
    close(move || tables.close()).await;
}

/// Takes the index away, and the record that tells of it, as an older release leaves tables.
fn forget_index(db: &Database) {
    let mut batch = WriteBatch::default();
    batch.delete_range(b"I".as_slice(), b"J".as_slice());
    batch.delete(keys::INDEXED);
    db.write(batch, false).unwrap();
}

/// Entries 0 to `2 * to`: jobs `from` to `to` are submitted and cancelled.
async fn cancelled(tables: &TableStore, from: u64, to: u64) {
    let mut entries = Vec::new();
    if from == 1 {
        entries.push(entry(1, 0, &command(0)));
    }
    for job in from..=to {
        entries.push(entry(1, 2 * job - 1, &submit(&format!("job-{job}"), 10)));
        entries.push(entry(1, 2 * job, &cancel(job)));
    }
    apply(tables, entries).await.unwrap();
}

fn by_state() -> EndedSearch {
    EndedSearch {
        outcomes: vec![Outcome::Cancelled],
        ..search()
    }
}

#[tokio::test]
async fn tables_of_an_older_release_get_their_index_when_they_are_opened() {
    let dir = tempfile::tempdir().unwrap();
    let tables = open_tables(dir.path()).unwrap();
    cancelled(&tables, 1, 6).await;
    forget_index(&tables.view().db);
    assert_eq!(ids(&scroll(&tables, &by_state()).0), [0; 0]);
    close(move || tables.close()).await;
    let tables = open_tables(dir.path()).unwrap();
    assert_eq!(ids(&scroll(&tables, &by_state()).0), [6, 5, 4, 3, 2, 1]);
    close(move || tables.close()).await;
}

/// An older release went on with tables that had an index: it lacks the jobs that ended meanwhile.
#[tokio::test]
async fn an_index_with_a_gap_is_made_whole() {
    let dir = tempfile::tempdir().unwrap();
    let tables = open_tables(dir.path()).unwrap();
    cancelled(&tables, 1, 3).await;
    let db = tables.view().db.clone();
    let known = db.get(keys::INDEXED).unwrap().unwrap();
    cancelled(&tables, 4, 6).await;
    let mut batch = WriteBatch::default();
    for job in 4..=6 {
        let ended = ended::job(&tables.view(), JobId(job)).unwrap().unwrap();
        let word = ended.outcome.word();
        batch.delete(keys::by_facet(
            keys::Facet::State,
            word,
            ended.ended_at,
            ended.id,
        ));
    }
    batch.put(keys::INDEXED, known);
    db.write(batch, false).unwrap();
    drop(db);
    assert_eq!(ids(&scroll(&tables, &by_state()).0), [3, 2, 1]);
    close(move || tables.close()).await;
    let tables = open_tables(dir.path()).unwrap();
    assert_eq!(ids(&scroll(&tables, &by_state()).0), [6, 5, 4, 3, 2, 1]);
    close(move || tables.close()).await;
}

#[tokio::test]
async fn an_installed_snapshot_of_an_older_release_gets_its_index() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut old = open_tables(from.path()).unwrap();
    cancelled(&old, 1, 6).await;
    forget_index(&old.view().db);
    let built = old.build_snapshot().await.unwrap();
    let mut new = open_tables(to.path()).unwrap();
    new.install_snapshot(&built.meta, built.snapshot)
        .await
        .unwrap();
    assert_eq!(ids(&scroll(&new, &by_state()).0), [6, 5, 4, 3, 2, 1]);
    // And what ends from now on is in it as well.
    cancelled(&new, 7, 8).await;
    assert_eq!(ids(&scroll(&new, &by_state()).0), [8, 7, 6, 5, 4, 3, 2, 1]);
    close(move || old.close()).await;
    close(move || new.close()).await;
}

/// The index is derived: tables that were given it later are the same as those that always had it.
#[tokio::test]
async fn an_index_made_later_is_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let tables = open_tables(dir.path()).unwrap();
    cancelled(&tables, 1, 6).await;
    let index = |tables: &TableStore| {
        let mut found = Vec::new();
        let db = tables.view().db.clone();
        db.scan(b"I", b"J", |key, value| {
            found.push((key.to_vec(), value.to_vec()));
            Ok(std::ops::ControlFlow::Continue(()))
        })
        .unwrap();
        found.push((
            keys::INDEXED.to_vec(),
            db.get(keys::INDEXED).unwrap().unwrap(),
        ));
        found
    };
    let always = index(&tables);
    assert_eq!(always.len(), 6 * 4 + 1);
    forget_index(&tables.view().db);
    close(move || tables.close()).await;
    let tables = open_tables(dir.path()).unwrap();
    assert_eq!(index(&tables), always);
    close(move || tables.close()).await;
}

/// Snapshots of version 1 were made before there was an index.
#[test]
fn the_golden_snapshot_has_no_index() {
    let golden = std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden/1/snapshot");
    let dir = tempfile::tempdir().unwrap();
    let copy = dir.path().join("copy");
    crate::disk::clone_db(&golden, &copy).unwrap();
    let db = Database::open(&copy, Kind::Tables).unwrap();
    assert_eq!(db.get(keys::INDEXED).unwrap(), None);
    let loaded = load::load(&db).unwrap();
    crate::table_store::indexing::complete(&db, &loaded).unwrap();
    let word = Outcome::Cancelled.word();
    let key = keys::by_facet(keys::Facet::State, word, Timestamp(1_005), JobId(2));
    assert_eq!(db.get(&key).unwrap(), Some(Vec::new()));
}
