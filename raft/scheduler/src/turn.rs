//! Whose turn it is: jobs of projects with a higher priority first, and among equals first in,
//! first out.

use alloc::collections::{BTreeMap, BinaryHeap};
use alloc::vec::Vec;
use core::cmp::Reverse;
use core::iter;

use model::job::Job;
use model::state::JobSet;
use model::{JobId, State};

/// All pending jobs, in the order in which a plan looks at them.
pub fn in_turn(state: &State) -> impl Iterator<Item = &Job> {
    let mut levels: BTreeMap<Reverse<u8>, Vec<&JobSet>> = BTreeMap::new();
    for (name, jobs) in state.pending_by_project() {
        // A project with live jobs is there.
        let priority = state.project(name).map_or(0, |project| project.priority);
        levels.entry(Reverse(priority)).or_default().push(jobs);
    }
    let jobs = levels.into_values().flat_map(merged);
    jobs.filter_map(|job| state.job(job))
}

/// The jobs of several sets by rising number.
fn merged(sets: Vec<&JobSet>) -> impl Iterator<Item = JobId> {
    let mut lists: Vec<_> = sets.into_iter().map(JobSet::iter).collect();
    let heads = lists.iter_mut().enumerate();
    let heads = heads.filter_map(|(at, list)| Some(Reverse((list.next()?, at))));
    let mut heads: BinaryHeap<Reverse<(JobId, usize)>> = heads.collect();
    iter::from_fn(move || {
        let Reverse((job, at)) = heads.pop()?;
        let next = lists[at].next();
        heads.extend(next.map(|next| Reverse((next, at))));
        Some(job)
    })
}
