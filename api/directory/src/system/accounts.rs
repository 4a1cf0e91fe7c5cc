//! The machine's own accounts, from wherever its name service has them (`nsswitch.conf`). The
//! calls block, as long as that service takes.

use std::ffi::CString;

use nix::errno::Errno;
use nix::unistd::{Gid, Group, User, getgrouplist};

use crate::limits::GROUPS_MAX;
use crate::{DirectoryError, Entry};

/// What the machine says of somebody; `None` if it knows nobody of this name.
pub(super) fn look_up(login: &str) -> Result<Option<Entry>, DirectoryError> {
    let failed = |error: Errno| DirectoryError::caused("the name service fails", error);
    let Some(user) = User::from_name(login).map_err(failed)? else {
        return Ok(None);
    };
    let name = CString::new(login);
    let name = name.map_err(|error| DirectoryError::caused("the name service fails", error))?;
    let groups = getgrouplist(&name, user.gid).map_err(failed)?;
    if groups.len() > GROUPS_MAX {
        let why = format!("it is in more than {GROUPS_MAX} groups");
        return Err(DirectoryError::unfit(why));
    }
    let mut roles = Vec::new();
    for gid in &groups {
        // A group may have a number and no name.
        let group = Group::from_gid(Gid::from_raw(gid.as_raw())).map_err(failed)?;
        roles.extend(group.map(|group| group.name));
    }
    Ok(Some(Entry {
        login: user.name,
        uid: user.uid.as_raw(),
        gid: user.gid.as_raw(),
        groups: groups.into_iter().map(Gid::as_raw).collect(),
        home: user.dir.to_str().map(str::to_owned),
        mail: None,
        roles,
    }))
}
