//! Two ledgers: what a client was told, and what the fake runtime did. Between them stands the
//! cluster, and neither asks it.
//!
//! The runtime's ledger is one file for all agents; a line is written once its attempt has begun
//! or ended, so an agent killed in between leaves a line out, and never writes one twice.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, bail, ensure};

/// One submission, as its client knows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Submission {
    /// Its idempotency key, and the name of the job.
    pub key: String,
    /// The exit code that its job will have.
    pub exit_code: i32,
    /// Its end was asked for.
    pub cancelled: bool,
    /// When it was first sent.
    pub invoked: Instant,
    /// How often it was sent.
    pub tries: u32,
    /// The answer.
    pub told: Option<Told>,
}

/// An acknowledgement.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Told {
    /// The job's number.
    pub id: u64,
    /// When the try that was answered was sent.
    pub asked: Instant,
    /// When the answer came.
    pub at: Instant,
    /// The head said that it had done so before.
    pub replayed: bool,
}

/// Acknowledged submissions by the number of their job.
///
/// # Errors
/// If two keys were given the same number, or a submission was never acknowledged.
pub fn by_id(submissions: &[Submission]) -> anyhow::Result<BTreeMap<u64, &Submission>> {
    let mut ids = BTreeMap::new();
    for submission in submissions {
        let key = &submission.key;
        let told = submission
            .told
            .with_context(|| format!("{key}: no answer"))?;
        if let Some(other) = ids.insert(told.id, submission) {
            bail!("job {} was given to {key} and to {}", told.id, other.key);
        }
    }
    Ok(ids)
}

/// What the fake runtime did: how often each attempt began and ended.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Ran {
    /// Attempts, as `12_0#1`, that began.
    pub begun: BTreeSet<String>,
    /// Attempts that ended.
    pub ended: BTreeSet<String>,
}

impl Ran {
    /// Reads the file.
    ///
    /// # Errors
    /// If it cannot be read, a line is torn, or anything began or ended twice: an attempt, or a
    /// task of which two attempts were under way at the same time.
    pub fn read(path: &Path) -> anyhow::Result<Ran> {
        let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
        Ran::parse(&text)
    }

    fn parse(text: &str) -> anyhow::Result<Ran> {
        let mut ran = Ran::default();
        let mut under_way: BTreeMap<&str, &str> = BTreeMap::new();
        for line in text.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            let [what, attempt, _fence, _micros] = words[..] else {
                bail!("a torn line: {line:?}");
            };
            let (task, _) = attempt.split_once('#').context("an attempt")?;
            match what {
                "begin" => {
                    ensure!(ran.begun.insert(attempt.into()), "{attempt} began twice");
                    if let Some(other) = under_way.insert(task, attempt) {
                        bail!("{attempt} began while {other} was under way");
                    }
                }
                "end" => {
                    ensure!(ran.ended.insert(attempt.into()), "{attempt} ended twice");
                    if under_way.get(task) == Some(&attempt) {
                        under_way.remove(task);
                    }
                }
                other => bail!("{other} is no word of a ledger"),
            }
        }
        Ok(ran)
    }

    /// The attempts of a job that began.
    pub fn attempts_of(&self, job: u64) -> Vec<&str> {
        let prefix = format!("{job}_");
        let attempts = self.begun.range(prefix.clone()..);
        let own = attempts.take_while(|attempt| attempt.starts_with(&prefix));
        own.map(String::as_str).collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn what_began_twice_is_seen() {
        let fine =
            "begin 1_0#1 7 1\nend 1_0#1 7 2\nbegin 1_0#2 9 3\nbegin 12_0#1 9 4\nend 12_0#1 9 5\n";
        let ran = Ran::parse(fine).unwrap();
        assert_eq!(ran.attempts_of(1), ["1_0#1", "1_0#2"]);
        assert_eq!(ran.attempts_of(12), ["12_0#1"]);
        for (text, word) in [
            ("begin 1_0#1 7 1\nbegin 1_0#1 7 1\n", "twice"),
            ("begin 1_0#1 7 1\nbegin 1_0#2 8 1\n", "under way"),
            ("end 1_0#1 7 1\nend 1_0#1 7 1\n", "twice"),
            ("begin 1_0#1 7\n", "torn"),
        ] {
            let why = Ran::parse(text).unwrap_err().to_string();
            assert!(why.contains(word), "{why}");
        }
    }

    #[test]
    fn two_keys_with_one_number_are_seen() {
        let now = Instant::now();
        let told = Told {
            id: 4,
            asked: now,
            at: now,
            replayed: false,
        };
        let one = Submission {
            key: "a".into(),
            exit_code: 0,
            cancelled: false,
            invoked: now,
            tries: 1,
            told: Some(told),
        };
        let mut two = one.clone();
        two.key = "b".into();
        assert!(by_id(&[one.clone(), two.clone()]).is_err());
        two.told = None;
        assert!(by_id(&[one.clone(), two]).is_err());
        assert_eq!(by_id(&[one]).unwrap().len(), 1);
    }
}
