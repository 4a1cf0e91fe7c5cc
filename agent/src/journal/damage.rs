//! A journal as a crash leaves it, with a bit turned over anywhere: it is refused, or it has
//! everything that was answered.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use model::assignment::Assignment;
use model::spec::JobSpec;
use model::{Fence, JobId};

use super::{Found, Journal, JournalError, Standing};
use crate::step::Progress;

const ATTEMPTS: u64 = 40;

fn assignment(job: u64) -> Assignment {
    Assignment {
        attempt: JobId(job).task().attempt(1),
        fence: Fence(job),
        owner: "alice".into(),
        ids: None,
        spec: Arc::new(JobSpec {
            name: format!("job {job}").repeat(20),
            ..JobSpec::default()
        }),
        mounts: Vec::new(),
        exclusive: false,
    }
}

fn standing() -> Standing {
    Standing {
        progress: Progress::Accepted,
        stop: None,
    }
}

/// A journal in use.
async fn used(path: &Path) -> Journal {
    let (journal, _) = Journal::open(path).unwrap();
    for job in 1..=ATTEMPTS {
        journal.accept(vec![assignment(job)]).await.unwrap();
        journal.term(job).await.unwrap();
    }
    journal
}

/// What a crash leaves: the mark is in the kernel's hands, too.
fn image(from: &Path, to: &Path) {
    for ending in ["redb", "answered"] {
        std::fs::copy(from.with_extension(ending), to.with_extension(ending)).unwrap();
    }
}

fn is_whole(found: &Found) -> bool {
    let mut attempts = found.attempts.clone();
    attempts.sort_by_key(|(assignment, _)| assignment.attempt);
    let wanted = (1..=ATTEMPTS).map(|job| (assignment(job), standing()));
    found.term == ATTEMPTS && attempts == wanted.collect::<Vec<_>>()
}

#[tokio::test]
async fn a_flipped_bit_anywhere_in_the_journal_is_refused_or_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (path, crashed) = (dir.path().join("a.redb"), dir.path().join("b.redb"));
    let journal = used(&path).await;
    image(&path, &crashed);
    let whole = std::fs::read(&crashed).unwrap();
    let mut refused = 0;
    for byte in (0..whole.len()).step_by(whole.len() / 400) {
        let mut torn = whole.clone();
        torn[byte] ^= 0x10;
        std::fs::write(&crashed, torn).unwrap();
        let opened = catch_unwind(AssertUnwindSafe(|| Journal::open(&crashed)));
        match opened {
            Ok(Ok((_, found))) => assert!(is_whole(&found), "byte {byte} of {}", whole.len()),
            Ok(Err(error)) => {
                refused += 1;
                let said = error.to_string();
                assert!(
                    said.contains("b.redb") && said.contains("join it anew"),
                    "{said}"
                );
            }
            Err(_) => panic!("byte {byte} of {} panics", whole.len()),
        }
        image(&path, &crashed);
    }
    assert!(refused > 20, "{refused}");
    drop(journal);
}

/// What redb takes back by itself was answered: it is missed.
#[tokio::test]
async fn an_older_journal_is_not_taken_for_the_one_that_was_answered() {
    let dir = tempfile::tempdir().unwrap();
    let (path, crashed) = (dir.path().join("a.redb"), dir.path().join("b.redb"));
    let journal = used(&path).await;
    image(&path, &crashed);
    journal.term(ATTEMPTS + 1).await.unwrap();
    let newer = path.with_extension("answered");
    std::fs::copy(&newer, crashed.with_extension("answered")).unwrap();
    match Journal::open(&crashed).err() {
        Some(JournalError::Lost {
            found, answered, ..
        }) => assert_eq!(found + 1, answered),
        other => panic!("{other:?}"),
    }
    // A power cut may leave a mark that says less, or nothing.
    std::fs::write(crashed.with_extension("answered"), [0; 5]).unwrap();
    assert!(is_whole(&Journal::open(&crashed).unwrap().1));
}
