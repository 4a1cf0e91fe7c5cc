//! Words of the command line and what they mean: lengths of time, sizes, processors, moments.
//!
//! Pure: no clock, no files. Each function answers with the text of what is wrong, for clap.

pub mod change;
pub mod images;
pub mod selector;
pub mod verb;

use api_types::job::JobState;
use api_types::job_request::{SecretUse, VolumeUse};
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// Units of time and their length in milliseconds.
const TIME_UNITS: [(&str, u64); 16] = [
    ("ms", 1),
    ("s", 1_000),
    ("sec", 1_000),
    ("second", 1_000),
    ("seconds", 1_000),
    ("m", 60_000),
    ("min", 60_000),
    ("minute", 60_000),
    ("minutes", 60_000),
    ("h", 3_600_000),
    ("hour", 3_600_000),
    ("hours", 3_600_000),
    ("d", 86_400_000),
    ("day", 86_400_000),
    ("days", 86_400_000),
    ("w", 604_800_000),
];

/// A length of time in milliseconds: `90` (seconds), `1h30m`, `3h 2min`, `1.5h`, `2:30:00`,
/// `1d02:03:04`.
pub fn millis(text: &str) -> Result<u64, String> {
    let wrong = || format!("`{text}` is not a length of time: write 90, 30s, 1h30m or 2:30:00");
    let text = text.trim();
    if text.contains(':') {
        return clock(text).ok_or_else(wrong);
    }
    if let Some(seconds) = decimal(text) {
        return scaled(seconds, 1_000).ok_or_else(wrong);
    }
    let mut rest = text;
    let mut total: u64 = 0;
    if rest.is_empty() {
        return Err(wrong());
    }
    while !rest.is_empty() {
        let number_end = rest.find(|c: char| !c.is_ascii_digit() && c != '.');
        let (number, behind) = rest.split_at(number_end.ok_or_else(wrong)?);
        let behind = behind.trim_start();
        let unit_end = behind.find(|c: char| !c.is_ascii_alphabetic());
        let (unit, behind) = behind.split_at(unit_end.unwrap_or(behind.len()));
        let length = TIME_UNITS.iter().find(|(word, _)| *word == unit);
        let (_, length) = length.ok_or_else(wrong)?;
        let part = decimal(number).and_then(|number| scaled(number, *length));
        total = part
            .and_then(|part| total.checked_add(part))
            .ok_or_else(wrong)?;
        rest = behind.trim_start();
    }
    Ok(total)
}

/// A length of time in whole seconds, rounded up.
pub fn seconds(text: &str) -> Result<u64, String> {
    millis(text).map(|length| length.div_ceil(1_000))
}

/// A length of time in whole seconds that is not nothing.
pub fn positive_seconds(text: &str) -> Result<u64, String> {
    match seconds(text)? {
        0 => Err("must be more than 0; leave it out for no limit".into()),
        length => Ok(length),
    }
}

/// `[Dd]H:MM:SS` or `M:SS`, in milliseconds.
fn clock(text: &str) -> Option<u64> {
    let (days, rest) = match text.split_once(['d', '-']) {
        Some((days, rest)) => (days.parse::<u64>().ok()?, rest),
        None => (0, text),
    };
    let parts: Vec<u64> = rest
        .split(':')
        .map(|part| part.parse().ok())
        .collect::<Option<_>>()?;
    let (hours, minutes, seconds) = match parts[..] {
        [minutes, seconds] => (0, minutes, seconds),
        [hours, minutes, seconds] => (hours, minutes, seconds),
        _ => return None,
    };
    if seconds > 59 || (parts.len() == 3 && minutes > 59) {
        return None;
    }
    let hours = days.checked_mul(24)?.checked_add(hours)?;
    let minutes = hours.checked_mul(60)?.checked_add(minutes)?;
    minutes
        .checked_mul(60)?
        .checked_add(seconds)?
        .checked_mul(1_000)
}

/// A size in bytes. Units are binary: `8G`, `8GiB`, `8GB` and `8192M` are the same.
pub fn bytes(text: &str) -> Result<u64, String> {
    let wrong = || format!("`{text}` is not a size: write 512M, 8G or 1.5GiB (units of 1024)");
    let text = text.trim();
    let unit_at = text.find(|c: char| !c.is_ascii_digit() && c != '.');
    let (number, unit) = text.split_at(unit_at.unwrap_or(text.len()));
    let shift = match unit.trim_start().to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 10,
        "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        "t" | "tb" | "tib" => 40,
        _ => return Err(wrong()),
    };
    let size = decimal(number).and_then(|number| scaled(number, 1 << shift));
    size.ok_or_else(wrong)
}

/// Processors, in steps of a thousandth: `2`, `0.5`, `1500m`.
pub fn cpus(text: &str) -> Result<f64, String> {
    let wrong = || format!("`{text}` is not a number of processors: write 2, 0.5 or 500m");
    let thousandths = match text.trim().strip_suffix('m') {
        Some(number) => number.parse::<u32>().ok().map(u64::from),
        None => decimal(text.trim()).and_then(|number| scaled(number, 1_000)),
    };
    let thousandths = thousandths.and_then(|count| u32::try_from(count).ok());
    match thousandths {
        Some(count) if count > 0 => Ok(f64::from(count) / 1_000.0),
        Some(_) | None => Err(wrong()),
    }
}

