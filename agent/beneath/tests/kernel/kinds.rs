//! Listing, opening and measuring whatever can have a name.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use beneath::{BeneathError, Kind, Tree};
use rustix::fs::{CWD, FileType, Mode, makedev, mknodat};

use crate::ground::{Ground, Mounted, USER, directory, file, link, mode, on_ground};

/// Whoever waits for the other end of a pipe waits for ever.
const HUNG: Duration = Duration::from_secs(20);

/// A pipe, a socket, and devices that anybody may open.
fn furnish(ground: &Ground) {
    let make = |name: &str, kind, device| {
        let path = ground.job.join(name);
        mknodat(CWD, &path, kind, Mode::from_raw_mode(0o666), device).unwrap();
        mode(&path, 0o666);
    };
    make("pipe", FileType::Fifo, 0);
    make("zero", FileType::CharacterDevice, makedev(1, 5));
    make("tty", FileType::CharacterDevice, makedev(5, 0));
    make("block", FileType::BlockDevice, makedev(7, 0));
    drop(UnixListener::bind(ground.job.join("socket")).unwrap());
    mode(&ground.job.join("socket"), 0o666);
}

const SPECIAL: [&str; 5] = ["block", "pipe", "socket", "tty", "zero"];

/// Runs something that might wait for ever.
fn in_time<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| {
        let (done, waiting) = mpsc::channel();
        let working = scope.spawn(move || done.send(work()));
        match waiting.recv_timeout(HUNG) {
            Ok(result) => result,
            Err(RecvTimeoutError::Disconnected) => match working.join() {
                Err(panic) => std::panic::resume_unwind(panic),
                Ok(_) => panic!("it said nothing"),
            },
            Err(RecvTimeoutError::Timeout) => {
                // A thread that hangs cannot be ended.
                let _ = writeln!(std::io::stderr(), "this hangs");
                std::process::abort();
            }
        }
    })
}

#[test]
fn pipes_sockets_and_devices_are_refused_and_hang_nothing() {
    on_ground(|ground| {
        furnish(ground);
        let tree = ground.tree();
        in_time(|| {
            for name in SPECIAL {
                let refused = tree.open_file(Path::new(name)).unwrap_err();
                assert!(
                    matches!(
                        &refused,
                        BeneathError::NotFile {
                            kind: Kind::Other,
                            ..
                        }
                    ),
                    "{name}: {refused:?}"
                );
                let listed = tree.list(Path::new(name), None, 1).unwrap_err();
                assert!(
                    matches!(listed, BeneathError::NotDirectory(_)),
                    "{listed:?}"
                );
            }
            let page = tree.list(Path::new(""), None, 100).unwrap();
            assert!(page.entries.iter().all(|entry| entry.kind == Kind::Other));
            assert_eq!(page.entries.len(), SPECIAL.len());
            let mut packed = Vec::new();
            let archived = tree
                .archive(Path::new(""), beneath::Format::Tar, &mut packed, 1 << 20)
                .unwrap();
            assert_eq!((archived.entries, archived.left.count), (0, 5));
            assert_eq!(tree.usage().unwrap().files, 5);
            tree.remove_all().unwrap();
        });
        assert!(!ground.job.exists());
    });
}

#[test]
fn an_entry_tells_what_is_there_and_follows_nothing() {
    on_ground(|ground| {
        file(&ground.job.join("file"), "12345", USER);
        mode(&ground.job.join("file"), 0o6755);
        directory(&ground.job.join("dir"), USER);
        link(&ground.job.join("link"), &ground.outside);
        let page = ground.tree().list(Path::new(""), None, 100).unwrap();
        let [dir, plain, pointer] = &page.entries[..] else {
            panic!("{page:?}");
        };
        assert!(!page.more);
        assert_eq!(
            (dir.kind, dir.uid, dir.mode),
            (Kind::Directory, USER, 0o755)
        );
        assert_eq!(
            (plain.kind, plain.size, plain.mode),
            (Kind::File, 5, 0o6755)
        );
        let real = fs::metadata(ground.job.join("file")).unwrap();
        assert_eq!(plain.modified, real.modified().unwrap());
        assert_eq!(pointer.kind, Kind::Link);
        assert_eq!(pointer.target.as_deref(), Some(ground.outside.as_os_str()));
    });
}

