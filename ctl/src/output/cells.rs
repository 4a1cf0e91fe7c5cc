//! How single values are written: lengths of time, sizes, processors, moments, states.

use api_types::job::JobState;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::View;

/// Text of others, safe for a terminal: control characters become spaces.
pub fn safe(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

/// A length of time: `05`, `03:10`, `1:02:11`, `1d02:03:04`.
pub fn length(seconds: u64) -> String {
    let (days, hours) = (seconds / 86_400, seconds / 3_600 % 24);
    let (minutes, seconds) = (seconds / 60 % 60, seconds % 60);
    match (days, hours) {
        (0, 0) => format!("{minutes:02}:{seconds:02}"),
        (0, _) => format!("{hours}:{minutes:02}:{seconds:02}"),
        (_, _) => format!("{days}d{hours:02}:{minutes:02}:{seconds:02}"),
    }
}

/// A size in binary units, as short as is still exact to a tenth: `8G`, `1.5G`, `512M`.
pub fn size(bytes: u64) -> String {
    let units = [(40, 'T'), (30, 'G'), (20, 'M'), (10, 'K')];
    for (shift, unit) in units {
        if bytes >= 1 << shift {
            let tenths = (u128::from(bytes) * 10) >> shift;
            return match tenths % 10 {
                0 => format!("{}{unit}", tenths / 10),
                part => format!("{}.{part}{unit}", tenths / 10),
            };
        }
    }
    bytes.to_string()
}

/// Processors without needless zeros: `2`, `0.5`.
pub fn cpus(count: f64) -> String {
    let text = format!("{count:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Hours to a hundredth without needless zeros: `100`, `12.25`.
pub fn hours(count: f64) -> String {
    let text = format!("{count:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A moment as it came from the server: relative for people, otherwise with its offset.
pub fn moment(text: &str, view: &View) -> String {
    let Ok(at) = text.parse::<Timestamp>() else {
        return safe(text);
    };
    if view.people && !view.utc {
        return relative(at, view.now);
    }
    absolute(at, view)
}

/// A moment to the second with its offset.
pub fn absolute(at: Timestamp, view: &View) -> String {
    let zone = if view.utc {
        TimeZone::UTC
    } else {
        TimeZone::system()
    };
    let zoned = at.to_zoned_datetime(zone);
    let format = if view.utc {
        "%Y-%m-%dT%H:%M:%SZ"
    } else {
        "%Y-%m-%dT%H:%M:%S%:z"
    };
    zoned.strftime(format).to_string()
}

/// The clock time of a moment, for time lines.
pub fn clock(text: &str, view: &View) -> String {
    let Ok(at) = text.parse::<Timestamp>() else {
        return safe(text);
    };
    absolute(at, view)
}

/// A moment seen from another: `3m ago`, `in 2d`.
pub fn relative(at: Timestamp, now: Timestamp) -> String {
    let seconds = now.duration_since(at).as_secs();
    let away = seconds.unsigned_abs();
    let text = match away {
        0..60 => format!("{away}s"),
        60..3_600 => format!("{}m", away / 60),
        3_600..86_400 => format!("{}h", away / 3_600),
        _ => format!("{}d", away / 86_400),
    };
    if seconds < 0 {
        format!("in {text}")
    } else {
        format!("{text} ago")
    }
}

/// Seconds from one moment to another, or to now; zero if they are the wrong way round.
pub fn between(from: &str, to: Option<&str>, now: Timestamp) -> Option<u64> {
    let from = from.parse::<Timestamp>().ok()?;
    let to = to.map_or(Some(now), |to| to.parse().ok())?;
    Some(u64::try_from(to.duration_since(from).as_secs()).unwrap_or(0))
}

/// A state's word in upper case, coloured by whether it is good.
pub fn state(state: JobState, more: &str, view: &View) -> String {
    let text = format!("{}{more}", state.word().to_uppercase());
    if !view.colour {
        return text;
    }
    let code = match state {
        JobState::Running | JobState::Starting => "32",
        JobState::Succeeded => "2",
        JobState::Pending | JobState::Stopping | JobState::Unknown => "33",
        JobState::Failed
        | JobState::TimedOut
        | JobState::OutOfMemory
        | JobState::ImageUnavailable
        | JobState::CannotStart
        | JobState::Infrastructure
        | JobState::NodeLost
        | JobState::OverQuota
        | JobState::OutputLimit
        | JobState::DiskLimit => "31",
        JobState::Cancelled => "35",
    };
    format!("\u{1b}[{code}m{text}\u{1b}[0m")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

    use super::*;

    #[test]
    fn lengths_sizes_and_shares_are_short() {
        let lengths = [0, 5, 190, 3_731, 93_784].map(length);
        assert_eq!(
            lengths,
            ["00:00", "00:05", "03:10", "1:02:11", "1d02:03:04"]
        );
        let sizes = [0, 1_023, 1_024, 1_536, 8 << 30, u64::MAX].map(size);
        assert_eq!(sizes, ["0", "1023", "1K", "1.5K", "8G", "16777215.9T"]);
        assert_eq!(
            [2.0, 0.5, 0.125, 10.0].map(cpus),
            ["2", "0.5", "0.125", "10"]
        );
        assert_eq!([0.0, 12.254, 100.0].map(hours), ["0", "12.25", "100"]);
    }

    #[test]
    fn moments_are_relative_for_people_only() {
        let now: Timestamp = "2026-11-25T12:00:00Z".parse().unwrap();
        let view = View {
            now,
            people: true,
            utc: false,
            colour: false,
        };
        let texts = [
            "2026-11-25T11:59:30Z",
            "2026-11-25T09:00:00Z",
            "2026-11-28T12:00:00Z",
        ];
        assert_eq!(
            texts.map(|text| moment(text, &view)),
            ["30s ago", "3h ago", "in 3d"]
        );
        let utc = View { utc: true, ..view };
        assert_eq!(
            moment("2026-11-25T09:00:00.123Z", &utc),
            "2026-11-25T09:00:00Z"
        );
        assert_eq!(moment("no time\u{7}", &view), "no time ");
    }

    #[test]
    fn clocks_that_disagree_give_no_negative_length() {
        let now: Timestamp = "2026-11-25T12:00:00Z".parse().unwrap();
        assert_eq!(between("2026-11-25T12:00:09Z", None, now), Some(0));
        assert_eq!(
            between("2026-11-25T11:00:00Z", Some("2026-11-25T11:00:05Z"), now),
            Some(5)
        );
        assert_eq!(between("?", None, now), None);
    }
}
