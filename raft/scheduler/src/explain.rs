//! Why a pending job waits: the same comparisons that the plan makes, told.

use core::fmt;

use model::job::{Job, TaskState};
use model::quota::Hold;
use model::unit::Timestamp;
use model::{Resources, State};

use crate::claimed::Claimed;

/// What keeps a pending job from being placed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Reason {
    /// Its node failed it; it waits until then before another try.
    TryingAgain {
        /// When it may be placed.
        at: Timestamp,
    },
    /// A quota or its queue keeps it from starting.
    OnHold(Hold),
    /// No node takes jobs now.
    NoNode {
        /// Nodes that run jobs when they are up and not drained.
        known: usize,
    },
    /// It has an image and no node that takes jobs starts containers, or the other way round.
    WrongRuntime {
        /// Whether it has one.
        image: bool,
    },
    /// It asks for more than any node has that takes jobs now.
    TooLarge {
        /// What it asks for.
        asked: Resources,
        /// The most cpu and the most memory that such nodes have, each on its own.
        largest: Resources,
    },
    /// Every node that is large enough is taken.
    NoRoom {
        /// What it asks for.
        asked: Resources,
        /// Nodes that are large enough.
        large_enough: usize,
    },
    /// It is its turn.
    Next,
}

/// Why this pending job waits now; `None` if it is not pending.
pub fn explain(state: &State, job: &Job, now: Timestamp) -> Option<Reason> {
    let TaskState::Pending { not_before, .. } = job.task else {
        return None;
    };
    let asked = job.spec.resources;
    if not_before > now {
        return Some(Reason::TryingAgain { at: not_before });
    }
    if let Some(hold) = Claimed::of(state, now).hold(job) {
        return Some(Reason::OnHold(hold));
    }
    let up = || state.nodes().filter(|node| node.accepts());
    if up().next().is_none() {
        let known = state
            .nodes()
            .filter(|node| node.facts.capacity.is_some())
            .count();
        return Some(Reason::NoNode { known });
    }
    let (mut largest, mut large_enough, mut room) = (Resources::default(), 0, false);
    let mut able = up().filter(|node| node.can_start(&job.spec)).peekable();
    if able.peek().is_none() {
        let image = !job.spec.image.is_empty();
        return Some(Reason::WrongRuntime { image });
    }
    for node in able {
        let capacity = node.capacity();
        largest.cpu = largest.cpu.max(capacity.cpu);
        largest.memory = largest.memory.max(capacity.memory);
        large_enough += usize::from(capacity.fits(&asked));
        room |= state.free(node).fits(&asked);
    }
    Some(match (large_enough, room) {
        (0, _) => Reason::TooLarge { asked, largest },
        (_, false) => Reason::NoRoom {
            asked,
            large_enough,
        },
        (_, true) => Reason::Next,
    })
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::TryingAgain { .. } => write!(f, "its node failed it; trying again shortly"),
            Reason::OnHold(hold) => hold.fmt(f),
            Reason::NoNode { known: 0 } => write!(f, "no node runs jobs"),
            Reason::NoNode { known } => write!(f, "none of {known} nodes is up and not drained"),
            Reason::WrongRuntime { image: true } => {
                write!(f, "has an image; no node that is up starts containers")
            }
            Reason::WrongRuntime { image: false } => {
                write!(f, "has no image; every node that is up needs one")
            }
            Reason::TooLarge { asked, largest } if largest.fits(asked) => {
                write!(
                    f,
                    "asks for {asked}; no node that is up has that much of both"
                )
            }
            Reason::TooLarge { asked, largest } => {
                write!(
                    f,
                    "asks for {asked}; the most a node that is up has is {largest}"
                )
            }
            Reason::NoRoom {
                asked,
                large_enough: 1,
            } => {
                write!(f, "waits for {asked} on the one node that is large enough")
            }
            Reason::NoRoom {
                asked,
                large_enough,
            } => {
                write!(f, "waits for {asked} on one of {large_enough} nodes")
            }
            Reason::Next => write!(f, "about to be placed"),
        }
    }
}
