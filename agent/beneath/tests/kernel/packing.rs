//! Archives, read back by the system's own programs.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use beneath::{Archived, BeneathError, Format, LEFT_OUT, Why};

use crate::ground::{Ground, USER, directory, file, link, mode, on_ground, picture};

fn pack(ground: &Ground, path: &str, format: Format) -> (Archived, Vec<u8>) {
    let mut packed = Vec::new();
    let tree = ground.tree();
    let archived = tree
        .archive(Path::new(path), format, &mut packed, 1 << 30)
        .unwrap();
    (archived, packed)
}

/// Unpacks with the system's program into a new directory.
fn unpack(ground: &Ground, packed: &[u8], format: Format) -> PathBuf {
    let (archive, to) = (ground.top.join("archive"), ground.top.join("unpacked"));
    fs::write(&archive, packed).unwrap();
    directory(&to, 0);
    let mut command = match format {
        Format::Tar | Format::TarGz => {
            let mut tar = Command::new("tar");
            tar.args([
                "--extract",
                "--same-permissions",
                "--numeric-owner",
                "--file",
            ]);
            tar.arg(&archive).arg("--directory").arg(&to);
            tar
        }
        Format::Zip => {
            let mut unzip = Command::new("unzip");
            unzip.arg("-q").arg(&archive).arg("-d").arg(&to);
            unzip
        }
    };
    let out = command.output().unwrap();
    assert!(
        out.status.success(),
        "{}",
        String::from_utf8_lossy(&out.stderr)
    );
    assert!(
        out.stderr.is_empty(),
        "{}",
        String::from_utf8_lossy(&out.stderr)
    );
    to
}

/// Names, kinds, permissions, times in seconds, and contents.
fn essence(dir: &Path) -> Vec<(Vec<u8>, u32, i64, Vec<u8>)> {
    let all = picture(dir).into_iter().skip(1);
    let all = all.map(|(name, mode, _, _, _, time, content)| {
        let directory = mode & 0o170_000 == 0o040_000;
        let link = mode & 0o170_000 == 0o120_000;
        let time = if directory || link {
            0
        } else {
            time / 1_000_000_000
        };
        (name.as_bytes().to_vec(), mode, time, content)
    });
    all.collect()
}

fn furnish(ground: &Ground) {
    let job = &ground.job;
    directory(&job.join("empty"), USER);
    directory(&job.join("dir"), USER);
    mode(&job.join("dir"), 0o750);
    file(&job.join("dir/run.sh"), "#!/bin/sh\n", USER);
    mode(&job.join("dir/run.sh"), 0o755);
    file(&job.join("dir/nothing"), "", USER);
    file(&job.join("grüße 日本.txt"), "text", USER);
    file(&job.join("large"), &"0123456789abcdef".repeat(20_000), USER);
    let long = "n".repeat(200);
    for depth in 1..=20 {
        let path = job.join(vec![long.as_str(); depth].join("/"));
        if depth < 20 {
            directory(&path, USER);
        } else {
            file(&path, "deep", USER);
        }
    }
}

#[test]
fn a_tar_archive_is_the_tree() {
    on_ground(|ground| {
        furnish(ground);
        let job = &ground.job;
        link(&job.join("link"), "dir/run.sh");
        link(&job.join("dangling"), "/no//such/./thing/");
        link(&job.join("long link"), "x".repeat(300));
        let odd: [&[u8]; 3] = [
            b"\xff\xfe",
            b"a\nb",
            &[b"\xff".as_slice(), &[b'y'; 200]].concat(),
        ];
        for name in odd {
            file(&job.join(OsStr::from_bytes(name)), "odd", USER);
        }
        let (archived, packed) = pack(ground, "", Format::Tar);
        assert_eq!(archived.left.count, 0, "{:?}", archived.left);
        let unpacked = unpack(ground, &packed, Format::Tar);
        assert_eq!(essence(&unpacked), essence(job));
        assert_eq!(archived.entries, essence(job).len() as u64);
        let owner = unpacked.join("large").metadata().unwrap().uid();
        assert_eq!(owner, USER);
    });
}

