//! One point as a line of InfluxDB's line protocol.
//!
//! Source: "Line protocol" in the reference of InfluxDB. In names and values of tags a comma, an
//! equals sign and a space are escaped by a backslash; a backslash elsewhere stands for itself, but
//! for one at the end, which would escape what follows.

use std::fmt::Write;

/// A line in the making: tags, then at least one field, then the time.
pub(super) struct Line {
    text: String,
    fields: bool,
}

impl Line {
    /// A point of this series.
    pub(super) fn of(series: &'static str) -> Line {
        Line {
            text: series.to_owned(),
            fields: false,
        }
    }

    /// With a tag; an empty value is none.
    pub(super) fn tag(mut self, name: &'static str, value: &str) -> Line {
        debug_assert!(!self.fields, "tags come before fields");
        let value = value.trim_end_matches('\\');
        if value.is_empty() {
            return self;
        }
        self.text.push(',');
        self.text.push_str(name);
        self.text.push('=');
        for letter in value.chars() {
            match letter {
                ',' | '=' | ' ' => self.text.extend(['\\', letter]),
                letter if letter.is_control() => self.text.push('_'),
                letter => self.text.push(letter),
            }
        }
        self
    }

    /// With a number.
    pub(super) fn number(self, name: &'static str, value: f64) -> Line {
        self.field(name, format_args!("{value}"))
    }

    /// With a count.
    pub(super) fn count(self, name: &'static str, value: u64) -> Line {
        let value = i64::try_from(value).unwrap_or(i64::MAX);
        self.field(name, format_args!("{value}i"))
    }

    fn field(mut self, name: &'static str, value: std::fmt::Arguments<'_>) -> Line {
        let before = if self.fields { ',' } else { ' ' };
        self.fields = true;
        // Writing to a string does not fail.
        let _ = write!(self.text, "{before}{name}={value}");
        self
    }

    /// The whole line, of a point at this time.
    pub(super) fn at(mut self, nanos: u64) -> String {
        let _ = writeln!(self.text, " {nanos}");
        self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_separates_is_escaped_in_tags() {
        let cases = [
            ("alice", "alice"),
            ("a b", "a\\ b"),
            ("a,b=c", "a\\,b\\=c"),
            ("lab\\alice", "lab\\alice"),
            ("x\\\\", "x"),
            ("x\\ \\", "x\\\\ "),
            ("two\nlines\t.", "two_lines_."),
            ("ä\"'{}", "ä\"'{}"),
            ("docker.io/a/b:1@sha256:ff", "docker.io/a/b:1@sha256:ff"),
        ];
        for (value, expected) in cases {
            let line = Line::of("s").tag("t", value).count("n", 1).at(7);
            assert_eq!(line, format!("s,t={expected} n=1i 7\n"), "{value:?}");
        }
        for empty in ["", "\\"] {
            let line = Line::of("s").tag("t", empty).count("n", 1).at(7);
            assert_eq!(line, "s n=1i 7\n");
        }
    }

    #[test]
    fn counts_and_numbers_are_told_apart() {
        let line = Line::of("s").count("n", u64::MAX).number("x", 0.5);
        let line = line.number("y", 2.0).number("z", 1e9).at(1);
        let expected = "s n=9223372036854775807i,x=0.5,y=2,z=1000000000 1\n";
        assert_eq!(line, expected);
    }
}
