//! Writing files: all of them or nothing, within a bound, where and as the user may.

use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use beneath::{BeneathError, Parents, Tree};

use crate::ground::{Mounted, USER, directory, file, link, on_ground, picture, user};

#[test]
fn a_file_is_written_whole() {
    on_ground(|ground| {
        let tree = ground.tree();
        let content = vec![7; 1 << 20];
        let written = tree.write(Path::new("new"), &content[..], 1 << 20, Parents::MustExist);
        assert_eq!(written.unwrap(), 1 << 20);
        assert_eq!(fs::read(ground.job.join("new")).unwrap(), content);
        let about = ground.job.join("new").metadata().unwrap();
        assert_eq!((about.uid(), about.mode() & 0o7777), (USER, 0o644));
        tree.write(Path::new("new"), &b"newer"[..], 5, Parents::MustExist)
            .unwrap();
        assert_eq!(fs::read(ground.job.join("new")).unwrap(), b"newer");
        tree.write(Path::new("a/b/c/d"), &b""[..], 0, Parents::Make)
            .unwrap();
        assert_eq!(fs::read(ground.job.join("a/b/c/d")).unwrap(), b"");
        let missing = tree.write(Path::new("x/y"), &b""[..], 0, Parents::MustExist);
        assert!(matches!(missing.unwrap_err(), BeneathError::Missing(path) if path == "x"));
    });
}

/// Fails in the middle.
struct Broken(usize);

impl Read for Broken {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0 = self
            .0
            .checked_sub(1)
            .ok_or(io::ErrorKind::ConnectionReset)?;
        Ok(buffer.len().min(1_000))
    }
}

#[test]
fn what_cannot_be_written_whole_leaves_nothing() {
    on_ground(|ground| {
        let tree = ground.tree();
        file(&ground.job.join("old"), "old", USER);
        directory(&ground.job.join("dir"), USER);
        let before = picture(&ground.job);
        for path in ["old", "new", "dir/new", "made/made/new"] {
            let path = Path::new(path);
            let refused = tree
                .write(path, &[0; 11][..], 10, Parents::Make)
                .unwrap_err();
            assert!(
                matches!(refused, BeneathError::TooLarge { limit: 10, .. }),
                "{refused:?}"
            );
            let endless = tree.write(path, io::repeat(1), 10 << 20, Parents::Make);
            assert!(matches!(
                endless.unwrap_err(),
                BeneathError::TooLarge { .. }
            ));
            let broken = tree.write(path, Broken(100), 1 << 20, Parents::Make);
            assert!(matches!(broken.unwrap_err(), BeneathError::Reader(_)));
        }
        let over = tree.write(Path::new("dir"), &b""[..], 0, Parents::MustExist);
        assert!(matches!(over.unwrap_err(), BeneathError::Directory(_)));
        let above: Vec<_> = picture(&ground.job)
            .into_iter()
            .map(|entry| entry.0)
            .collect();
        let expected: Vec<_> = before.iter().map(|entry| entry.0.clone()).collect();
        assert_eq!(above, expected);
        assert_eq!(fs::read(ground.job.join("old")).unwrap(), b"old");
        tree.write(Path::new("new"), &[0; 10][..], 10, Parents::MustExist)
            .unwrap();
    });
}

#[test]
fn a_full_disk_leaves_nothing() {
    on_ground(|ground| {
        let small = ground.top.join("small");
        directory(&small, 0);
        let _mounted = Mounted::new(&small, "size=64k,mode=0777");
        let tree = Tree::open(&small, user()).unwrap();
        let full = tree.write(Path::new("a/new"), io::repeat(1), 1 << 20, Parents::Make);
        let error = full.unwrap_err();
        let BeneathError::System { source, .. } = &error else {
            panic!("{error:?}");
        };
        assert_eq!(source.kind(), io::ErrorKind::StorageFull);
        assert_eq!(fs::read_dir(&small).unwrap().count(), 0);
    });
}

#[test]
fn a_link_is_replaced_not_followed() {
    on_ground(|ground| {
        link(&ground.job.join("link"), ground.outside.join("canary"));
        link(&ground.job.join("dir"), &ground.outside);
        let before = picture(&ground.outside);
        let tree = ground.tree();
        tree.write(Path::new("link"), &b"mine"[..], 9, Parents::MustExist)
            .unwrap();
        assert_eq!(fs::read(ground.job.join("link")).unwrap(), b"mine");
        for parents in [Parents::MustExist, Parents::Make] {
            let refused = tree.write(Path::new("dir/new"), &b"mine"[..], 9, parents);
            assert!(matches!(refused.unwrap_err(), BeneathError::Link(path) if path == "dir"));
        }
        assert_eq!(picture(&ground.outside), before);
    });
}

#[test]
fn a_file_with_another_name_outside_is_replaced_not_changed() {
    on_ground(|ground| {
        fs::hard_link(ground.outside.join("canary"), ground.job.join("hard")).unwrap();
        let tree = ground.tree();
        tree.write(Path::new("hard"), &b"mine"[..], 9, Parents::MustExist)
            .unwrap();
        assert_eq!(fs::read(ground.job.join("hard")).unwrap(), b"mine");
        let canary = fs::read(ground.outside.join("canary")).unwrap();
        assert!(crate::ground::leaks(&canary));
    });
}
