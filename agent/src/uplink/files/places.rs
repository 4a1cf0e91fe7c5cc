//! How many wishes about files are carried out at the same time, and how many of them about the
//! files of one owner: who reads slowly, or not at all, keeps nobody else from theirs.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use model::account::UserName;

/// At the same time, each with a thread and a few frames.
const FILES_MAX: usize = 64;
/// The same of one owner.
const FILES_PER_OWNER_MAX: usize = 16;

/// Who is at work. A clone counts with the others.
#[derive(Clone, Debug, Default)]
pub(in crate::uplink) struct Places(Arc<Mutex<HashMap<UserName, usize>>>);

/// The right to carry out one wish; ends when dropped.
#[derive(Debug)]
pub(super) struct Taken {
    places: Places,
    owner: UserName,
}

impl Places {
    /// A place for a wish about the files of this owner; otherwise why there is none.
    pub(super) fn take(&self, owner: &UserName) -> Result<Taken, String> {
        let mut owners = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if owners.values().sum::<usize>() >= FILES_MAX {
            return Err(format!(
                "the node is busy with {FILES_MAX} wishes about files"
            ));
        }
        let count = owners.entry(owner.clone()).or_default();
        if *count >= FILES_PER_OWNER_MAX {
            return Err(format!(
                "the node is busy with {FILES_PER_OWNER_MAX} wishes about the files of {owner}"
            ));
        }
        *count += 1;
        Ok(Taken {
            places: self.clone(),
            owner: owner.clone(),
        })
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        let mut owners = self.places.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = owners.get_mut(&self.owner) {
            *count -= 1;
            if *count == 0 {
                owners.remove(&self.owner);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_owner_leaves_places_to_others_and_gives_theirs_back() {
        let places = Places::default();
        let take = |owner: &str| places.take(&owner.into());
        let alice: Vec<_> = (0..FILES_PER_OWNER_MAX).map(|_| take("alice")).collect();
        assert!(alice.iter().all(Result::is_ok));
        let full = take("alice").unwrap_err();
        assert!(full.contains("of alice"), "{full}");
        let others: Vec<_> = (FILES_PER_OWNER_MAX..FILES_MAX)
            .map(|number| take(&format!("user{number}")))
            .collect();
        assert!(others.iter().all(Result::is_ok));
        assert!(take("bob").is_err());
        drop(alice);
        assert!(take("bob").is_ok() && take("alice").is_ok());
        drop(others);
        assert!(places.0.lock().unwrap().is_empty());
    }
}
