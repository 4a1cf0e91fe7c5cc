//! Giving a tree to its user: what a container's root left, and what a user would like to be given.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown, symlink};

use beneath::{Given, Why};
use rustix::fs::{CWD, FileType, Mode, makedev, mknodat};

use crate::ground::{Ground, OTHER, USER, directory, file, mode, on_ground, user};

fn give(ground: &Ground) -> Given {
    ground.tree().give_to(&user(), &(0..=0)).unwrap()
}

fn owner(ground: &Ground, name: &str) -> (u32, u32, u32) {
    let about = fs::symlink_metadata(ground.job.join(name)).unwrap();
    (about.uid(), about.gid(), about.mode() & 0o7777)
}

#[test]
fn what_the_containers_root_left_is_the_users_afterwards() {
    on_ground(|ground| {
        chown(&ground.job, Some(0), Some(0)).unwrap();
        directory(&ground.job.join("dir"), 0);
        mode(&ground.job.join("dir"), 0o2700);
        file(&ground.job.join("dir/file"), "", 0);
        mode(&ground.job.join("dir/file"), 0o600);
        symlink(ground.outside.join("roots"), ground.job.join("link")).unwrap();
        file(&ground.outside.join("roots"), "", 0);
        let given = give(ground);
        assert_eq!((given.changed, given.left.count), (4, 0));
        assert_eq!(owner(ground, ""), (USER, USER, 0o755));
        assert_eq!(owner(ground, "dir"), (USER, USER, 0o700));
        assert_eq!(owner(ground, "dir/file"), (USER, USER, 0o600));
        assert_eq!(owner(ground, "link").0, USER);
        assert_eq!(fs::metadata(ground.outside.join("roots")).unwrap().uid(), 0);
        let again = give(ground);
        assert_eq!((again.changed, again.left.count), (0, 0));
    });
}

#[test]
fn programs_that_would_run_as_somebody_else_do_not_any_more() {
    on_ground(|ground| {
        for (name, owner, bits) in [
            ("setuid", 0, 0o4755),
            ("setgid", 0, 0o2755),
            ("both", 0, 0o6711),
            ("setgid_not_executable", 0, 0o2644),
            ("own", USER, 0o4755),
            ("sticky", 0, 0o1755),
        ] {
            file(&ground.job.join(name), "", owner);
            mode(&ground.job.join(name), bits);
        }
        let given = give(ground);
        assert_eq!((given.changed, given.left.count), (6, 0));
        assert_eq!(owner(ground, "setuid"), (USER, USER, 0o755));
        assert_eq!(owner(ground, "setgid"), (USER, USER, 0o755));
        assert_eq!(owner(ground, "both"), (USER, USER, 0o711));
        assert_eq!(owner(ground, "setgid_not_executable"), (USER, USER, 0o644));
        assert_eq!(owner(ground, "own"), (USER, USER, 0o755));
        assert_eq!(owner(ground, "sticky"), (USER, USER, 0o1755));
    });
}

#[test]
fn what_may_be_somebody_elses_is_not_given() {
    on_ground(|ground| {
        let secret = ground.outside.join("secret");
        file(&secret, "root's", 0);
        mode(&secret, 0o4600);
        fs::hard_link(&secret, ground.job.join("hard")).unwrap();
        file(&ground.job.join("others"), "", OTHER);
        mode(&ground.job.join("others"), 0o4755);
        let device = ground.job.join("device");
        let bits = Mode::from_raw_mode(0o600);
        mknodat(CWD, &device, FileType::BlockDevice, bits, makedev(7, 0)).unwrap();
        file(&ground.job.join("own_twice"), "", USER);
        fs::hard_link(ground.job.join("own_twice"), ground.job.join("twin")).unwrap();
        let given = give(ground);
        let mut left: Vec<(String, Why)> = given
            .left
            .told
            .iter()
            .map(|one| (one.shown(), one.why))
            .collect();
        left.sort_by(|one, other| one.0.cmp(&other.0));
        let expected = [
            ("device", Why::Special),
            ("hard", Why::HardLink),
            ("others", Why::OtherOwner),
        ];
        assert_eq!(left, expected.map(|(name, why)| (name.to_owned(), why)));
        assert_eq!(given.changed, 0);
        assert_eq!(owner(ground, "hard"), (0, 0, 0o4600));
        assert_eq!(owner(ground, "others"), (OTHER, OTHER, 0o4755));
        assert_eq!(owner(ground, "device"), (0, 0, 0o600));
    });
}

#[test]
fn a_range_of_owners_is_given() {
    on_ground(|ground| {
        for (name, owner) in [("below", 99_999), ("first", 100_000), ("last", 165_535)] {
            file(&ground.job.join(name), "", owner);
        }
        let given = ground
            .tree()
            .give_to(&user(), &(100_000..=165_535))
            .unwrap();
        assert_eq!((given.changed, given.left.count), (2, 1));
        assert_eq!(owner(ground, "below").0, 99_999);
    });
}
