//! Paths as users write them, checked as text; nothing is looked up here.

use crate::error::{BeneathError, NameFault};
use crate::limits::{PART_BYTES_MAX, PARTS_MAX, PATH_BYTES_MAX, TOLD_BYTES_MAX};

/// A path with at most [`PARTS_MAX`] parts, of which none is empty, `.` or `..`. No text at all is
/// the directory itself. Any other byte than 0 may be in it, as in the kernel's own names.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Relative<'a>(&'a [u8]);

impl<'a> Relative<'a> {
    /// The directory itself.
    pub(crate) const TOP: Relative<'static> = Relative(b"");

    /// Checks a text.
    pub(crate) fn parse(text: &'a [u8]) -> Result<Relative<'a>, BeneathError> {
        let refused = |why| BeneathError::Name {
            path: told(text),
            why,
        };
        check(text).map_err(refused)?;
        Ok(Relative(text))
    }

    /// As it was written.
    pub(crate) fn bytes(self) -> &'a [u8] {
        self.0
    }

    /// What the kernel is asked for.
    pub(crate) fn lookup(self) -> &'a [u8] {
        if self.0.is_empty() { b"." } else { self.0 }
    }

    /// The parts, from the top.
    pub(crate) fn parts(self) -> impl Iterator<Item = &'a [u8]> {
        let parts = self.0.split(|byte| *byte == b'/');
        parts.filter(|part| !part.is_empty())
    }

    /// The way there: each directory on it, and the path itself at the end.
    pub(crate) fn way(self) -> impl Iterator<Item = Relative<'a>> {
        let slashes = self.0.iter().enumerate();
        let ends = slashes.filter(|(_, byte)| **byte == b'/');
        let ends = ends.map(|(at, _)| at).chain([self.0.len()]);
        ends.map(move |end| Relative(&self.0[..end]))
    }

    /// The directory that holds it, and its name there.
    pub(crate) fn split(self) -> Result<(Relative<'a>, &'a [u8]), BeneathError> {
        let slash = self.0.iter().rposition(|byte| *byte == b'/');
        match slash {
            Some(at) => Ok((Relative(&self.0[..at]), &self.0[at + 1..])),
            None if self.0.is_empty() => Err(BeneathError::Name {
                path: String::new(),
                why: NameFault::Top,
            }),
            None => Ok((Relative::TOP, self.0)),
        }
    }

    /// For an error.
    pub(crate) fn told(self) -> String {
        told(self.lookup())
    }
}

fn check(text: &[u8]) -> Result<(), NameFault> {
    if text.contains(&0) {
        return Err(NameFault::Nul);
    }
    if text.len() > PATH_BYTES_MAX {
        return Err(NameFault::TooLong);
    }
    if text.is_empty() {
        return Ok(());
    }
    if text[0] == b'/' {
        return Err(NameFault::Absolute);
    }
    let mut parts = 0;
    for part in text.split(|byte| *byte == b'/') {
        match part {
            b"" => return Err(NameFault::EmptyPart),
            b"." => return Err(NameFault::Dot),
            b".." => return Err(NameFault::DotDot),
            long if long.len() > PART_BYTES_MAX => return Err(NameFault::PartTooLong),
            _ => parts += 1,
        }
    }
    if parts > PARTS_MAX {
        return Err(NameFault::TooDeep);
    }
    Ok(())
}

/// A name as people can read it, in one line: a byte that is not UTF-8, a control character and
/// the backslash itself are written as `\xNN`. Two names never look the same.
pub fn shown(name: &[u8]) -> String {
    let mut text = String::with_capacity(name.len());
    for chunk in name.utf8_chunks() {
        for letter in chunk.valid().chars() {
            if letter.is_control() || letter == '\\' || is_mark(letter) {
                let mut bytes = [0; 4];
                escape(&mut text, letter.encode_utf8(&mut bytes).as_bytes());
            } else {
                text.push(letter);
            }
        }
        escape(&mut text, chunk.invalid());
    }
    text
}

