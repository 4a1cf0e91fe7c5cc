//! Acting as a user: a thread of its own puts on the user's file-system identity, and ends.
//!
//! On Linux the identity that file access is judged by belongs to a thread, not to the process. The
//! thread that takes it is new and never used for anything else, so the identity cannot leak into
//! what the daemon does next. It gives up every capability too: with `CAP_DAC_OVERRIDE` the kernel
//! would not look at permissions at all, with `CAP_SYS_RESOURCE` not at quotas.
//!
//! Putting on an identity makes the kernel mark the whole process as not dumpable: it leaves no
//! core files from then on.

use std::io;
use std::panic::resume_unwind;
use std::thread;

use rustix::process::{getegid, geteuid, getgroups};
use rustix::thread::{CapabilitySet, CapabilitySets, capabilities, set_capabilities};
use rustix::thread::{Gid, set_thread_groups};

use crate::error::BeneathError;
use crate::limits::GROUPS_MAX;

/// The kernel takes this for "no id"; asking for it changes nothing.
const NO_ID: u32 = u32::MAX;

/// Who a user is to the kernel.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ids {
    uid: u32,
    gid: u32,
    groups: Vec<u32>,
}

impl Ids {
    /// A user, the group of what the user makes, and the other groups. Group 0 is taken like any
    /// other: whether somebody is in it, the administrator knows.
    ///
    /// # Errors
    /// [`BeneathError::Ids`] for root, for -1, and for too many groups.
    pub fn new(uid: u32, gid: u32, mut groups: Vec<u32>) -> Result<Ids, BeneathError> {
        let refused = |why| Err(BeneathError::Ids { uid, gid, why });
        if uid == 0 {
            return refused("root is nobody's user");
        }
        if uid == NO_ID || gid == NO_ID || groups.contains(&NO_ID) {
            return refused("-1 is no id");
        }
        if groups.len() > GROUPS_MAX {
            return refused("too many groups");
        }
        groups.sort_unstable();
        groups.dedup();
        Ok(Ids { uid, gid, groups })
    }

    /// The user.
    pub fn uid(&self) -> u32 {
        self.uid
    }

    /// The group of what the user makes.
    pub fn gid(&self) -> u32 {
        self.gid
    }

    /// The other groups, in order.
    pub fn groups(&self) -> &[u32] {
        &self.groups
    }
}

/// Does something with the user's rights to files, and no others.
///
/// Blocks until it is done. What is opened inside may be used outside: the kernel asks at opening.
/// A daemon that is not root can act as its own user only.
///
/// # Errors
/// [`BeneathError::Identity`] if the thread is not exactly the user; `work` was not called then.
///
/// # Panics
/// If `work` does.
pub fn as_user<T: Send>(ids: &Ids, work: impl FnOnce() -> T + Send) -> Result<T, BeneathError> {
    thread::scope(|scope| {
        let named = thread::Builder::new().name("as-user".into());
        let started = named.spawn_scoped(scope, || {
            put_on(ids)?;
            check(ids)?;
            Ok(work())
        });
        let started = started.map_err(|error| refusal(ids, "no thread for it", Some(error)))?;
        started.join().unwrap_or_else(|panic| resume_unwind(panic))
    })
}

fn is_our_own(ids: &Ids) -> bool {
    geteuid().as_raw() == ids.uid && getegid().as_raw() == ids.gid
}

fn put_on(ids: &Ids) -> Result<(), BeneathError> {
    if !is_our_own(ids) {
        let groups: Vec<Gid> = ids.groups.iter().copied().map(Gid::from_raw).collect();
        set_thread_groups(&groups)
            .map_err(|error| refusal(ids, "the groups are not taken", Some(error.into())))?;
        // Neither says whether it worked: `check` asks.
        nix::unistd::setfsgid(ids.gid.into());
        nix::unistd::setfsuid(ids.uid.into());
    }
    let none = CapabilitySets {
        effective: CapabilitySet::empty(),
        permitted: CapabilitySet::empty(),
        inheritable: CapabilitySet::empty(),
    };
    set_capabilities(None, none)
        .map_err(|error| refusal(ids, "the capabilities stay", Some(error.into())))
}

/// Asks the kernel who this thread is now.
fn check(ids: &Ids) -> Result<(), BeneathError> {
    if nix::unistd::setfsuid(NO_ID.into()).as_raw() != ids.uid {
        return Err(refusal(ids, "the user is not taken", None));
    }
    if nix::unistd::setfsgid(NO_ID.into()).as_raw() != ids.gid {
        return Err(refusal(ids, "the group is not taken", None));
    }
    if !is_our_own(ids) {
        let groups = getgroups()
            .map_err(|error| refusal(ids, "the groups are unknown", Some(error.into())))?;
        let mut groups: Vec<u32> = groups.into_iter().map(Gid::as_raw).collect();
        groups.sort_unstable();
        if groups != ids.groups {
            return Err(refusal(ids, "the groups are others", None));
        }
    }
    let held = capabilities(None)
        .map_err(|error| refusal(ids, "the capabilities are unknown", Some(error.into())))?;
    if !(held.effective | held.permitted).is_empty() {
        return Err(refusal(ids, "capabilities are left", None));
    }
    Ok(())
}

fn refusal(ids: &Ids, why: &'static str, source: Option<io::Error>) -> BeneathError {
    BeneathError::Identity {
        uid: ids.uid,
        why,
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_and_nobody_at_all_are_no_users() {
        for (uid, gid, groups) in [(0, 1, vec![]), (NO_ID, 1, vec![]), (1, NO_ID, vec![])] {
            assert!(Ids::new(uid, gid, groups).is_err(), "{uid} {gid}");
        }
        assert!(Ids::new(1, 1, vec![NO_ID]).is_err());
        assert!(Ids::new(1, 1, vec![2; GROUPS_MAX + 1]).is_err());
        assert_eq!(Ids::new(1, 1, vec![3, 2, 3]).unwrap().groups(), [2, 3]);
    }
}
