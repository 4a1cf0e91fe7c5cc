//! Removing what is deep, large, odd or busy.

use std::fs;
use std::os::unix::fs::chown;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use beneath::{BeneathError, Format, Tree, Why};
use rustix::fs::{Gid, Mode, OFlags, Uid, chownat, mkdirat, open, openat};

use crate::ground::{USER, directory, file, link, mode, on_ground, picture, user};

/// Directories inside each other.
const DEEP: usize = 5_000;

/// Makes directories inside each other, with a file in the innermost.
fn dig(dir: &Path, owner: u32) {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let mut here = open(dir, flags, Mode::empty()).unwrap();
    for _ in 0..DEEP {
        mkdirat(&here, "deeper", Mode::from_raw_mode(0o755)).unwrap();
        let next = openat(&here, "deeper", flags, Mode::empty()).unwrap();
        let (uid, gid) = (Uid::from_raw(owner), Gid::from_raw(owner));
        chownat(
            &next,
            "",
            Some(uid),
            Some(gid),
            rustix::fs::AtFlags::EMPTY_PATH,
        )
        .unwrap();
        here = next;
    }
    let flags = OFlags::WRONLY | OFlags::CREATE;
    openat(&here, "bottom", flags, Mode::from_raw_mode(0o644)).unwrap();
}

#[test]
fn five_thousand_directories_inside_each_other_are_removed_by_the_daemon() {
    on_ground(|ground| {
        directory(&ground.job.join("top"), USER);
        dig(&ground.job.join("top"), 0);
        ground.tree().remove_all().unwrap();
        assert!(!ground.job.exists());
    });
}

#[test]
fn and_by_the_user() {
    on_ground(|ground| {
        directory(&ground.job.join("top"), USER);
        dig(&ground.job.join("top"), USER);
        file(&ground.job.join("stays"), "", USER);
        ground.tree().remove(Path::new("top")).unwrap();
        let left: Vec<_> = fs::read_dir(&ground.job).unwrap().collect();
        assert_eq!(left.len(), 1);
    });
}

#[test]
fn what_is_too_deep_is_said_to_be_and_hangs_nothing() {
    on_ground(|ground| {
        dig(&ground.job, USER);
        let tree = ground.tree();
        assert!(!tree.usage().unwrap().complete);
        let deep = vec!["deeper"; 129].join("/");
        for path in [deep, vec!["deeper"; DEEP].join("/")] {
            let refused = tree.list(Path::new(&path), None, 1).unwrap_err();
            assert!(matches!(refused, BeneathError::Name { .. }), "{refused:?}");
        }
        for format in [Format::Tar, Format::TarGz, Format::Zip] {
            let mut packed = Vec::new();
            let archived = tree
                .archive(Path::new(""), format, &mut packed, 1 << 20)
                .unwrap();
            assert_eq!(archived.left.count, 1);
            assert_eq!(archived.left.told[0].why, Why::TooDeep);
        }
        let given = tree.give_to(&user(), &(0..=0)).unwrap();
        assert_eq!(given.left.told[0].why, Why::TooDeep);
        tree.remove_all().unwrap();
    });
}

#[test]
fn a_tree_that_is_wide_below_the_bound_is_removed() {
    on_ground(|ground| {
        let deep = ground.job.join(["d"; 40].join("/"));
        fs::create_dir_all(&deep).unwrap();
        let at_the_bound = ground.job.join(["d"; 31].join("/"));
        for number in 0..3_000 {
            fs::create_dir(at_the_bound.join(format!("{number}"))).unwrap();
        }
        // Names that a removal would use itself.
        for number in 0..40 {
            fs::create_dir_all(ground.job.join(format!(".removing-{number}/x"))).unwrap();
        }
        ground.tree().remove_all().unwrap();
        assert!(!ground.job.exists());
    });
}

#[test]
fn a_large_tree_is_removed_and_links_lead_nowhere() {
    on_ground(|ground| {
        for number in 0..20 {
            let dir = ground.job.join(format!("{number}"));
            directory(&dir, USER);
            mode(&dir, 0o000);
            for file_number in 0..200 {
                file(&dir.join(format!("{file_number}")), "x", 0);
            }
            link(&dir.join("link"), &ground.outside);
        }
        let before = picture(&ground.outside);
        let tree = ground.tree();
        tree.remove_all().unwrap();
        assert!(!ground.job.exists());
        assert_eq!(picture(&ground.outside), before);
        tree.remove_all().unwrap();
    });
}

#[test]
fn removing_a_link_leaves_what_it_names() {
    on_ground(|ground| {
        link(&ground.job.join("link"), &ground.outside);
        let before = picture(&ground.outside);
        let tree = ground.tree();
        tree.remove(Path::new("link")).unwrap();
        assert!(ground.job.join("link").symlink_metadata().is_err());
        let missing = tree.remove(Path::new("link")).unwrap_err();
        assert!(matches!(missing, BeneathError::Missing(_)), "{missing:?}");
        let top = tree.remove(Path::new("")).unwrap_err();
        assert!(matches!(top, BeneathError::Name { .. }), "{top:?}");
        assert_eq!(picture(&ground.outside), before);
    });
}

#[test]
fn what_can_be_removed_is_though_something_cannot() {
    on_ground(|ground| {
        let dir = ground.job.join("dir");
        directory(&dir, USER);
        for name in ["a", "b", "c"] {
            file(&dir.join(name), "", USER);
            directory(&dir.join(format!("dir_{name}")), USER);
            file(&dir.join(format!("dir_{name}/in")), "", USER);
        }
        chown(dir.join("dir_b"), Some(0), Some(0)).unwrap();
        let refused = ground.tree().remove(Path::new("dir")).unwrap_err();
        assert!(matches!(refused, BeneathError::Denied(_)), "{refused:?}");
        let left: Vec<_> = fs::read_dir(&dir)
            .unwrap()
            .map(|entry| entry.unwrap())
            .collect();
        assert_eq!(left.len(), 1);
        assert_eq!(left[0].file_name(), "dir_b");
    });
}

#[test]
fn a_tree_that_is_filled_meanwhile_ends_in_an_error_and_goes_when_the_filler_does() {
    on_ground(|ground| {
        let over = AtomicBool::new(false);
        let job = ground.job.clone();
        let outcome = thread::scope(|scope| {
            scope.spawn(|| {
                let mut number = 0_u64;
                while !over.load(Ordering::Relaxed) {
                    number += 1;
                    let _ = fs::write(job.join(format!("file{number}")), "");
                    let _ = fs::create_dir_all(job.join(format!("dir{number}/a/b/c")));
                }
            });
            while fs::read_dir(&job).unwrap().count() < 10 {
                thread::yield_now();
            }
            let outcome = ground.tree().remove_all();
            over.store(true, Ordering::Relaxed);
            outcome
        });
        // Either the removal was faster at the very end, or it gave up.
        if let Err(error) = outcome {
            assert!(matches!(error, BeneathError::Changing(_)), "{error:?}");
        }
        if job.exists() {
            Tree::open(&job, user()).unwrap().remove_all().unwrap();
        }
        assert!(!job.exists());
    });
}
