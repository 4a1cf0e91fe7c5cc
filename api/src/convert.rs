//! Between what is kept and what users see, by hand, and only here.
//!
//! Nothing is decided here; requests that cannot be converted say which field and why.

pub(crate) mod account;
pub(crate) mod event;
pub(crate) mod job;
pub(crate) mod node;
pub(crate) mod policy;
pub(crate) mod project;
pub(crate) mod request;

use model::Timestamp;

use crate::problem::Refused;

/// RFC 3339 in UTC with milliseconds.
pub(crate) fn time(at: Timestamp) -> String {
    let millis = i64::try_from(at.0).unwrap_or(i64::MAX);
    let moment = jiff::Timestamp::from_millisecond(millis).unwrap_or(jiff::Timestamp::MAX);
    format!("{moment:.3}")
}

/// A moment that a user wrote.
pub(crate) fn parse_time(field: &str, text: &str) -> Result<Timestamp, Refused> {
    let moment = text.parse::<jiff::Timestamp>().ok();
    let millis = moment.and_then(|moment| u64::try_from(moment.as_millisecond()).ok());
    millis.map(Timestamp).ok_or_else(|| {
        let message = "is not a time like 2026-11-24T14:00:00Z, 1970 or later";
        Refused::invalid(
            field,
            message,
            "write it as RFC 3339; `+` is written `%2B` in a URL",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_in_utc_and_read_back() {
        let at = Timestamp(1_764_000_000_123);
        let text = time(at);
        assert_eq!(text, "2025-11-24T16:00:00.123Z");
        assert_eq!(parse_time("since", &text), Ok(at));
        assert_eq!(parse_time("since", "2025-11-24T17:00:00.123+01:00"), Ok(at));
        assert!(parse_time("since", "yesterday").is_err());
        assert!(parse_time("since", "1969-12-31T23:59:59Z").is_err());
        assert!(!time(Timestamp(u64::MAX)).is_empty());
    }
}