/// A decimal number without sign, as its digits and how many of them are behind the point.
fn decimal(text: &str) -> Option<(u64, u32)> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let all_digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if !all_digits(whole) || !all_digits(part) || whole.is_empty() || part.len() > 9 {
        return None;
    }
    if text.ends_with('.') {
        return None;
    }
    let digits = format!("{whole}{part}").parse().ok()?;
    Some((digits, u32::try_from(part.len()).ok()?))
}

/// A decimal number times a unit; `None` when it is too large or not a whole number of parts.
fn scaled((digits, places): (u64, u32), unit: u64) -> Option<u64> {
    let product = u128::from(digits) * u128::from(unit);
    u64::try_from(product / 10_u128.pow(places)).ok()
}

/// A moment: `-6h` or `6h` (before now), a date, a date with a time, or RFC 3339.
pub fn moment(text: &str, now: Timestamp, zone: &TimeZone) -> Result<Timestamp, String> {
    let wrong =
        || format!("`{text}` is not a time: write -6h, 2026-11-01, 2026-11-01T12:00 or RFC 3339");
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(at);
    }
    if let Ok(length) = millis(text.strip_prefix('-').unwrap_or(text)) {
        let length = SignedDuration::from_millis(i64::try_from(length).map_err(|_| wrong())?);
        return now.checked_sub(length).map_err(|_| wrong());
    }
    let civil = text
        .parse::<DateTime>()
        .or_else(|_| text.parse::<Date>().map(DateTime::from));
    let zoned = civil.and_then(|civil| civil.to_zoned_datetime(zone.clone()));
    zoned.map(|zoned| zoned.timestamp()).map_err(|_| wrong())
}

/// A volume to mount: `NAME`, or a directory in it: `NAME/SUB/PATH`; `:ro` behind it to only read.
pub fn volume(text: &str) -> Result<VolumeUse, String> {
    let (what, mode) = text.split_once(':').unwrap_or((text, ""));
    let (name, sub_path) = what.split_once('/').unwrap_or((what, ""));
    let read_only = mode == "ro";
    if name.is_empty() || text.ends_with(':') {
        return Err(format!(
            "`{text}` is not a volume: write NAME or NAME:ro, NAME/SUB/PATH for a directory in it \
             (goctl volumes)"
        ));
    }
    let plain = |part: &str| !part.is_empty() && part != "." && part != "..";
    if what.contains('/') && !sub_path.split('/').all(plain) {
        return Err(format!(
            "`{sub_path}` is not a directory in volume {name}: write {name}/SUB/PATH, without \
             `.`, `..` and needless slashes"
        ));
    }
    if !read_only && !mode.is_empty() {
        return Err(format!(
            "`:{mode}` is not known: write {what}, or {what}:ro to only read"
        ));
    }
    Ok(VolumeUse {
        name: name.into(),
        read_only,
        sub_path: sub_path.into(),
    })
}

/// `NAME` or `NAME=FILE`.
pub fn secret(text: &str) -> Result<SecretUse, String> {
    let (name, file) = text.split_once('=').unwrap_or((text, ""));
    let plain = |word: &str| !word.is_empty() && !word.contains(['/', ' ']);
    if !plain(name) || (text.contains('=') && !plain(file)) {
        return Err(format!(
            "`{text}` is not a secret: write NAME, or NAME=FILE for another name of the file in \
             /run/secrets (goctl secret ls)"
        ));
    }
    Ok(SecretUse {
        name: name.into(),
        file: file.into(),
    })
}

/// `yes` or `no`.
pub fn yes_no(word: &str) -> Result<bool, String> {
    match word {
        "yes" => Ok(true),
        "no" => Ok(false),
        word => Err(format!("`{word}` is neither yes nor no")),
    }
}

/// The state of a job, by its word.
pub fn state(word: &str) -> Result<JobState, String> {
    JobState::from_word(&word.to_ascii_lowercase().replace('-', "_")).ok_or_else(|| {
        let known: Vec<&str> = JobState::ALL.into_iter().map(JobState::word).collect();
        format!(
            "`{word}` is no state of a job; states: {}",
            known.join(", ")
        )
    })
}

/// The address of a head.
pub fn head_url(text: &str) -> Result<String, String> {
    let url = text.strip_suffix('/').unwrap_or(text);
    match crate::client::tls::check_url(url) {
        Ok(()) => Ok(url.to_owned()),
        Err(failure) => Err(match failure.hint {
            Some(hint) => format!("{}: {hint}", failure.message),
            None => failure.message,
        }),
    }
}

/// SHA-256 of a certificate, as 64 hexadecimal digits.
pub fn fingerprint(text: &str) -> Result<String, String> {
    let plain = text.trim().to_ascii_lowercase();
    let plain = plain
        .strip_prefix("sha256:")
        .unwrap_or(&plain)
        .replace(':', "");
    if plain.len() == 64 && plain.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Ok(plain);
    }
    Err("a SHA-256 has 64 hexadecimal digits, as `goagent init` said it".into())
}

/// `NAME=VALUE`, or `NAME` alone.
pub fn assignment(text: &str) -> Result<(String, Option<String>), String> {
    let (name, value) = match text.split_once('=') {
        Some((name, value)) => (name, Some(value.to_owned())),
        None => (text, None),
    };
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    if name.is_empty() || name.as_bytes()[0].is_ascii_digit() || !name.bytes().all(word) {
        return Err(format!(
            "`{name}` is not a variable's name: write NAME=VALUE"
        ));
    }
    Ok((name.to_owned(), value))
}

#[cfg(test)]
mod tests;
