//! Sets of jobs by number. Numbers are given one after the other, so a set keeps 64 of them in one
//! node of a tree instead of one: a long queue takes a fiftieth of the memory, and a change of
//! state copies that much less.

use core::ops::{Bound, RangeBounds};

use rpds::RedBlackTreeMapSync as Map;

use crate::id::JobId;

/// Numbers in a word.
const WORD: u64 = u64::BITS as u64;

/// A persistent set of job numbers, in their order.
#[derive(Clone, Default)]
pub struct JobSet {
    /// Which of the numbers from `64 * key` on are in it. No word is empty.
    words: Map<u64, u64>,
    len: usize,
}

/// The numbers in one word.
#[derive(Clone)]
struct Word {
    first: u64,
    left: u64,
}

impl JobSet {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether a job is in it.
    pub fn contains(&self, job: JobId) -> bool {
        let word = self.words.get(&(job.0 / WORD));
        word.is_some_and(|word| word & bit(job) != 0)
    }

    /// All, by rising number.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = JobId> {
        self.range(..)
    }

    /// Those in a range, by rising number.
    pub fn range(&self, range: impl RangeBounds<JobId>) -> impl DoubleEndedIterator<Item = JobId> {
        let of_word = |bound: Bound<&JobId>| match bound {
            Bound::Included(job) | Bound::Excluded(job) => Bound::Included(job.0 / WORD),
            Bound::Unbounded => Bound::Unbounded,
        };
        let words = (of_word(range.start_bound()), of_word(range.end_bound()));
        let words = self.words.range(words);
        let jobs = words.flat_map(|(at, word)| Word {
            first: at * WORD,
            left: *word,
        });
        jobs.filter(move |job| range.contains(job))
    }

    pub(crate) fn insert(&mut self, job: JobId) {
        if self.contains(job) {
            return;
        }
        self.len += 1;
        match self.words.get_mut(&(job.0 / WORD)) {
            Some(word) => *word |= bit(job),
            None => self.words.insert_mut(job.0 / WORD, bit(job)),
        }
    }

    pub(crate) fn remove(&mut self, job: JobId) {
        if !self.contains(job) {
            return;
        }
        self.len -= 1;
        let at = job.0 / WORD;
        if let Some(word) = self.words.get_mut(&at) {
            *word &= !bit(job);
            if *word == 0 {
                self.words.remove_mut(&at);
            }
        }
    }
}

fn bit(job: JobId) -> u64 {
    1 << (job.0 % WORD)
}

impl Iterator for Word {
    type Item = JobId;

    fn next(&mut self) -> Option<JobId> {
        let job =
            (self.left != 0).then(|| JobId(self.first + u64::from(self.left.trailing_zeros())))?;
        self.left &= !bit(job);
        Some(job)
    }
}

impl DoubleEndedIterator for Word {
    fn next_back(&mut self) -> Option<JobId> {
        let job = (self.left != 0).then(|| JobId(self.first + u64::from(self.left.ilog2())))?;
        self.left &= !bit(job);
        Some(job)
    }
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeSet;
    use alloc::vec::Vec;

    use super::*;

    /// Changes of both ends of words and of what lies between, and at the ends of all numbers.
    fn numbers() -> impl Iterator<Item = JobId> {
        let near = (0..200_u64).map(|step| step * 37 % 200);
        near.chain([u64::MAX - 64, u64::MAX - 1, u64::MAX])
            .map(JobId)
    }

    fn both() -> (JobSet, BTreeSet<JobId>) {
        let (mut set, mut model) = (JobSet::default(), BTreeSet::new());
        for job in numbers() {
            set.insert(job);
            set.insert(job);
            model.insert(job);
            assert_eq!(set.len(), model.len());
        }
        for job in numbers().filter(|job| job.0 % 3 == 0) {
            set.remove(job);
            set.remove(job);
            model.remove(&job);
            assert_eq!(set.len(), model.len());
        }
        (set, model)
    }

    #[test]
    fn it_is_a_set() {
        let (mut set, model) = both();
        assert!(numbers().all(|job| set.contains(job) == model.contains(&job)));
        assert!(set.iter().eq(model.iter().copied()));
        assert!(set.iter().rev().eq(model.iter().copied().rev()));
        let before = set.clone();
        for job in numbers() {
            set.remove(job);
        }
        assert!(set.is_empty() && set.words.is_empty());
        assert!(before.iter().eq(model.iter().copied()), "a clone stays");
    }

    #[test]
    fn ranges_are_those_of_a_set() {
        let (set, model) = both();
        let ends = [0, 1, 62, 63, 64, 65, 127, 128, 199, u64::MAX - 1, u64::MAX].map(JobId);
        for (at, from) in ends.into_iter().enumerate() {
            for to in ends.into_iter().skip(at + 1) {
                let bounds = [
                    (Bound::Included(from), Bound::Excluded(to)),
                    (Bound::Excluded(from), Bound::Included(to)),
                    (Bound::Unbounded, Bound::Included(to)),
                    (Bound::Excluded(from), Bound::Unbounded),
                ];
                for bounds in bounds {
                    let found: Vec<JobId> = set.range(bounds).collect();
                    let wanted: Vec<JobId> = model.range(bounds).copied().collect();
                    assert_eq!(found, wanted, "{bounds:?}");
                    assert!(set.range(bounds).rev().eq(wanted.into_iter().rev()));
                }
            }
        }
    }
}
