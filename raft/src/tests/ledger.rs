//! Reports over many accounting lines: right, and told in seconds for people
//! (`docs/performance.md`).

use std::time::Instant;

use model::job::{AttemptEnd, Exit, Outcome, Started, Usage};
use model::ledger::{LedgerLine, OTHERS, USAGE_ROWS_MAX, UsageBy, UsageSearch};
use model::resource::Effort;
use model::unit::Millis;
use model::{Bytes, Fence, JobId, LogIndex, MilliCpus, NodeId, Resources, Timestamp};

use super::stores::{close, open_tables};
use crate::database::WriteBatch;
use crate::table_store::history::LedgerPlace;
use crate::table_store::{TableStore, history, keys};

/// How many lines [`a_report_sums_every_line_of_its_time`] makes, if `GODOCKER_LEDGER_LINES` does
/// not say.
const USUAL: u64 = 20_000;
const DAY: u64 = 86_400_000;

/// Line `number`; there is one every minute.
fn line(number: u64) -> LedgerLine {
    let text = |what: &str, of: u64| format!("{what}-{}", number % of);
    let at = Timestamp(number * 60_000);
    let asked = Resources {
        cpu: MilliCpus(2_000),
        memory: Bytes::mebi(512),
    };
    LedgerLine {
        attempt: JobId(number).task().attempt(1),
        owner: text("user", 50).as_str().into(),
        project: text("project", 20),
        queue: text("queue", 4),
        name: text("name-of-a-usual-length", 1_000),
        asked,
        image: text("docker.io/library/image", 30_000),
        submitted_at: at,
        waited_since: at,
        charged: Effort::of(&asked, Millis::seconds(60)),
        end: AttemptEnd {
            number: 1,
            node: NodeId(number % 100),
            node_name: text("node", 100),
            fence: Fence(number),
            placed_at: at,
            started: Some(Started {
                at,
                container: format!("godocker-{number}-0-1-0123456789abcdef"),
                image_digest: "sha256:".to_owned() + &"0123456789abcdef".repeat(4),
            }),
            ended_at: at,
            outcome: if number.is_multiple_of(10) {
                Outcome::Failed
            } else {
                Outcome::Succeeded
            },
            exit: Exit::default(),
            usage: Usage {
                cpu_micros: 1_000,
                ..Usage::default()
            },
            message: String::new(),
        },
    }
}

fn tables(dir: &std::path::Path, lines: u64) -> TableStore {
    let tables = open_tables(dir).unwrap();
    let db = tables.view().db.clone();
    let numbers: Vec<u64> = (0..lines).collect();
    for numbers in numbers.chunks(1_000) {
        let mut batch = WriteBatch::default();
        for number in numbers {
            let line = line(*number);
            let key = keys::ledger(line.end.ended_at, LogIndex(*number), 0);
            batch.put(key, model::format::encode(&line));
        }
        db.write(batch, false).unwrap();
    }
    db.flush().unwrap();
    tables
}

#[tokio::test]
async fn accounting_lines_are_read_on_from_where_the_last_page_ended() {
    let dir = tempfile::tempdir().unwrap();
    let tables = tables(dir.path(), 25);
    let view = tables.view();
    let from = line(3).end.ended_at;
    let (mut place, mut pages) = (LedgerPlace::from(from), Vec::new());
    loop {
        let (lines, next) = history::ledger(&view, &place, 10).unwrap();
        let numbers: Vec<u64> = lines.iter().map(|line| line.attempt.task.job.0).collect();
        if numbers.is_empty() {
            assert_eq!(next, place, "nothing new");
            break;
        }
        place = next;
        pages.push(numbers);
    }
    let jobs: Vec<u64> = (3..25)
        .map(|number| line(number).attempt.task.job.0)
        .collect();
    let expected: Vec<Vec<u64>> = jobs.chunks(10).map(<[u64]>::to_vec).collect();
    assert_eq!(pages, expected);
}

#[tokio::test]
async fn a_report_sums_every_line_of_its_time() {
    let lines = std::env::var("GODOCKER_LEDGER_LINES").ok();
    let lines: u64 = lines.map_or(USUAL, |lines| lines.parse().unwrap());
    let dir = tempfile::tempdir().unwrap();
    let tables = tables(dir.path(), lines);
    let view = tables.view();
    println!(
        "{lines} accounting lines\n{:10}{:>8}{:>8}",
        "by", "rows", "s"
    );
    for by in [
        UsageBy::User,
        UsageBy::Project,
        UsageBy::Queue,
        UsageBy::Image,
        UsageBy::Node,
        UsageBy::State,
        UsageBy::Day,
    ] {
        let search = UsageSearch {
            by,
            from: Timestamp(0),
            until: Timestamp(u64::MAX),
            ..UsageSearch::default()
        };
        let begun = Instant::now();
        let sums = history::usage(&view, &search).unwrap();
        let took = begun.elapsed().as_secs_f64();
        println!("{:10}{:>8}{took:>8.2}", format!("{by:?}"), sums.len());
        let attempts: u64 = sums.values().map(|sum| sum.attempts).sum();
        let failed: u64 = sums.values().map(|sum| sum.failed).sum();
        assert_eq!((attempts, failed), (lines, lines.div_ceil(10)), "{by:?}");
        // Whatever people write into a field, a report has a bounded number of rows.
        assert!(sums.len() <= USAGE_ROWS_MAX + 1, "{by:?}");
        assert_eq!(sums.contains_key(OTHERS), by == UsageBy::Image, "{by:?}");
    }
    let of_a_day = UsageSearch {
        by: UsageBy::User,
        from: Timestamp(3 * DAY),
        until: Timestamp(4 * DAY),
        owner: Some("user-7".into()),
        ..UsageSearch::default()
    };
    let sums = history::usage(&view, &of_a_day).unwrap();
    let minutes = (3 * 1_440..4 * 1_440).filter(|minute| minute % 50 == 7);
    assert_eq!(sums["user-7"].attempts, minutes.count() as u64);
    assert_eq!(sums.len(), 1);
    close(move || tables.close()).await;
}
