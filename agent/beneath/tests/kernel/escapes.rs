//! A list of what people write to get out (`escapes.txt`), each tried with everything.
//!
//! Whatever is answered: nothing outside is read, changed or mounted.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Read;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use beneath::{Access, BeneathError, Format, Parents, Pins, resolve};

use crate::ground::{
    Ground, Picture, USER, directory, file, leaks, link, on_ground, picture, user,
};

const CORPUS: &str = include_str!("escapes.txt");
/// So many are worth the name.
const STRINGS_MIN: usize = 200;

/// What is expected of a string.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Class {
    /// Refused as text.
    Text,
    /// A good text, but it leads through a link, or to nothing: nothing is found.
    Closed,
    /// It looks odd and is harmless: nothing is expected but that it stays inside.
    Inside,
}

struct Case {
    line: usize,
    class: Class,
    text: Vec<u8>,
}

fn cases(ground: &Ground, held: &File) -> Vec<Case> {
    let lines = (1..).zip(CORPUS.lines());
    let lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    let case = |(line, text): (usize, &str)| {
        let (class, text) = text.split_once(' ').unwrap_or((text, ""));
        let class = match class {
            "text" => Class::Text,
            "closed" => Class::Closed,
            "inside" => Class::Inside,
            other => panic!("escapes.txt:{line}: `{other}` is no class"),
        };
        let text = text.replace("{outside}", ground.outside.to_str().unwrap());
        let text = text.replace("{pid}", &std::process::id().to_string());
        let text = text.replace("{fd}", &held.as_raw_fd().to_string());
        let text = plain(&text);
        Case { line, class, text }
    };
    lines.map(case).collect()
}

/// Undoes `\n`, `\xNN` and so on, and `{text*N}`: so many times.
fn plain(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        if let Some((inside, after)) = rest.strip_prefix('{').and_then(|rest| rest.split_once('}'))
        {
            let (repeated, times) = inside.rsplit_once('*').unwrap();
            bytes.extend(plain(repeated).repeat(times.parse().unwrap()));
            rest = after;
        } else if let Some(escape) = rest.strip_prefix('\\') {
            let (byte, length) = match escape.as_bytes()[0] {
                b'n' => (b'\n', 1),
                b't' => (b'\t', 1),
                b'r' => (b'\r', 1),
                b's' => (b' ', 1),
                b'0' => (0, 1),
                b'\\' => (b'\\', 1),
                b'x' => (u8::from_str_radix(&escape[1..3], 16).unwrap(), 3),
                other => panic!("\\{other}"),
            };
            bytes.push(byte);
            rest = &escape[length..];
        } else {
            let mut buffer = [0; 4];
            bytes.extend(letter.encode_utf8(&mut buffer).as_bytes());
            rest = &rest[letter.len_utf8()..];
        }
    }
    bytes
}

/// The user has prepared some links.
fn furnish(dir: &Path, outside: &Path) {
    for path in [
        "sub", "sub/deep", "$HOME", "a b", "...", "..a", "~", "%2e%2e",
    ] {
        directory(&dir.join(path), USER);
    }
    for path in ["inside", "sub/inside", "a\nb"] {
        file(&dir.join(path), "inside", USER);
    }
    let links: [(&str, PathBuf); 22] = [
        ("abs", outside.into()),
        ("rel", "../outside".into()),
        ("rel2", "../../outside".into()),
        ("canary", outside.join("canary")),
        ("root", "/".into()),
        ("etc", "/etc".into()),
        ("dev", "/dev".into()),
        ("up", "..".into()),
        ("self", ".".into()),
        ("sub/up", "../..".into()),
        ("sub/back", "../abs".into()),
        ("tosub", "sub".into()),
        ("one", "two".into()),
        ("two", "three".into()),
        ("three", "abs".into()),
        ("loop", "pool".into()),
        ("pool", "loop".into()),
        ("dangling", "nowhere".into()),
        ("proc", "/proc".into()),
        ("procroot", "/proc/self/root".into()),
        ("proccwd", "/proc/self/cwd".into()),
        ("procfd", "/proc/self/fd".into()),
    ];
    for (name, target) in links {
        link(&dir.join(name), target);
    }
    link(&dir.join("odd\nlink"), outside);
    link(&dir.join("..link"), outside);
    link(&dir.join("löschen"), outside);
}

struct Trial<'a> {
    ground: &'a Ground,
    pins: Pins,
    before: Picture,
}