#[test]
fn a_zip_archive_is_the_tree_but_for_links() {
    on_ground(|ground| {
        furnish(ground);
        let (archived, packed) = pack(ground, "", Format::Zip);
        assert_eq!(archived.left.count, 0, "{:?}", archived.left);
        let unpacked = unpack(ground, &packed, Format::Zip);
        assert_eq!(essence(&unpacked), essence(&ground.job));
        assert!(
            packed.len() < 100_000,
            "{} bytes: not deflated",
            packed.len()
        );
        link(&ground.job.join("link"), "dir");
        let (archived, _) = pack(ground, "", Format::Zip);
        assert_eq!(archived.left.told[0].why, Why::Link);
        assert_eq!(archived.left.told[0].shown(), "link");
    });
}

#[test]
fn names_in_a_zip_archive_are_names_everywhere() {
    on_ground(|ground| {
        for name in [&b"\xff"[..], b"back\\..\\slash", b"C:", b"100%"] {
            file(&ground.job.join(OsStr::from_bytes(name)), "", USER);
        }
        let (archived, packed) = pack(ground, "", Format::Zip);
        assert_eq!(archived.entries, 4);
        let unpacked = unpack(ground, &packed, Format::Zip);
        let names: Vec<Vec<u8>> = essence(&unpacked).into_iter().map(|one| one.0).collect();
        assert_eq!(
            names,
            [&b"%FF"[..], b"100%25", b"C%3A", b"back%5C..%5Cslash"]
        );
    });
}

#[test]
fn a_part_or_a_file_is_packed_without_what_is_above() {
    on_ground(|ground| {
        directory(&ground.job.join("a"), USER);
        directory(&ground.job.join("a/b"), USER);
        file(&ground.job.join("a/b/c"), "c", USER);
        for format in [Format::Tar, Format::TarGz, Format::Zip] {
            for (path, names) in [("a", vec!["b", "b/c"]), ("a/b/c", vec!["c"])] {
                let (_, packed) = pack(ground, path, format);
                let unpacked = unpack(ground, &packed, format);
                let found: Vec<_> = essence(&unpacked).into_iter().map(|one| one.0).collect();
                let names: Vec<_> = names.iter().map(|name| name.as_bytes().to_vec()).collect();
                assert_eq!(found, names);
                fs::remove_dir_all(unpacked).unwrap();
            }
        }
    });
}

#[test]
fn what_has_no_place_in_an_archive_is_told() {
    on_ground(|ground| {
        file(&ground.job.join("secret"), "root's", 0);
        mode(&ground.job.join("secret"), 0o600);
        directory(&ground.job.join("closed"), 0);
        mode(&ground.job.join("closed"), 0o700);
        let program = ground.job.join("program");
        file(&program, "", 0);
        mode(&program, 0o4755);
        let (archived, packed) = pack(ground, "", Format::Tar);
        let mut left: Vec<_> = archived
            .left
            .told
            .iter()
            .map(|one| (one.shown(), one.why))
            .collect();
        left.sort_by(|one, other| one.0.cmp(&other.0));
        let denied = |name: &str| (name.to_owned(), Why::Denied);
        assert_eq!(left, [denied("closed"), denied("secret")]);
        let unpacked = unpack(ground, &packed, Format::Tar);
        let about = unpacked.join("program").metadata().unwrap();
        assert_eq!(about.mode() & 0o7777, 0o755);
        let told = fs::read_to_string(unpacked.join(LEFT_OUT)).unwrap();
        let (first, lines) = told.split_once('\n').unwrap();
        assert_eq!(first, "Not in this archive, or not whole:");
        let mut lines: Vec<_> = lines.lines().collect();
        lines.sort_unstable();
        let denied = ["closed: permission denied", "secret: permission denied"];
        assert_eq!(lines, denied);
    });
}

