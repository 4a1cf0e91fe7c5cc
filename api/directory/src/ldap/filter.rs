//! Search filters of the settings, with places for who is asked about.
//!
//! A filter is read once, when the settings are (RFC 4515), into the tree that is sent. A login
//! is put into that tree as the bytes of one value, and never passes through the text of a filter:
//! no login can change what the filter asks.

mod parse;

use super::ber::{CONSTRUCTED, OCTETS, SEQUENCE, context, put};

pub(crate) use parse::{FilterError, is_attribute};

const AND: u8 = context(0) | CONSTRUCTED;
const OR: u8 = context(1) | CONSTRUCTED;
const NOT: u8 = context(2) | CONSTRUCTED;
const EQUAL: u8 = context(3) | CONSTRUCTED;
const SUBSTRINGS: u8 = context(4) | CONSTRUCTED;
const AT_LEAST: u8 = context(5) | CONSTRUCTED;
const AT_MOST: u8 = context(6) | CONSTRUCTED;
const PRESENT: u8 = context(7);
const ALIKE: u8 = context(8) | CONSTRUCTED;
const EXTENSIBLE: u8 = context(9) | CONSTRUCTED;

/// Who is asked about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    /// The login.
    pub(crate) login: &'a str,
    /// The name of the person's entry, once it is found.
    pub(crate) dn: &'a str,
}

/// A filter that was read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Filter {
    And(Vec<Filter>),
    Or(Vec<Filter>),
    Not(Box<Filter>),
    Present(String),
    /// One of `=`, `>=`, `<=`, `~=`.
    Compare {
        how: Compare,
        attribute: String,
        value: Value,
    },
    /// The parts between the asterisks; the first and the last may be empty, and then are not sent.
    Substrings {
        attribute: String,
        parts: Vec<Value>,
    },
    Extensible {
        attribute: String,
        rule: String,
        of_name: bool,
        value: Value,
    },
}

/// How a value is compared.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Compare {
    Equal,
    AtLeast,
    AtMost,
    Alike,
}

/// A value, in pieces.
pub(crate) type Value = Vec<Piece>;

/// A piece of a value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Piece {
    Bytes(Vec<u8>),
    Login,
    Dn,
}

impl Filter {
    /// Reads a filter.
    pub(crate) fn read(text: &str) -> Result<Filter, FilterError> {
        parse::parse(text)
    }

    /// Whether this piece is compared somewhere, and not only in what is denied.
    pub(crate) fn asks(&self, piece: &Piece) -> bool {
        match self {
            Filter::And(inner) | Filter::Or(inner) => inner.iter().any(|one| one.asks(piece)),
            Filter::Not(_) | Filter::Present(_) => false,
            Filter::Compare { value, .. } | Filter::Extensible { value, .. } => {
                value.contains(piece)
            }
            Filter::Substrings { parts, .. } => parts.iter().any(|part| part.contains(piece)),
        }
    }

    /// Whether this piece is anywhere.
    pub(crate) fn mentions(&self, piece: &Piece) -> bool {
        match self {
            Filter::And(inner) | Filter::Or(inner) => inner.iter().any(|one| one.mentions(piece)),
            Filter::Not(inner) => inner.mentions(piece),
            Filter::Present(_) => false,
            Filter::Compare { .. } | Filter::Substrings { .. } | Filter::Extensible { .. } => {
                self.asks(piece)
            }
        }
    }

    /// Appends the filter about this person. As deep as the settings are, which is bounded.
    pub(crate) fn encode(&self, asked: Asked<'_>, out: &mut Vec<u8>) {
        let mut inner = Vec::new();
        let tag = match self {
            Filter::And(filters) | Filter::Or(filters) => {
                for filter in filters {
                    filter.encode(asked, &mut inner);
                }
                let all = matches!(self, Filter::And(_));
                if all { AND } else { OR }
            }
            Filter::Not(filter) => {
                filter.encode(asked, &mut inner);
                NOT
            }
            Filter::Present(attribute) => {
                inner.extend_from_slice(attribute.as_bytes());
                PRESENT
            }
            Filter::Compare {
                how,
                attribute,
                value,
            } => {
                put(&mut inner, OCTETS, attribute.as_bytes());
                put(&mut inner, OCTETS, &bytes(value, asked));
                how.tag()
            }
            Filter::Substrings { attribute, parts } => {
                put(&mut inner, OCTETS, attribute.as_bytes());
                put(&mut inner, SEQUENCE, &substrings(parts, asked));
                SUBSTRINGS
            }
            Filter::Extensible {
                attribute,
                rule,
                of_name,
                value,
            } => {
                for (number, text) in [(1, rule), (2, attribute)] {
                    if !text.is_empty() {
                        put(&mut inner, context(number), text.as_bytes());
                    }
                }
                put(&mut inner, context(3), &bytes(value, asked));
                if *of_name {
                    put(&mut inner, context(4), &[0xff]);
                }
                EXTENSIBLE
            }
        };
        put(out, tag, &inner);
    }
}

impl Compare {
    fn tag(self) -> u8 {
        match self {
            Compare::Equal => EQUAL,
            Compare::AtLeast => AT_LEAST,
            Compare::AtMost => AT_MOST,
            Compare::Alike => ALIKE,
        }
    }
}

fn bytes(value: &[Piece], asked: Asked<'_>) -> Vec<u8> {
    let piece = |piece: &Piece| match piece {
        Piece::Bytes(bytes) => bytes.clone(),
        Piece::Login => asked.login.into(),
        Piece::Dn => asked.dn.into(),
    };
    value.iter().flat_map(piece).collect()
}

/// The parts of a value around asterisks, each told whether it is the first, the last, or between.
fn substrings(parts: &[Value], asked: Asked<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    for (at, part) in parts.iter().enumerate() {
        let place = match at {
            0 => 0,
            _ if at + 1 == parts.len() => 2,
            _ => 1,
        };
        if !part.is_empty() {
            put(&mut out, context(place), &bytes(part, asked));
        }
    }
    out
}

#[cfg(test)]
#[path = "filter/tests.rs"]
mod tests;