impl Trial<'_> {
    /// Tries one string with everything.
    fn run(&self, case: &Case) {
        for dir in [&self.ground.home, &self.ground.job] {
            fs::remove_dir_all(dir).unwrap();
            directory(dir, USER);
            furnish(dir, &self.ground.outside);
        }
        let found = [
            self.resolve(case),
            self.list(case),
            self.open(case),
            self.archive(case, Format::Tar),
            self.archive(case, Format::Zip),
        ];
        for result in found.into_iter().flatten() {
            self.judge(case, &result, true);
        }
        for result in [
            self.write(case, Parents::MustExist),
            self.write(case, Parents::Make),
            self.ground.tree().remove(path(case)),
        ] {
            // A link at the end of a path is replaced or removed itself, which is fine.
            self.judge(case, &result, false);
        }
        assert_eq!(picture(&self.ground.outside), self.before, "{}", told(case));
    }

    fn judge(&self, case: &Case, result: &Result<(), BeneathError>, reads: bool) {
        match (case.class, result) {
            (Class::Text, Err(BeneathError::Name { .. })) => {}
            (Class::Text, result) => panic!("{}: {result:?}, not refused as text", told(case)),
            (Class::Closed, Ok(())) if reads => panic!("{}: it was found", told(case)),
            (Class::Closed, Err(BeneathError::Name { .. })) => {
                panic!("{}: refused as text already", told(case))
            }
            (Class::Closed | Class::Inside, _) => {}
        }
    }

    /// `None` if the string is no text that could be asked for.
    fn resolve(&self, case: &Case) -> Option<Result<(), BeneathError>> {
        let sub = std::str::from_utf8(&case.text).ok()?;
        Some(resolve(&self.ground.home, sub, &user()).map(|found| {
            let place = format!("/proc/thread-self/fd/{}", found.as_fd().as_raw_fd());
            let place = fs::read_link(place).unwrap();
            assert!(
                place.starts_with(&self.ground.home),
                "{}: {place:?}",
                told(case)
            );
            let access = Access {
                writable: true,
                submounts: true,
            };
            let pin = self.pins.pin(&found, "tried", access).unwrap();
            let names = fs::read_dir(&pin).unwrap();
            for name in names.map(|entry| entry.unwrap().file_name()) {
                let canary = name == "canary" && !pin.join(&name).is_symlink();
                assert!(!canary && name != "mark", "{}: pinned", told(case));
            }
            self.pins.unpin("tried").unwrap();
        }))
    }

    fn list(&self, case: &Case) -> Option<Result<(), BeneathError>> {
        let listed = self.ground.tree().list(path(case), None, 1_000);
        Some(listed.map(|page| {
            let outside = page.entries.iter().any(|entry| entry.name == "mark");
            assert!(!outside, "{}: listed", told(case));
        }))
    }

    fn open(&self, case: &Case) -> Option<Result<(), BeneathError>> {
        let opened = self.ground.tree().open_file(path(case));
        Some(opened.map(|mut opened| {
            let mut content = Vec::new();
            opened.file.read_to_end(&mut content).unwrap();
            assert!(!leaks(&content), "{}: read", told(case));
            assert_eq!(content, b"inside", "{}: read", told(case));
        }))
    }

    fn archive(&self, case: &Case, format: Format) -> Option<Result<(), BeneathError>> {
        let mut packed = Vec::new();
        let tree = self.ground.tree();
        let archived = tree.archive(path(case), format, &mut packed, 1 << 20);
        assert!(!leaks(&packed), "{}: packed", told(case));
        Some(archived.map(|_| ()))
    }

    fn write(&self, case: &Case, parents: Parents) -> Result<(), BeneathError> {
        let tree = self.ground.tree();
        tree.write(path(case), &b"evil"[..], 100, parents)
            .map(|_| ())
    }
}

fn path(case: &Case) -> &Path {
    Path::new(OsStr::from_bytes(&case.text))
}

fn told(case: &Case) -> String {
    format!(
        "escapes.txt:{}: `{}`",
        case.line,
        beneath::shown(&case.text)
    )
}

#[test]
fn nothing_that_people_write_leads_outside() {
    on_ground(|ground| {
        let held = File::open(&ground.outside).unwrap();
        let trial = Trial {
            ground,
            pins: Pins::new(&ground.top.join("pins")).unwrap(),
            before: picture(&ground.outside),
        };
        let cases = cases(ground, &held);
        for case in &cases {
            trial.run(case);
        }
        let of = |class| cases.iter().filter(|case| case.class == class).count();
        let (text, closed, inside) = (of(Class::Text), of(Class::Closed), of(Class::Inside));
        println!("{text} refused as text, {closed} closed, {inside} odd but inside");
        let mut texts: Vec<&[u8]> = cases.iter().map(|case| &case.text[..]).collect();
        texts.sort_unstable();
        texts.dedup();
        assert!(texts.len() >= STRINGS_MIN, "{} strings", texts.len());
        assert_eq!(texts.len(), cases.len(), "a string is there twice");
    });
}
