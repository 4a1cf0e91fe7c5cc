//! Which bytes of a file a request wants (RFC 9110, sections 13 and 14): one range of bytes; what
//! asks for several gets the whole.

use axum::http::{HeaderMap, HeaderName, header};

/// Which bytes are sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Selected {
    /// All of them.
    Whole,
    /// So many from there on; at least one.
    Part {
        /// The first.
        offset: u64,
        /// How many.
        length: u64,
    },
    /// None: the range begins behind the end.
    Beyond,
    /// None: the client has this version already.
    Unchanged,
}

/// What the headers of a request select of a file with this length and tag.
pub(super) fn select(headers: &HeaderMap, length: u64, tag: &str) -> Selected {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let known = text(header::IF_NONE_MATCH);
    if known.is_some_and(|known| lists(known, tag)) {
        return Selected::Unchanged;
    }
    // A date is not compared: a file may change twice in its second.
    let same = text(header::IF_RANGE).is_none_or(|condition| condition.trim() == tag);
    match text(header::RANGE).filter(|_| same) {
        Some(range) => one(range, length).unwrap_or(Selected::Whole),
        None => Selected::Whole,
    }
}

fn lists(tags: &str, tag: &str) -> bool {
    let mut tags = tags.split(',').map(str::trim);
    tags.any(|one| one == "*" || one.strip_prefix("W/").unwrap_or(one) == tag)
}

/// One range; `None` for anything else.
fn one(range: &str, length: u64) -> Option<Selected> {
    let (unit, range) = range.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    let (first, last) = range.trim().split_once('-')?;
    let number = |digits: &str| {
        let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        // More digits than a number has mean a position behind any end.
        plain.then(|| digits.parse().unwrap_or(u64::MAX))
    };
    let (offset, end) = match (first, last) {
        ("", last) => (length.saturating_sub(number(last)?), length),
        (first, "") => (number(first)?, length),
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            if last < first {
                return None;
            }
            (first, last.saturating_add(1).min(length))
        }
    };
    if offset >= length || offset >= end {
        return Some(Selected::Beyond);
    }
    let length = end - offset;
    Some(Selected::Part { offset, length })
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn selected(headers: &[(HeaderName, &'static str)], length: u64) -> Selected {
        let headers = headers.iter().cloned();
        let headers = headers.map(|(name, value)| (name, HeaderValue::from_static(value)));
        select(&headers.collect(), length, "\"a\"")
    }

    #[test]
    fn a_range_selects_its_bytes() {
        let part = |offset, length| Selected::Part { offset, length };
        let cases = [
            ("bytes=0-", part(0, 10)),
            ("bytes=0-0", part(0, 1)),
            ("bytes=3-5", part(3, 3)),
            ("bytes=3-99", part(3, 7)),
            ("Bytes= 9-9 ", part(9, 1)),
            ("bytes=-4", part(6, 4)),
            ("bytes=-99", part(0, 10)),
            ("bytes=10-", Selected::Beyond),
            ("bytes=-0", Selected::Beyond),
            ("bytes=99999999999999999999999-", Selected::Beyond),
            ("bytes=5-3", Selected::Whole),
            ("bytes=1-2,4-5", Selected::Whole),
            ("bytes=-", Selected::Whole),
            ("bytes=+1-2", Selected::Whole),
            ("bytes=a-b", Selected::Whole),
            ("lines=1-2", Selected::Whole),
            ("bytes", Selected::Whole),
        ];
        for (range, expected) in cases {
            assert_eq!(selected(&[(header::RANGE, range)], 10), expected, "{range}");
        }
        assert_eq!(
            selected(&[(header::RANGE, "bytes=0-")], 0),
            Selected::Beyond
        );
    }

    #[test]
    fn a_part_is_only_sent_of_the_version_that_was_begun() {
        let range = (header::RANGE, "bytes=5-");
        let part = Selected::Part {
            offset: 5,
            length: 5,
        };
        let cases = [
            ("\"a\"", part),
            ("\"b\"", Selected::Whole),
            ("W/\"a\"", Selected::Whole),
            ("Thu, 26 Nov 2026 11:25:09 GMT", Selected::Whole),
        ];
        for (condition, expected) in cases {
            let headers = [range.clone(), (header::IF_RANGE, condition)];
            assert_eq!(selected(&headers, 10), expected, "{condition}");
        }
    }

    #[test]
    fn nothing_is_sent_of_a_version_that_the_client_has() {
        for known in ["\"a\"", "W/\"a\"", "\"b\", \"a\"", "*"] {
            let headers = [(header::IF_NONE_MATCH, known)];
            assert_eq!(selected(&headers, 10), Selected::Unchanged, "{known}");
        }
        let other = [(header::IF_NONE_MATCH, "\"b\"")];
        assert_eq!(selected(&other, 10), Selected::Whole);
    }
}
