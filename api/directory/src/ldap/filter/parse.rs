//! Reads the text of a filter (RFC 4515). Strict: what is not written as the RFC says is refused,
//! with the place, and a brace that is not `{login}` or `{dn}` too.

use super::{Compare, Filter, Piece, Value};
use crate::limits::FILTER_DEPTH_MAX;

/// What is wrong with a filter, and where.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("at character {at}: {why}")]
pub(crate) struct FilterError {
    at: usize,
    why: &'static str,
}

/// What may stand in for a piece of a value.
const PLACES: [(&str, Piece); 2] = [("{login}", Piece::Login), ("{dn}", Piece::Dn)];
/// How values are compared, the longer signs first.
const SIGNS: [(&str, Compare); 4] = [
    (">=", Compare::AtLeast),
    ("<=", Compare::AtMost),
    ("~=", Compare::Alike),
    ("=", Compare::Equal),
];

pub(super) fn parse(text: &str) -> Result<Filter, FilterError> {
    let mut parser = Parser { text, at: 0 };
    let filter = parser.filter(0)?;
    match parser.rest() {
        "" => Ok(filter),
        _ => Err(parser.wrong("something follows the filter")),
    }
}

/// Whether this names an attribute: a word or an object identifier, options after `;`.
pub(crate) fn is_attribute(text: &str) -> bool {
    let letter = |b: u8| b.is_ascii_alphanumeric() || b"-.;".contains(&b);
    let first = text
        .bytes()
        .next()
        .is_some_and(|b| b.is_ascii_alphanumeric());
    first && text.bytes().all(letter)
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Parser<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn wrong(&self, why: &'static str) -> FilterError {
        let at = self.text[..self.at].chars().count() + 1;
        FilterError { at, why }
    }

    fn take(&mut self, word: &str) -> bool {
        let there = self.rest().starts_with(word);
        self.at += if there { word.len() } else { 0 };
        there
    }

    fn need(&mut self, word: &str, why: &'static str) -> Result<(), FilterError> {
        if self.take(word) {
            Ok(())
        } else {
            Err(self.wrong(why))
        }
    }

    fn filter(&mut self, depth: usize) -> Result<Filter, FilterError> {
        if depth == FILTER_DEPTH_MAX {
            return Err(self.wrong("nested too deeply"));
        }
        self.need("(", "a filter begins with `(`")?;
        let filter = if self.take("&") {
            Filter::And(self.list(depth)?)
        } else if self.take("|") {
            Filter::Or(self.list(depth)?)
        } else if self.take("!") {
            Filter::Not(Box::new(self.filter(depth + 1)?))
        } else {
            self.item()?
        };
        self.need(")", "`)` is missing")?;
        Ok(filter)
    }

    fn list(&mut self, depth: usize) -> Result<Vec<Filter>, FilterError> {
        let mut list = vec![self.filter(depth + 1)?];
        while self.rest().starts_with('(') {
            list.push(self.filter(depth + 1)?);
        }
        Ok(list)
    }

    fn item(&mut self) -> Result<Filter, FilterError> {
        let end = self.rest().find([':', '=', '<', '>', '~', '(', ')']);
        let end = end.ok_or_else(|| self.wrong("`=` is missing"))?;
        let attribute = self.rest()[..end].to_owned();
        let extensible = self.rest()[end..].starts_with(':');
        if !(is_attribute(&attribute) || extensible && attribute.is_empty()) {
            return Err(self.wrong("no attribute has this name"));
        }
        self.at += end;
        if extensible {
            return self.extensible(attribute);
        }
        let sign = SIGNS.into_iter().find(|(sign, _)| self.take(sign));
        let (_, how) = sign.ok_or_else(|| self.wrong("write =, >=, <= or ~="))?;
        let mut parts = self.parts()?;
        match (how, parts.len()) {
            (_, 1) => Ok(Filter::Compare {
                how,
                attribute,
                value: parts.remove(0),
            }),
            (Compare::Equal, 2) if parts.iter().all(Vec::is_empty) => {
                Ok(Filter::Present(attribute))
            }
            (Compare::Equal, _) => self.substrings(attribute, parts),
            (Compare::AtLeast | Compare::AtMost | Compare::Alike, _) => {
                Err(self.wrong("an asterisk goes with `=` only; write it as \\2a"))
            }
        }
    }

    fn substrings(&self, attribute: String, parts: Vec<Value>) -> Result<Filter, FilterError> {
        let between = &parts[1..parts.len() - 1];
        if between.iter().any(Vec::is_empty) {
            return Err(self.wrong("two asterisks with nothing between"));
        }
        Ok(Filter::Substrings { attribute, parts })
    }

    /// `attribute:dn:rule:=value`; `dn` and either of the two others may be absent.
    fn extensible(&mut self, attribute: String) -> Result<Filter, FilterError> {
        let of_name = self.rest().starts_with(":dn:") && self.take(":dn");
        let mut rule = String::new();
        if !self.rest().starts_with(":=") {
            self.need(":", "`:=` is missing")?;
            let end = self.rest().find(":=");
            let end = end.ok_or_else(|| self.wrong("`:=` is missing"))?;
            rule = self.rest()[..end].to_owned();
            if !is_attribute(&rule) {
                return Err(self.wrong("no matching rule has this name"));
            }
            self.at += end;
        }
        self.need(":=", "`:=` is missing")?;
        if attribute.is_empty() && rule.is_empty() {
            return Err(self.wrong("neither an attribute nor a matching rule"));
        }
        let mut parts = self.parts()?;
        if parts.len() > 1 {
            return Err(self.wrong("an asterisk has no meaning here; write it as \\2a"));
        }
        let value = parts.remove(0);
        Ok(Filter::Extensible {
            attribute,
            rule,
            of_name,
            value,
        })
    }

    /// A value up to its `)`, split at asterisks.
    fn parts(&mut self) -> Result<Vec<Value>, FilterError> {
        let mut parts = vec![Value::new()];
        loop {
            let Some(letter) = self.rest().chars().next() else {
                return Err(self.wrong("`)` is missing"));
            };
            let piece = match letter {
                ')' => return Ok(parts),
                '(' => return Err(self.wrong("write a parenthesis as \\28 or \\29")),
                '*' => {
                    self.at += 1;
                    parts.push(Value::new());
                    continue;
                }
                '{' | '}' => {
                    let place = PLACES.into_iter().find(|(word, _)| self.take(word));
                    let why = "only {login} and {dn} are known; write a brace as \\7b or \\7d";
                    place.ok_or_else(|| self.wrong(why))?.1
                }
                '\\' => Piece::Bytes(vec![self.escaped()?]),
                plain => {
                    self.at += plain.len_utf8();
                    Piece::Bytes(plain.to_string().into_bytes())
                }
            };
            if let Some(part) = parts.last_mut() {
                append(part, piece);
            }
        }
    }

    fn escaped(&mut self) -> Result<u8, FilterError> {
        let digits = self.rest().get(1..3);
        let digits = digits.filter(|two| two.bytes().all(|b| b.is_ascii_hexdigit()));
        let byte = digits.and_then(|two| u8::from_str_radix(two, 16).ok());
        let byte = byte.ok_or_else(|| self.wrong("two hexadecimal digits follow a backslash"))?;
        self.at += 3;
        Ok(byte)
    }
}

/// Adds a piece; bytes join the bytes before them.
fn append(part: &mut Value, piece: Piece) {
    match (part.last_mut(), piece) {
        (Some(Piece::Bytes(before)), Piece::Bytes(more)) => before.extend(more),
        (_, piece) => part.push(piece),
    }
}