#[test]
fn pages_fit_together() {
    on_ground(|ground| {
        let made = (0..257).map(|number| OsString::from(format!("file {number}")));
        let mut made: Vec<OsString> = made.collect();
        for name in &made {
            file(&ground.job.join(name), "", USER);
        }
        made.sort();
        let tree = ground.tree();
        for limit in [1, 2, 100, 256, 257, 258, 100_000] {
            let mut seen: Vec<OsString> = Vec::new();
            loop {
                let page = tree.list(Path::new(""), seen.last().map(OsString::as_os_str), limit);
                let page = page.unwrap();
                assert!(page.entries.len() <= limit);
                seen.extend(page.entries.into_iter().map(|entry| entry.name));
                if !page.more {
                    break;
                }
            }
            assert_eq!(seen, made, "{limit} at a time");
        }
    });
}

#[test]
fn names_need_not_be_text() {
    on_ground(|ground| {
        let names: [&[u8]; 4] = [b"\xff\xfe", b"a\nb", b"back\\slash", "grüße".as_bytes()];
        for name in names {
            file(&ground.job.join(OsStr::from_bytes(name)), "content", USER);
        }
        let tree = ground.tree();
        let page = tree.list(Path::new(""), None, 100).unwrap();
        let shown: Vec<String> = page.entries.iter().map(beneath::Entry::shown).collect();
        assert_eq!(shown, ["a\\x0ab", "back\\x5cslash", "grüße", "\\xff\\xfe"]);
        for entry in &page.entries {
            let mut content = String::new();
            let mut opened = tree.open_file(Path::new(&entry.name)).unwrap();
            opened.file.read_to_string(&mut content).unwrap();
            assert_eq!(content, "content");
            tree.remove(Path::new(&entry.name)).unwrap();
        }
        assert_eq!(fs::read_dir(&ground.job).unwrap().count(), 0);
    });
}

#[test]
fn a_file_is_read_in_ranges() {
    on_ground(|ground| {
        file(&ground.job.join("file"), "0123456789", USER);
        let mut opened = ground.tree().open_file(Path::new("file")).unwrap();
        assert_eq!(opened.length, 10);
        opened.file.seek(SeekFrom::Start(4)).unwrap();
        let mut part = [0; 3];
        opened.file.read_exact(&mut part).unwrap();
        assert_eq!(&part, b"456");
    });
}

#[test]
fn another_file_system_in_the_tree_is_not_entered() {
    on_ground(|ground| {
        directory(&ground.job.join("mounted"), USER);
        let _mounted = Mounted::new(&ground.job.join("mounted"), "mode=0777");
        file(&ground.job.join("mounted/file"), "there", USER);
        let tree = ground.tree();
        let other = |error: BeneathError| matches!(error, BeneathError::OtherFileSystem(_));
        assert!(other(tree.list(Path::new("mounted"), None, 1).unwrap_err()));
        assert!(other(
            tree.open_file(Path::new("mounted/file")).unwrap_err()
        ));
        assert!(!tree.usage().unwrap().complete);
        let mut packed = Vec::new();
        let format = beneath::Format::Tar;
        let archived = tree
            .archive(Path::new(""), format, &mut packed, 1 << 20)
            .unwrap();
        assert_eq!(archived.left.told[0].why, beneath::Why::OtherFileSystem);
        assert!(other(tree.remove_all().unwrap_err()));
        assert_eq!(fs::read(ground.job.join("mounted/file")).unwrap(), b"there");
    });
}

#[test]
fn usage_counts_a_file_with_two_names_once() {
    on_ground(|ground| {
        let content = "x".repeat(1 << 20);
        file(&ground.job.join("one"), &content, USER);
        let alone = ground.tree().usage().unwrap();
        fs::hard_link(ground.job.join("one"), ground.job.join("two")).unwrap();
        let twice = ground.tree().usage().unwrap();
        assert_eq!((alone.bytes, alone.files), (1 << 20, 1));
        assert_eq!((twice.bytes, twice.files), (1 << 20, 2));
        assert!(twice.complete);
    });
}

#[test]
fn a_tree_is_a_directory_itself() {
    on_ground(|ground| {
        link(&ground.top.join("link"), &ground.outside);
        file(&ground.top.join("file"), "", USER);
        let open = |name: &str| Tree::open(&ground.top.join(name), crate::ground::user());
        assert!(matches!(open("link").unwrap_err(), BeneathError::Link(_)));
        assert!(matches!(
            open("file").unwrap_err(),
            BeneathError::NotDirectory(_)
        ));
        assert!(matches!(
            open("none").unwrap_err(),
            BeneathError::Missing(_)
        ));
        let relative = Tree::open(Path::new("job"), crate::ground::user()).unwrap_err();
        assert!(
            matches!(relative, BeneathError::Place { .. }),
            "{relative:?}"
        );
    });
}
