//! Whether this node can run attempts: what its agent tells the heads of itself.
//!
//! An attempt that cannot be prepared, started or ended may be its job's doing or the node's. Who
//! is to blame is found out by trying what no job has a part in: the storage of jobs' directories,
//! and [`Runtime::probe`]. A node that fails that is unwell and says so, and keeps trying; it gets
//! nothing new until it succeeds.
//! Without this a broken node, empty as it is, would draw one job after the other and fail them.
//!
//! [`Judge`] decides and is pure; [`Health`] carries out.

use std::sync::Arc;
use std::time::Duration;

use model::unit::Millis;
use tokio::sync::{Notify, watch};

use crate::clock;
use crate::files::storage::Storage;
use crate::runtime::{Runtime, RuntimeError};

/// The first wait of an unwell node before it is tried again; doubled each time it fails.
const AGAIN_FIRST: Millis = Millis(1_000);
/// The longest.
const AGAIN_LONGEST: Millis = Millis(30_000);
/// A node that was well for so long begins with the first wait again; one that falls ill sooner
/// goes on where it was, so a node that comes and goes stays away longer each time.
const SETTLED_AFTER: Millis = Millis(300_000);
/// Doubts that come sooner after a trial that went well are cleared by that one.
const TRUSTED_FOR: Millis = Millis(2_000);
/// Bytes of the words that say what is wrong.
const WORDS_BYTES_MAX: usize = 400;

/// What is believed of the node, and when it is tried next. Times are a monotonic clock's.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Judge {
    trouble: Option<String>,
    /// When the last trial ended.
    tried: Option<Millis>,
    /// Since when it is well, or unwell.
    since: Millis,
    wait: Millis,
}

impl Judge {
    /// Nothing is known against it.
    pub fn new(now: Millis) -> Judge {
        Judge {
            trouble: None,
            tried: None,
            since: now,
            wait: AGAIN_FIRST,
        }
    }

    /// What keeps the node from running attempts, as far as is known.
    pub fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// When the node is to be tried; `None`: there is no reason to.
    pub fn try_at(&self, doubted: bool) -> Option<Millis> {
        match (&self.trouble, self.tried) {
            (Some(_), tried) => Some(tried.unwrap_or(self.since).plus(self.wait)),
            (None, Some(tried)) if doubted => Some(tried.plus(TRUSTED_FOR)),
            (None, None) if doubted => Some(self.since),
            (None, _) => None,
        }
    }

    /// A trial has ended: well, or with these words.
    pub fn tried(&mut self, now: Millis, outcome: Result<(), String>) {
        self.tried = Some(now);
        let lasted = Millis(now.0.saturating_sub(self.since.0));
        match (outcome, self.trouble.is_some()) {
            (Ok(()), false) => {}
            (Ok(()), true) => {
                self.trouble = None;
                self.since = now;
            }
            (Err(words), true) => {
                self.trouble = Some(cut(words));
                self.wait = doubled(self.wait);
            }
            (Err(words), false) => {
                self.trouble = Some(cut(words));
                self.since = now;
                let settled = lasted >= SETTLED_AFTER;
                self.wait = if settled { AGAIN_FIRST } else { self.wait };
            }
        }
    }
}

fn doubled(wait: Millis) -> Millis {
    wait.plus(wait).min(AGAIN_LONGEST)
}

fn cut(mut words: String) -> String {
    words.truncate(words.floor_char_boundary(WORDS_BYTES_MAX));
    words
}

/// The health of one node.
#[derive(Debug)]
pub struct Health {
    doubts: Notify,
    trouble: watch::Sender<Option<String>>,
}

impl Health {
    /// Well until the contrary is seen.
    pub fn new() -> Arc<Health> {
        Arc::new(Health {
            doubts: Notify::new(),
            trouble: watch::Sender::new(None),
        })
    }

    /// Something failed that should not have: the node is tried.
    pub fn doubt(&self) {
        self.doubts.notify_one();
    }

    /// What keeps the node from running attempts; `None`: nothing that is known.
    pub fn trouble(&self) -> watch::Receiver<Option<String>> {
        self.trouble.subscribe()
    }

