//! Which jobs are meant: `42`, `40-50`, `last`, `last:3`, `name:align*`, `tag:nightly`, `all`,
//! and `@-` for numbers on standard input.

use std::str::FromStr;

/// One word that names jobs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Selector {
    /// The jobs from the first number to the second, both included.
    Range(u64, u64),
    /// The newest so many jobs of the user, ended or not.
    Last(usize),
    /// Jobs that have not ended and whose name matches the pattern (`*` and `?`).
    Name(String),
    /// Jobs that have not ended and bear this tag.
    Tag(String),
    /// Every job of the user that has not ended.
    All,
    /// Numbers on standard input.
    Stdin,
}

impl Selector {
    /// Whether it names exactly one job, by number.
    pub fn one(&self) -> Option<u64> {
        match self {
            Selector::Range(first, last) if first == last => Some(*first),
            Selector::Range(..)
            | Selector::Last(_)
            | Selector::Name(_)
            | Selector::Tag(_)
            | Selector::All
            | Selector::Stdin => None,
        }
    }

    /// Whether the user named jobs by a rule whose reach they may not see.
    pub fn is_wide(&self) -> bool {
        match self {
            Selector::Name(_) | Selector::Tag(_) | Selector::All => true,
            Selector::Range(..) | Selector::Last(_) | Selector::Stdin => false,
        }
    }
}

impl FromStr for Selector {
    type Err = String;

    fn from_str(text: &str) -> Result<Selector, String> {
        let wrong = || {
            format!(
                "`{text}` names no jobs: write 42, 40-50, last, last:3, name:align*, tag:T, all"
            )
        };
        match text {
            "all" => return Ok(Selector::All),
            "last" => return Ok(Selector::Last(1)),
            "@-" => return Ok(Selector::Stdin),
            _ => {}
        }
        if let Some((kind, what)) = text.split_once(':') {
            return match (kind, what.is_empty()) {
                (_, true) => Err(wrong()),
                ("name", false) => Ok(Selector::Name(what.into())),
                ("tag", false) => Ok(Selector::Tag(what.into())),
                ("last", false) => match what.parse::<usize>() {
                    Ok(count) if count > 0 => Ok(Selector::Last(count)),
                    Ok(_) | Err(_) => Err(wrong()),
                },
                (_, false) => Err(wrong()),
            };
        }
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        match (number(first), number(last)) {
            (Some(first), Some(last)) if first <= last => Ok(Selector::Range(first, last)),
            (Some(_) | None, Some(_) | None) => Err(wrong()),
        }
    }
}

/// A job's number.
fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|number| digits && *number > 0)
}

/// The number of a job as a user writes it: `42`, or any of its tasks or attempts: `42_0#1`.
pub fn job_number(text: &str) -> Result<u64, String> {
    let job = text.split(['_', '#']).next().unwrap_or_default();
    number(job).ok_or_else(|| format!("`{text}` is not a job's number"))
}

/// One job: its number, or `last`.
pub fn one_job(text: &str) -> Result<Selector, String> {
    if text == "last" {
        return Ok(Selector::Last(1));
    }
    job_number(text).map(|number| Selector::Range(number, number))
}

/// Whether a name matches a pattern of `*` (anything) and `?` (one character).
pub fn matches(pattern: &str, name: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let name: Vec<char> = name.chars().collect();
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        if p < pattern.len() && pattern[p] == '*' {
            star = Some((p, n));
            p += 1;
        } else if p < pattern.len() && (pattern[p] == '?' || pattern[p] == name[n]) {
            p += 1;
            n += 1;
        } else if let Some((at, from)) = star {
            star = Some((at, from + 1));
            p = at + 1;
            n = from + 1;
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

/// The longest part of a pattern without wildcards: every matching name contains it.
pub fn literal(pattern: &str) -> &str {
    let parts = pattern.split(['*', '?']);
    parts.max_by_key(|part| part.len()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_names_what_it_says() {
        let cases = [
            ("42", Selector::Range(42, 42)),
            ("40-50", Selector::Range(40, 50)),
            ("last", Selector::Last(1)),
            ("last:3", Selector::Last(3)),
            ("name:align*", Selector::Name("align*".into())),
            ("tag:a:b", Selector::Tag("a:b".into())),
            ("all", Selector::All),
            ("@-", Selector::Stdin),
        ];
        for (text, expected) in cases {
            assert_eq!(text.parse(), Ok(expected), "{text}");
        }
        let wrong = [
            "",
            "0",
            "-1",
            "1-",
            "50-40",
            "1-2-3",
            "last:0",
            "last:x",
            "name:",
            "tag:",
            "x:1",
            "ALL",
            "+1",
            "99999999999999999999",
        ];
        for text in wrong {
            assert!(text.parse::<Selector>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_task_or_an_attempt_names_its_job() {
        for text in ["42", "42_0", "42_0#1"] {
            assert_eq!(job_number(text), Ok(42));
        }
        assert_eq!(one_job("last"), Ok(Selector::Last(1)));
        assert!(one_job("all").is_err());
    }

    #[test]
    fn patterns_match_whole_names() {
        let cases = [
            ("align*", "align-1", true),
            ("align*", "realign", false),
            ("*align", "realign", true),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("*", "", true),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("\u{e9}?", "\u{e9}\u{e9}", true),
        ];
        for (pattern, name, expected) in cases {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
            assert!(
                !expected || name.contains(literal(pattern)),
                "{pattern} {name}"
            );
        }
    }
}