/// Makes a file shorter when the first bytes of an archive come.
struct Cuts<'a> {
    file: &'a Path,
    packed: Vec<u8>,
}

impl Write for Cuts<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.packed.is_empty() {
            fs::File::options()
                .write(true)
                .open(self.file)?
                .set_len(1_000)?;
        }
        self.packed.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_file_that_shrinks_while_it_is_packed_is_as_long_as_it_says() {
    on_ground(|ground| {
        let shrinks = ground.job.join("shrinks");
        for (format, length) in [(Format::Tar, 4 << 20), (Format::Zip, 1_000)] {
            file(&shrinks, &"x".repeat(4 << 20), USER);
            let mut cuts = Cuts {
                file: &shrinks,
                packed: Vec::new(),
            };
            let tree = ground.tree();
            let archived = tree
                .archive(Path::new(""), format, &mut cuts, 1 << 30)
                .unwrap();
            assert_eq!(archived.bytes, length as u64);
            let unpacked = unpack(ground, &cuts.packed, format);
            let found = fs::read(unpacked.join("shrinks")).unwrap();
            assert_eq!(found.len(), length);
            assert!(found[..1_000].iter().all(|byte| *byte == b'x'));
            assert!(found[1_000..].iter().all(|byte| *byte == 0));
            let told = fs::read_to_string(unpacked.join(LEFT_OUT));
            match format {
                Format::Zip => assert!(told.is_err(), "{told:?}"),
                Format::Tar | Format::TarGz => {
                    assert!(told.unwrap().contains("shrinks: became shorter"));
                }
            }
            fs::remove_dir_all(unpacked).unwrap();
        }
    });
}

/// Takes some bytes, then none.
struct Gone(usize);

impl Write for Gone {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self
            .0
            .checked_sub(bytes.len())
            .ok_or(io::ErrorKind::BrokenPipe)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn an_archive_that_is_cut_off_does_not_look_whole() {
    on_ground(|ground| {
        for number in 0..10 {
            file(
                &ground.job.join(format!("{number}")),
                &"x".repeat(1_000),
                USER,
            );
        }
        for format in [Format::Tar, Format::TarGz, Format::Zip] {
            let tree = ground.tree();
            let (mut packed, top) = (Vec::new(), Path::new(""));
            let large = tree.archive(top, format, &mut packed, 5_000).unwrap_err();
            assert!(
                matches!(large, BeneathError::TooLarge { limit: 5_000, .. }),
                "{large:?}"
            );
            match format {
                Format::Tar => assert_ne!(&packed[packed.len() - 512..], &[0; 512][..]),
                Format::TarGz => {
                    let mut read = flate2::read::GzDecoder::new(&packed[..]);
                    assert!(io::copy(&mut read, &mut io::sink()).is_err());
                }
                Format::Zip => assert!(!packed.windows(4).any(|four| four == b"PK\x05\x06")),
            }
            let gone = tree.archive(top, format, Gone(100), 1 << 20).unwrap_err();
            let BeneathError::Writer(source) = gone else {
                panic!("{gone:?}");
            };
            assert_eq!(source.kind(), io::ErrorKind::BrokenPipe);
        }
    });
}

#[test]
fn what_is_packed_is_streamed() {
    on_ground(|ground| {
        // Sparse: 300 MiB that take no room.
        let sparse = ground.job.join("sparse");
        file(&sparse, "", USER);
        let length = 300 << 20;
        fs::File::options()
            .write(true)
            .open(&sparse)
            .unwrap()
            .set_len(length)
            .unwrap();
        for format in [Format::Tar, Format::TarGz, Format::Zip] {
            let mut most = Chunks(0);
            let archived = ground
                .tree()
                .archive(Path::new(""), format, &mut most, 1 << 30);
            assert_eq!(archived.unwrap().bytes, length);
            assert!(most.0 <= 1 << 20, "{} bytes at once", most.0);
        }
    });
}

/// Remembers how much came at once.
struct Chunks(usize);

impl Write for Chunks {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.max(bytes.len());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