/// The name that is [`shown`] so; `None` if none is: a backslash begins `\\xNN`, with small digits.
pub fn unshown(text: &str) -> Option<Vec<u8>> {
    let mut name = Vec::with_capacity(text.len());
    let mut pieces = text.split('\\');
    name.extend_from_slice(pieces.next()?.as_bytes());
    for piece in pieces {
        let code = piece.strip_prefix('x')?.as_bytes();
        let (digits, rest) = code.split_first_chunk::<2>()?;
        name.push(digit(digits[0])? << 4 | digit(digits[1])?);
        name.extend_from_slice(rest);
    }
    Some(name)
}

fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    }
}

/// Characters that no one sees and that turn or break the text around them.
fn is_mark(letter: char) -> bool {
    let turns = matches!(letter, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}');
    turns || matches!(letter, '\u{2060}'..='\u{206f}' | '\u{feff}')
}

fn escape(text: &mut String, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for byte in bytes {
        text.push_str("\\x");
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
}

/// As [`shown`], but no longer than an error should be.
pub(crate) fn told(name: &[u8]) -> String {
    match name.get(..TOLD_BYTES_MAX) {
        Some(begin) if name.len() > TOLD_BYTES_MAX => format!("{}…", shown(begin)),
        Some(_) | None => shown(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_refused_for_what_is_wrong_with_it() {
        let long = vec![b'a'; PART_BYTES_MAX + 1];
        let longer = [b'a'; PATH_BYTES_MAX + 1];
        let deep = vec!["a"; PARTS_MAX + 1].join("/");
        let cases: [(&[u8], NameFault); 14] = [
            (b"/", NameFault::Absolute),
            (b"/etc", NameFault::Absolute),
            (b"//a", NameFault::Absolute),
            (b"a//b", NameFault::EmptyPart),
            (b"a/", NameFault::EmptyPart),
            (b".", NameFault::Dot),
            (b"a/.", NameFault::Dot),
            (b"./a", NameFault::Dot),
            (b"..", NameFault::DotDot),
            (b"a/../b", NameFault::DotDot),
            (b"a\0b", NameFault::Nul),
            (&long, NameFault::PartTooLong),
            (&longer, NameFault::TooLong),
            (deep.as_bytes(), NameFault::TooDeep),
        ];
        for (text, fault) in cases {
            assert_eq!(check(text), Err(fault), "{}", told(text));
        }
    }

    #[test]
    fn what_only_looks_odd_is_a_name() {
        for text in [
            "", "a", "...", "..a", "a..", ".a", "a b", "a\nb", "~", "$HOME", "%2e%2e",
        ] {
            assert_eq!(check(text.as_bytes()), Ok(()), "{text}");
        }
    }

    #[test]
    fn a_path_is_taken_apart() {
        let path = Relative::parse(b"a/bc/d").unwrap();
        let way: Vec<&[u8]> = path.way().map(Relative::bytes).collect();
        assert_eq!(way, [&b"a"[..], b"a/bc", b"a/bc/d"]);
        let (parent, name) = path.split().unwrap();
        assert_eq!((parent.bytes(), name), (&b"a/bc"[..], &b"d"[..]));
        assert_eq!(Relative::TOP.lookup(), b".");
        assert!(Relative::TOP.split().is_err());
    }

    #[test]
    fn no_two_names_look_the_same() {
        assert_eq!(shown("grüße 日本".as_bytes()), "grüße 日本");
        assert_eq!(shown(b"a\xff\n"), "a\\xff\\x0a");
        assert_eq!(shown(b"a\\xff"), "a\\x5cxff");
        assert_eq!(shown("a\u{202e}b".as_bytes()), "a\\xe2\\x80\\xaeb");
    }

    #[test]
    fn what_is_shown_leads_back_to_the_name() {
        let every_byte: Vec<u8> = (0..=255).collect();
        let names: [&[u8]; 4] = [b"", b"a\\x41", "gr\u{202e}\u{fc}n".as_bytes(), &every_byte];
        for name in names {
            assert_eq!(unshown(&shown(name)).as_deref(), Some(name));
        }
        for no_name in ["\\", "a\\", "\\x", "\\x4", "\\xG0", "\\xAB", "\\n"] {
            assert_eq!(unshown(no_name), None, "{no_name}");
        }
    }
}
