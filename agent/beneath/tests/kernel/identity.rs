//! Acting as a user: what the kernel lets the thread do, and that it ends with the thread.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::Path;
use std::thread;

use beneath::{Access, BeneathError, Ids, Parents, Pins, as_user, resolve};
use rustix::thread::{Gid, Uid, set_thread_res_gid, set_thread_res_uid};

use crate::ground::{GROUP, OTHER, USER, directory, file, mode, on_ground, user};

fn status(field: &str) -> String {
    let status = fs::read_to_string("/proc/thread-self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(field)).unwrap();
    line.split_whitespace()
        .skip(1)
        .collect::<Vec<_>>()
        .join(" ")
}

#[test]
fn a_thread_is_the_user_and_ends() {
    on_ground(|_| {
        let before = (status("Uid:"), status("Groups:"), status("CapEff:"));
        let inside = as_user(&user(), || {
            (status("Uid:"), status("Groups:"), status("CapEff:"))
        });
        let (uid, groups, capabilities) = inside.unwrap();
        // Real, effective and saved stay root's: nobody may send signals to it or trace it.
        assert_eq!(uid, format!("0 0 0 {USER}"));
        assert_eq!(groups, GROUP.to_string());
        assert_eq!(capabilities, "0000000000000000");
        let after = (status("Uid:"), status("Groups:"), status("CapEff:"));
        assert_eq!(after, before);
    });
}

#[test]
fn a_daemon_that_is_not_root_acts_as_itself_only() {
    on_ground(|ground| {
        let pins = Pins::new(&ground.top.join("pins")).unwrap();
        let (uid, gid) = (Uid::from_raw(USER), Gid::from_raw(USER));
        let unprivileged = thread::scope(|scope| {
            let thread = scope.spawn(|| {
                set_thread_res_gid(gid, gid, gid).unwrap();
                set_thread_res_uid(uid, uid, uid).unwrap();
                let other = Ids::new(OTHER, OTHER, vec![]).unwrap();
                let refused = as_user(&other, || ()).unwrap_err();
                assert!(
                    matches!(refused, BeneathError::Identity { uid: OTHER, .. }),
                    "{refused:?}"
                );
                ground.tree().list(Path::new(""), None, 1).unwrap();
                let found = resolve(&ground.volume, "home", &user()).unwrap();
                let access = Access {
                    writable: false,
                    submounts: false,
                };
                pins.pin(&found, "data", access).unwrap_err()
            });
            thread.join().unwrap()
        });
        assert!(
            matches!(unprivileged, BeneathError::System { .. }),
            "{unprivileged:?}"
        );
    });
}

#[test]
fn a_panic_comes_out_and_the_identity_does_not() {
    on_ground(|ground| {
        let panicked = std::panic::catch_unwind(|| as_user(&user(), || panic!("on purpose")));
        assert!(panicked.is_err());
        let made = ground.top.join("made");
        fs::write(&made, "").unwrap();
        assert_eq!(made.metadata().unwrap().uid(), 0);
    });
}

#[test]
fn what_the_user_makes_is_the_users() {
    on_ground(|ground| {
        let tree = ground.tree();
        let path = Path::new("new/file");
        tree.write(path, &b"x"[..], 1, Parents::Make).unwrap();
        for path in ["new", "new/file"] {
            let about = ground.job.join(path).metadata().unwrap();
            assert_eq!((about.uid(), about.gid()), (USER, USER), "{path}");
        }
    });
}

#[test]
fn a_directory_that_the_user_cannot_search_is_refused_though_the_daemon_is_root() {
    on_ground(|ground| {
        for (name, owner, bits) in [
            ("roots", 0, 0o700),
            ("others", OTHER, 0o700),
            ("readable", OTHER, 0o744),
            ("own_but_closed", USER, 0o600),
        ] {
            let closed = ground.volume.join(name);
            directory(&closed, owner);
            directory(&closed.join("in"), USER);
            mode(&closed, bits);
            for sub in [name.to_owned(), format!("{name}/in")] {
                let refused = resolve(&ground.volume, &sub, &user()).unwrap_err();
                assert!(
                    matches!(&refused, BeneathError::Denied(path) if path == name),
                    "{sub}: {refused:?}"
                );
            }
        }
    });
}

#[test]
fn the_administrators_directory_may_lie_where_users_cannot_go_but_must_be_searchable_itself() {
    on_ground(|ground| {
        let hidden = ground.top.join("hidden");
        directory(&hidden, 0);
        directory(&hidden.join("data"), 0);
        directory(&hidden.join("data/a"), USER);
        mode(&hidden, 0o700);
        let root = hidden.join("data");
        resolve(&root, "a", &user()).unwrap();
        resolve(&root, "", &user()).unwrap();
        mode(&root, 0o700);
        for sub in ["", "a"] {
            let refused = resolve(&root, sub, &user()).unwrap_err();
            assert!(matches!(refused, BeneathError::Denied(_)), "{refused:?}");
        }
    });
}

#[test]
fn groups_count() {
    on_ground(|ground| {
        let shared = ground.volume.join("shared");
        directory(&shared, 0);
        chown(&shared, Some(0), Some(GROUP)).unwrap();
        mode(&shared, 0o750);
        resolve(&ground.volume, "shared", &user()).unwrap();
        let alone = Ids::new(USER, USER, vec![]).unwrap();
        let refused = resolve(&ground.volume, "shared", &alone).unwrap_err();
        assert!(matches!(refused, BeneathError::Denied(_)), "{refused:?}");
    });
}

#[test]
fn what_the_user_may_not_do_in_the_tree_is_refused() {
    on_ground(|ground| {
        let tree = ground.tree();
        let secret = ground.job.join("secret");
        file(&secret, "root's", 0);
        mode(&secret, 0o600);
        let closed = ground.job.join("closed");
        directory(&closed, 0);
        file(&closed.join("in"), "x", 0);
        mode(&closed, 0o711);
        let denied = |error: BeneathError| matches!(error, BeneathError::Denied(_));
        assert!(denied(tree.open_file(Path::new("secret")).unwrap_err()));
        assert!(denied(
            tree.list(Path::new("closed"), None, 10).unwrap_err()
        ));
        assert!(denied(tree.remove(Path::new("closed/in")).unwrap_err()));
        let path = Path::new("closed/new");
        let written = tree.write(path, &b"x"[..], 1, Parents::MustExist);
        assert!(denied(written.unwrap_err()));
        tree.open_file(Path::new("closed/in")).unwrap();
    });
}

#[test]
fn errors_name_the_part_that_is_in_the_way() {
    on_ground(|ground| {
        file(&ground.home.join("file"), "", USER);
        crate::ground::link(&ground.home.join("link"), ".");
        let found = |sub: &str| resolve(&ground.volume, sub, &user());
        for (sub, told) in [
            ("home/none/x", "`home/none`: no such file or directory"),
            ("home/file/x", "`home/file` is not a directory"),
            ("home/file", "`home/file` is not a directory"),
            (
                "home/link/x/y",
                "`home/link` is a symbolic link; links are not followed",
            ),
            (
                "home/link",
                "`home/link` is a symbolic link; links are not followed",
            ),
            ("home/../x", "`home/../x` is refused: `..` is not allowed"),
        ] {
            assert_eq!(found(sub).unwrap_err().to_string(), told);
        }
        let relative = resolve(Path::new("volume"), "home", &user()).unwrap_err();
        assert!(
            matches!(relative, BeneathError::Place { .. }),
            "{relative:?}"
        );
    });
}
