//! Golden books: lines of a name and the bytes that something with that name has in one version of
//! a format, in hexadecimal. Every test of stored or sent bytes uses this file.
//!
//! The current version's book must have exactly the bytes that are written today; every older one
//! must still be read as what it meant. See `raft/model/golden/README.md`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Something that is written, under a name.
pub(crate) struct Sample {
    name: String,
    bytes: Vec<u8>,
    again: Again,
    /// What bytes of an older version mean, where that version could not say all of it.
    older: BTreeMap<u8, Vec<u8>>,
}

/// What bytes mean, written as it is today.
type Again = Box<dyn Fn(&[u8]) -> Result<Vec<u8>, String>>;

/// How values of a type are written and read.
pub(crate) struct Form<T> {
    pub(crate) encode: fn(&T) -> Vec<u8>,
    pub(crate) decode: fn(&[u8]) -> Result<T, String>,
}

/// What each variant of an enum is called, and all these names.
pub(crate) type Variants<T> = (fn(&T) -> &'static str, &'static [&'static str]);

/// The variants of an enum: does not compile while one is missing.
macro_rules! variants {
    ($type:ident: $($variant:ident),+ $(,)?) => {{
        fn name(value: &$type) -> &'static str {
            match value {
                $($type::$variant { .. } => {
                    concat!(stringify!($type), "/", stringify!($variant))
                })+
            }
        }
        let all: &'static [&'static str] =
            &[$(concat!(stringify!($type), "/", stringify!($variant))),+];
        (name as fn(&$type) -> &'static str, all)
    }};
}
pub(crate) use variants;

/// The samples of one book.
#[derive(Default)]
pub(crate) struct Samples(Vec<Sample>);

impl Samples {
    /// A value under a name.
    pub(crate) fn put<T: 'static>(&mut self, name: &str, value: &T, form: &Form<T>) {
        let (encode, decode) = (form.encode, form.decode);
        self.0.push(Sample {
            name: name.into(),
            bytes: encode(value),
            again: Box::new(move |bytes| decode(bytes).map(|value| encode(&value))),
            older: BTreeMap::new(),
        });
    }

    #[allow(dead_code, reason = "not every room has had to change anything")]
    /// What the line of that name means in the book of an older version.
    pub(crate) fn meant<T>(&mut self, version: u8, name: &str, value: &T, form: &Form<T>) {
        let named = |sample: &&mut Sample| sample.name == name;
        let sample = self.0.iter_mut().find(named).unwrap();
        sample.older.insert(version, (form.encode)(value));
    }

    /// One value or more of every variant of an enum, named after the variant.
    pub(crate) fn all<T: 'static>(
        &mut self,
        (name, all): Variants<T>,
        values: &[T],
        form: &Form<T>,
    ) {
        let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
        for value in values {
            let name = name(value);
            let count = seen.entry(name).or_default();
            *count += 1;
            match *count {
                1 => self.put(name, value, form),
                more => self.put(&format!("{name}.{more}"), value, form),
            }
        }
        for name in all {
            assert!(seen.contains_key(name), "{name} has no sample: write one");
        }
    }

    /// Compares with the books of that name in `golden/1` to `golden/CURRENT`. With `GOLDEN=add`
    /// in the environment it first adds what the current one lacks, and changes nothing there.
    pub(crate) fn check(&self, golden: &Path, book: &str, current: u8) {
        if std::env::var("GOLDEN").is_ok_and(|word| word == "add") {
            self.add(&path(golden, current, book));
        }
        let mut wrong = Vec::new();
        for version in 1..=current {
            let path = path(golden, version, book);
            let lines = read(&path);
            wrong.extend(self.compare(&path, &lines, version, current));
        }
        assert!(
            wrong.is_empty(),
            "{} differences; see raft/model/golden/README.md:\n{}",
            wrong.len(),
            wrong.join("\n")
        );
    }

    fn compare(&self, path: &Path, lines: &Lines, version: u8, current: u8) -> Vec<String> {
        let current = version == current;
        let mut wrong = Vec::new();
        let path = path.display();
        for (name, bytes) in lines {
            let Some(sample) = self.0.iter().find(|sample| sample.name == *name) else {
                wrong.push(format!(
                    "{path}: {name} has no sample any more; it is read for ever"
                ));
                continue;
            };
            match (sample.again)(bytes) {
                Ok(again) if again == *sample.older.get(&version).unwrap_or(&sample.bytes) => {}
                Ok(_) => wrong.push(format!("{path}: {name} is read as something else")),
                Err(why) => wrong.push(format!("{path}: {name} cannot be read: {why}")),
            }
            if current && *bytes != sample.bytes {
                wrong.push(format!(
                    "{path}: {name} is written with other bytes now: make a new version\n  \
                     was {}\n  is  {}",
                    hex(bytes),
                    hex(&sample.bytes)
                ));
            }
        }
        let missing = self
            .0
            .iter()
            .filter(|sample| !lines.contains_key(&sample.name));
        if current {
            wrong.extend(missing.map(|sample| format!("{path}: {} is missing", sample.name)));
        }
        wrong
    }

    fn add(&self, path: &Path) {
        let known = read(path);
        let mut text = std::fs::read_to_string(path).unwrap_or_default();
        for sample in &self.0 {
            if !known.contains_key(&sample.name) {
                writeln!(text, "{} {}", sample.name, hex(&sample.bytes)).unwrap();
            }
        }
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
}

type Lines = BTreeMap<String, Vec<u8>>;

fn path(golden: &Path, version: u8, book: &str) -> PathBuf {
    golden.join(version.to_string()).join(format!("{book}.txt"))
}

/// The lines of a book; those that begin with `#` are for people.
fn read(path: &Path) -> Lines {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let parsed = lines.map(|line| {
        let (name, digits) = line.split_once(' ').unwrap();
        (name.to_owned(), unhex(digits))
    });
    let mut book = Lines::new();
    for (name, bytes) in parsed {
        let twice = book.insert(name.clone(), bytes);
        assert!(twice.is_none(), "{}: {name} is there twice", path.display());
    }
    book
}

/// Hexadecimal digits of bytes.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

pub(crate) fn unhex(digits: &str) -> Vec<u8> {
    let pairs = digits.as_bytes().chunks(2);
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    pairs.map(byte).collect()
}