    /// Tries the node whenever there is a reason to, until it is dropped.
    pub async fn mind(&self, runtime: &dyn Runtime, storage: &Storage) {
        let mut judge = Judge::new(clock::since_boot());
        let mut doubted = false;
        loop {
            let now = clock::since_boot();
            match judge.try_at(doubted) {
                None => {
                    self.doubts.notified().await;
                    doubted = true;
                }
                Some(at) if at > now => {
                    tokio::time::sleep(Duration::from_millis(at.0 - now.0)).await;
                }
                Some(_) => {
                    doubted = false;
                    let outcome = trial(runtime, storage).await;
                    let outcome = outcome.map_err(|error| error.to_string());
                    judge.tried(clock::since_boot(), outcome);
                    self.publish(judge.trouble());
                }
            }
        }
    }

    fn publish(&self, now: Option<&str>) {
        self.trouble.send_if_modified(|known| {
            let changed = known.as_deref() != now;
            match (known.is_some(), now) {
                (false, Some(why)) => tracing::error!(why, "this node cannot run attempts"),
                (true, None) => tracing::info!("this node can run attempts again"),
                (true, Some(_)) | (false, None) => {}
            }
            if changed {
                *known = now.map(str::to_owned);
            }
            changed
        });
    }
}

/// Whether jobs could have a directory and run in it.
async fn trial(runtime: &dyn Runtime, storage: &Storage) -> Result<(), RuntimeError> {
    storage.try_out().await?;
    runtime.probe().await
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEGIN: Millis = Millis(1_000_000);

    fn broken() -> Result<(), String> {
        Err("no runc".into())
    }

    #[test]
    fn a_node_is_tried_when_it_is_doubted_and_not_again_at_once() {
        let mut judge = Judge::new(BEGIN);
        assert_eq!(judge.try_at(false), None);
        assert_eq!(judge.try_at(true), Some(BEGIN));
        judge.tried(BEGIN, Ok(()));
        assert_eq!(judge.trouble(), None);
        assert_eq!(judge.try_at(false), None);
        assert_eq!(judge.try_at(true), Some(BEGIN.plus(TRUSTED_FOR)));
    }

    #[test]
    fn an_unwell_node_is_tried_less_and_less_often_until_it_is_well() {
        let mut judge = Judge::new(BEGIN);
        judge.tried(BEGIN, broken());
        let (mut now, mut waits) = (BEGIN, Vec::new());
        for _ in 0..7 {
            assert_eq!(judge.trouble(), Some("no runc"));
            let at = judge.try_at(false).expect("an unwell node is tried again");
            waits.push(at.0 - now.0);
            now = at;
            judge.tried(now, broken());
        }
        assert_eq!(waits, [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
        judge.tried(now, Ok(()));
        assert_eq!((judge.trouble(), judge.try_at(false)), (None, None));
    }

    #[test]
    fn a_node_that_comes_and_goes_stays_away_longer_each_time() {
        let mut judge = Judge::new(BEGIN);
        judge.tried(BEGIN, broken());
        judge.tried(BEGIN.plus(AGAIN_FIRST), broken());
        let well = BEGIN.plus(Millis(5_000));
        judge.tried(well, Ok(()));
        let soon = well.plus(Millis(10_000));
        judge.tried(soon, broken());
        assert_eq!(judge.try_at(false), Some(soon.plus(Millis(2_000))));
        judge.tried(soon.plus(Millis(2_000)), Ok(()));
        let late = soon.plus(Millis(2_000)).plus(SETTLED_AFTER);
        judge.tried(late, broken());
        assert_eq!(judge.try_at(false), Some(late.plus(AGAIN_FIRST)));
    }

    #[test]
    fn words_are_cut_at_a_character() {
        let mut judge = Judge::new(BEGIN);
        judge.tried(BEGIN, Err("ä".repeat(WORDS_BYTES_MAX)));
        assert_eq!(judge.trouble().map(str::len), Some(WORDS_BYTES_MAX));
        judge.tried(BEGIN, Err(format!("x{}", "ä".repeat(WORDS_BYTES_MAX))));
        assert_eq!(judge.trouble().map(str::len), Some(WORDS_BYTES_MAX - 1));
    }
}
